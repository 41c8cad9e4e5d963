package engine

import (
	"bytes"
	"net"
	"slices"
	"sync"
	"testing/synctest"

	"github.com/holdfast-mqtt/holdfast/wire"
)

// newPipe returns the two ends of a connection.
func newPipe() (ours, theirs net.Conn) { return net.Pipe() }

// client is one connection seen from its far end. Two goroutines move its bytes, so that a test never waits for a
// broker that does not read; they end with the connection.
type client struct {
	*rig
	name    string
	version wire.Version
	nc      net.Conn
	connack *wire.Connack
	lastID  uint16

	mu       sync.Mutex
	changed  *sync.Cond // on mu
	received []wire.Packet
	outgoing [][]byte
	closed   bool // by the broker
	cutOff   bool // by us
	deaf     bool // what still comes is lost
	paused   bool // nothing is read
	polite   bool // what comes is acknowledged
	malady   error
}

func newClient(r *rig, name string, v wire.Version, nc net.Conn) *client {
	c := &client{rig: r, name: name, version: v, nc: nc}
	c.changed = sync.NewCond(&c.mu)
	go c.read()  // ends with the connection
	go c.write() // ends with the connection
	return c
}

// read receives packets until the connection ends.
func (c *client) read() {
	reader := wire.NewReader(c.nc, 0)
	for {
		c.mu.Lock()
		for c.paused && !c.cutOff {
			c.changed.Wait()
		}
		c.mu.Unlock()
		frame, err := reader.Next()
		var p wire.Packet
		if err == nil {
			frame.Body = bytes.Clone(frame.Body)
			p, err = wire.Decode(frame, c.version)
		}
		c.mu.Lock()
		if err != nil {
			c.closed, c.malady = !c.cutOff, err
			c.changed.Broadcast()
			c.mu.Unlock()
			_ = c.nc.Close()
			return
		}
		if !c.deaf {
			c.received = append(c.received, p)
			if c.polite {
				c.answerLocked(p)
			}
		}
		c.mu.Unlock()
	}
}

// answerLocked acknowledges as a proper client does.
func (c *client) answerLocked(p wire.Packet) {
	switch p := p.(type) {
	case *wire.Publish:
		switch p.QoS {
		case 1:
			c.queueLocked(&wire.Puback{PacketID: p.PacketID})
		case 2:
			c.queueLocked(&wire.Pubrec{PacketID: p.PacketID})
		}
	case *wire.Pubrel:
		c.queueLocked(&wire.Pubcomp{PacketID: p.PacketID})
	}
}

// write sends what was queued until the connection ends.
func (c *client) write() {
	for {
		c.mu.Lock()
		for len(c.outgoing) == 0 && !c.closed && !c.cutOff {
			c.changed.Wait()
		}
		if c.closed || c.cutOff {
			c.mu.Unlock()
			return
		}
		all := bytes.Join(c.outgoing, nil)
		c.outgoing = nil
		c.mu.Unlock()
		if _, err := c.nc.Write(all); err != nil {
			return
		}
	}
}

// queueLocked queues a packet.
func (c *client) queueLocked(p wire.Packet) {
	frame, err := p.Append(nil, c.version)
	if err != nil {
		c.Errorf("%s: encode %v: %v", c.name, p.Type(), err)
		return
	}
	c.outgoing = append(c.outgoing, frame)
	c.changed.Broadcast()
}

// send sends packets, as one write if nothing is under way.
func (c *client) send(packets ...wire.Packet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range packets {
		c.queueLocked(p)
	}
}

// sendRaw sends bytes as they are.
func (c *client) sendRaw(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outgoing = append(c.outgoing, slices.Clone(b))
	c.changed.Broadcast()
}

// deafen drops what still comes: the client is as good as gone.
func (c *client) deafen() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deaf = true
}

// pause stops reading, after what is on its way; unpause goes on.
func (c *client) pause() { c.setPaused(true) }

func (c *client) unpause() { c.setPaused(false) }

func (c *client) setPaused(paused bool) {
	c.mu.Lock()
	c.paused = paused
	c.changed.Broadcast()
	c.mu.Unlock()
	synctest.Wait()
}

// acknowledgeAll makes the client acknowledge everything that comes from now on.
func (c *client) acknowledgeAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.polite = true
}

// cut ends the connection without DISCONNECT.
func (c *client) cut() {
	c.cutNow()
	synctest.Wait()
}

func (c *client) cutNow() {
	c.mu.Lock()
	c.cutOff = true
	c.changed.Broadcast()
	c.mu.Unlock()
	_ = c.nc.Close()
}

// leave ends the connection with DISCONNECT.
func (c *client) leave() { c.leaveWith(&wire.Disconnect{}) }

// leaveWith ends the connection with a DISCONNECT of the test's choice.
func (c *client) leaveWith(p *wire.Disconnect) {
	c.Helper()
	c.send(p)
	synctest.Wait()
	c.wantClosed()
}

// accepted takes the CONNACK, which must be a success.
func (c *client) accepted() {
	c.Helper()
	p := c.next("CONNACK")
	connack, ok := p.(*wire.Connack)
	if !ok || connack.Code != wire.Success {
		c.Fatalf("%s: got %s, want CONNACK with success", c.name, describe(p, true))
	}
	c.connack = connack
}

