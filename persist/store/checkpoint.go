package store

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/persist/seglog"
	"github.com/holdfast-mqtt/holdfast/persist/statedb"
)

// compactTicks is after how many ticks of rest the state database is asked to tidy up.
const compactTicks = 600

// checkpointer writes where things stand into the state database, and then frees what the log need not keep any more. It
// is one goroutine; before it starts and after it has ended, Open and Close do its work.
type checkpointer struct {
	stop    chan struct{}
	running sync.WaitGroup
	// soon wakes it before its time; bytes were written to the log since the last checkpoint.
	soon  chan struct{}
	bytes atomic.Int64

	// meta is what the last checkpoint said of itself.
	meta statedb.Meta
	tick uint64
	// failing is why the last checkpoint failed, nil if it did not.
	failing atomic.Pointer[error]
	// full: the guard refuses messages; blind: it cannot measure. reserved: the reserve is there.
	full, blind, reserved bool
	// moved is when the log was last seen to have grown, to end.
	moved time.Time
	end   persist.Position
	// compacted is when a segment was last compacted.
	compacted time.Time
}

func (c *checkpointer) start() {
	c.stop = make(chan struct{})
	c.soon = make(chan struct{}, 1)
	c.moved = time.Now()
}

// checkpointSoon counts what was written to the log.
func (s *Store) checkpointSoon(bytes int) {
	if s.checks.bytes.Add(int64(bytes)) < s.options.CheckpointBytes {
		return
	}
	select {
	case s.checks.soon <- struct{}{}:
	default:
	}
}

// checkpoints is the goroutine.
func (s *Store) checkpoints() {
	ticker := time.NewTicker(s.options.CheckpointInterval)
	defer ticker.Stop()
	for {
		select {
		case <-s.checks.stop:
			return
		case <-s.checks.soon:
		case <-ticker.C:
			s.checks.tick++
		}
		if s.Err() != nil {
			return // what the log holds is recovered by the next start, from the disk and not from here
		}
		s.guard()
		s.trim()
		s.dropIdle(s.checks.tick)
		if s.changed() {
			s.tryCheckpoint()
		}
		s.freeSegments()
		s.rest()
	}
}

// trim drops what nobody waits for from the pending lists, some at a time.
func (s *Store) trim() {
	for done := false; !done; {
		s.mu.Lock()
		done = s.state.trim()
		s.mu.Unlock()
	}
}

// changed tells whether there is anything to write.
func (s *Store) changed() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.visible != s.checks.meta.Applied || len(s.state.dirty.dropped) > 0
}

// tryCheckpoint writes a checkpoint, and says when that begins or ceases to fail.
func (s *Store) tryCheckpoint() {
	err := s.checkpoint()
	if errors.Is(err, statedb.ErrNoRoom) && s.freeReserve() {
		err = s.checkpoint()
	}
	before := s.checks.failing.Load()
	if err == nil {
		if before != nil {
			s.checks.failing.Store(nil)
			s.say("info", "checkpoints succeed again")
		}
		return
	}
	s.checks.failing.Store(&err)
	// The next try comes with the time, or as much log again, and not with every group: it takes everything that has
	// changed since the last one that succeeded.
	s.checks.bytes.Store(0)
	select {
	case <-s.checks.soon:
	default:
	}
	// Once it has failed for good every error wraps the same one, and it is said once more.
	if before == nil || errors.Is(err, statedb.ErrFailed) && !errors.Is(*before, statedb.ErrFailed) {
		s.say("error", fmt.Sprintf("checkpoint failed; nothing is lost, but the log cannot shrink: %v", err))
	}
}

// checkpoint writes what has changed since the last one. It copies that while it holds the lock, and writes without.
func (s *Store) checkpoint() error {
	s.mu.Lock()
	c := s.state.take()
	c.applied = s.visible
	s.mu.Unlock()
	bytes := s.checks.bytes.Load()
	meta := s.checks.meta
	meta.Applied = c.applied
	meta.Clock = max(meta.Clock, s.options.Now().UnixMilli())
	meta.Extra = appendVoids(nil, c.voids)
	err := s.writeCheckpoint(c, meta)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.state.giveBack(c)
		s.counts.checkpointErrors.Add(1)
		return err
	}
	s.state.retained.written()
	s.checks.meta = meta
	s.checks.bytes.Add(-bytes)
	s.counts.checkpoints.Add(1)
	return nil
}

