package engine

import (
	"errors"
	"slices"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/wire"
)

// retainedWork are retained messages that a new subscription asked for and that are still to be sent. While others are
// before it, it holds no list of them: a client may subscribe to everything any number of times, and never read.
type retainedWork struct {
	filter  string
	matched bool
	names   []string // what the filter matches, once matched
	// unqueued: of the topics before this one, the messages at QoS 1 and 2 are in the session's queue.
	unqueued string
	qos      byte
	id       uint32
}

// behindNames is behind all topic names: they are UTF-8.
const behindNames = "\xff"

// sendRetained sends the retained messages that subscriptions ask for. For a kept session those at QoS 1 and 2 are
// copied to its queue, so that they survive as other messages do; the rest is read while it is written out.
// [MQTT-3.3.1-9] [MQTT-3.3.1-10]
func (c *conn) sendRetained(subs []persist.Subscription, fresh []bool) error {
	if len(subs) == 0 {
		return nil
	}
	c.in.touched.wake() // neither they nor the client itself are to wait with us
	c.wakeWriter()
	_ = c.broker.fold.wait(c.broker.gate.pass()) // after a failure, what is retained is what was before
	for i := range subs {
		if _, _, shared := wire.SplitShared(subs[i].Filter); shared || !wanted(subs[i].RetainHandling, fresh[i]) {
			continue
		}
		if err := c.askRetained(&subs[i], fresh[i]); err != nil {
			return errStoreRefused
		}
	}
	return nil
}

// askRetained leaves the retained messages of one subscription for the write loop, except for those that are queued.
func (c *conn) askRetained(sub *persist.Subscription, fresh bool) (err error) {
	work := retainedWork{filter: sub.Filter, qos: sub.QoS, id: sub.ID}
	c.mu.Lock()
	next := len(c.outbox.retained) == 0
	c.mu.Unlock()
	queued := c.kept && sub.QoS > 0
	if next || queued {
		if work.names = c.broker.names.Match(sub.Filter, nil); queued {
			work.names, work.unqueued, err = c.queueRetained(work.names, sub)
		}
		if err != nil || len(work.names) == 0 {
			return err
		}
	}
	if work.matched = next; !next {
		work.names = nil // again when its turn comes
	}
	if !fresh {
		c.forgetRetained(sub.Filter) // once is enough
	}
	c.mu.Lock()
	c.outbox.retained = append(c.outbox.retained, work)
	c.mu.Unlock()
	c.wake.Wake()
	return nil
}

// forgetRetained gives up the retained messages that a subscription waits for.
func (c *conn) forgetRetained(filter string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outbox.retained = slices.DeleteFunc(c.outbox.retained, func(w retainedWork) bool { return w.filter == filter })
}

// wanted applies Retain Handling. [MQTT-3.3.1-9..11]
func wanted(handling byte, fresh bool) bool {
	return handling == 0 || (handling == 1 && fresh)
}

// queueRetained copies retained messages to the session's queue. It returns the topics whose message is not queued: it
// is QoS 0, or there was no room for it and those from unqueued on.
func (c *conn) queueRetained(names []string, sub *persist.Subscription) (direct []string, unqueued string, err error) {
	b := c.broker
	member := persist.Member{Session: c.id, QoS: sub.QoS, RetainAsPublished: true}
	if sub.ID != 0 {
		member.SubscriptionIDs = []uint32{sub.ID}
	}
	audience := b.store.Audience([]persist.Member{member})
	for i, name := range names {
		if c.stopped() { // there may be a million
			return nil, "", ErrStopped
		}
		r, ok := b.retained(name)
		if !ok {
			continue
		}
		if r.Message.QoS == 0 {
			direct = append(direct, name)
			continue
		}
		r.Message.Retained = true
		batch := persist.Batch{Session: c.id, Epoch: c.epoch, Message: &r.Message, Audience: audience, Waiter: c.wake}
		_, err := c.append(&batch)
		if errors.Is(err, persist.ErrFull) { // then they do not survive a crash, but they are sent
			return append(direct, names[i:]...), name, nil
		} else if err != nil {
			return nil, "", err
		}
	}
	return direct, behindNames, nil
}

// retained reads a retained message; false if there is none, or none that is still worth sending.
func (b *Broker) retained(name string) (persist.Retained, bool) {
	r, err := b.store.Retained(name)
	switch {
	case errors.Is(err, persist.ErrNotRetained):
		return r, false
	case err != nil:
		b.stats.damaged.Add(1)
		b.opts.Log.Error().Err(err).Str("topic", shown(name)).Msg("retained message could not be read")
		return r, false
	}
	return r, !r.Message.Expired(b.opts.Now().UnixMilli())
}

// writeRetained encodes retained messages while there is room in the buffer and in the window. It returns whether there
// are more that wait for nothing.
func (c *conn) writeRetained() (more bool) {
	for looked := 0; len(c.out.buffer) < maxGathered && looked < pageMessages; looked++ {
		work := c.takeRetained()
		if work == nil {
			return false
		}
		name := work.names[0]
		r, ok := c.broker.retained(name)
		queued := r.Message.QoS > 0 && name < work.unqueued
		if ok && !queued && !c.writeOneRetained(&r.Message, work) {
			return false
		}
		work.names = work.names[1:]
	}
	return true
}

// takeRetained moves on to the next subscription with retained messages left; nil for none.
func (c *conn) takeRetained() *retainedWork {
	w := &c.out.retained
	for len(w.names) == 0 {
		*w = retainedWork{}
		c.mu.Lock()
		waiting := &c.outbox.retained
		if len(*waiting) == 0 || c.stopped() {
			*waiting = nil
			c.mu.Unlock()
			return nil
		}
		*w, (*waiting)[0] = (*waiting)[0], retainedWork{}
		*waiting = (*waiting)[1:]
		c.mu.Unlock()
		if !w.matched {
			w.names, w.matched = c.broker.names.Match(w.filter, nil), true
		}
	}
	return w
}

// writeOneRetained encodes one retained message; false if the window is full.
func (c *conn) writeOneRetained(m *persist.Message, work *retainedWork) bool {
	p := &c.out.packet
	fillPublish(p, m, remainingExpiry(m, c.broker.opts.Now().UnixMilli()))
	p.Retain = true
	if work.id != 0 {
		p.Properties.AddSubscriptionID(work.id)
	}
	p.QoS = min(m.QoS, work.qos)
	if c.tooLarge(p) {
		c.broker.stats.oversized.Add(1)
		return true
	}
	if p.QoS > 0 {
		c.mu.Lock()
		ok := c.window.room() > 0
		if ok {
			p.PacketID, ok = c.window.add(0, p.QoS)
		}
		c.outbox.starved = c.outbox.starved || !ok
		c.mu.Unlock()
		if !ok {
			return false
		}
	}
	c.encode(p)
	return true
}
