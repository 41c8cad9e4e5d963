package store

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/holdfast-mqtt/holdfast/persist"
)

func (ses *session) findSubscription(filter string) (int, bool) {
	return slices.BinarySearchFunc(ses.subscriptions, filter, func(s persist.Subscription, filter string) int {
		return cmp.Compare(s.Filter, filter)
	})
}

// snapshot is the session as the contract shows it; the caller owns it.
func (ses *session) snapshot() persist.SessionState {
	return persist.SessionState{
		ID:            ses.id,
		Epoch:         ses.epoch,
		ClientID:      ses.clientID,
		Username:      ses.username,
		ExpirySeconds: ses.expirySeconds,
		Connected:     ses.connected,
		ClosedAt:      ses.closedAt,
		Will:          cloneWill(ses.will),
		Subscriptions: slices.Clone(ses.subscriptions),
		Received:      slices.Clone(ses.received),
		InFlight:      slices.Clone(ses.inFlight),
		Floor:         ses.floor,
	}
}

func cloneWill(w *persist.Will) *persist.Will {
	if w == nil {
		return nil
	}
	own := *w
	own.Message = cloneMessage(&w.Message)
	return &own
}

func cloneMessage(m *persist.Message) persist.Message {
	own := *m
	own.Topic = bytes.Clone(m.Topic)
	own.Properties = bytes.Clone(m.Properties)
	own.Payload = bytes.Clone(m.Payload)
	return own
}

// sessionLocked finds a session that exists.
func (s *Store) sessionLocked(id persist.SessionID) (*session, error) {
	if s.closed {
		return nil, persist.ErrClosed
	}
	ses := s.state.sessions[id]
	if ses == nil {
		return nil, persist.ErrNoSession
	}
	return ses, nil
}

func (s *Store) isClosed() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.closed
}

// Session implements persist.Store.
func (s *Store) Session(id persist.SessionID) (persist.SessionState, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	ses, err := s.sessionLocked(id)
	if err != nil {
		return persist.SessionState{}, fmt.Errorf("session %d: %w", id, err)
	}
	return ses.snapshot(), nil
}

// Sessions implements persist.Store; the oldest session comes first.
func (s *Store) Sessions(fn func(persist.SessionState) bool) error {
	s.mu.RLock()
	if s.closed {
		s.mu.RUnlock()
		return persist.ErrClosed
	}
	ids := slices.Sorted(maps.Keys(s.state.sessions))
	s.mu.RUnlock()
	for _, id := range ids {
		// One at a time, so that the copies of a hundred thousand sessions are never there together.
		state, err := s.Session(id)
		if err == nil && !fn(state) {
			break
		}
	}
	return nil
}
