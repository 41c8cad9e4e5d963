package device

import (
	"context"

	"github.com/holdfast-mqtt/holdfast/tests/ledger"
	"github.com/holdfast-mqtt/holdfast/wire"
)

// outgoing is one message in flight to the broker.
type outgoing struct {
	message    ledger.Message
	payload    []byte
	id         uint16
	sentBefore bool // on this or an earlier connection of the session: DUP
	released   bool // PUBREC came: only PUBREL is sent from now on [MQTT-4.3.3-5]
}

// Publish sends a message at QoS 1 or 2 as soon as there is a connection and room in the window, and does not wait for
// the acknowledgement. It fills in publisher and number; size is that of the payload, unless the message clears a
// retained value. An error means that nothing was sent: the context has ended.
func (d *Device) Publish(ctx context.Context, m ledger.Message, size int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn != nil && len(d.out) >= d.window {
		d.flushLocked()
	}
	if err := d.awaitLocked(ctx, func() bool { return d.conn != nil && len(d.out) < d.window }); err != nil {
		return err
	}
	d.seq++
	m.Publisher, m.Seq = d.opts.Name, d.seq
	o := &outgoing{message: m, id: d.packetIDLocked()}
	if !m.Clear {
		o.payload = Payload(m.Publisher, m.Seq, size)
	}
	d.ledger.PublishSent(m)
	d.out = append(d.out, o)
	d.byID[o.id] = o
	// What cannot be sent now is sent when the device resumes: an error here is the connection's, and shows there.
	if d.sendLocked(o) == nil && !d.opts.Eager {
		d.flushLocked()
	}
	return nil
}

// Flush writes what waits in the buffer.
func (d *Device) Flush() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.flushLocked()
}

// flushLocked writes the buffer. A broken connection shows at the receiving side.
func (d *Device) flushLocked() {
	if d.conn != nil && d.conn.Flush() != nil {
		d.conn.Cut()
	}
}

// sendLocked sends a message, or its release, on the present connection.
func (d *Device) sendLocked(o *outgoing) error {
	if o.released {
		return d.conn.Queue(&wire.Pubrel{PacketID: o.id})
	}
	p := &wire.Publish{Topic: []byte(o.message.Topic), Payload: o.payload, QoS: o.message.QoS, Retain: o.message.Retain, PacketID: o.id, Dup: o.sentBefore}
	o.sentBefore = true
	return d.conn.Queue(p)
}

// acknowledged handles PUBACK and PUBREC.
func (d *Device) acknowledged(t wire.Type, id uint16, code wire.ReasonCode) {
	d.mu.Lock()
	defer d.mu.Unlock()
	o := d.byID[id]
	switch {
	case o == nil || o.released || (t == wire.PUBACK) != (o.message.QoS == 1):
		d.ledger.Violation(d.opts.Name, t.String()+" for a packet id that does not wait for it")
	case code.Failed():
		d.refused++
		d.finishLocked(o)
	case t == wire.PUBACK:
		d.ledger.PublishAcked(d.opts.Name, o.message.Seq)
		d.finishLocked(o)
	default:
		d.ledger.PublishAcked(d.opts.Name, o.message.Seq)
		o.released = true
		o.payload = nil
		if err := d.sendLocked(o); err != nil {
			d.conn.Cut()
		}
	}
}

// completed handles PUBCOMP.
func (d *Device) completed(id uint16) {
	d.mu.Lock()
	defer d.mu.Unlock()
	o := d.byID[id]
	if o == nil || !o.released {
		d.ledger.Violation(d.opts.Name, "PUBCOMP for a packet id that does not wait for it")
		return
	}
	d.ledger.PublishCompleted(d.opts.Name, o.message.Seq)
	d.finishLocked(o)
}

// finishLocked takes a message out of flight. It is nearly always the oldest.
func (d *Device) finishLocked(o *outgoing) {
	delete(d.byID, o.id)
	for i, other := range d.out {
		if other == o {
			copy(d.out[i:], d.out[i+1:])
			d.out[len(d.out)-1] = nil
			d.out = d.out[:len(d.out)-1]
			break
		}
	}
	d.changed.Broadcast()
}
