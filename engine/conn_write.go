package engine

import (
	"errors"
	"os"
	"sync"
	"time"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/wire"
)

// outbound is what only the write loop touches.
type outbound struct {
	buffer   []byte    // of the write that is being gathered
	renewed  time.Time // when the write deadline was set
	packet   wire.Publish
	ack      wire.Puback
	aliases  outboundAliases
	retained retainedWork

	queue  persist.Queue // of a kept session
	page   *persist.Page // borrowed while there is something to send
	staged []stagedDelivery
	ticket persist.Ticket // that staged waits for
	sent   []persist.Sent
	batch  persist.Batch
}

// writeLoop sends what is due until the connection is ended. It gathers everything there is before each write.
func (c *conn) writeLoop() error {
	for {
		more := c.gather()
		if len(c.out.buffer) > 0 {
			if err := c.write(c.out.buffer); err != nil {
				c.stop(wire.Success) // the peer is gone; the read loop says how
				return nil
			}
			c.out.buffer = c.out.buffer[:0]
			if !c.stopped() {
				continue
			}
		}
		if c.stopped() {
			c.farewell()
			return nil
		}
		if more {
			continue
		}
		c.rest()
		<-c.wake
	}
}

// write writes to the socket as long as the client takes some of it. One that does not, be it that it sends PINGREQ in
// time, must not hold on to its memory for ever.
func (c *conn) write(b []byte) error {
	if time.Since(c.out.renewed) > writeTimeout/2 { // not for each write
		c.renewWriteDeadline()
	}
	for fresh := false; ; fresh = true {
		n, err := c.nc.Write(b)
		b = b[n:]
		if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) || c.stopped() {
			return err
		}
		if fresh && n == 0 {
			c.broker.opts.Log.Warn().Str("client", shown(c.clientID)).Str("remote", c.remote()).
				Msg("client does not read; its connection is ended")
			return err
		}
		c.renewWriteDeadline()
	}
}

// renewWriteDeadline gives the client time to take something. A connection that is being ended has less.
func (c *conn) renewWriteDeadline() {
	c.out.renewed = time.Now()
	_ = c.nc.SetWriteDeadline(c.out.renewed.Add(writeTimeout))
	if c.stopped() { // stop may have set its deadline before ours
		_ = c.nc.SetWriteDeadline(c.out.renewed.Add(stopTimeout))
	}
}

// endWriting lets go of whoever leaves something for the write loop.
func (c *conn) endWriting() {
	_ = c.nc.Close() // ends the read loop
	c.closeOutbox()
	freeBuffer(c.out.buffer)
	c.out.buffer = nil
}

// closeOutbox drops what others left, and takes nothing more.
func (c *conn) closeOutbox() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	freeBuffer(c.outbox.frames)
	c.outbox, c.writing = outbox{}, 0
	c.chargeLocked()
	c.room.Broadcast()
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
		freePage(c.out.page)
		c.out.page, c.out.staged, c.out.sent = nil, nil, nil
		c.out.packet.Topic, c.out.packet.Payload, c.out.packet.Forward = nil, nil, nil // of the page
	}
}

// pages are what queues are read to by those connections that send just now.
var pages = sync.Pool{New: func() any { return new(persist.Page) }}

// freePage gives a page back, unless a rare large message made it large.
func freePage(p *persist.Page) {
	if p != nil && cap(p.Buffer) <= keptBuffer {
		pages.Put(p)
	}
}

// gather collects what is due, about one write's worth, and returns whether there is more that waits for nothing.
func (c *conn) gather() (more bool) {
	now := c.broker.opts.Now().UnixMilli()
	c.gatherLeft(now)
	if c.stopped() {
		return false
	}
	more = c.writeRetained()
	for len(c.out.buffer) < maxGathered {
		if !c.pull(now) {
			return more
		}
	}
	return true
}

