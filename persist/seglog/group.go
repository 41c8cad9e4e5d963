package seglog

import (
	"encoding/binary"

	"github.com/holdfast-mqtt/holdfast/persist"
)

const (
	// groupHeader is the size of a group's header, groupAlign what its start is aligned to.
	groupHeader = 48
	groupAlign  = 16
	// recordHeader is the size of a record's header.
	recordHeader = 9
	// MaxGroup is the largest group that Commit takes, in bytes.
	MaxGroup = 1 << 30
)

// Group is a group of records being gathered for one Commit. Its zero value is empty and ready. It is reused after
// Reset, and not safe for concurrent use.
//
// A record, with positions in place of offsets once it is committed:
//
//	u32 checksum | u32 length of the body | u8 type | body
//
// The checksum is the CRC-32C of length, type and body, mixed with the store's identity and the record's position, so
// that stale, misplaced or forged bytes are never taken for a record. The mixing is done by Commit.
type Group struct {
	buf     []byte
	start   int
	records int
}

// Reset empties the group and keeps its memory.
func (g *Group) Reset() {
	g.buf, g.start, g.records = g.buf[:0], 0, 0
}

// Begin starts a record and returns the buffer to append its body to. A record that is begun and not ended does not
// exist.
func (g *Group) Begin(typ byte) []byte {
	if len(g.buf) == 0 {
		g.buf = append(g.buf, make([]byte, groupHeader)...)
	}
	g.start = len(g.buf)
	return append(g.buf, 0, 0, 0, 0, 0, 0, 0, 0, typ)
}

// End finishes the record that Begin started, with the buffer as the body left it, and returns the record's offset
// from the group's start: its position is that of the group plus the offset.
func (g *Group) End(buf []byte) (offset int) {
	record := buf[g.start:]
	binary.LittleEndian.PutUint32(record[4:], uint32(len(record)-recordHeader))
	binary.LittleEndian.PutUint32(record, checksum(record[4:]))
	g.buf = buf
	g.records++
	return g.start
}

// Len is the size the group has now; 0 when it is empty.
func (g *Group) Len() int { return len(g.buf) }

// Records is the number of records in the group.
func (g *Group) Records() int { return g.records }

// Bytes returns the group as it stands in the log. It is complete after Commit, and valid until Reset.
func (g *Group) Bytes() []byte { return g.buf }

// Record returns the record at offset of a committed group's bytes, and the offset of the next; its checksum is not
// verified. ok is false at the group's end.
func Record(group []byte, offset int) (typ byte, body []byte, next int, ok bool) {
	end := groupEnd(group)
	if offset < groupHeader || offset+recordHeader > end {
		return 0, nil, 0, false
	}
	n := int(binary.LittleEndian.Uint32(group[offset+4:]))
	if n < 0 || n > end-offset-recordHeader {
		return 0, nil, 0, false
	}
	body = group[offset+recordHeader : offset+recordHeader+n : offset+recordHeader+n]
	return group[offset+8], body, offset + recordHeader + n, true
}

// FirstRecord is the offset of the first record of every group.
const FirstRecord = groupHeader

// groupEnd is where the records of a group's bytes end; the padding behind does not count.
func groupEnd(group []byte) int {
	if len(group) < groupHeader {
		return 0
	}
	return min(groupHeader+int(binary.LittleEndian.Uint32(group[4:])), len(group))
}

// seal completes the group for its place in the log: mixes the checksums, writes the header, pads.
func (g *Group) seal(id identity, h groupInfo) (sum uint32) {
	records := g.buf[groupHeader:]
	id.remask(records, h.position+groupHeader)
	h.length = uint32(len(records))
	h.payload = checksum(records)
	h.records = uint32(g.records)
	sum = h.encode(g.buf[:groupHeader], id)
	for len(g.buf)%groupAlign != 0 {
		g.buf = append(g.buf, 0)
	}
	return sum
}

// unseal undoes seal, so that the group can be sealed for another place.
func (g *Group) unseal(id identity, pos persist.Position) {
	g.buf = g.buf[:groupEnd(g.buf)]
	id.remask(g.buf[groupHeader:], pos+groupHeader)
}
