package memstore

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// Audience implements persist.Store. The store holds every audience it ever made: tests end before that matters.
func (s *Store) Audience(members []persist.Member) *persist.Audience {
	if len(members) == 0 {
		return nil
	}
	key := audienceKey(members)
	s.mu.Lock()
	defer s.mu.Unlock()
	audience := s.audiences[key]
	if audience == nil {
		own := slices.Clone(members)
		for i := range own {
			own[i].SubscriptionIDs = slices.Clone(own[i].SubscriptionIDs)
		}
		audience = persist.NewAudience(own, nil)
		s.audiences[key] = audience
	}
	return audience
}

// audienceKey is the same for equal sets and for no others.
func audienceKey(members []persist.Member) string {
	var key []byte
	for _, m := range members {
		key = binary.AppendUvarint(key, uint64(m.Session))
		asPublished := byte(0)
		if m.RetainAsPublished {
			asPublished = 1
		}
		key = append(key, m.QoS, asPublished)
		key = binary.AppendUvarint(key, uint64(len(m.SubscriptionIDs)))
		for _, id := range m.SubscriptionIDs {
			key = binary.AppendUvarint(key, uint64(id))
		}
	}
	return string(key)
}

// sessionLocked finds a session that exists.
func (s *Store) sessionLocked(id persist.SessionID) (*session, error) {
	if s.dead != nil {
		return nil, s.dead
	}
	ses := s.state.sessions[id]
	if ses == nil {
		return nil, persist.ErrNoSession
	}
	return ses, nil
}

// Session implements persist.Store.
func (s *Store) Session(id persist.SessionID) (persist.SessionState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ses, err := s.sessionLocked(id)
	if err != nil {
		return persist.SessionState{}, fmt.Errorf("session %d: %w", id, err)
	}
	return ses.snapshot(), nil
}

// Sessions implements persist.Store; the oldest session comes first.
func (s *Store) Sessions(fn func(persist.SessionState) bool) error {
	s.mu.Lock()
	if s.dead != nil {
		s.mu.Unlock()
		return s.dead
	}
	all := make([]persist.SessionState, 0, len(s.state.sessions))
	for _, id := range slices.Sorted(maps.Keys(s.state.sessions)) {
		all = append(all, s.state.sessions[id].snapshot())
	}
	s.mu.Unlock()
	for _, state := range all {
		if !fn(state) {
			break
		}
	}
	return nil
}

// Retained implements persist.Store.
func (s *Store) Retained(topic string) (persist.Retained, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead != nil {
		return persist.Retained{}, s.dead
	}
	if s.switches.readFailure != nil {
		return persist.Retained{}, fmt.Errorf("retained message of %q: %w", topic, s.switches.readFailure)
	}
	r, ok := s.state.retained[topic]
	if !ok {
		return persist.Retained{}, persist.ErrNotRetained
	}
	r.Message = cloneMessage(&r.Message)
	return r, nil
}

// RetainedTopics implements persist.Store.
func (s *Store) RetainedTopics(fn func(topic string) bool) error {
	s.mu.Lock()
	if s.dead != nil {
		s.mu.Unlock()
		return s.dead
	}
	topics := slices.Sorted(maps.Keys(s.state.retained))
	s.mu.Unlock()
	for _, topic := range topics {
		if !fn(topic) {
			break
		}
	}
	return nil
}

// Stats implements persist.Store.
func (s *Store) Stats() persist.Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := s.stats
	stats.LargestEntry = s.options.LargestEntry
	stats.State = s.stateWordLocked()
	if s.state != nil {
		stats.Sessions = len(s.state.sessions)
		stats.Queued = s.state.queued
		stats.Retained = len(s.state.retained)
		stats.Position = s.state.end
	}
	return stats
}

func (s *Store) stateWordLocked() string {
	switch {
	case s.failure != nil:
		return "failed: " + s.failure.Error()
	case s.dead != nil:
		return s.dead.Error()
	case s.switches.stalled != "":
		return "stalled: " + s.switches.stalled
	}
	return "running"
}
