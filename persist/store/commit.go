package store

import (
	"errors"
	"fmt"
	"reflect"
	"runtime"

	"time"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/persist/seglog"
)

const (
	// soonDelay is how long a batch that nobody waits for may wait for one that somebody waits for.
	soonDelay = 5 * time.Millisecond
	// retryDelay is the pause between two looks at a full disk.
	retryDelay = 200 * time.Millisecond
)

// errDiskFull is why messages are refused while the log has no room.
var errDiskFull = fmt.Errorf("disk full: %w", persist.ErrFull)

// committer writes what was gathered, one group at a time, and makes it visible. It is one goroutine; it ends when the
// store is closed, or has failed.
type committer struct {
	store *Store
	// spare is an empty group for the inbox.
	spare *gathering
	// dirty: something was written that is not synced; nextSync is when it will be. Not used when every group is synced.
	dirty    bool
	nextSync time.Time
	// shortOfRoom: the next segment cannot be made.
	shortOfRoom bool
	// sealWanted: the open segment is to be given up.
	sealWanted bool
	// waiters is scratch.
	waiters map[persist.Waiter]struct{}
	readers []*queue
}

// run is the goroutine.
func (c *committer) run() {
	s := c.store
	for {
		closing := c.wait()
		// What came during a commit goes at once if somebody waits for it; else it may wait for company.
		for g := s.in.take(c.spare, false); g != nil; g = s.in.take(c.spare, !closing) {
			if !c.commit(g) || !c.syncDue(false) {
				return
			}
			c.spare = g.recycle()
			// Who was just woken is about to append: let it, or the next group is the first of them alone.
			runtime.Gosched()
		}
		if err := s.log.Err(); err != nil {
			c.fail(err, nil) // the log's own goroutine met it
			return
		}
		if !c.syncDue(closing) || !c.seal() || closing {
			return
		}
	}
}

// wait returns when there is something to do; closing: for the last time.
func (c *committer) wait() (closing bool) {
	s := c.store
	var timer <-chan time.Time
	if d, ok := c.pause(); ok {
		timer = time.After(d)
	}
	select {
	case <-s.in.urgent:
		return false
	case <-s.sealNow:
		c.sealWanted = true
		return false
	case <-timer:
		c.checkRoom()
		return false
	case <-s.stop:
		return true
	case <-s.in.soon:
	}
	select {
	case <-s.in.urgent:
	case <-time.After(soonDelay):
	case <-s.stop:
		return true
	}
	return false
}

// pause is how long to wait at most.
func (c *committer) pause() (time.Duration, bool) {
	d, ok := time.Duration(0), false
	if c.dirty && c.store.options.Sync > 0 {
		d, ok = max(time.Until(c.nextSync), 0), true
	}
	if c.shortOfRoom && (!ok || d > retryDelay) {
		d, ok = retryDelay, true
	}
	return d, ok
}

// commit writes a group and makes it visible; false if the store has failed or is closed meanwhile.
func (c *committer) commit(g *gathering) bool {
	s := c.store
	end := s.log.End()
	base, err := s.log.Commit(&g.Group, s.options.Sync == SyncAlways)
	for errors.Is(err, seglog.ErrNoSpace) {
		if s.in.refuse(fullLog, errDiskFull) {
			s.say("error", fmt.Sprintf("disk full: messages are refused until there is room: %v", err))
		}
		select {
		case <-time.After(retryDelay):
		case <-s.stop:
			// One more try, so that closing a store does not lose what may now have room.
			if base, err = s.log.Commit(&g.Group, true); err != nil {
				c.fail(fmt.Errorf("disk still full at close: %w", err), g)
				return false
			}
			continue
		}
		base, err = s.log.Commit(&g.Group, s.options.Sync == SyncAlways)
	}
	if err != nil {
		c.fail(err, g)
		return false
	}
	if s.options.Sync != SyncAlways && !c.dirty {
		c.dirty = true
		c.nextSync = time.Now().Add(time.Duration(s.options.Sync))
	}
	s.tail.add(base, g.Bytes())
	if err := c.publish(g, base, base != end); err != nil {
		c.fail(err, g)
		return false
	}
	s.checkpointSoon(g.Len())
	c.checkRoom()
	return true
}

// publish folds a group and wakes who waits for it.
func (c *committer) publish(g *gathering, base persist.Position, newSegment bool) error {
	s := c.store
	s.mu.Lock()
	if newSegment {
		for _, info := range s.log.Segments() {
			s.state.segments.start(info.Base)
		}
	}
	err := s.foldGroupLocked(g, base)
	told := s.tellLocked()
	c.readers = s.announceLocked(c.readers)
	s.visible = s.log.End()
	s.folded = g.first + persist.Ticket(g.batches) - 1
	s.durable.Store(uint64(s.folded))
	s.mu.Unlock()
	if err != nil {
		return err
	}
	c.wakeAll(g.waiters)
	for _, q := range c.readers {
		if q.waiter != nil {
			q.waiter.Wake()
		}
	}
	c.readers = emptied(c.readers)
	if told != nil {
		told.Wake()
	}
	return nil
}

