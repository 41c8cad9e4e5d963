package tests

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/holdfast-mqtt/holdfast/tests/device"
	"github.com/holdfast-mqtt/holdfast/tests/harness"
	"github.com/holdfast-mqtt/holdfast/tests/ledger"
	"github.com/holdfast-mqtt/holdfast/wire"
)

// read reads retained values all the time, each with a new client that leaves nothing behind.
func (p *plant) read(i int, rng *rand.Rand) {
	for n := 0; p.chaos.Err() == nil; n++ {
		topic := fmt.Sprintf("r/%d/%d", rng.IntN(writers), rng.IntN(valuesEach))
		if err := p.readOne(fmt.Sprintf("r%d-%d", i, n), topic, version(n)); err != nil {
			p.reading.Add(1)
		}
		pause(p.chaos, 50*time.Millisecond, rng)
	}
}

// readAll reads every retained value once, with both protocol versions.
func (p *plant) readAll() error {
	var failed error
	for w := range writers {
		for n := range valuesEach {
			for v := range 2 {
				failed = errors.Join(failed, p.readOne(fmt.Sprintf("end-%d-%d-%d", w, n, v), fmt.Sprintf("r/%d/%d", w, n), version(v)))
			}
		}
	}
	return failed
}

// retainedPatience is how long a retained value that is due may come after the marker behind it.
const retainedPatience = 3 * time.Second

// readOne subscribes to a topic and to a marker of its own, publishes the marker, and takes what comes with RETAIN
// set as the value. If the connection breaks, nothing was read.
func (p *plant) readOne(name, topic string, v wire.Version) error {
	conn, err := harness.Dial(p.addr, v)
	if err != nil {
		return err
	}
	defer conn.Cut()
	if err := greet(conn, &wire.Connect{Version: v, CleanStart: true, ClientID: name}); err != nil {
		return err
	}
	marker := "m/" + name
	look := p.ledger.ReadBegins(topic)
	if err := conn.Send(&wire.Subscribe{PacketID: 1, Filters: []wire.Subscription{{Filter: marker, QoS: 1}, {Filter: topic, QoS: 1}}}); err != nil {
		return err
	}
	if err := conn.Send(&wire.Publish{Topic: []byte(marker), QoS: 1, PacketID: 2}); err != nil {
		return err
	}
	deadline := time.Now().Add(harness.Patience)
	got, seen := ledger.Nothing, false
	for {
		packet, err := conn.Receive(deadline)
		switch {
		case err != nil && seen && harness.TimedOut(err):
			p.ledger.ReadEnds(name, look, got)
			return nil
		case err != nil:
			return err
		}
		if publish, ok := packet.(*wire.Publish); ok {
			if string(publish.Topic) == marker {
				seen, deadline = true, time.Now().Add(retainedPatience)
			} else if publish.Retain {
				if _, got, err = device.Parse(publish.Payload); err != nil {
					p.ledger.Violation(name, err.Error())
				}
			}
			if err := conn.Send(&wire.Puback{PacketID: publish.PacketID}); err != nil {
				return err
			}
		}
		if seen && (got != ledger.Nothing || !p.ledger.Due(look)) {
			p.ledger.ReadEnds(name, look, got)
			return nil
		}
	}
}

// greet sends CONNECT and waits to be accepted.
func greet(conn *harness.Conn, p *wire.Connect) error {
	if err := conn.Send(p); err != nil {
		return err
	}
	got, err := conn.Receive(time.Now().Add(harness.Patience))
	if err != nil {
		return err
	}
	if ack, ok := got.(*wire.Connack); !ok || ack.Code != wire.Success {
		return errors.New("not accepted: " + harness.Describe(got))
	}
	return nil
}

// leaveWills connects one client after another with a will: one leaves in good order, one breaks off, and most stay
// until the broker dies and do not come back. A will is exactly-once like its QoS 2.
func (p *plant) leaveWills(i int, rng *rand.Rand) {
	for n := 0; p.chaos.Err() == nil; n++ {
		_ = p.leaveWill(fmt.Sprintf("w%d-%d", i, n), version(n), rng) // broken connections are what it is about
		pause(p.chaos, 200*time.Millisecond, rng)
	}
}

// leaveWill is the life of one such client. Its will outlives the broker whether or not its session outlives it.
func (p *plant) leaveWill(name string, v wire.Version, rng *rand.Rand) error {
	conn, err := harness.Dial(p.addr, v)
	if err != nil {
		return err
	}
	defer conn.Cut()
	p.wills.Add(1)
	topic := "w/" + name
	connect := &wire.Connect{Version: v, ClientID: name, Will: &wire.Will{QoS: 2, Topic: topic, Payload: device.Payload(name, 1, 40)}}
	if rng.IntN(2) == 0 {
		connect.CleanStart = true
	} else {
		connect.Properties.SetSessionExpiryInterval(3600)
	}
	p.ledger.PublishSent(ledger.Message{Publisher: name, Seq: 1, Topic: topic, QoS: 2, Will: true})
	if err := greet(conn, connect); err != nil {
		return err
	}
	p.ledger.PublishAcked(name, 1)
	broken := make(chan struct{})
	go func() { // ends with the connection
		_, _ = conn.Receive(time.Now().Add(time.Hour))
		close(broken)
	}()
	timer := time.NewTimer(time.Duration(rng.IntN(4000)) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-broken:
		return nil
	case <-p.chaos.Done():
	case <-timer.C:
	}
	if rng.IntN(2) == 0 {
		p.ledger.Withdrawn(name, 1)
		err = conn.Send(&wire.Disconnect{})
	}
	conn.Close()
	<-broken
	return err
}
