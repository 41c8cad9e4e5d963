package device

import (
	"fmt"

	"github.com/holdfast-mqtt/holdfast/tests/ledger"
	"github.com/holdfast-mqtt/holdfast/wire"
)

// request is a SUBSCRIBE or UNSUBSCRIBE of one filter without an answer.
type request struct {
	filter   string
	qos      wire.QoS
	leaving  bool // UNSUBSCRIBE
	repeated bool // it was sent on an earlier connection, and may have worked
}

// Subscribe asks for a filter. Without a connection it fails and nothing is asked for. Once asked, the device repeats
// itself on new connections until there is an answer; Settle waits for that.
func (d *Device) Subscribe(filter string, qos wire.QoS) error {
	return d.ask(&request{filter: filter, qos: qos})
}

// Unsubscribe gives a filter up, in the same way.
func (d *Device) Unsubscribe(filter string) error {
	return d.ask(&request{filter: filter, leaving: true})
}

// ask sends a request and writes it down.
func (d *Device) ask(r *request) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn == nil {
		return ErrDown
	}
	if r.leaving {
		delete(d.filters, r.filter)
	} else {
		d.filters[r.filter] = r.qos
	}
	d.askLocked(r)
	d.flushLocked()
	return nil
}

// askLocked sends a request under a new packet id. If the connection breaks, the request waits for the next one.
func (d *Device) askLocked(r *request) {
	id := d.packetIDLocked()
	d.requests[id] = r
	var p wire.Packet
	if r.leaving {
		d.ledger.UnsubscribeSent(d.opts.Name, r.filter)
		p = &wire.Unsubscribe{PacketID: id, Filters: []string{r.filter}}
	} else {
		d.ledger.SubscribeSent(d.opts.Name, r.filter)
		p = &wire.Subscribe{PacketID: id, Filters: []wire.Subscription{{Filter: r.filter, QoS: r.qos}}}
	}
	if err := d.conn.Queue(p); err != nil {
		d.conn.Cut()
	}
}

// answered handles SUBACK and UNSUBACK.
func (d *Device) answered(id uint16, codes []wire.ReasonCode) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.requests[id]
	if r == nil {
		d.ledger.Violation(d.opts.Name, fmt.Sprintf("SUBACK or UNSUBACK %d for no request", id))
		return
	}
	delete(d.requests, id)
	d.changed.Broadcast()
	if r.leaving {
		d.ledger.Unsubscribed(d.opts.Name, r.filter, existence(codes), r.repeated)
		return
	}
	if len(codes) != 1 || codes[0] != wire.ReasonCode(r.qos) {
		d.ledger.Violation(d.opts.Name, fmt.Sprintf("SUBACK %v for %s at QoS %d", codes, r.filter, r.qos))
		return
	}
	d.ledger.Subscribed(d.opts.Name, r.filter)
}

// existence reads what an UNSUBACK tells; only MQTT 5 does.
func existence(codes []wire.ReasonCode) ledger.Existence {
	switch {
	case len(codes) == 0:
		return ledger.NotTold
	case codes[0] == wire.NoSubscriptionExisted:
		return ledger.NeverExisted
	default:
		return ledger.Existed
	}
}
