package engine

import (
	"errors"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/wire"
)

// retainedWork are retained messages that a new subscription asked for and that are still to be sent.
type retainedWork struct {
	names []string
	qos   byte
	id    uint32
}

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
		sub := &subs[i]
		if _, _, shared := wire.SplitShared(sub.Filter); shared || !wanted(sub.RetainHandling, fresh[i]) {
			continue
		}
		names := c.broker.names.Match(sub.Filter, nil)
		if len(names) == 0 {
			continue
		}
		if c.kept && sub.QoS > 0 {
			var err error
			if names, err = c.queueRetained(names, sub); err != nil {
				return errStoreRefused
			}
		}
		if len(names) > 0 {
			c.mu.Lock()
			c.outbox.retained = append(c.outbox.retained, retainedWork{names: names, qos: sub.QoS, id: sub.ID})
			c.mu.Unlock()
			c.wake.Wake()
		}
	}
	return nil
}

// wanted applies Retain Handling. [MQTT-3.3.1-9..11]
func wanted(handling byte, fresh bool) bool {
	return handling == 0 || (handling == 1 && fresh)
}

// queueRetained copies retained messages to the session's queue. It returns the topics whose message is not queued: it
// is QoS 0, or there is no room.
func (c *conn) queueRetained(names []string, sub *persist.Subscription) (direct []string, err error) {
	b := c.broker
	member := persist.Member{Session: c.id, QoS: sub.QoS, RetainAsPublished: true}
	if sub.ID != 0 {
		member.SubscriptionIDs = []uint32{sub.ID}
	}
	audience := b.store.Audience([]persist.Member{member})
	for _, name := range names {
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
		if errors.Is(err, persist.ErrFull) { // then it does not survive a crash, but it is sent
			direct = append(direct, name)
		} else if err != nil {
			return nil, err
		}
	}
	return direct, nil
}

// retained reads a retained message; false if there is none, or none that is still worth sending.
func (b *Broker) retained(name string) (persist.Retained, bool) {
	r, err := b.store.Retained(name)
	switch {
	case errors.Is(err, persist.ErrNotRetained):
		return r, false
	case err != nil:
		b.stats.damaged.Add(1)
		b.opts.Log.Error().Err(err).Str("topic", name).Msg("retained message could not be read")
		return r, false
	}
	return r, !r.Message.Expired(b.opts.Now().UnixMilli())
}

// writeRetained encodes retained messages while there is room in the buffer and in the window. It returns false when
// some are left.
func (c *conn) writeRetained() bool {
	for len(c.out.buffer) < maxGathered {
		work := c.takeRetained()
		if work == nil {
			return true
		}
		name := work.names[0]
		r, ok := c.broker.retained(name)
		if ok && !c.writeOneRetained(&r.Message, work) {
			return false
		}
		work.names = work.names[1:]
	}
	return false
}

// takeRetained moves on to the next subscription with retained messages left; nil for none.
func (c *conn) takeRetained() *retainedWork {
	if w := &c.out.retained; len(w.names) > 0 {
		return w
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.outbox.retained) == 0 {
		return nil
	}
	c.out.retained = c.outbox.retained[0]
	c.outbox.retained[0] = retainedWork{}
	c.outbox.retained = c.outbox.retained[1:]
	if len(c.outbox.retained) == 0 {
		c.outbox.retained = nil
	}
	return &c.out.retained
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
