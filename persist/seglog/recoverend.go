package seglog

import (
	"fmt"
	"os"
	"slices"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/persist/disk"
)

// segmentEnd is how a segment that may be the last one ends.
type segmentEnd struct {
	// tail is behind the last group, dirty behind the last byte that is not zero.
	tail, dirty int64
	// last is the last group, groups how many there are.
	last   link
	groups int
}

// findEnd reads a segment to find its end. Whatever is not a good group, and has none behind it, was never completely
// written. With a group behind it, it is damage: the group behind was written only when it was complete.
func (r *recovery) findEnd(seg *segment) (segmentEnd, error) {
	e := segmentEnd{tail: segmentHeader, dirty: segmentHeader, last: seg.first}
	file, err := r.handles.acquire(seg.src)
	if err != nil {
		return e, err
	}
	defer r.handles.release(seg.src)
	count := func(p piece) {
		e.tail = p.end
		if p.found {
			e.groups++
			e.last = p.header.link(p.sum)
		}
	}
	sc := &scanner{log: r.Log, fn: func(persist.Position, byte, []byte) error { return nil }}
	var held *piece // the last piece, if it is not good
	w := &window{file: file, limit: min(seg.fileBytes, seg.capacity)}
	err = r.walk(w, seg.base, 0, false, func(p piece) error {
		e.dirty = p.end
		if !p.found {
			e.dirty = p.dirty
		}
		if held != nil && p.found {
			count(*held)
			if err := sc.salvage(seg.viewLocked(), *held); err != nil {
				return err
			}
			held = nil
		}
		switch {
		case p.good:
			count(p)
		case held == nil:
			p.bytes = slices.Clone(p.bytes)
			held = &p
		}
		return nil
	})
	return e, err
}

// findOpen decides which segment goes on being written: r.open, if there is one. Those behind it hold nothing.
func (r *recovery) findOpen() error {
	last, err := r.findLast()
	if err != nil {
		return err
	}
	for i := 0; i <= last; i++ {
		if seg := r.segments[i]; r.headless[seg] {
			r.report.add(Damage{
				File: seg.src.name, Position: seg.base, End: seg.base + segmentHeader, Detail: "segment header is damaged",
			})
		}
	}
	// A segment without groups whose header was torn was only made ahead of need.
	if err := r.drop(last+1, func(s *segment) bool { return r.headless[s] }); err != nil {
		return err
	}
	open := last
	if last < 0 || r.segments[last].sealed || r.segments[last].index.present || r.headless[r.segments[last]] {
		open = last + 1
	}
	for i := last + 1; i < len(r.segments); i++ {
		r.report.torn += r.ends[r.segments[i]].dirty - segmentHeader
		if r.segments[i].first.known {
			open = i
		}
	}
	if open < len(r.segments) {
		r.open = r.segments[open]
		if open > 0 || r.open.first.known || r.ends[r.open].groups > 0 {
			return nil
		}
	}
	if open == 0 && (r.open != nil || r.o.Replay != 0) {
		d := Damage{File: r.dir, Position: r.o.Replay, End: r.o.Replay, Detail: "all segments that held something are missing"}
		if r.open != nil {
			d.End = max(d.End, r.open.base)
		}
		r.report.add(d)
	}
	return nil
}

// findLast returns the last segment that holds, or has held, groups; -1 if there is none.
func (r *recovery) findLast() (int, error) {
	for i := len(r.segments) - 1; i >= 0; i-- {
		seg := r.segments[i]
		if seg.sealed || seg.index.present {
			return i, nil
		}
		end, err := r.findEnd(seg)
		if err != nil {
			return 0, err
		}
		r.ends[seg] = end
		if end.groups > 0 {
			return i, nil
		}
	}
	return -1, nil
}

// drop deletes the segments from index i on for which unwanted is true.
func (r *recovery) drop(i int, unwanted func(*segment) bool) error {
	kept := r.segments[:i:i]
	for _, seg := range r.segments[i:] {
		if !unwanted(seg) {
			kept = append(kept, seg)
			continue
		}
		r.handles.retire(seg.src)
		if err := r.fs.Remove(seg.src.name); err != nil {
			return err
		}
	}
	r.segments = kept
	return nil
}

