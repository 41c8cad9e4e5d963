package device

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-mqtt/holdfast/tests/harness"
	"github.com/holdfast-mqtt/holdfast/wire"
)

const (
	// answerPatience is how long the broker may take for a CONNACK, its recovery included.
	answerPatience = 30 * time.Second
	// silencePatience is how long a connection may be silent. The broker's end shows at once, so this only bounds a hang.
	silencePatience = 5 * time.Minute
	// sessionExpirySeconds is how long an MQTT 5 device's session outlives its connection.
	sessionExpirySeconds = 86400
)

// Connect makes one attempt to connect to the broker, and resumes what was in flight. With a connection it does
// nothing. Clean asks for a new session; until that is confirmed, every later attempt asks for it again, since the
// first may have ended the old session.
func (d *Device) Connect(addr string, clean bool) error {
	d.mu.Lock()
	connected := d.conn != nil
	d.fresh = d.fresh || clean
	clean = d.fresh
	d.mu.Unlock()
	if connected && !clean {
		return nil
	}
	d.Cut()
	if clean && d.opts.Version != wire.V5 {
		// Before MQTT 5 a clean session ends with its connection, so a new session that stays takes two. [MQTT-3.1.2-6]
		if err := d.wipe(addr); err != nil {
			return err
		}
		clean = false
	}
	conn, ack, err := d.greet(addr, clean)
	if err != nil {
		return err
	}
	return d.begin(conn, ack, clean)
}

// wipe ends the session with a connection that asks for a clean one and leaves.
func (d *Device) wipe(addr string) error {
	conn, _, err := d.greet(addr, true)
	if err != nil {
		return err
	}
	defer conn.Close()
	d.ledger.Ended(d.opts.Name)
	d.mu.Lock()
	d.fresh = false
	d.forgetLocked(true)
	d.mu.Unlock()
	return conn.Send(&wire.Disconnect{})
}

// begin takes a new connection into use.
func (d *Device) begin(conn *harness.Conn, ack *wire.Connack, clean bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fresh = false
	d.window = d.opts.Window
	if ack.Properties.Has(wire.PropReceiveMaximum) {
		d.window = min(d.window, int(ack.Properties.ReceiveMaximum))
	}
	if !ack.SessionPresent {
		d.forgetLocked(clean)
	}
	d.conn, d.down = conn, make(chan struct{})
	err := d.resumeLocked()
	go d.receive(conn, d.down) // ends with the connection; Wait waits for it
	d.changed.Broadcast()
	if err != nil {
		conn.Cut()
		return fmt.Errorf("%s: resume: %w", d.opts.Name, err)
	}
	return nil
}

// greet opens a connection, sends CONNECT and waits to be accepted.
func (d *Device) greet(addr string, clean bool) (*harness.Conn, *wire.Connack, error) {
	conn, err := harness.Dial(addr, d.opts.Version)
	if err != nil {
		return nil, nil, err
	}
	p := &wire.Connect{Version: d.opts.Version, CleanStart: clean, ClientID: d.opts.Name}
	if d.opts.Version == wire.V5 {
		p.Properties.SetSessionExpiryInterval(sessionExpirySeconds)
		if d.opts.ReceiveMaximum != 0 {
			p.Properties.SetReceiveMaximum(d.opts.ReceiveMaximum)
		}
	}
	d.ledger.ConnectSent(d.opts.Name, clean)
	var ack *wire.Connack
	if err = conn.Send(p); err == nil {
		ack, err = d.accepted(conn)
	}
	if err != nil {
		conn.Cut()
		return nil, nil, err
	}
	d.ledger.Connected(d.opts.Name, clean, ack.SessionPresent)
	return conn, ack, nil
}

// accepted waits for a CONNACK without a reason to complain.
func (d *Device) accepted(conn *harness.Conn) (*wire.Connack, error) {
	got, err := conn.Receive(time.Now().Add(answerPatience))
	if err != nil {
		return nil, err
	}
	ack, ok := got.(*wire.Connack)
	if !ok {
		d.ledger.Violation(d.opts.Name, "the first packet was "+harness.Describe(got))
		return nil, errors.New("no CONNACK")
	}
	if ack.Code != wire.Success {
		return nil, fmt.Errorf("%s: refused: %v", d.opts.Name, ack.Code)
	}
	return ack, nil
}

// forgetLocked drops what belonged to a session that is gone [MQTT-3.2.2-5], and begins again what the device still
// wants: messages without an acknowledgement become new ones. After a clean start it wants no filter any more.
func (d *Device) forgetLocked(clean bool) {
	clear(d.received)
	out := d.out
	d.out = nil
	clear(d.byID)
	for _, o := range out {
		if o.released {
			continue // the broker had taken it over
		}
		o.sentBefore = false
		o.id = d.packetIDLocked()
		d.out = append(d.out, o)
		d.byID[o.id] = o
	}
	clear(d.requests)
	d.again = nil
	if clean {
		clear(d.filters)
		return
	}
	for filter, qos := range d.filters {
		d.again = append(d.again, &request{filter: filter, qos: qos})
	}
}

// resumeLocked sends again what was in flight, in its original order [MQTT-4.4.0-1], and repeats unanswered requests.
func (d *Device) resumeLocked() error {
	for _, o := range d.out {
		if err := d.sendLocked(o); err != nil {
			return err
		}
	}
	for id, r := range d.requests {
		r.repeated = true
		delete(d.requests, id)
		d.again = append(d.again, r)
	}
	again := d.again
	d.again = nil
	for _, r := range again {
		d.askLocked(r)
	}
	return d.conn.Flush()
}

// Connected tells whether there is a connection.
func (d *Device) Connected() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.conn != nil
}

// Down returns a channel that is closed when the present connection has ended; nil if there was none.
func (d *Device) Down() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.down
}

// Wait waits until the connection, if there is one, has ended.
func (d *Device) Wait() {
	if down := d.Down(); down != nil {
		<-down
	}
}

// Stay keeps the device connected until the context ends: it connects again whenever the connection breaks.
func (d *Device) Stay(ctx context.Context, addr func() string) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for ctx.Err() == nil {
		if d.Connect(addr(), false) == nil {
			select {
			case <-d.Down():
			case <-ctx.Done():
				return
			}
		}
		pause.Reset(5 * time.Millisecond) // so that a broker that is down is not stormed
		select {
		case <-pause.C:
		case <-ctx.Done():
		}
	}
}

// Cut breaks the connection without a word, and waits until it is gone.
func (d *Device) Cut() {
	d.mu.Lock()
	conn := d.conn
	d.mu.Unlock()
	if conn != nil {
		conn.Cut()
	}
	d.Wait()
}

// Leave says DISCONNECT, and waits until the connection is gone. The session stays.
func (d *Device) Leave() {
	d.mu.Lock()
	conn := d.conn
	if conn != nil {
		_ = conn.Send(&wire.Disconnect{}) // the connection ends either way
		conn.Close()
	}
	d.mu.Unlock()
	d.Wait()
}