func (s *Store) writeCheckpoint(c *changes, meta statedb.Meta) error {
	// The state must never be ahead of the log: the log would give the positions in between to other entries.
	if s.options.Sync != SyncAlways {
		if err := s.log.Sync(); err != nil {
			return err
		}
	}
	check := s.db.Begin()
	defer check.Discard()
	for _, id := range c.ended {
		check.DeleteSession(id)
	}
	for i := range c.sessions {
		c.sessions[i].write(check)
	}
	for _, id := range c.dropped {
		check.DeleteAudience(id)
	}
	for _, a := range c.audiences {
		check.PutAudience(a.id, a.members)
	}
	if err := s.writeRetained(c, check); err != nil {
		return err
	}
	return check.Commit(meta)
}

func (c *sessionChange) write(check *statedb.Checkpoint) {
	id := c.session.id
	if c.dirty&dirtyIdentity != 0 {
		check.PutSession(&c.record)
	}
	if c.dirty&dirtyCursor != 0 {
		check.PutCursor(id, c.cursor)
	}
	if c.dirty&dirtyReceived != 0 {
		check.PutReceived(id, c.received)
	}
	for _, sub := range c.put {
		check.PutSubscription(id, sub)
	}
	for _, filter := range c.removed {
		check.DeleteSubscription(id, filter)
	}
}

// writeRetained writes each topic that has changed once, with the value it has now.
func (s *Store) writeRetained(c *changes, check *statedb.Checkpoint) error {
	reader := retainedReader{tail: &s.tail, log: s.log.NewReader()}
	// In the order of the log, or each would be a read of its own.
	byPosition := func(a, b string) int { return cmp.Compare(c.retained[a].pos, c.retained[b].pos) }
	for _, topic := range slices.SortedFunc(maps.Keys(c.retained), byPosition) {
		pos := c.retained[topic].pos
		if pos == 0 {
			check.DeleteRetained(topic)
			continue
		}
		r, err := reader.read(pos)
		var damage *seglog.Damage
		switch {
		case err == nil:
			check.PutRetained(topic, r)
		case errors.As(err, &damage) || errors.Is(err, errRecord):
			// An older value must not come back in its place.
			s.damaged(pos, fmt.Errorf("retained message of %q: %w", topic, err))
			check.DeleteRetained(topic)
		default:
			return fmt.Errorf("read retained message of %q: %w", topic, err)
		}
	}
	return nil
}

// voidsVersion is the first byte of what is kept about void messages.
const voidsVersion = 1

// appendVoids writes ascending positions as distances.
func appendVoids(dst []byte, voids []persist.Position) []byte {
	dst = append(dst, voidsVersion)
	var base persist.Position
	for _, pos := range voids {
		dst = binary.AppendUvarint(dst, uint64(pos-base))
		base = pos
	}
	return dst
}

func decodeVoids(b []byte) ([]persist.Position, error) {
	c := cursor{b: b}
	if len(b) == 0 {
		return nil, nil
	}
	if v := c.byte(); v != voidsVersion {
		return nil, fmt.Errorf("%w: list of void messages, version %d", errVersion, v)
	}
	var voids []persist.Position
	var base persist.Position
	for len(c.b) > 0 {
		base += persist.Position(c.uint())
		voids = append(voids, base)
	}
	if c.bad {
		return nil, fmt.Errorf("list of void messages: %w", errRecord)
	}
	return voids, nil
}

// rest does what is due when nothing was appended for a while.
func (s *Store) rest() {
	c := &s.checks
	s.mu.RLock()
	end := s.visible
	s.mu.RUnlock()
	if end != c.end {
		c.end, c.moved = end, time.Now()
		return
	}
	if time.Since(c.moved) < s.options.IdleSeal {
		return
	}
	s.readers.release()
	s.sealIfDead()
	if c.tick%compactTicks == 0 {
		if err := s.db.Compact(); err != nil {
			s.say("warning", err.Error())
		}
	}
}