// continueOpen makes the open segment, and what is around it, ready to go on.
func (r *recovery) continueOpen() error {
	if r.o.Refuse && r.report.first() != nil {
		return nil // Open returns the damage, and nothing may hide it from the next start.
	}
	var err error
	if r.chain, err = r.findChain(); err != nil {
		return err
	}
	if r.open == nil {
		base := persist.Position(firstBase)
		if n := len(r.segments); n > 0 {
			base = r.segments[n-1].next()
		} else if r.o.Replay != 0 {
			base = max(base, alignedPosition(r.o.Replay))
		}
		if r.open, err = r.createSegment(base, r.o.SegmentSize, r.chain); err != nil {
			return err
		}
		r.segments = append(r.segments, r.open)
	} else {
		e := r.ends[r.open]
		if e.groups > 0 { // Without groups it was counted by findOpen.
			r.report.torn += e.dirty - e.tail
		}
		if err := r.reuse(r.open); err != nil {
			return err
		}
	}
	if err := r.settleNeighbours(); err != nil {
		return err
	}
	r.end.Store(uint64(r.open.end()))
	r.synced.Store(uint64(r.open.end()))
	return nil
}

// settleNeighbours seals what is before the open segment, and takes over the next one.
func (r *recovery) settleNeighbours() error {
	i := slices.Index(r.segments, r.open)
	for _, seg := range r.segments[:i] {
		seg.sealed = true
		if e, ok := r.ends[seg]; ok && !seg.exact {
			seg.used, seg.exact, seg.last = e.tail, true, e.last
		}
		if seg.exact && !seg.compacted() && seg.fileBytes > seg.used {
			r.trim = append(r.trim, seg)
		}
	}
	if err := r.drop(i+1, func(s *segment) bool { return s.base != r.open.next() }); err != nil {
		return err
	}
	if len(r.segments) == i+1 {
		return nil
	}
	next := r.segments[i+1]
	r.segments = r.segments[:i+1]
	if err := r.reuse(next); err != nil {
		return err
	}
	r.next = next
	r.ready.Store(true)
	return nil
}

// reuse opens a segment for writing behind its tail. Stale bytes there are cut off durably, or they could follow a new
// group after the next power cut. What is before may have come from the page cache of a killed process, so it is
// synced as well.
func (r *recovery) reuse(seg *segment) error {
	e := r.ends[seg]
	file, err := r.fs.OpenFile(seg.src.name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	// A full disk is no reason not to start: Commit will tell.
	if e.dirty > e.tail {
		err = file.Truncate(e.tail)
	}
	if err == nil {
		if err = file.Allocate(0, seg.capacity); disk.IsFull(err) {
			err = nil
		}
	}
	if err == nil {
		err = file.Sync()
	}
	if err == nil {
		seg.fileBytes, err = file.Size()
	}
	if err != nil {
		_ = file.Close()
		return fmt.Errorf("continue segment: %w", err)
	}
	// It was read before.
	r.handles.retire(seg.src)
	seg.src = &source{name: seg.src.name}
	r.handles.adopt(seg.src, file)
	seg.used, seg.exact, seg.last = e.tail, true, e.last
	return nil
}

// findChain returns the last group before the end of the log.
func (r *recovery) findChain() (link, error) {
	i := len(r.segments) - 1
	if r.open != nil {
		i = slices.Index(r.segments, r.open)
	}
	for ; i >= 0; i-- {
		seg := r.segments[i]
		if seg.last.known {
			return seg.last, nil
		}
		e, ok := r.ends[seg]
		if !ok && !seg.compacted() {
			var err error
			if e, err = r.findEnd(seg); err != nil {
				return link{}, err
			}
		}
		if e.last.known {
			return e.last, nil
		}
	}
	return link{known: true}, nil
}

// coverReplay makes sure that no position before the checkpoint is given out again.
func (r *recovery) coverReplay() error {
	if r.open == nil || r.End() >= r.o.Replay {
		return nil
	}
	r.report.add(Damage{
		File: r.open.src.name, Offset: r.open.used, Position: r.End(), End: r.o.Replay,
		Detail: "the log ends before the checkpoint",
	})
	if r.o.Refuse {
		return nil
	}
	if r.next != nil {
		r.handles.release(r.next.src)
		r.handles.retire(r.next.src)
		if err := r.fs.Remove(r.next.src.name); err != nil {
			return err
		}
		r.next = nil
		r.ready.Store(false)
	}
	old := r.open
	seg, err := r.createSegment(max(old.next(), alignedPosition(r.o.Replay)), r.o.SegmentSize, r.chain)
	if err != nil {
		return err
	}
	r.segments = append(r.segments, seg)
	r.leaving, r.open = []*segment{old}, seg
	r.sealLocked()
	r.end.Store(uint64(seg.end()))
	r.synced.Store(uint64(seg.end()))
	return nil
}

func alignedPosition(pos persist.Position) persist.Position {
	return (pos + segmentAlign - 1) / segmentAlign * segmentAlign
}
