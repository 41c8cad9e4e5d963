package seglog

import (
	"github.com/holdfast-mqtt/holdfast/persist"
)

// searchWork bounds the bytes that are summed up while searching for records in damaged bytes, as a multiple of their
// number. Without it, bytes that look like lengths could make the search quadratic.
const searchWork = 64

// salvage finds the records that are intact in a damaged piece.
type salvage struct {
	id identity
	// region are the bytes of the piece, starting at pos; the records end at end, or anywhere from least on.
	region     []byte
	pos        persist.Position
	least, end int
	work       int
}

// newSalvage prepares for a piece of a segment.
func newSalvage(id identity, p piece, base persist.Position) *salvage {
	s := &salvage{id: id, region: p.bytes, pos: base + persist.Position(p.off), end: len(p.bytes)}
	// Without a header only the zeros at the end tell that nothing more follows.
	s.least = trimZeros(p.bytes)
	if p.found {
		s.end = groupHeader + int(p.header.length)
		s.least = s.end
	}
	s.work = searchWork * len(s.region)
	return s
}

// run calls found with each intact record and lost with each range of offsets in the region that is none, in order.
func (s *salvage) run(headerGood bool, found func(offset int, typ byte, body []byte) error, lost func(from, to int)) error {
	bad := -1
	if !headerGood {
		bad = 0
	}
	off := groupHeader
	for !s.finished(off) {
		typ, body, ok := s.record(off)
		if !ok {
			if bad < 0 {
				bad = off
			}
			off = s.next(off)
			continue
		}
		if bad >= 0 {
			lost(bad, off)
			bad = -1
		}
		if err := found(off, typ, body); err != nil {
			return err
		}
		off += recordHeader + len(body)
	}
	if bad >= 0 {
		lost(bad, min(max(off, groupHeader), len(s.region)))
	}
	return nil
}

// record verifies the record at off.
func (s *salvage) record(off int) (typ byte, body []byte, ok bool) {
	return s.id.record(s.region[off:s.end], s.pos+persist.Position(off))
}

// finished tells whether no record can be at off any more.
func (s *salvage) finished(off int) bool { return off >= s.least }

// next finds the next record behind the damaged one at off. Most damage leaves the length intact, which leads there at
// once. Otherwise every offset is tried; a hit must be followed by another record or the end, so that no chance match
// is taken for a record.
func (s *salvage) next(off int) int {
	if off+recordHeader <= s.end {
		if size := recordSize(s.region[off:]); size <= int64(s.end-off) && s.follows(off+int(size)) {
			return off + int(size)
		}
	}
	for at := off + 1; at < s.least && at+recordHeader <= s.end && s.work > 0; at++ {
		size := recordSize(s.region[at:])
		if size > int64(s.end-at) {
			continue
		}
		s.work -= int(size)
		if _, _, ok := s.record(at); ok && s.follows(at+int(size)) {
			return at
		}
	}
	return s.end
}

// follows tells whether a record, the end, or another group whose header was not recognised is at off.
func (s *salvage) follows(off int) bool {
	if s.finished(off) {
		return true
	}
	for _, at := range [...]int{off, int(aligned(int64(off), groupAlign)) + groupHeader} {
		if at+recordHeader > s.end {
			continue
		}
		s.work -= int(min(recordSize(s.region[at:]), int64(s.end-at)))
		if _, _, ok := s.record(at); ok {
			return true
		}
	}
	return false
}
