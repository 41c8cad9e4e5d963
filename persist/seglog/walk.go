package seglog

import (
	"encoding/binary"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// piece is what walk finds: a group, or bytes that are none.
type piece struct {
	// off and end of the piece in the file; dirty is behind its last byte that is not zero, if it is no group.
	off, end, dirty int64
	// header of the group and its checksum, if found: a valid header, and room for what it announces.
	found  bool
	header groupInfo
	sum    uint32
	// good: the group's records are as they were written. Not verified for groups before the place asked for.
	good bool
	// bytes of the whole piece, padding included; nil before the place asked for. They are valid until the visitor
	// returns.
	bytes []byte
}

// walk visits what is in a segment as it was written, from front to back. Only pieces that end behind the offset from
// come with their bytes. Bytes that are no group are one piece, up to the next valid header or the limit; what is only
// zeros up to the limit is nothing. The last piece comes without bytes unless rest is true.
func (l *Log) walk(w *window, base persist.Position, from int64, rest bool, visit func(piece) error) error {
	for off := int64(segmentHeader); off < w.limit; {
		p, err := l.groupAt(w, base, off)
		if err != nil {
			return err
		}
		wanted := p.end > from
		if !p.found {
			if p.end, p.dirty, err = l.searchGroup(w, base, off); err != nil {
				return err
			}
			if p.end == w.limit && p.dirty == off {
				return nil
			}
			wanted = p.end > from && (p.end < w.limit || rest)
		}
		if wanted {
			if p.bytes, err = w.bytes(p.off, p.end-p.off); err != nil {
				return err
			}
			p.good = p.found && p.header.payload == checksum(p.bytes[groupHeader:groupHeader+int64(p.header.length)])
		}
		if err := visit(p); err != nil {
			return err
		}
		off = p.end
	}
	return nil
}

// groupAt looks for a group's header at off.
func (l *Log) groupAt(w *window, base persist.Position, off int64) (piece, error) {
	p := piece{off: off}
	b, err := w.bytes(off, groupHeader)
	if err != nil {
		return p, err
	}
	p.header, p.sum, p.found = decodeGroup(b, base+persist.Position(off), l.id)
	p.end = off + p.header.size()
	// The padding may be missing: it says nothing.
	p.found = p.found && off+groupHeader+int64(p.header.length) <= w.limit
	return p, nil
}

// searchGroup returns the offset of the first group behind off; the limit if there is none, and then also the offset
// behind the last byte that is not zero.
func (l *Log) searchGroup(w *window, base persist.Position, off int64) (at, last int64, err error) {
	last = off
	for from := off; ; {
		b, err := w.bytes(from, windowStep)
		if err != nil {
			return 0, 0, err
		}
		// Most of what is searched is the unused rest of a segment.
		if n := trimZeros(b); n > 0 {
			last = from + int64(n)
			for start := 0; start+groupHeader <= len(b); start += groupAlign {
				at := from + int64(start)
				if at == off || binary.LittleEndian.Uint64(b[start+16:]) != uint64(base)+uint64(at) {
					continue
				}
				h, _, ok := decodeGroup(b[start:], base+persist.Position(at), l.id)
				if ok && at+groupHeader+int64(h.length) <= w.limit {
					return at, last, nil
				}
			}
		}
		if from+int64(len(b)) >= w.limit {
			return w.limit, last, nil
		}
		// A header may lie across the end of the window.
		from += int64(len(b)-groupHeader) / groupAlign * groupAlign
	}
}
