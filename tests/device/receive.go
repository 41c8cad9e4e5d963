package device

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-mqtt/holdfast/tests/harness"
	"github.com/holdfast-mqtt/holdfast/tests/ledger"
	"github.com/holdfast-mqtt/holdfast/wire"
)

// receive handles what comes over one connection until it ends.
func (d *Device) receive(conn *harness.Conn, down chan struct{}) {
	var publish wire.Publish
	for {
		f, err := conn.Frame(time.Now().Add(silencePatience))
		if err == nil {
			err = d.handle(conn, f, &publish)
		}
		if err == nil && !conn.More() {
			err = conn.Flush()
		}
		if err != nil {
			d.complain(err)
			break
		}
	}
	conn.Cut()
	d.mu.Lock()
	d.conn = nil
	close(down)
	d.changed.Broadcast()
	d.mu.Unlock()
}

// complain tells the ledger when a connection ended by the broker's fault and not by its death.
func (d *Device) complain(err error) {
	var fault *wire.ProtocolError
	if errors.As(err, &fault) || harness.TimedOut(err) {
		d.ledger.Violation(d.opts.Name, err.Error())
	}
}

// errParted says that the broker said DISCONNECT.
var errParted = errors.New("the broker disconnected")

// handle handles one packet. PUBLISH, the bulk, is decoded without allocating.
func (d *Device) handle(conn *harness.Conn, f wire.Frame, publish *wire.Publish) error {
	if f.Type() == wire.PUBLISH {
		if err := publish.Decode(f, d.opts.Version); err != nil {
			return err
		}
		return d.arrived(conn, publish)
	}
	f.Body = bytes.Clone(f.Body)
	p, err := wire.Decode(f, d.opts.Version)
	if err != nil {
		return err
	}
	switch p := p.(type) {
	case *wire.Puback:
		d.acknowledged(wire.PUBACK, p.PacketID, p.Code)
	case *wire.Pubrec:
		d.acknowledged(wire.PUBREC, p.PacketID, p.Code)
	case *wire.Pubcomp:
		d.completed(p.PacketID)
	case *wire.Pubrel:
		return d.releasing(conn, p.PacketID)
	case *wire.Suback:
		d.answered(p.PacketID, p.Codes)
	case *wire.Unsuback:
		d.answered(p.PacketID, p.Codes)
	case *wire.Disconnect:
		if p.Code != wire.ServerShuttingDown {
			d.ledger.Violation(d.opts.Name, "the broker disconnected: "+p.Code.String())
		}
		return errParted
	default:
		d.ledger.Violation(d.opts.Name, "unexpected "+harness.Describe(p))
	}
	return nil
}

// arrived handles a PUBLISH: at QoS 2 a packet id that was received and not released is the same message again
// [MQTT-4.3.3-10]; everything else goes to the application, that is, the ledger.
func (d *Device) arrived(conn *harness.Conn, p *wire.Publish) error {
	d.mu.Lock()
	known := p.QoS == 2 && d.received[p.PacketID]
	if p.QoS == 2 {
		d.received[p.PacketID] = true
	}
	d.mu.Unlock()
	if !known && !p.Retain {
		publisher, seq, err := Parse(p.Payload)
		if err != nil {
			d.ledger.Violation(d.opts.Name, fmt.Sprintf("on %s: %v", p.Topic, err))
		} else {
			d.ledger.Arrived(d.opts.Name, ledger.Arrival{Publisher: publisher, Seq: seq, Topic: string(p.Topic), QoS: p.QoS, Dup: p.Dup})
		}
	}
	switch p.QoS {
	case 1:
		return conn.Queue(&wire.Puback{PacketID: p.PacketID})
	case 2:
		return conn.Queue(&wire.Pubrec{PacketID: p.PacketID})
	}
	return nil
}

// releasing handles PUBREL. One for an unknown id is answered too: the broker may have lost our PUBCOMP in its crash.
func (d *Device) releasing(conn *harness.Conn, id uint16) error {
	d.mu.Lock()
	known := d.received[id]
	delete(d.received, id)
	d.mu.Unlock()
	answer := &wire.Pubcomp{PacketID: id}
	if !known {
		answer.Code = wire.PacketIdentifierNotFound
	}
	return conn.Queue(answer)
}