// gatherLeft collects what other goroutines left for the write loop.
func (c *conn) gatherLeft(now int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.signalled, c.outbox.starved = false, false
	c.drainWaitingLocked(now)
	if c.outbox.frames != nil {
		freeBuffer(c.out.buffer)
		c.out.buffer, c.outbox.frames = c.outbox.frames, nil
	} else if c.out.buffer == nil {
		c.out.buffer = newBuffer()
	}
	c.writing = len(c.out.buffer)
	c.chargeLocked()
	c.encodeAcksLocked()
}

// encodeAcksLocked encodes the acknowledgements that are durable, in order.
func (c *conn) encodeAcksLocked() {
	if c.acks.len() == 0 {
		return
	}
	full := c.crowdedLocked()
	durable := uint64(c.broker.store.Durable())
	for len(c.out.buffer) < maxGathered {
		if a, ok := c.takeAckLocked(durable); ok {
			c.encodeAckLocked(&a)
			continue
		}
		if c.acks.len() == 0 || c.broker.store.Err() == nil {
			break
		}
		durable = uint64(c.broker.store.Durable()) // for good
		if a, ok := c.takeAckLocked(durable); ok {
			c.encodeAckLocked(&a)
		} else if a, ok := c.takeAckLocked(^uint64(0)); ok && c.failLocked(&a) {
			c.encodeAckLocked(&a)
		}
	}
	if full && !c.crowdedLocked() {
		c.room.Broadcast()
	}
}

// takeAckLocked takes the first acknowledgement out if it is durable.
func (c *conn) takeAckLocked(durable uint64) (pendingAck, bool) {
	a, ok := c.acks.ready(durable)
	c.answerBytes -= a.size()
	return a, ok
}

// failLocked turns an acknowledgement whose step may never be durable into a refusal; false if there is none to send.
// A QoS 2 message gets none: a refusal would free its identifier for another message, which would be taken for a
// repeat if the step turns out to be in the log after all. Unanswered, the client sends it again, and all is well.
func (c *conn) failLocked(a *pendingAck) bool {
	if c.version != wire.V5 || a.kind != wire.PUBACK {
		return false
	}
	a.code = wire.ImplementationSpecificError
	return true
}

// encodeAckLocked encodes one acknowledgement and counts the publish that it ends out of the client's quota.
func (c *conn) encodeAckLocked(a *pendingAck) {
	ack := &c.out.ack // a scratch: an answer of its own would be allocated
	ack.PacketID, ack.Code = a.packetID, a.code
	buffer, err := c.out.buffer, error(nil)
	ends := false
	switch a.kind {
	case wire.PUBACK:
		buffer, err = ack.Append(buffer, c.version)
		ends = true
	case wire.PUBREC:
		buffer, err = (*wire.Pubrec)(ack).Append(buffer, c.version)
		ends = a.code.Failed()
	case wire.PUBREL:
		buffer, err = (*wire.Pubrel)(ack).Append(buffer, c.version)
	case wire.PUBCOMP:
		buffer, err = (*wire.Pubcomp)(ack).Append(buffer, c.version)
		ends = a.code == wire.Success
	default:
		buffer, err = a.packet.Append(buffer, c.version)
	}
	if ends && c.quota.Add(-1) < 0 {
		c.quota.Store(0) // it was taken on an earlier connection
	}
	if err != nil {
		c.broker.opts.Log.Error().Err(err).Str("client", shown(c.clientID)).Stringer("packet", a.kind).Msg("answer cannot be encoded")
		return
	}
	c.out.buffer = buffer
}

// encode encodes a message behind what is gathered; false if that cannot be.
func (c *conn) encode(p *wire.Publish) bool {
	buffer, err := p.Append(c.out.buffer, c.version)
	if err != nil {
		c.broker.opts.Log.Error().Err(err).Str("client", shown(c.clientID)).Str("topic", shown(p.Topic)).Msg("message cannot be encoded")
		return false
	}
	c.out.buffer = buffer
	c.broker.stats.sent.Add(1)
	return true
}
