package engine

import (
	"sync"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/wire"
)

// fold keeps the session table, the topic index and the retained names at what the log says: it applies the store's
// entries in log order, the one goroutine that does. A step takes effect here when it has become durable, never when
// it is appended.
type fold struct {
	broker *Broker
	wake   signal
	stop   chan struct{}
	done   chan struct{}

	mu     sync.Mutex
	moved  *sync.Cond // on mu: ticket or err changed
	ticket persist.Ticket
	err    error
	// voidWills tells of each conditional will publication whether it was void; its proposer takes it out.
	voidWills map[persist.Ticket]bool
}

// newFold returns a fold that has applied nothing.
func newFold(b *Broker) *fold {
	f := &fold{
		broker: b, wake: newSignal(), stop: make(chan struct{}), done: make(chan struct{}),
		voidWills: make(map[persist.Ticket]bool),
	}
	f.moved = sync.NewCond(&f.mu)
	return f
}

// run applies entries until halt is called or the store fails.
func (f *fold) run() {
	defer close(f.done)
	var entries []persist.Entry
	for {
		entries = f.broker.store.Entries(entries[:0], f.wake)
		for i := range entries {
			f.apply(&entries[i])
			f.advance(&entries[i])
		}
		if len(entries) > 0 {
			continue
		}
		if err := f.broker.store.Err(); err != nil {
			f.fail(err)
			f.broker.storeFailed(err)
			return
		}
		select {
		case <-f.wake:
		case <-f.stop:
			f.fail(ErrStopped)
			return
		}
	}
}

// halt ends run and waits for it.
func (f *fold) halt() {
	close(f.stop)
	<-f.done
}

// wait returns when the entry of a ticket has been applied, or with why it never will be.
func (f *fold) wait(t persist.Ticket) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.ticket < t && f.err == nil {
		f.moved.Wait()
	}
	if f.ticket >= t {
		return nil
	}
	return f.err
}

// willWasVoid takes out whether the will publication of a ticket was void. Its entry must have been applied.
func (f *fold) willWasVoid(t persist.Ticket) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	void := f.voidWills[t]
	delete(f.voidWills, t)
	return void
}

// advance tells the waiters that an entry was applied.
func (f *fold) advance(e *persist.Entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ticket = max(f.ticket, e.Ticket)
	if e.WillOf {
		f.voidWills[e.Ticket] = e.Void
	}
	f.moved.Broadcast()
}

// fail tells the waiters that nothing more will be applied.
func (f *fold) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
	f.moved.Broadcast()
}

// apply takes one entry into the broker's state.
func (f *fold) apply(e *persist.Entry) {
	if e.Void {
		return
	}
	b := f.broker
	switch e.Retain {
	case persist.RetainSet:
		b.names.Add(e.RetainTopic)
	case persist.RetainClear:
		b.names.Remove(e.RetainTopic)
	}
	if e.Session == 0 {
		return
	}
	b.sessions.mu.Lock()
	defer b.sessions.mu.Unlock()
	if e.Open != nil {
		f.open(e)
	}
	s := b.sessions.byID[e.Session]
	if s == nil {
		return
	}
	for i := range e.Subscribe {
		b.indexAdd(s, &e.Subscribe[i], true)
		s.filters[e.Subscribe[i].Filter] = struct{}{}
	}
	for _, filter := range e.Unsubscribe {
		b.indexRemove(s, filter)
		delete(s.filters, filter)
	}
	if e.WillOf {
		s.will = nil
	}
	if e.Close != nil {
		f.close(s, e.Close)
	}
	if e.End {
		f.end(s)
	}
}

// open applies Open: the session is there and connected.
func (f *fold) open(e *persist.Entry) {
	t := &f.broker.sessions
	if old := t.byID[e.Replaced]; e.Replaced != 0 && old != nil {
		f.end(old)
	}
	s := t.byID[e.Session]
	if s == nil {
		s = t.addLocked(e.ClientID, e.Session)
	}
	s.epoch = e.Epoch
	s.username = e.Open.Username
	s.expirySeconds = e.Open.ExpirySeconds
	s.connected, s.present = true, e.Present
	s.closedAt, s.notBefore, s.closing = 0, 0, 0
	s.will, s.proposed = e.Open.Will, false
}

// close applies Close: expiry and will delay run from here.
func (f *fold) close(s *session, c *persist.Close) {
	s.connected, s.closedAt = false, c.At
	if c.DiscardWill {
		s.will = nil
	}
	if c.SetExpiry {
		s.expirySeconds = c.ExpirySeconds
	}
	f.broker.expiry.watch(s)
}

// end applies the end of a session.
func (f *fold) end(s *session) {
	for filter := range s.filters {
		f.broker.indexRemove(s, filter)
	}
	f.broker.sessions.removeLocked(s)
}

// indexAdd subscribes a session in the topic index. It returns whether the subscription was there before.
func (b *Broker) indexAdd(s *session, sub *persist.Subscription, kept bool) (replaced bool) {
	value := newSubscription(s, sub, kept)
	if group, filter, shared := wire.SplitShared(sub.Filter); shared {
		return b.index.AddShared(group, filter, s.key, value)
	}
	return b.index.Add(sub.Filter, s.key, value)
}

// indexRemove unsubscribes a session in the topic index. It returns whether there was a subscription.
func (b *Broker) indexRemove(s *session, filter string) (existed bool) {
	if group, rest, shared := wire.SplitShared(filter); shared {
		return b.index.RemoveShared(group, rest, s.key)
	}
	return b.index.Remove(filter, s.key)
}

// indexHas tells whether a session has a subscription.
func (b *Broker) indexHas(s *session, filter string) bool {
	if group, rest, shared := wire.SplitShared(filter); shared {
		_, ok := b.index.GetShared(group, rest, s.key)
		return ok
	}
	_, ok := b.index.Get(filter, s.key)
	return ok
}
