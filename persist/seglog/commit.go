package seglog

import (
	"fmt"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/persist/disk"
)

// Commit writes a group with one write and, if sync is true, makes it durable with one fdatasync. base is the group's
// position; a record's position is base plus its offset. An empty group does nothing.
//
// When the disk is full it returns ErrNoSpace, and the same group, also with more records, may be committed again. Any
// other error is final, see ErrPoisoned.
func (l *Log) Commit(g *Group, sync bool) (base persist.Position, err error) {
	l.writing.Lock()
	defer l.writing.Unlock()
	if err := l.Err(); err != nil {
		return 0, err
	}
	if g.records == 0 {
		return l.End(), nil
	}
	size := aligned(int64(len(g.buf)), groupAlign)
	if size > MaxGroup {
		return 0, fmt.Errorf("%w: %d bytes", ErrTooLarge, size)
	}
	seg := l.open
	if seg.used+size > seg.capacity {
		if seg, err = l.rotate(size, link{}); err != nil {
			return 0, err
		}
	}
	header := groupInfo{
		position: seg.end(), number: l.chain.number + 1, incarnation: l.o.Incarnation,
		previous: l.chain.sum, distance: l.chain.distance(seg.end()),
	}
	sum := g.seal(l.id, header)
	header.length = uint32(groupEnd(g.buf) - groupHeader)
	if _, err := seg.src.file.WriteAt(g.buf, seg.used); err != nil {
		g.unseal(l.id, header.position)
		return 0, l.writeFailed(seg, err)
	}
	if sync {
		if err := l.syncFile(seg.src.file, "sync a group"); err != nil {
			return 0, err
		}
	}
	l.chain = header.link(sum)
	l.committed(seg, size, g.records, sync)
	return header.position, nil
}

// committed makes a group visible to readers.
func (l *Log) committed(seg *segment, size int64, records int, sync bool) {
	l.mu.Lock()
	seg.used += size
	seg.fileBytes = max(seg.fileBytes, seg.used)
	seg.last = l.chain
	l.end.Store(uint64(seg.end()))
	l.mu.Unlock()
	l.counters.groups.Add(1)
	l.counters.records.Add(uint64(records))
	l.counters.bytes.Add(uint64(size))
	if sync {
		l.durable(seg.end())
	}
}

// writeFailed handles a failed write of a group. On a full disk nothing has happened, if the part that was written can
// be cut off again.
func (l *Log) writeFailed(seg *segment, err error) error {
	if !disk.IsFull(err) {
		return l.poison("write a group", err)
	}
	if cutErr := seg.src.file.Truncate(seg.used); cutErr != nil {
		return l.poison("cut a group that did not fit the disk", cutErr)
	}
	l.mu.Lock()
	seg.fileBytes = seg.used
	l.mu.Unlock()
	return fmt.Errorf("%w: write a group: %w", ErrNoSpace, err)
}

// durable notes that everything before end is on stable storage, and seals the segment before the open one: only now
// may it be removed, because only now the log is known to go on behind it.
func (l *Log) durable(end persist.Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if uint64(end) > l.synced.Load() {
		l.synced.Store(uint64(end))
	}
	if end > l.open.base+segmentHeader {
		l.sealLocked()
	}
}

// sealLocked seals the segments that were open before.
func (l *Log) sealLocked() {
	for _, s := range l.leaving {
		s.sealed, s.exact = true, true
		l.handles.release(s.src)
		if s.fileBytes > s.used {
			l.trim = append(l.trim, s)
			l.tidy.wake()
		}
	}
	l.leaving = nil
}

// Sync makes everything committed durable.
func (l *Log) Sync() error {
	l.mu.RLock()
	seg, end := l.open, l.End()
	l.mu.RUnlock()
	if err := l.Err(); err != nil {
		return err
	}
	if uint64(end) <= l.synced.Load() {
		return nil
	}
	file, err := l.handles.acquire(seg.src)
	if err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	defer l.handles.release(seg.src)
	if err := l.syncFile(file, "sync the log"); err != nil {
		return err
	}
	l.durable(end)
	return nil
}

// Seal starts a new segment, so that the open one can be removed: for a broker that is idle. It does nothing if the
// open segment is empty.
func (l *Log) Seal() error {
	l.writing.Lock()
	defer l.writing.Unlock()
	if err := l.Err(); err != nil {
		return err
	}
	if l.open.used == segmentHeader {
		return nil
	}
	seg, err := l.rotate(0, l.chain)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end.Store(uint64(seg.end()))
	l.synced.Store(uint64(seg.end()))
	l.sealLocked()
	return nil
}

// rotate makes the next segment the open one, with room for a group of the size. If first is known it is written to
// the segment's header: then the segment proves, without a group in it, that the log goes on there.
func (l *Log) rotate(size int64, first link) (*segment, error) {
	old := l.open
	// What comes before a group must be durable before it, or a power cut could leave the group and lose the others.
	if l.synced.Load() < l.end.Load() {
		if err := l.syncFile(old.src.file, "sync a full segment"); err != nil {
			return nil, err
		}
		l.durable(l.End())
	}
	l.preparing.Lock()
	defer l.preparing.Unlock()
	if err := l.prepareLocked(segmentHeader+size, first); err != nil {
		return nil, err
	}
	seg := l.next
	l.next = nil
	l.ready.Store(false)
	l.mu.Lock()
	defer l.mu.Unlock()
	// More than one can be leaving: a group that grew after a full disk may not fit the new segment either.
	l.leaving = append(l.leaving, old)
	l.open = seg
	l.segments = append(l.segments, seg)
	l.tidy.wake()
	return seg, nil
}
