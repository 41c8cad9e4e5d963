package memstore

import (
	"time"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// submission is a batch that was appended and is not yet durable.
type submission struct {
	batch  *persist.Batch
	ticket persist.Ticket
	size   int
}

// pending is what is not yet durable, in ticket order. The store's lock guards it.
type pending struct {
	submissions []submission
	bytes       int
	// timer runs while a delayed group commit is under way; the group is the first inGroup submissions, and groups
	// tells it from a group that was given up.
	timer   *time.Timer
	inGroup int
	groups  uint64
}

func (p *pending) len() int { return len(p.submissions) }

func (p *pending) add(sub submission) {
	p.submissions = append(p.submissions, sub)
	p.bytes += sub.size
}

// take removes the first n submissions.
func (p *pending) take(n int) []submission {
	taken := p.submissions[:n:n]
	p.submissions = p.submissions[n:]
	for _, sub := range taken {
		p.bytes -= sub.size
	}
	return taken
}

// stop gives up a delayed commit.
func (p *pending) stop() {
	if p.timer != nil {
		p.timer.Stop()
		p.timer, p.inGroup = nil, 0
	}
}

// wakes are the waiters to wake once the lock is released.
type wakes []persist.Waiter

func (w *wakes) add(waiter persist.Waiter) {
	if waiter != nil {
		*w = append(*w, waiter)
	}
}

func (w wakes) wake() {
	for _, waiter := range w {
		waiter.Wake()
	}
}

// scheduleLocked sees to what is pending: at once, by a timer, or not at all while the store is held. The caller wakes
// what it returns.
func (s *Store) scheduleLocked() wakes {
	switch {
	case s.dead != nil || s.failure != nil || s.switches.held || s.pending.len() == 0 || s.pending.timer != nil:
		return nil
	case s.switches.delay <= 0:
		return s.commitLocked(s.pending.len())
	}
	s.pending.inGroup = s.pending.len()
	s.pending.groups++
	group := s.pending.groups
	s.pending.timer = time.AfterFunc(s.switches.delay, func() { s.commitGroup(group) })
	return nil
}

// commitGroup is the end of a delayed group commit; what came meanwhile is the next group.
func (s *Store) commitGroup(group uint64) {
	s.mu.Lock()
	if s.pending.timer == nil || s.pending.groups != group {
		s.mu.Unlock()
		return // given up while it was about to run
	}
	n := s.pending.inGroup
	s.pending.stop()
	wakes := s.commitLocked(n)
	wakes = append(wakes, s.scheduleLocked()...)
	s.mu.Unlock()
	wakes.wake()
}

// commitLocked makes the first n pending batches durable as one group, and folds them. The caller wakes what it
// returns.
func (s *Store) commitLocked(n int) wakes {
	if n == 0 {
		return nil
	}
	var wakes wakes
	for _, sub := range s.pending.take(n) {
		void := s.state.void
		out := s.state.fold(sub.batch, sub.ticket)
		s.stats.Void += s.state.void - void
		s.stats.Records++
		s.stats.Bytes += uint64(sub.size)
		s.durable = sub.ticket
		wakes.add(sub.batch.Waiter)
		if out.control {
			s.entries = append(s.entries, out.entry)
		}
		if out.published {
			s.wakeReadersLocked(sub.batch.Audience, &wakes)
		}
		if q := s.readers[out.ended]; q != nil {
			wakes.add(q.waiter) // so that it finds out
		}
	}
	if len(s.entries) > 0 {
		wakes.add(s.entriesWaiter)
		s.entriesWaiter = nil
	}
	s.stats.Groups++
	s.stats.Syncs++
	s.room.Broadcast()
	return wakes
}

// wakeReadersLocked wakes the attached members of an audience.
func (s *Store) wakeReadersLocked(audience *persist.Audience, wakes *wakes) {
	if len(s.readers) == 0 {
		return
	}
	for _, member := range audience.Members() {
		if q := s.readers[member.Session]; q != nil {
			wakes.add(q.waiter)
		}
	}
}
