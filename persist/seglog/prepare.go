package seglog

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/persist/disk"
)

// tidier is the log's one goroutine: it makes the next segment ready ahead of need, and gives back what sealed
// segments do not use. It ends with Close.
type tidier struct {
	signal chan struct{}
	stop   chan struct{}
	done   sync.WaitGroup
}

// wake makes the goroutine look again.
func (t *tidier) wake() {
	select {
	case t.signal <- struct{}{}:
	default:
	}
}

// end stops the goroutine and waits for it.
func (t *tidier) end() {
	close(t.stop)
	t.done.Wait()
}

// startTidier starts the goroutine.
func (l *Log) startTidier() {
	l.tidy.signal = make(chan struct{}, 1)
	l.tidy.stop = make(chan struct{})
	l.tidy.wake()
	l.tidy.done.Go(func() {
		for {
			select {
			case <-l.tidy.stop:
				return
			case <-l.tidy.signal:
			}
			// A failure shows in Room, or in Err; Commit tries again when it needs the segment.
			_ = l.Prepare()
		}
	})
}

// trimSealed gives back the unused rest of sealed segments. A failure costs only space, until the segment goes.
func (l *Log) trimSealed() {
	l.mu.Lock()
	list := l.trim
	l.trim = nil
	l.mu.Unlock()
	for _, s := range list {
		l.mu.RLock()
		src, used := s.src, s.used
		l.mu.RUnlock()
		if src.compact != nil {
			continue
		}
		file, err := l.fs.OpenFile(src.name, os.O_RDWR, 0)
		if err != nil {
			continue
		}
		err = file.Truncate(used)
		_ = file.Close()
		if err != nil {
			continue
		}
		l.mu.Lock()
		if s.src == src {
			s.fileBytes = used
		}
		l.mu.Unlock()
	}
}

// Room tells how many bytes are left in the open segment, and whether the next one is ready. If it is not, a full disk
// is near.
func (l *Log) Room() (current int64, nextReady bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.open.capacity - l.open.used, l.ready.Load()
}

// Prepare does now what the log's goroutine does by itself after a rotation: it gives back what sealed segments do not
// use, and makes the next segment ready. ErrNoSpace says that the disk is full, and that it may be tried again.
func (l *Log) Prepare() error {
	if err := l.Err(); err != nil {
		return err
	}
	l.trimSealed()
	l.preparing.Lock()
	defer l.preparing.Unlock()
	return l.prepareLocked(0, link{})
}

// prepareLocked makes the next segment ready, with the capacity needed. If first is known the segment's header says so.
func (l *Log) prepareLocked(need int64, first link) error {
	capacity := max(l.o.SegmentSize, aligned(need, segmentAlign))
	if l.next == nil {
		l.mu.RLock()
		base := l.open.next()
		l.mu.RUnlock()
		seg, err := l.createSegment(base, capacity, first)
		if err != nil {
			return err
		}
		l.next = seg
		l.ready.Store(true)
		return nil
	}
	if capacity <= l.next.capacity && !first.known {
		return nil
	}
	l.next.capacity = max(capacity, l.next.capacity)
	l.next.first = first
	if err := l.writeHeader(l.next, l.next.src.file); err != nil {
		return l.abandon(l.next, l.next.src.file, err)
	}
	return nil
}

// createSegment makes an empty segment that is durable under its name.
func (l *Log) createSegment(base persist.Position, capacity int64, first link) (*segment, error) {
	seg := &segment{
		base: base, capacity: capacity, used: segmentHeader, exact: true, first: first, last: first,
		src: &source{name: l.fileName(base, segmentSuffix)},
	}
	file, err := l.fs.OpenFile(seg.src.name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, l.abandon(seg, nil, err)
	}
	if err := l.writeHeader(seg, file); err != nil {
		return nil, l.abandon(seg, file, err)
	}
	if err := l.syncDir(); err != nil {
		return nil, l.abandon(seg, file, err)
	}
	l.handles.adopt(seg.src, file)
	return seg, nil
}

// writeHeader reserves the segment's space, and writes and syncs its header. Nothing else is in the segment yet.
func (l *Log) writeHeader(seg *segment, file disk.File) error {
	if err := file.Allocate(0, seg.capacity); err != nil {
		return err
	}
	info := segmentInfo{base: seg.base, capacity: seg.capacity, first: seg.first}
	if _, err := file.WriteAt(info.encode(l.o.UUID), 0); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	size, err := file.Size()
	seg.fileBytes = size
	return err
}

// abandon gives up making a segment, and returns the error for it. A full disk leaves no trace. Everything else is a
// disk that cannot be trusted, and poisons the log.
func (l *Log) abandon(seg *segment, file disk.File, err error) error {
	if l.next == seg {
		l.next = nil
		l.ready.Store(false)
		l.handles.release(seg.src)
		l.handles.retire(seg.src)
	} else if file != nil {
		_ = file.Close()
	}
	// What stays is empty: Open knows it as such, and the next try truncates it.
	if file != nil {
		_ = l.fs.Remove(seg.src.name)
	}
	switch {
	case errors.Is(err, ErrPoisoned):
		return err
	case !disk.IsFull(err):
		return l.poison("make a segment", err)
	}
	return fmt.Errorf("%w: make a segment: %w", ErrNoSpace, err)
}
