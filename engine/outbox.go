package engine

import (
	"slices"
	"sync"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/wire"
)

// outbox is what other goroutines leave for a connection's write loop, in memory and bounded. The connection's mu
// guards it.
type outbox struct {
	// frames are encoded packets, ready to be written.
	frames []byte
	// waiting are messages at QoS 1 and 2, of a session that is not kept, for which the window has no room.
	waiting      []waitingMessage
	waitingBytes int
	retained     []retainedWork
	// starved: the write loop found the window full and wants to know when it is not.
	starved bool
	packet  wire.Publish
}

// waitingMessage is a message that waits in memory for room in the window.
type waitingMessage struct {
	message persist.Message
	qos     byte
	retain  bool
	ids     []uint32
}

// buffers are the write buffers of connections that have something to write.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 16<<10); return &b }}

// newBuffer returns an empty buffer.
func newBuffer() []byte { return *buffers.Get().(*[]byte) }

// freeBuffer gives a buffer back.
func freeBuffer(b []byte) {
	if cap(b) == 0 || cap(b) > keptBuffer {
		return
	}
	b = b[:0]
	buffers.Put(&b)
}

// offer leaves a message for the client, without the store: at QoS 0 encoded at once, else when the window has room.
// What does not fit into the bound is dropped and counted. It returns whether the caller must wake the write loop.
func (c *conn) offer(pub *publication, qos byte, retain bool, ids []uint32) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return false
	}
	var ok bool
	if qos == 0 {
		ok = c.offerFrameLocked(pub, retain, ids)
	} else {
		ok = c.offerCountedLocked(pub, qos, retain, ids)
	}
	c.chargeLocked()
	if !ok || c.signalled {
		return false
	}
	c.signalled = true
	return true
}

// fitsLocked tells whether so many bytes more may wait for the client. One message may always.
func (c *conn) fitsLocked(size int) bool {
	o := &c.broker.opts
	waiting := len(c.outbox.frames) + c.outbox.waitingBytes
	if waiting == 0 {
		return true
	}
	waiting += size
	return waiting <= o.MaxPending && (waiting <= sharePending || c.broker.pending.Load() < int64(o.MaxPendingTotal))
}

// chargeLocked counts what waits for the client into what waits for all, as far as it is not little.
func (c *conn) chargeLocked() {
	beyond := c.writing + len(c.outbox.frames) + c.outbox.waitingBytes - sharePending
	if beyond <= 0 && c.charged == 0 || beyond > c.charged-sharePending && beyond <= c.charged {
		return
	}
	charge := (max(0, beyond) + sharePending - 1) / sharePending * sharePending
	c.broker.pending.Add(int64(charge - c.charged))
	c.charged = charge
}

// identify adds subscription identifiers, which MQTT 3 does not know.
func (c *conn) identify(p *wire.Publish, ids []uint32) {
	if c.version != wire.V5 {
		return
	}
	for _, id := range ids {
		p.Properties.AddSubscriptionID(id)
	}
}

// offerFrameLocked leaves a QoS 0 message; false if it was dropped.
func (c *conn) offerFrameLocked(pub *publication, retain bool, ids []uint32) bool {
	o := &c.outbox
	if len(ids) > 0 && c.version == wire.V5 {
		fillPublish(&o.packet, &pub.message, pub.expirySeconds)
		c.identify(&o.packet, ids)
		switch size := o.packet.EncodedSize(c.version); {
		case c.tooLarge(&o.packet):
			c.broker.stats.oversized.Add(1)
			return false
		case !c.fitsLocked(size):
			c.broker.stats.dropped.Add(1)
			return false
		}
		return c.appendFrameLocked(retain)
	}
	frame := pub.frame(c.version, retain)
	if frame == nil || (c.maxPacket > 0 && len(frame) > c.maxPacket) {
		c.broker.stats.oversized.Add(1)
		return false
	}
	if !c.fitsLocked(len(frame)) {
		c.broker.stats.dropped.Add(1)
		return false
	}
	if o.frames == nil {
		o.frames = newBuffer()
	}
	o.frames = append(o.frames, frame...)
	c.broker.stats.sent.Add(1)
	return true
}

// offerCountedLocked leaves a QoS 1 or 2 message of a session that is not kept; false if it was dropped.
func (c *conn) offerCountedLocked(pub *publication, qos byte, retain bool, ids []uint32) bool {
	o := &c.outbox
	size := waitingSize(&pub.message)
	if !c.fitsLocked(size) {
		c.broker.stats.dropped.Add(1)
		return false
	}
	if len(o.waiting) == 0 && c.window.room() > 0 {
		return c.sendCountedLocked(&pub.message, pub.expirySeconds, qos, retain, ids)
	}
	m := pub.message
	m.Topic, m.Payload = slices.Clone(m.Topic), slices.Clone(m.Payload)
	m.Properties = slices.Clone(m.Properties)
	o.waiting = append(o.waiting, waitingMessage{message: m, qos: qos, retain: retain, ids: ids})
	o.waitingBytes += size
	return true
}

// sendCountedLocked encodes a QoS 1 or 2 message under a packet identifier. There must be room in the window.
func (c *conn) sendCountedLocked(m *persist.Message, expirySeconds uint32, qos byte, retain bool, ids []uint32) bool {
	p := &c.outbox.packet
	fillPublish(p, m, expirySeconds)
	c.identify(p, ids)
	p.QoS, p.PacketID = qos, 1 // for its size
	if c.tooLarge(p) {
		c.broker.stats.oversized.Add(1)
		return false
	}
	id, ok := c.window.add(0, qos)
	if !ok {
		c.broker.stats.dropped.Add(1)
		return false
	}
	p.PacketID = id
	return c.appendFrameLocked(retain)
}

// appendFrameLocked encodes outbox.packet for the client; false if that cannot be.
func (c *conn) appendFrameLocked(retain bool) bool {
	o := &c.outbox
	o.packet.Retain = retain
	if o.frames == nil {
		o.frames = newBuffer()
	}
	frames, err := o.packet.Append(o.frames, c.version)
	o.packet.Topic, o.packet.Payload, o.packet.Forward = nil, nil, nil // they are the publisher's buffer
	if err != nil {
		c.broker.stats.oversized.Add(1)
		return false
	}
	o.frames = frames
	c.broker.stats.sent.Add(1)
	return true
}

// waitingSize is what a waiting message counts against the bound: many small ones cost more than their bytes.
func waitingSize(m *persist.Message) int {
	return waitingCost + len(m.Topic) + len(m.Payload) + len(m.Properties)
}

// drainWaitingLocked encodes waiting messages while the window has room. Those that have expired meanwhile are dropped.
// [MQTT-3.3.2-5]
func (c *conn) drainWaitingLocked(now int64) {
	o := &c.outbox
	done := 0
	for done < len(o.waiting) && c.window.room() > 0 && len(o.frames) < maxGathered {
		w := &o.waiting[done]
		done++
		o.waitingBytes -= waitingSize(&w.message)
		if w.message.Expired(now) {
			c.broker.stats.expired.Add(1)
		} else {
			c.sendCountedLocked(&w.message, remainingExpiry(&w.message, now), w.qos, w.retain, w.ids)
		}
		*w = waitingMessage{}
	}
	if done == len(o.waiting) {
		o.waiting = nil
	} else {
		o.waiting = o.waiting[done:]
		o.starved = true
	}
}

// tooLarge tells whether a packet is larger than the client takes; it is then not sent. [MQTT-3.1.2-24]
func (c *conn) tooLarge(p *wire.Publish) bool {
	return c.maxPacket > 0 && p.EncodedSize(c.version) > c.maxPacket
}
