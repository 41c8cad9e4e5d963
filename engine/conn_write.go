package engine

import (
	"time"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/wire"
)

// outbound is what only the write loop touches.
type outbound struct {
	buffer   []byte // of the write that is being gathered
	packet   wire.Publish
	aliases  outboundAliases
	retained retainedWork

	queue  persist.Queue // of a kept session
	page   persist.Page
	staged []stagedDelivery
	ticket persist.Ticket // that staged waits for
	sent   []persist.Sent
	batch  persist.Batch
}

// writeLoop sends what is due until the connection is ended. It gathers everything there is before each write.
func (c *conn) writeLoop() {
	defer c.endWriting()
	for {
		more := c.gather()
		if len(c.out.buffer) > 0 {
			if _, err := c.nc.Write(c.out.buffer); err != nil {
				c.stop(wire.Success) // the peer is gone; the read loop says how
				return
			}
			c.out.buffer = c.out.buffer[:0]
			if !c.stopped() {
				continue
			}
		}
		if c.stopped() {
			c.farewell()
			return
		}
		if more {
			continue
		}
		c.rest()
		<-c.wake
	}
}

// endWriting lets go of whoever leaves something for the write loop.
func (c *conn) endWriting() {
	_ = c.nc.Close() // ends the read loop
	c.mu.Lock()
	c.ended = true
	freeBuffer(c.outbox.frames)
	c.outbox = outbox{}
	c.room.Broadcast()
	c.mu.Unlock()
	freeBuffer(c.out.buffer)
	c.out.buffer = nil
}

// farewell tells an MQTT 5 client why the broker ends the connection. [MQTT-4.13.1-1]
func (c *conn) farewell() {
	code := wire.ReasonCode(c.stopCode.Load())
	if c.version != wire.V5 || code == wire.Success {
		return
	}
	if !code.LegalIn(wire.DISCONNECT) {
		code = wire.UnspecifiedError
	}
	packet := wire.Disconnect{Code: code}
	if frame, err := packet.Append(nil, c.version); err == nil {
		_ = c.nc.SetWriteDeadline(time.Now().Add(stopTimeout))
		_, _ = c.nc.Write(frame) // it is ended whether it hears it or not
	}
}

// rest gives memory back before the write loop waits.
func (c *conn) rest() {
	freeBuffer(c.out.buffer)
	c.out.buffer = nil
	if len(c.out.staged) == 0 {
		c.out.page = persist.Page{}
		c.out.staged, c.out.sent = nil, nil
	}
}

// gather collects what is due, about one write's worth, and returns whether there is more that waits for nothing.
func (c *conn) gather() (more bool) {
	now := c.broker.opts.Now().UnixMilli()
	c.mu.Lock()
	c.signalled, c.outbox.starved = false, false
	c.drainWaitingLocked(now)
	if c.outbox.frames != nil {
		freeBuffer(c.out.buffer)
		c.out.buffer, c.outbox.frames = c.outbox.frames, nil
	} else if c.out.buffer == nil {
		c.out.buffer = newBuffer()
	}
	c.encodeAcksLocked()
	c.mu.Unlock()
	if c.stopped() {
		return false
	}
	c.writeRetained()
	for len(c.out.buffer) < maxGathered {
		if !c.pull(now) {
			return false
		}
	}
	return true
}

// encodeAcksLocked encodes the acknowledgements that are durable, in order.
func (c *conn) encodeAcksLocked() {
	if c.acks.len() == 0 {
		return
	}
	full := c.acks.len() >= maxPendingAcks
	durable := uint64(c.broker.store.Durable())
	for len(c.out.buffer) < maxGathered {
		a, ok := c.acks.ready(durable)
		if !ok {
			if c.acks.len() == 0 || c.broker.store.Err() == nil {
				break
			}
			if a, ok = c.acks.ready(^uint64(0)); !ok || !c.failLocked(&a) {
				continue
			}
		}
		c.encodeAckLocked(&a)
	}
	if full && c.acks.len() < maxPendingAcks {
		c.room.Broadcast()
	}
}

// failLocked turns an acknowledgement whose step will never be durable into a refusal; false if there is none to send.
func (c *conn) failLocked(a *pendingAck) bool {
	if c.version != wire.V5 || (a.kind != wire.PUBACK && a.kind != wire.PUBREC) {
		return false
	}
	a.code = wire.ImplementationSpecificError
	return true
}

// encodeAckLocked encodes one acknowledgement and counts the publish that it ends out of the client's quota.
func (c *conn) encodeAckLocked(a *pendingAck) {
	var packet wire.Packet
	ends := false
	switch a.kind {
	case wire.PUBACK:
		packet, ends = &wire.Puback{PacketID: a.packetID, Code: a.code}, true
	case wire.PUBREC:
		packet, ends = &wire.Pubrec{PacketID: a.packetID, Code: a.code}, a.code.Failed()
	case wire.PUBREL:
		packet = &wire.Pubrel{PacketID: a.packetID, Code: a.code}
	case wire.PUBCOMP:
		packet, ends = &wire.Pubcomp{PacketID: a.packetID, Code: a.code}, a.code == wire.Success
	default:
		packet = a.packet
	}
	if ends && c.quota.Add(-1) < 0 {
		c.quota.Store(0) // it was taken on an earlier connection
	}
	buffer, err := packet.Append(c.out.buffer, c.version)
	if err != nil {
		c.broker.opts.Log.Error().Err(err).Str("client", c.clientID).Stringer("packet", a.kind).Msg("answer cannot be encoded")
		return
	}
	c.out.buffer = buffer
}

// encode encodes a message behind what is gathered; false if that cannot be.
func (c *conn) encode(p *wire.Publish) bool {
	buffer, err := p.Append(c.out.buffer, c.version)
	if err != nil {
		c.broker.opts.Log.Error().Err(err).Str("client", c.clientID).Bytes("topic", p.Topic).Msg("message cannot be encoded")
		return false
	}
	c.out.buffer = buffer
	c.broker.stats.sent.Add(1)
	return true
}
