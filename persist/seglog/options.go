package seglog

import "github.com/holdfast-mqtt/holdfast/persist"

// Options say how a log is opened.
type Options struct {
	// UUID is the store's identity. A segment of another store is never opened.
	UUID [16]byte
	// SegmentSize is the capacity of a segment in bytes; 0 means 64 MiB. It is rounded up to 4 KiB. A group that is
	// larger gets a segment that fits.
	SegmentSize int64
	// Incarnation counts the starts of the store; every group carries it.
	Incarnation uint64
	// Replay is the checkpoint's position: what lies before is covered by the checkpoint, so a segment missing there is
	// no damage. 0 is no checkpoint.
	Replay persist.Position
	// Index says whether a record is indexed: under which key, and when it expires (0 never). It must depend on
	// nothing but its arguments. Nil: nothing is indexed.
	Index func(pos persist.Position, typ byte, body []byte) (key uint64, expires int64, ok bool)
	// Refuse makes Open and Scan return the first damage as an error instead of going on around it.
	Refuse bool
}

// SegmentInfo is one segment of the log.
type SegmentInfo struct {
	// Base is the segment's first position and its name; End is behind its last used one (an upper bound while a
	// segment that was sealed before the start has no index).
	Base, End persist.Position
	// FileBytes the segment occupies, its index not counted.
	FileBytes int64
	// Sealed: nothing more is written to it.
	Sealed bool
	// Compacted: only the records that were alive at its last Compact are left.
	Compacted bool
	// Indexed: there is an index file.
	Indexed bool
	// Entries in the index, and MaxExpires, the latest expiry among them: 0 if one never expires. Both only if Indexed.
	Entries    int
	MaxExpires int64
}
