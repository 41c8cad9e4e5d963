package seglog

import (
	"encoding/binary"
	"fmt"

	"github.com/holdfast-mqtt/holdfast/persist"
)

const (
	// formatVersion is the version of everything the log writes.
	formatVersion = 1

	segmentMagic   = 0x53444648 // "HFDS"
	compactMagic   = 0x43444648 // "HFDC"
	indexMagic     = 0x49444648 // "HFDI"
	segmentHeader  = 64
	compactHeader  = 96
	indexHeader    = 80
	distanceNone   = 1<<32 - 1
	firstBase      = 4096
	segmentAlign   = 4096
	defaultSegment = 64 << 20
)

// link is the last group before some place in the log: what the group behind must follow. The zero link says that
// nothing is known.
type link struct {
	// number and sum of the group; number 0 before the first group.
	number uint64
	sum    uint32
	// end is behind the group.
	end   persist.Position
	known bool
}

// distance is how far before pos the linked group ends, in units of groupAlign.
func (k link) distance(pos persist.Position) uint32 {
	if !k.known || k.end == 0 || uint64(pos-k.end)/groupAlign >= distanceNone {
		return distanceNone
	}
	return uint32((pos - k.end) / groupAlign)
}

// before undoes distance: where the group before pos ends, 0 for "there is none".
func before(pos persist.Position, distance uint32) persist.Position {
	if distance == distanceNone || persist.Position(distance)*groupAlign > pos {
		return 0
	}
	return pos - persist.Position(distance)*groupAlign
}

// groupInfo is a group's header:
//
//	 0 u32 checksum of the rest, mixed with store and position
//	 4 u32 length of the records
//	 8 u32 checksum of the records
//	12 u32 number of records
//	16 u64 position
//	24 u64 number
//	32 u64 incarnation
//	40 u32 checksum of the header of the group before
//	44 u32 distance to the end of the group before, in 16 bytes
type groupInfo struct {
	position    persist.Position
	length      uint32
	payload     uint32
	records     uint32
	number      uint64
	incarnation uint64
	previous    uint32
	distance    uint32
}

func (h groupInfo) encode(b []byte, id identity) (sum uint32) {
	le := binary.LittleEndian
	le.PutUint32(b[4:], h.length)
	le.PutUint32(b[8:], h.payload)
	le.PutUint32(b[12:], h.records)
	le.PutUint64(b[16:], uint64(h.position))
	le.PutUint64(b[24:], h.number)
	le.PutUint64(b[32:], h.incarnation)
	le.PutUint32(b[40:], h.previous)
	le.PutUint32(b[44:], h.distance)
	sum = checksum(b[4:groupHeader]) ^ ^id.mask(h.position)
	le.PutUint32(b, sum)
	return sum
}

// decodeGroup reads the header of a group that should be at pos.
func decodeGroup(b []byte, pos persist.Position, id identity) (h groupInfo, sum uint32, ok bool) {
	le := binary.LittleEndian
	if len(b) < groupHeader || le.Uint64(b[16:]) != uint64(pos) {
		return h, 0, false
	}
	sum = le.Uint32(b)
	if sum != checksum(b[4:groupHeader])^^id.mask(pos) {
		return h, 0, false
	}
	return groupInfo{
		position: pos, length: le.Uint32(b[4:]), payload: le.Uint32(b[8:]), records: le.Uint32(b[12:]),
		number: le.Uint64(b[24:]), incarnation: le.Uint64(b[32:]), previous: le.Uint32(b[40:]), distance: le.Uint32(b[44:]),
	}, sum, true
}

// size is what the group occupies.
func (h groupInfo) size() int64 { return aligned(groupHeader+int64(h.length), groupAlign) }

// link is what the group behind this one must follow.
func (h groupInfo) link(sum uint32) link {
	return link{number: h.number, sum: sum, end: h.position + persist.Position(h.size()), known: true}
}

// aligned rounds n up.
func aligned(n, to int64) int64 { return (n + to - 1) / to * to }

// segmentInfo is a segment's header:
//
//	 0 u32 magic
//	 4 u16 format version
//	 6 u16 0
//	 8     uuid
//	24 u64 base
//	32 u64 capacity
//	40 u64 number of its first group; 0 when it was not known yet
//	48 u32 checksum of the header of the group before
//	52 u32 distance from the header's end to the end of the group before, in 16 bytes
//	56 u32 0
//	60 u32 checksum
type segmentInfo struct {
	base     persist.Position
	capacity int64
	// first is the link to the group before; not known in a segment that was made ahead of need.
	first link
}

func (h segmentInfo) encode(uuid [16]byte) []byte {
	b := make([]byte, segmentHeader)
	putPreamble(b, segmentMagic, uuid, h.base)
	le := binary.LittleEndian
	le.PutUint64(b[32:], uint64(h.capacity))
	if h.first.known {
		le.PutUint64(b[40:], h.first.number+1)
		le.PutUint32(b[48:], h.first.sum)
	}
	le.PutUint32(b[52:], h.first.distance(h.base+segmentHeader))
	le.PutUint32(b[60:], checksum(b[:60]))
	return b
}

// decodeSegment reads a segment's header. ok is false if it is damaged or was never written.
func decodeSegment(b []byte, uuid [16]byte, base persist.Position) (h segmentInfo, ok bool, err error) {
	le := binary.LittleEndian
	if len(b) < segmentHeader || le.Uint32(b) != segmentMagic || le.Uint32(b[60:]) != checksum(b[:60]) {
		return h, false, nil
	}
	if err := checkPreamble(b, uuid); err != nil {
		return h, false, err
	}
	h = segmentInfo{base: base, capacity: int64(le.Uint64(b[32:]))}
	if number := le.Uint64(b[40:]); number != 0 {
		h.first = link{number: number - 1, sum: le.Uint32(b[48:]), end: before(base+segmentHeader, le.Uint32(b[52:])), known: true}
	}
	ok = le.Uint64(b[24:]) == uint64(base) && h.capacity >= segmentHeader && h.capacity%segmentAlign == 0
	return h, ok, nil
}

// putPreamble writes what all files of the log start with: magic, format version, uuid and base.
func putPreamble(b []byte, magic uint32, uuid [16]byte, base persist.Position) {
	binary.LittleEndian.PutUint32(b, magic)
	binary.LittleEndian.PutUint16(b[4:], formatVersion)
	copy(b[8:], uuid[:])
	binary.LittleEndian.PutUint64(b[24:], uint64(base))
}

// checkPreamble tells whether a file that is intact is one this log can read.
func checkPreamble(b []byte, uuid [16]byte) error {
	if version := binary.LittleEndian.Uint16(b[4:]); version != formatVersion {
		return fmt.Errorf("%w: version %d, this program reads version %d", ErrNewer, version, formatVersion)
	}
	if [16]byte(b[8:24]) != uuid {
		return fmt.Errorf("%w: uuid %x, this store is %x", ErrForeign, b[8:24], uuid)
	}
	return nil
}
