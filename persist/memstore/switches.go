package memstore

import (
	"fmt"
	"time"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// switches is what a test has told the store to do.
type switches struct {
	held  bool
	full  bool
	delay time.Duration
	// stalled is why the store is held, as its state shows it; empty for a silent hold.
	stalled     string
	readFailure error
}

// Hold keeps everything that is appended from now on from becoming durable, until Step or Release. A delayed commit
// that is under way is held too.
func (s *Store) Hold() { s.hold("") }

// Stall is a Hold that shows: Stats().State is "stalled: why". Release ends it.
func (s *Store) Stall(why string) { s.hold(why) }

func (s *Store) hold(why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.switches.held = true
	s.switches.stalled = why
	s.pending.stop()
}

// Step makes the n oldest of the held batches durable, as one group, and returns how many there were.
func (s *Store) Step(n int) int {
	s.mu.Lock()
	if s.dead != nil || s.failure != nil {
		s.mu.Unlock()
		return 0
	}
	n = min(n, s.pending.len())
	s.pending.stop()
	wakes := s.commitLocked(n)
	wakes = append(wakes, s.scheduleLocked()...)
	s.mu.Unlock()
	wakes.wake()
	return n
}

// Release ends Hold and Stall and makes everything durable that they kept: at once, or after the delay.
func (s *Store) Release() {
	s.mu.Lock()
	s.switches.held = false
	s.switches.stalled = ""
	wakes := s.scheduleLocked()
	s.mu.Unlock()
	wakes.wake()
}

// Pending is how many batches were appended and are not yet durable.
func (s *Store) Pending() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pending.len()
}

// Delay sets how long a group commit takes from now on: what is appended meanwhile is the next group. In a
// testing/synctest bubble the time is the bubble's. 0 is back to durable inside Append, behind a commit under way.
func (s *Store) Delay(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.switches.delay = d
}

// Fail is a write or sync that failed: what is pending never becomes durable, Append and Err return an error that
// wraps persist.ErrFailed and cause, and everybody who waits is woken. Reads go on.
func (s *Store) Fail(cause error) {
	s.mu.Lock()
	if s.failure != nil || s.dead != nil {
		s.mu.Unlock()
		return
	}
	s.failure = fmt.Errorf("%w: %w", persist.ErrFailed, cause)
	s.pending.stop()
	var wakes wakes
	s.abandonLocked(&wakes)
	s.mu.Unlock()
	wakes.wake()
}

// Full says whether there is room for messages: while there is none, Append refuses batches with a message.
func (s *Store) Full(full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.switches.full = full
}

// FailReads makes Queue.Next and Retained return an error that wraps err; nil ends it.
func (s *Store) FailReads(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.switches.readFailure = err
}

// Damage makes the message at a position unreadable in every queue, as bytes that rotted on the disk. It tells whether
// anybody waits for a message there.
func (s *Store) Damage(p persist.Position) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead != nil {
		return false
	}
	for _, ses := range s.state.sessions {
		if q := ses.find(p); q != nil {
			q.damaged = true // the queues share the message
			s.stats.Damaged++
			return true
		}
	}
	return false
}
