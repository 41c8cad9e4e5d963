package store

import (
	"fmt"
	"sync/atomic"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// counts are what is counted outside the state.
type counts struct {
	checkpoints, checkpointErrors atomic.Uint64
	removed, compacted            atomic.Uint64
	damaged                       atomic.Uint64
}

// Stats implements persist.Store.
func (s *Store) Stats() persist.Stats {
	s.trim() // so that what was settled a moment ago does not count as queued
	st := persist.Stats{
		Checkpoints:       s.counts.checkpoints.Load(),
		CheckpointErrors:  s.counts.checkpointErrors.Load(),
		SegmentsRemoved:   s.counts.removed.Load(),
		SegmentsCompacted: s.counts.compacted.Load(),
		Damaged:           s.counts.damaged.Load(),
		State:             s.stateWord(),
		LargestEntry:      s.options.LargestEntry,
		Recovery:          s.recovery,
	}
	st.Groups, st.Records, st.Bytes, st.Syncs = s.log.Counters()
	for _, info := range s.log.Segments() {
		st.Segments++
		st.LogBytes += info.FileBytes
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	st.Void = s.state.void
	st.Sessions = len(s.state.sessions)
	st.Queued = s.state.queued
	st.Retained = len(s.state.retained.known)
	st.Position = s.state.end
	return st
}

func (s *Store) stateWord() string {
	if err := s.Err(); err != nil {
		return "failed: " + err.Error()
	}
	if s.isClosed() {
		return "closed"
	}
	if err := s.in.stalled(); err != nil {
		return "stalled: " + err.Error()
	}
	if err := s.checks.failing.Load(); err != nil {
		return fmt.Sprintf("running, checkpoints fail: %v", *err)
	}
	return "running"
}

// damaged counts a record that failed its checksum when it was read, and names it.
func (s *Store) damaged(pos persist.Position, err error) {
	s.counts.damaged.Add(1)
	s.say("error", fmt.Sprintf("stored message at position %d is damaged: %v", pos, err))
}
