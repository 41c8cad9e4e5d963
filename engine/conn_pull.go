package engine

import (
	"errors"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/wire"
)

// stagedDelivery is a message pulled from the queue that has its packet identifier.
type stagedDelivery struct {
	at       int // in the page
	packetID uint16
	qos      byte
	dup      bool
}

// resume takes over what the store knows of a kept session: identifiers in use, messages in flight, the queue.
func (c *conn) resume(present bool) error {
	if !c.kept {
		return nil
	}
	if present {
		state, err := c.broker.store.Session(c.id)
		if err != nil {
			return err
		}
		for _, id := range state.Received {
			c.in.received.add(id)
		}
		c.window.restore(state.InFlight, state.Floor)
		for _, id := range c.window.released() { // before the messages [MQTT-4.4.0-1]
			c.acks.push(pendingAck{packetID: id, kind: wire.PUBREL})
		}
	}
	queue, err := c.broker.store.Attach(c.id, c.wake)
	if err != nil {
		return err
	}
	c.out.queue = queue
	return nil
}

// pull encodes the next messages of a kept session's queue. It returns false when there are none now: the queue is
// drained, the window full, or packet identifiers are not durable yet. Each ends with a wake-up.
func (c *conn) pull(now int64) bool {
	o := &c.out
	if o.queue == nil {
		return false
	}
	if len(o.staged) == 0 {
		if more, err := c.stage(now); err != nil {
			c.broker.opts.Log.Error().Err(err).Str("client", shown(c.clientID)).Msg("queue cannot be read")
			c.stop(wire.UnspecifiedError)
			return false
		} else if !more {
			return false
		}
	}
	if o.ticket > c.broker.store.Durable() {
		return false
	}
	for i := range o.staged {
		if s := &o.staged[i]; !s.dup || c.awaits(o.page.Deliveries[s.at].Position) {
			c.encodeStaged(s, now)
		}
	}
	o.staged = o.staged[:0]
	return true
}

// awaits tells whether a message that is to be sent again still has to be: the client may have acknowledged it while it
// waited for the disk, and after PUBREL it would take it for a new one.
func (c *conn) awaits(position persist.Position) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.window.isSent(position)
}

// stage pulls messages and gives them packet identifiers. Those of QoS 2 are durable before the first is sent: the same
// message under another identifier would be a duplicate.
func (c *conn) stage(now int64) (more bool, err error) {
	o := &c.out
	c.mu.Lock()
	room := c.window.room()
	c.outbox.starved = c.outbox.starved || room == 0
	c.mu.Unlock()
	if room == 0 {
		return false, nil
	}
	if o.page == nil {
		o.page = pages.Get().(*persist.Page)
	}
	o.page.MaxMessages, o.page.MaxBytes = min(room, pageMessages), pageBytes
	if err := o.queue.Next(o.page); err != nil {
		return false, err
	}
	if len(o.page.Deliveries) == 0 {
		c.settleMissing()
		return false, nil
	}
	o.sent, o.ticket = o.sent[:0], 0
	exactly := false
	c.mu.Lock()
	for i := range o.page.Deliveries {
		exactly = c.stageLocked(i, now) || exactly
	}
	c.mu.Unlock()
	if len(o.staged) < len(o.page.Deliveries) {
		c.flushSettled()
	}
	return true, c.appendSent(exactly)
}

// stageLocked gives one message of the page its packet identifier, or settles it where it is not to be sent. It returns
// whether a new identifier must be durable first.
func (c *conn) stageLocked(at int, now int64) (exactly bool) {
	o := &c.out
	d := &o.page.Deliveries[at]
	if c.window.isPast(d.Position) {
		return false
	}
	due := c.window.isDue(d.Position)
	if c.unsendable(d, due, now) {
		c.window.skip(d.Position)
		return false
	}
	qos := min(d.Message.QoS, d.Member.QoS)
	if due {
		if id, ok := c.window.resend(d.Position, qos); ok {
			o.staged = append(o.staged, stagedDelivery{at: at, packetID: id, qos: qos, dup: true})
		}
		return false
	}
	c.window.resend(d.Position, qos) // settles what was due before it and is gone
	id, ok := c.window.add(d.Position, qos)
	if !ok {
		c.window.skip(d.Position) // cannot be: the window leaves identifiers free
		return false
	}
	o.staged = append(o.staged, stagedDelivery{at: at, packetID: id, qos: qos})
	o.sent = append(o.sent, persist.Sent{Position: d.Position, PacketID: id})
	return qos == 2
}

// unsendable tells whether a message is damaged, expired, or too large for the client, and counts it. What the client
// may have received already is not dropped for its age.
func (c *conn) unsendable(d *persist.Delivery, due bool, now int64) bool {
	s := &c.broker.stats
	switch {
	case d.Damaged:
		s.damaged.Add(1)
		c.broker.opts.Log.Error().Str("client", shown(c.clientID)).Uint64("position", uint64(d.Position)).
			Msg("stored message is damaged and cannot be delivered")
		return true
	case !due && d.Message.Expired(now):
		s.expired.Add(1)
		return true
	case c.maxPacket > 0:
		c.fillDelivery(d, now)
		c.out.packet.QoS, c.out.packet.PacketID = 1, 1
		if c.tooLarge(&c.out.packet) {
			s.oversized.Add(1)
			return true
		}
	}
	return false
}

// appendSent stores the new packet identifiers. Only QoS 2 waits for them.
func (c *conn) appendSent(exactly bool) error {
	o := &c.out
	if len(o.sent) == 0 {
		return nil
	}
	o.batch = persist.Batch{Session: c.id, Epoch: c.epoch, Sent: o.sent}
	if exactly {
		o.batch.Waiter = c.wake
	}
	ticket, err := c.broker.store.Append(&o.batch)
	if exactly {
		o.ticket = ticket
		return err
	}
	if errors.Is(err, persist.ErrFailed) {
		return nil // QoS 1 goes on being delivered
	}
	return err
}

// settleMissing settles messages in flight that the queue no longer has, when it is drained.
func (c *conn) settleMissing() {
	c.mu.Lock()
	missing := c.window.due()
	c.window.caughtUp()
	c.mu.Unlock()
	if missing {
		c.flushSettled()
	}
}

// encodeStaged encodes one message of the page.
func (c *conn) encodeStaged(s *stagedDelivery, now int64) {
	p := &c.out.packet
	c.fillDelivery(&c.out.page.Deliveries[s.at], now)
	p.QoS, p.PacketID, p.Dup = s.qos, s.packetID, s.dup
	alias, known := c.out.aliases.assign(p.Topic) // none before MQTT 5
	if alias != 0 && !known && c.maxPacket > 0 && p.EncodedSize(c.version)+aliasCost+2 > c.maxPacket {
		c.out.aliases.forget(alias) // it would be too large with the alias: up to two lengths grow
		alias = 0
	}
	if alias != 0 {
		p.Properties.SetTopicAlias(alias)
	}
	if known {
		p.Topic = nil
	}
	if !c.encode(p) && alias != 0 && !known {
		c.out.aliases.forget(alias) // the client was not told of it
	}
}

// fillDelivery makes the PUBLISH of a delivery, without what depends on the connection's state.
func (c *conn) fillDelivery(d *persist.Delivery, now int64) {
	p := &c.out.packet
	fillPublish(p, &d.Message, remainingExpiry(&d.Message, now))
	p.Retain = d.Message.Retained || (d.Member.RetainAsPublished && d.Message.Retain)
	for _, id := range d.Member.SubscriptionIDs {
		p.Properties.AddSubscriptionID(id)
	}
}
