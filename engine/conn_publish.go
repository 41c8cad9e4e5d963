package engine

import (
	"bytes"
	"errors"
	"sync"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/wire"
)

// errStoreRefused ends the connection of an MQTT 3 client whose message could not be stored: it has no other way to
// learn of it, and sends the message again when it is back.
var errStoreRefused = errors.New("message could not be stored")

// handlePublish takes a message: to clients at once, to the store, or both. What it promises is acknowledged when it is
// durable.
func (c *conn) handlePublish(frame wire.Frame) error {
	p := &c.in.publish
	if err := p.Decode(frame, c.version); err != nil {
		return err
	}
	c.broker.stats.received.Add(1)
	if err := c.resolveTopic(p); err != nil {
		return err
	}
	if p.QoS == 0 {
		return c.publish(p)
	}
	if p.QoS == 2 && c.in.received.has(p.PacketID) {
		// Sent again: the first is taken, or on its way to the disk. [MQTT-4.3.3-10]
		c.acknowledge(pendingAck{ticket: uint64(c.in.last), packetID: p.PacketID, kind: wire.PUBREC})
		return nil
	}
	if c.quota.Add(1) > int32(c.broker.opts.ReceiveMaximum) && c.version == wire.V5 {
		return protocolError(wire.PUBLISH, wire.ReceiveMaximumExceeded, "more unacknowledged publishes than Receive Maximum allows")
	}
	return c.publish(p)
}

// resolveTopic puts the topic name in place of its alias and checks its depth.
func (c *conn) resolveTopic(p *wire.Publish) error {
	if p.Properties.Has(wire.PropSubscriptionIdentifier) { // [MQTT-3.3.4-6]
		return protocolError(wire.PUBLISH, wire.ProtocolErrorCode, "subscription identifier from a client")
	}
	if p.Properties.Has(wire.PropTopicAlias) {
		name, err := c.in.aliases.resolve(p.Properties.TopicAlias, p.Topic)
		if err != nil {
			return err
		}
		p.Topic = name
	}
	if c.levels(p.Topic) > c.broker.opts.MaxTopicLevels {
		return protocolError(wire.PUBLISH, wire.TopicNameInvalid, "topic name has too many levels")
	}
	return nil
}

// levels counts the levels of a topic name or filter.
func (c *conn) levels(name []byte) int { return bytes.Count(name, []byte{'/'}) + 1 }

// publish routes one message and queues its acknowledgement.
func (c *conn) publish(p *wire.Publish) error {
	b := c.broker
	if !b.opts.Authorizer.MayPublish(c.who, c.clientID, p.Topic) {
		b.stats.denied.Add(1)
		return c.deny(p, wire.NotAuthorized)
	}
	pub := &c.in.pub
	c.fillPublication(pub, p)
	var inside *sync.WaitGroup
	if p.Retain {
		inside = b.gate.enter()
	}
	plan := c.plan(p.Topic)
	ticket, err := c.store(p, pub, plan)
	if p.Retain {
		b.gate.leave(inside, ticket)
	}
	if err != nil {
		c.broker.refusals.Warn().Err(err).Str("client", shown(c.clientID)).Str("topic", shown(p.Topic)).Msg("message could not be stored")
		if p.QoS > 0 { // MQTT 3 learns of it by the end of the connection, without an acknowledgement
			return c.deny(p, storeCode(err))
		}
		b.stats.dropped.Add(1) // it is not retained, and reaches those who are there all the same
	}
	b.router.deliverNow(plan, pub, &c.in.touched)
	if p.QoS == 0 {
		return nil
	}
	answer := pendingAck{ticket: uint64(ticket), packetID: p.PacketID, kind: wire.PUBACK}
	if p.QoS == 2 {
		c.in.received.add(p.PacketID)
		answer.kind = wire.PUBREC
	}
	if plan.empty() {
		answer.code = wire.NoMatchingSubscribers
	}
	c.acknowledge(answer)
	return nil
}

// fillPublication makes the message to route of the packet. It points into the packet.
func (c *conn) fillPublication(pub *publication, p *wire.Publish) {
	pub.reset()
	c.in.forward = c.in.forward[:0]
	if c.version == wire.V5 {
		c.in.forward = p.Properties.AppendForward(c.in.forward)
	}
	pub.message = persist.Message{
		Topic: p.Topic, Properties: c.in.forward, Payload: p.Payload, QoS: p.QoS, Retain: p.Retain,
	}
	if p.Properties.Has(wire.PropMessageExpiryInterval) {
		pub.expirySeconds = p.Properties.MessageExpiryInterval
		pub.message.Expires = c.broker.opts.Now().UnixMilli() + int64(pub.expirySeconds)*1000
	}
}

// plan returns the targets of a topic, from memory while no subscription has changed.
func (c *conn) plan(name []byte) *plan {
	b := c.broker
	if v := b.index.Version(); v != c.in.version || len(c.in.plans) >= maxPlans {
		c.forgetPlans()
		c.in.version = v
	}
	if p := c.in.plans[string(name)]; p != nil {
		return p
	}
	p := b.router.plan(name, c.session.key)
	if c.in.plans == nil {
		c.in.plans = make(map[string]*plan)
	}
	c.in.plans[string(name)] = p
	c.in.planned += p.size()
	b.router.remembered.Add(int64(p.size()))
	return p
}

// forgetPlans lets go of the plans that the connection remembers.
func (c *conn) forgetPlans() {
	clear(c.in.plans)
	c.broker.router.remembered.Add(-int64(c.in.planned))
	c.in.planned = 0
}

// store appends what must be durable of a publish in one step: the message for the sessions that are kept, the
// retained value, and the identifier of a QoS 2 message. Ticket 0: nothing had to be.
func (c *conn) store(p *wire.Publish, pub *publication, plan *plan) (persist.Ticket, error) {
	batch := &c.in.batch
	*batch = persist.Batch{Retain: retainAction(&pub.message)}
	if p.QoS > 0 {
		batch.Waiter = c.wake
		batch.Audience = c.broker.router.audience(plan)
	}
	if p.QoS == 2 && c.kept {
		batch.Session, batch.Epoch, batch.ReceivedID = c.id, c.epoch, p.PacketID
	}
	if batch.Audience != nil || batch.Retain != persist.RetainNone {
		batch.Message = &pub.message
	} else if batch.ReceivedID == 0 {
		return 0, nil
	}
	return c.append(batch)
}

// deny answers a publish that was not taken. MQTT 3 has no code for it: where the message was not allowed, it is
// acknowledged all the same, and where it could not be stored, the connection ends. [MQTT-3.3.5-2 of 3.1.1]
func (c *conn) deny(p *wire.Publish, code wire.ReasonCode) error {
	if p.QoS == 0 {
		return nil
	}
	if c.version != wire.V5 && code != wire.NotAuthorized {
		return errStoreRefused
	}
	answer := pendingAck{packetID: p.PacketID, kind: wire.PUBACK, code: code}
	if p.QoS == 2 {
		answer.kind = wire.PUBREC
		if c.version != wire.V5 {
			c.in.received.add(p.PacketID) // its PUBREL will come
		}
	}
	if !answer.code.LegalIn(answer.kind) {
		answer.code = wire.UnspecifiedError
	}
	c.acknowledge(answer)
	return nil
}