// wakeAll wakes each waiter once.
func (c *committer) wakeAll(waiters []persist.Waiter) {
	if len(waiters) == 1 {
		waiters[0].Wake()
		return
	}
	for _, w := range waiters {
		// Only pointers are compared: a waiter may be of a type that cannot be.
		if reflect.TypeOf(w).Kind() == reflect.Pointer {
			if _, woken := c.waiters[w]; woken {
				continue
			}
			c.waiters[w] = struct{}{}
		}
		w.Wake()
	}
	clear(c.waiters)
}

// foldGroupLocked folds the very bytes that were written, as recovery would.
func (s *Store) foldGroupLocked(g *gathering, base persist.Position) error {
	ticket := g.first
	bytes := g.Bytes()
	for offset := seglog.FirstRecord; ; {
		typ, body, next, ok := seglog.Record(bytes, offset)
		if !ok {
			break
		}
		if err := s.state.fold(base+persist.Position(offset), typ, body, ticket); err != nil {
			return fmt.Errorf("fold what was just written: %w", err)
		}
		if typ == typeBatch {
			ticket++
		}
		offset = next
	}
	return nil
}

// tellLocked makes the new entries visible and returns who is to be woken for them.
func (s *Store) tellLocked() persist.Waiter {
	entries := s.state.effects.entries
	if len(entries) == 0 {
		return nil
	}
	s.entries.list = append(s.entries.list, entries...)
	s.state.effects.entries = emptied(entries)
	w := s.entries.waiter
	s.entries.waiter = nil
	return w
}

// announceLocked appends the readers that are to be woken: each once, however many messages came.
func (s *Store) announceLocked(wake []*queue) []*queue {
	e := &s.state.effects
	for _, a := range e.touched {
		a.touched = false
		for _, src := range a.readers {
			if src.queue.announceLocked(src) {
				wake = append(wake, src.queue)
			}
		}
	}
	e.touched = emptied(e.touched)
	wake = append(wake, e.ended...)
	e.ended = emptied(e.ended)
	return wake
}

// checkRoom refuses messages when the next segment cannot be made and the rest of this one must do for settling, and
// takes them again when it can.
func (c *committer) checkRoom() {
	s := c.store
	var err error
	if room, ready := s.log.Room(); !ready && room < s.options.SegmentSize/4 {
		err = s.log.Prepare()
	}
	c.shortOfRoom = errors.Is(err, seglog.ErrNoSpace)
	if !c.shortOfRoom {
		// Any other error comes up again with the next group, or the next look at the log.
		if s.in.refuse(fullLog, nil) {
			s.say("info", "there is room in the log again: messages are taken")
		}
		return
	}
	if s.in.refuse(fullLog, errDiskFull) {
		s.say("error", fmt.Sprintf("disk nearly full: messages are refused until there is room: %v", err))
	}
}

// syncDue syncs what was written without, when it is time to; false if that failed.
func (c *committer) syncDue(closing bool) bool {
	s := c.store
	if !c.dirty || !closing && (s.options.Sync < 0 || time.Now().Before(c.nextSync)) {
		return true
	}
	if err := s.log.Sync(); err != nil {
		c.fail(err, nil)
		return false
	}
	c.dirty = false
	return true
}

// seal starts a new segment if the checkpointer asked for it; false if that failed.
func (c *committer) seal() bool {
	s := c.store
	if !c.sealWanted {
		return true
	}
	c.sealWanted = false
	if err := s.log.Seal(); err != nil {
		if errors.Is(err, seglog.ErrNoSpace) {
			return true // it only would have given space back
		}
		c.fail(err, nil)
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.visible = s.log.End()
	for _, info := range s.log.Segments() {
		s.state.segments.start(info.Base)
	}
	return true
}

// fail stops everything for good. Who waits is woken, to find out.
func (c *committer) fail(err error, g *gathering) {
	s := c.store
	failed := fmt.Errorf("%w: %w", persist.ErrFailed, err)
	s.say("error", failed.Error())
	s.in.mu.Lock()
	s.in.failed = failed
	s.failed.Store(&failed)
	waiters := s.in.group.waiters
	s.in.group.waiters = nil
	s.in.room.Broadcast()
	s.in.mu.Unlock()
	if g != nil {
		c.wakeAll(g.waiters)
	}
	c.wakeAll(waiters)
	s.mu.Lock()
	told := s.entries.waiter
	s.entries.waiter = nil
	s.mu.Unlock()
	if told != nil {
		told.Wake()
	}
}
