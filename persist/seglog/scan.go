package seglog

import (
	"errors"
	"fmt"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// recordFunc is called with a record; body is valid until it returns.
type recordFunc func(pos persist.Position, typ byte, body []byte) error

// view is a segment as it was at one moment.
type view struct {
	base        persist.Position
	used        int64
	src         *source
	first, last link
}

func (s *segment) viewLocked() view {
	return view{base: s.base, used: s.used, src: s.src, first: s.first, last: s.last}
}

// scanner goes over the records of one segment after the other.
type scanner struct {
	log *Log
	// from is the first position asked for; damage before floor is no concern.
	from, floor persist.Position
	// link is the last group met.
	link link
	// follow: gaps between groups are damage. refuse: the first damage ends the scan.
	follow, refuse bool
	// damaged counts the places with damage.
	damaged int
	first   *Damage
	fn      recordFunc
}

// Scan calls fn with all committed records from the position on, in order. Damage is reported and passed over, or with
// Options.Refuse returned.
func (l *Log) Scan(from persist.Position, fn func(pos persist.Position, typ byte, body []byte) error) error {
	l.mu.RLock()
	var bases []persist.Position
	for _, s := range l.segments {
		if s.next() > from {
			bases = append(bases, s.base)
		}
	}
	floor := max(from, l.covered)
	l.mu.RUnlock()
	sc := &scanner{log: l, from: from, floor: floor, follow: true, refuse: l.o.Refuse, fn: fn}
	for _, base := range bases {
		if err := sc.segment(base); err != nil && !errors.Is(err, errUnknown) {
			return fmt.Errorf("scan log: %w", err)
		}
	}
	return nil
}

// segment scans one segment. A segment that is compacted meanwhile is looked up again before anything was read.
func (sc *scanner) segment(base persist.Position) error {
	l := sc.log
	for {
		l.mu.RLock()
		s, ok := l.findLocked(base)
		var v view
		if ok {
			v = s.viewLocked()
		}
		l.mu.RUnlock()
		if !ok {
			return errUnknown
		}
		err := sc.view(v)
		if !errors.Is(err, errReplaced) {
			return err
		}
	}
}

// errReplaced says that a segment's file was replaced by another before it was read.
var errReplaced = errors.New("segment was replaced")

func (sc *scanner) view(v view) error {
	file, err := sc.log.handles.acquire(v.src)
	if errors.Is(err, ErrGone) {
		return errReplaced
	}
	if err != nil {
		return err
	}
	defer sc.log.handles.release(v.src)
	if v.src.compact != nil {
		return sc.compacted(v, file)
	}
	if v.first.known {
		if err := sc.linked(v, segmentHeader, v.first.number+1, v.first.sum, v.first.end); err != nil {
			return err
		}
		sc.link = v.first
	}
	w := &window{file: file, limit: v.used}
	from := int64(0)
	if sc.from > v.base {
		from = int64(sc.from - v.base)
	}
	return sc.log.walk(w, v.base, from, true, func(p piece) error { return sc.piece(v, p) })
}

// piece handles what walk found.
func (sc *scanner) piece(v view, p piece) error {
	if p.found {
		h := p.header
		if err := sc.linked(v, p.off, h.number, h.previous, before(h.position, h.distance)); err != nil {
			return err
		}
		sc.link = h.link(p.sum)
	}
	if p.bytes == nil {
		return nil
	}
	if p.good {
		return sc.group(v.base+persist.Position(p.off), p.bytes)
	}
	return sc.salvage(v, p)
}

// group calls fn with the records of an intact group.
func (sc *scanner) group(pos persist.Position, b []byte) error {
	for off := FirstRecord; ; {
		typ, body, next, ok := Record(b, off)
		if !ok {
			return nil
		}
		if at := pos + persist.Position(off); at >= sc.from {
			if err := sc.fn(at, typ, body); err != nil {
				return err
			}
		}
		off = next
	}
}

// salvage calls fn with the records that are intact in a damaged piece.
func (sc *scanner) salvage(v view, p piece) error {
	base := v.base + persist.Position(p.off)
	var refused error
	lost := func(from, to int) {
		detail := "records fail their checksum"
		if from == 0 {
			detail = "no valid group"
		}
		err := sc.damage(Damage{
			File: v.src.name, Offset: p.off + int64(from),
			Position: base + persist.Position(from), End: base + persist.Position(to), Detail: detail,
		})
		if refused == nil {
			refused = err
		}
	}
	found := func(off int, typ byte, body []byte) error {
		if refused != nil {
			return refused
		}
		if at := base + persist.Position(off); at >= sc.from {
			return sc.fn(at, typ, body)
		}
		return nil
	}
	if err := newSalvage(sc.log.id, p, v.base).run(p.found, found, lost); err != nil {
		return err
	}
	if !p.found {
		// What the piece was is unknown, so the next group need not follow the last one.
		sc.link = link{end: v.base + persist.Position(p.end)}
	}
	return refused
}

// linked checks that a group follows the one before: number is its own, sum and end say what it was written behind.
func (sc *scanner) linked(v view, off int64, number uint64, sum uint32, end persist.Position) error {
	if !sc.follow || sc.link.known && sc.link.number+1 == number && sc.link.sum == sum {
		return nil
	}
	d := Damage{
		File: v.src.name, Offset: off, Position: max(sc.link.end, sc.floor), End: end,
		Detail: "the groups before this place are missing",
	}
	if d.Position < d.End {
		return sc.damage(d)
	}
	if sc.link.known && sc.link.end >= end {
		d.Position, d.End = v.base+persist.Position(off), v.base+persist.Position(off)+groupHeader
		d.Detail = fmt.Sprintf("group %d does not follow group %d", number, sc.link.number)
		return sc.damage(d)
	}
	return nil
}

// damage reports a damage, and returns it if it is to end the scan.
func (sc *scanner) damage(d Damage) error {
	if d.End <= sc.from {
		return nil
	}
	sc.damaged++
	if sc.first == nil {
		sc.first = &d
	}
	sc.log.report.add(d)
	if sc.refuse {
		return &d
	}
	return nil
}
