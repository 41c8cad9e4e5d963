package engine

import (
	"container/heap"
	"errors"
	"sync"
	"time"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// expiry is the one heap of deadlines: sessions that end, wills that are due. It proposes; whether a session really
// ends is decided when the proposal is folded, because the client may have come back meanwhile.
type expiry struct {
	broker *Broker
	wake   signal
	stop   chan struct{}
	done   chan struct{}

	mu   sync.Mutex
	heap deadlines
}

// deadline is when to look at a session again.
type deadline struct {
	at int64 // Unix milliseconds
	id persist.SessionID
}

// deadlines is a heap, the earliest first.
type deadlines []deadline

func (d deadlines) Len() int           { return len(d) }
func (d deadlines) Less(i, j int) bool { return d[i].at < d[j].at }
func (d deadlines) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }

// Push implements heap.Interface.
func (d *deadlines) Push(x any) { *d = append(*d, x.(deadline)) }

// Pop implements heap.Interface.
func (d *deadlines) Pop() any {
	last := len(*d) - 1
	x := (*d)[last]
	*d = (*d)[:last]
	return x
}

// newExpiry returns an expiry without deadlines.
func newExpiry(b *Broker) *expiry {
	return &expiry{broker: b, wake: newSignal(), stop: make(chan struct{}), done: make(chan struct{})}
}

// watch notes the next deadline of a session that is not connected. Called with sessions.mu held.
func (e *expiry) watch(s *session) {
	at, ok := s.willAt()
	ok = ok && !s.proposed
	if end, ends := s.endsAt(); ends && (!ok || end < at) {
		at, ok = end, true
	}
	if !ok || (s.watched != 0 && s.watched <= at) {
		return // a device that comes and goes has one deadline in the heap, not one for each visit
	}
	s.watched = at
	e.mu.Lock()
	heap.Push(&e.heap, deadline{at: at, id: s.id})
	first := e.heap[0].at == at
	e.mu.Unlock()
	if first {
		e.wake.Wake()
	}
}

// run looks at sessions when they are due until halt is called.
func (e *expiry) run() {
	defer close(e.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		due, next := e.due(e.broker.opts.Now().UnixMilli())
		if len(due) > 0 {
			if e.broker.expire(due) != nil {
				return // the store has failed: nothing ends any more
			}
			continue
		}
		timer.Reset(next)
		select {
		case <-timer.C:
		case <-e.wake:
		case <-e.stop:
			return
		}
	}
}

// halt ends run and waits for it.
func (e *expiry) halt() {
	close(e.stop)
	<-e.done
}

// maxDue bounds how many sessions are looked at in one go.
const maxDue = 1024

// due takes out the deadlines that have passed, and how long to wait for the next when none has.
func (e *expiry) due(now int64) (due []deadline, next time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for len(e.heap) > 0 && e.heap[0].at <= now && len(due) < maxDue {
		due = append(due, heap.Pop(&e.heap).(deadline))
	}
	if len(e.heap) == 0 {
		return due, time.Hour
	}
	return due, min(time.Hour, time.Duration(e.heap[0].at-now)*time.Millisecond)
}

// expire publishes the wills and ends the sessions that are due.
func (b *Broker) expire(due []deadline) error {
	now := b.opts.Now().UnixMilli()
	var wills []*willStep
	for _, d := range due {
		step, ok := b.proposal(d, now)
		if !ok {
			continue
		}
		err := b.propose(step)
		if errors.Is(err, persist.ErrFull) {
			b.postpone(step, now+fullRetry.Milliseconds())
			continue
		}
		if err != nil {
			return err
		}
		if step.will != nil {
			wills = append(wills, step)
		}
	}
	for _, step := range wills {
		if err := b.deliverWill(step); err != nil {
			return err
		}
	}
	return nil
}

// fullRetry is the time after which a will that found the store full is tried again.
const fullRetry = time.Second

// postpone holds a session's deadlines back: there was no room for its will.
func (b *Broker) postpone(step *willStep, until int64) {
	b.sessions.mu.Lock()
	defer b.sessions.mu.Unlock()
	if s := b.sessions.byID[step.session]; s != nil && s.epoch == step.epoch && !s.connected {
		s.proposed, s.notBefore = false, until
		b.expiry.watch(s)
	}
}

// proposal says what is due for a session; false for nothing, or no longer.
func (b *Broker) proposal(d deadline, now int64) (*willStep, bool) {
	b.sessions.mu.Lock()
	defer b.sessions.mu.Unlock()
	s := b.sessions.byID[d.id]
	if s == nil || s.watched != d.at {
		return nil, false
	}
	s.watched = 0
	if s.connected {
		return nil, false // Close will watch it again
	}
	step := &willStep{session: s.id, epoch: s.epoch, key: s.key, clientID: s.clientID, who: Identity{Name: s.username}}
	if at, ok := s.willAt(); ok && at <= now && !s.proposed {
		step.will, s.proposed = s.will, true // once; a failing store is the end of the process
	}
	if at, ok := s.endsAt(); ok && at <= now {
		step.end = true
	} else {
		b.expiry.watch(s)
	}
	return step, step.will != nil || step.end
}