// next takes the next packet that was received.
func (c *client) next(what string) wire.Packet {
	c.Helper()
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.received) == 0 {
		c.Fatalf("%s: %s: nothing came (connection closed: %v)", c.name, what, c.closed)
	}
	p := c.received[0]
	c.received = c.received[1:]
	return p
}

// take takes everything that was received.
func (c *client) take() []wire.Packet {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.received
	c.received = nil
	return all
}

// want takes the next packets, which must be these, in this order. Packet identifier 0 in a PUBLISH stands for any.
func (c *client) want(why string, packets ...wire.Packet) {
	c.Helper()
	for _, want := range packets {
		got := c.next(why)
		p, isPublish := want.(*wire.Publish)
		withID := !isPublish || p.PacketID != 0
		if describe(got, withID) != describe(want, withID) {
			c.Fatalf("%s: %s:\n got %s\nwant %s", c.name, why, describe(got, withID), describe(want, withID))
		}
	}
}

// wantNothing claims that nothing came, and that the connection stands.
func (c *client) wantNothing(why string) {
	c.Helper()
	if got := c.take(); len(got) > 0 {
		c.Fatalf("%s: %s: got %s, want nothing", c.name, why, describeAll(got))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		c.Fatalf("%s: %s: the broker closed the connection (%v)", c.name, why, c.malady)
	}
}

// wantClosed claims that the broker closed the connection and that nothing else came.
func (c *client) wantClosed() {
	c.Helper()
	if got := c.take(); len(got) > 0 {
		c.Fatalf("%s: got %s, want the end of the connection", c.name, describeAll(got))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.Fatalf("%s: the connection is open, want it closed", c.name)
	}
}

// wantEnd claims that the broker said DISCONNECT with a code and closed the connection.
func (c *client) wantEnd(code wire.ReasonCode) {
	c.Helper()
	c.want("the end", &wire.Disconnect{Code: code})
	c.wantClosed()
}

// wantAnswer takes the first packet of a type, past those before it.
func (c *client) wantAnswer(t wire.Type) wire.Packet {
	c.Helper()
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	at := slices.IndexFunc(c.received, func(p wire.Packet) bool { return p.Type() == t })
	if at < 0 {
		c.Fatalf("%s: no %v came, but %s (connection closed: %v)", c.name, t, describeAll(c.received), c.closed)
	}
	p := c.received[at]
	c.received = slices.Delete(c.received, at, at+1)
	return p
}

// id returns a packet identifier that was not used before.
func (c *client) id() uint16 {
	c.lastID++
	return c.lastID
}

// subscribe subscribes to one filter, which must be granted, and takes the SUBACK.
func (c *client) subscribe(filter string, qos byte, options ...subscribeOption) {
	c.Helper()
	p := subscription1(c.id(), filter, qos, options...)
	c.send(p)
	suback := c.wantAnswer(wire.SUBACK).(*wire.Suback)
	if suback.PacketID != p.PacketID || len(suback.Codes) != 1 || suback.Codes[0] != wire.ReasonCode(qos) {
		c.Fatalf("%s: subscribe to %q: got %s", c.name, filter, describe(suback, true))
	}
}

// unsubscribe ends one subscription, and takes the UNSUBACK.
func (c *client) unsubscribe(filter string) {
	c.Helper()
	p := &wire.Unsubscribe{PacketID: c.id(), Filters: []string{filter}}
	c.send(p)
	if got := c.wantAnswer(wire.UNSUBACK).(*wire.Unsuback); got.PacketID != p.PacketID {
		c.Fatalf("%s: unsubscribe: got %s", c.name, describe(got, true))
	}
}

// publish publishes a message and sees it through to the last acknowledgement.
func (c *client) publish(topic, payload string, qos byte, options ...publishOption) {
	c.Helper()
	p := publish(topic, payload, qos, options...)
	if qos > 0 {
		p.PacketID = c.id()
	}
	c.send(p)
	switch qos {
	case 1:
		c.wantTaken(c.wantAnswer(wire.PUBACK).(*wire.Puback), p.PacketID)
	case 2:
		c.wantTaken((*wire.Puback)(c.wantAnswer(wire.PUBREC).(*wire.Pubrec)), p.PacketID)
		c.send(&wire.Pubrel{PacketID: p.PacketID})
		c.wantTaken((*wire.Puback)(c.wantAnswer(wire.PUBCOMP).(*wire.Pubcomp)), p.PacketID)
	}
	synctest.Wait()
}

// wantTaken checks an acknowledgement.
func (c *client) wantTaken(p *wire.Puback, packetID uint16) {
	c.Helper()
	if p.PacketID != packetID || p.Code.Failed() {
		c.Fatalf("%s: packet %d: acknowledged %d with %v", c.name, packetID, p.PacketID, p.Code)
	}
}

// ping claims that the connection answers.
func (c *client) ping() {
	c.Helper()
	c.send(&wire.Pingreq{})
	c.wantAnswer(wire.PINGRESP)
}
