package store

import (
	"errors"
	"fmt"
	"hash/maphash"
	"sort"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/persist/seglog"
)

// retainedIndex knows which retained messages have changed since the last checkpoint; the others are in the state
// database. Values stay in the log until a checkpoint has written them, and the log keeps them until then.
type retainedIndex struct {
	// known are the hashes of the topics that have a retained message, to count them.
	seed  maphash.Seed
	known map[uint64]struct{}
	// dirty changed since the last checkpoint began; taken are the changes that the running checkpoint writes.
	dirty, taken map[string]*retainedChange
}

// retainedChange is the entry that set the retained message of a topic.
type retainedChange struct {
	// pos is 0 when the message was cleared.
	pos persist.Position
}

// change notes that the retained message of a topic was set by the entry at pos, or cleared.
func (x *retainedIndex) change(topic []byte, pos persist.Position, cleared bool) {
	hash := maphash.Bytes(x.seed, topic)
	if cleared {
		pos = 0
		delete(x.known, hash)
	} else {
		x.known[hash] = struct{}{}
	}
	if c := x.dirty[string(topic)]; c != nil {
		c.pos = pos
		return
	}
	x.dirty[string(topic)] = &retainedChange{pos: pos}
}

// load notes a topic of the state database.
func (x *retainedIndex) load(topic string) { x.known[maphash.String(x.seed, topic)] = struct{}{} }

// changed returns where the retained message of a topic stands in the log, if it changed since the last checkpoint.
func (x *retainedIndex) changed(topic string) (pos persist.Position, changed bool) {
	c := x.dirty[topic]
	if c == nil {
		c = x.taken[topic]
	}
	if c == nil {
		return 0, false
	}
	return c.pos, true
}

// take starts a checkpoint of what has changed. The changes that it returns do not change any more.
func (x *retainedIndex) take() map[string]*retainedChange {
	x.taken, x.dirty = x.dirty, make(map[string]*retainedChange)
	return x.taken
}

// written ends the checkpoint: the state database has what was taken.
func (x *retainedIndex) written() { x.taken = nil }

// giveBack ends a checkpoint that failed.
func (x *retainedIndex) giveBack() {
	for topic, c := range x.taken {
		if x.dirty[topic] == nil {
			x.dirty[topic] = c
		}
	}
	x.taken = nil
}

// Retained implements persist.Store.
func (s *Store) Retained(topic string) (persist.Retained, error) {
	for {
		s.mu.RLock()
		if s.closed {
			s.mu.RUnlock()
			return persist.Retained{}, persist.ErrClosed
		}
		pos, changed := s.state.retained.changed(topic)
		s.mu.RUnlock()
		if !changed {
			return s.storedRetained(topic)
		}
		if pos == 0 {
			return persist.Retained{}, persist.ErrNotRetained
		}
		r, err := s.loggedRetained(pos)
		if errors.Is(err, seglog.ErrGone) && s.retainedMoved(topic, pos) {
			continue // a checkpoint has written it meanwhile, and freed the segment
		}
		if err != nil {
			return persist.Retained{}, fmt.Errorf("retained message of %q: %w", topic, err)
		}
		return r, nil
	}
}

func (s *Store) storedRetained(topic string) (persist.Retained, error) {
	r, err := s.db.Retained(topic)
	if err != nil && !errors.Is(err, persist.ErrNotRetained) {
		return persist.Retained{}, fmt.Errorf("retained message of %q: %w", topic, err)
	}
	return r, err
}

// retainedMoved tells whether the retained message of a topic is no longer the one at pos in the log.
func (s *Store) retainedMoved(topic string, pos persist.Position) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	now, changed := s.state.retained.changed(topic)
	return !changed || now != pos
}

// loggedRetained reads the message of the entry at pos; its bytes are the caller's.
func (s *Store) loggedRetained(pos persist.Position) (persist.Retained, error) {
	l := retainedReader{tail: &s.tail, log: s.log.NewReader()}
	return l.read(pos)
}

// retainedReader reads messages of the log, fast by ascending positions.
type retainedReader struct {
	tail *tail
	log  *seglog.Reader
	buf  []byte
}

// read reads the message of the entry at pos; its bytes are valid until the next call.
func (l *retainedReader) read(pos persist.Position) (persist.Retained, error) {
	body, ok := l.tail.read(pos, l.buf[:0])
	if ok {
		l.buf = body
	} else {
		var err error
		if _, body, err = l.log.Read(pos); err != nil {
			return persist.Retained{}, err
		}
	}
	r := persist.Retained{Position: pos}
	if err := decodeMessage(body, &r.Message); err != nil {
		return persist.Retained{}, fmt.Errorf("entry at position %d: %w", pos, err)
	}
	return r, nil
}

// RetainedTopics implements persist.Store.
func (s *Store) RetainedTopics(fn func(topic string) bool) error {
	s.mu.RLock()
	if s.closed {
		s.mu.RUnlock()
		return persist.ErrClosed
	}
	changed := make(map[string]bool)
	var set []string
	for _, changes := range []map[string]*retainedChange{s.state.retained.dirty, s.state.retained.taken} {
		for topic, c := range changes {
			if changed[topic] {
				continue
			}
			changed[topic] = true
			if c.pos != 0 {
				set = append(set, topic)
			}
		}
	}
	s.mu.RUnlock()
	sort.Strings(set)
	for _, topic := range set {
		if !fn(topic) {
			return nil
		}
	}
	err := s.db.RetainedTopics(func(topic string, _ persist.Position) error {
		if !changed[topic] && !fn(topic) {
			return errStop
		}
		return nil
	})
	if err != nil && !errors.Is(err, errStop) {
		return fmt.Errorf("list retained topics: %w", err)
	}
	return nil
}

// errStop ends an iteration early.
var errStop = errors.New("stop")
