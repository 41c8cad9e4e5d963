package harness

import (
	"fmt"

	"github.com/holdfast-mqtt/holdfast/wire"
)

// ID returns a packet id that was not used on this connection before.
func (c *Client) ID() uint16 {
	c.lastID++
	return c.lastID
}

// Subscribe subscribes to one filter and wants it granted.
func (c *Client) Subscribe(filter string, qos wire.QoS) {
	c.t.Helper()
	c.SubscribeAs(wire.Subscription{Filter: filter, QoS: qos})
}

// SubscribeAs subscribes with all options, and wants what it asked for.
func (c *Client) SubscribeAs(subs ...wire.Subscription) {
	c.t.Helper()
	for i, code := range c.AskToSubscribe(subs...) {
		if code != wire.ReasonCode(subs[i].QoS) {
			c.t.Fatalf("%s: subscribe to %q at QoS %d: %v", c.name, subs[i].Filter, subs[i].QoS, code)
		}
	}
}

// AskToSubscribe sends SUBSCRIBE and returns what SUBACK says.
func (c *Client) AskToSubscribe(subs ...wire.Subscription) []wire.ReasonCode {
	c.t.Helper()
	id := c.ID()
	c.Send(&wire.Subscribe{PacketID: id, Filters: subs})
	ack := Next[*wire.Suback](c, "SUBACK")
	if ack.PacketID != id || len(ack.Codes) != len(subs) {
		c.t.Fatalf("%s: SUBACK %d with %d codes for SUBSCRIBE %d with %d filters", c.name, ack.PacketID, len(ack.Codes), id, len(subs))
	}
	return ack.Codes
}

// Unsubscribe gives filters up and returns what UNSUBACK says; before MQTT 5 that is nothing.
func (c *Client) Unsubscribe(filters ...string) []wire.ReasonCode {
	c.t.Helper()
	id := c.ID()
	c.Send(&wire.Unsubscribe{PacketID: id, Filters: filters})
	ack := Next[*wire.Unsuback](c, "UNSUBACK")
	if ack.PacketID != id {
		c.t.Fatalf("%s: UNSUBACK %d for UNSUBSCRIBE %d", c.name, ack.PacketID, id)
	}
	return ack.Codes
}

// Publish publishes, to the last acknowledgement.
func (c *Client) Publish(topic, payload string, qos wire.QoS) {
	c.t.Helper()
	c.PublishPacket(&wire.Publish{Topic: []byte(topic), Payload: []byte(payload), QoS: qos})
}

// Retain publishes with RETAIN set, to the last acknowledgement. An empty payload clears the topic.
func (c *Client) Retain(topic, payload string, qos wire.QoS) {
	c.t.Helper()
	c.PublishPacket(&wire.Publish{Topic: []byte(topic), Payload: []byte(payload), QoS: qos, Retain: true})
}

// PublishPacket sends a PUBLISH under a new packet id and goes through its acknowledgements, which must be free of
// failure. At QoS 0 it returns when the broker has read the packet.
func (c *Client) PublishPacket(p *wire.Publish) {
	c.t.Helper()
	if p.QoS > 0 {
		p.PacketID = c.ID()
	}
	c.Send(p)
	switch p.QoS {
	case 0:
		c.Ping()
	case 1:
		c.WantPuback(p.PacketID)
	case 2:
		c.WantPubrec(p.PacketID)
		c.Release(p.PacketID)
	}
}

// Ping waits until everything sent so far has been read by the broker.
func (c *Client) Ping() {
	c.t.Helper()
	c.Send(&wire.Pingreq{})
	Next[*wire.Pingresp](c, "PINGRESP")
}

// WantPuback waits for a good PUBACK.
func (c *Client) WantPuback(id uint16) {
	c.t.Helper()
	ack := Next[*wire.Puback](c, "PUBACK")
	c.wantAck("PUBACK", id, ack.PacketID, ack.Code)
}

// WantPubrec waits for a good PUBREC.
func (c *Client) WantPubrec(id uint16) {
	c.t.Helper()
	ack := Next[*wire.Pubrec](c, "PUBREC")
	c.wantAck("PUBREC", id, ack.PacketID, ack.Code)
}

// Release sends PUBREL and waits for PUBCOMP.
func (c *Client) Release(id uint16) {
	c.t.Helper()
	c.Send(&wire.Pubrel{PacketID: id})
	ack := Next[*wire.Pubcomp](c, "PUBCOMP")
	c.wantAck("PUBCOMP", id, ack.PacketID, ack.Code)
}

// wantAck compares an acknowledgement with what it should be.
func (c *Client) wantAck(name string, want, id uint16, code wire.ReasonCode) {
	c.t.Helper()
	if id != want || code.Failed() {
		c.t.Fatalf("%s: %s %d %v, want %d and no failure", c.name, name, id, code, want)
	}
}

// Message is what a test expects to receive.
type Message struct {
	Topic, Payload string
	QoS            wire.QoS
	Retain, Dup    bool
}

// String writes the message for people.
func (m Message) String() string {
	return fmt.Sprintf("%q %q QoS %d retain %t dup %t", m.Topic, m.Payload, m.QoS, m.Retain, m.Dup)
}

// Want waits for the next PUBLISH, wants it to be this message, and leaves it unacknowledged.
func (c *Client) Want(what string, m Message) *wire.Publish {
	c.t.Helper()
	p := Next[*wire.Publish](c, what)
	got := Message{Topic: string(p.Topic), Payload: string(p.Payload), QoS: p.QoS, Retain: p.Retain, Dup: p.Dup}
	if got != m {
		c.t.Fatalf("%s: %s: got %v, want %v", c.name, what, got, m)
	}
	return p
}

// Receive waits for the next PUBLISH, wants it to be this message, and acknowledges it fully.
func (c *Client) Receive(what string, m Message) *wire.Publish {
	c.t.Helper()
	p := c.Want(what, m)
	c.Acknowledge(p)
	return p
}

// Acknowledge goes through the acknowledgements of a received PUBLISH.
func (c *Client) Acknowledge(p *wire.Publish) {
	c.t.Helper()
	switch p.QoS {
	case 1:
		c.Send(&wire.Puback{PacketID: p.PacketID})
	case 2:
		c.Send(&wire.Pubrec{PacketID: p.PacketID})
		c.WantPubrel(p.PacketID)
		c.Send(&wire.Pubcomp{PacketID: p.PacketID})
	}
}

// WantPubrel waits for PUBREL.
func (c *Client) WantPubrel(id uint16) {
	c.t.Helper()
	rel := Next[*wire.Pubrel](c, "PUBREL")
	c.wantAck("PUBREL", id, rel.PacketID, rel.Code)
}

// WantNothingBefore wants the next message to be one that the test itself causes after everything that must not come:
// it publishes a marker to a topic of its own at the given QoS, which takes the same way.
func (c *Client) WantNothingBefore(what string, qos wire.QoS) {
	c.t.Helper()
	topic := "marker/" + c.name
	c.Subscribe(topic, qos)
	c.Publish(topic, what, qos)
	c.Receive("the marker behind which nothing is missing: "+what, Message{Topic: topic, Payload: what, QoS: qos})
	c.Unsubscribe(topic)
}

// WantClosed waits until the broker closes the connection, and returns its last word, or nil. Messages that came
// before are skipped.
func (c *Client) WantClosed(what string) wire.Packet {
	c.t.Helper()
	var last wire.Packet
	for {
		p, err := c.read()
		switch {
		case err == nil:
			last = p
		case Gone(err):
			return last
		default:
			c.t.Fatalf("%s: %s: want the connection closed, got %v", c.name, what, err)
		}
	}
}

// WantDisconnect waits for DISCONNECT with one of these codes and the end of the connection. Before MQTT 5 only the
// end is wanted: there, a server has no way to say why.
func (c *Client) WantDisconnect(what string, codes ...wire.ReasonCode) {
	c.t.Helper()
	last := c.WantClosed(what)
	if c.conn.Version() != wire.V5 {
		if last != nil && last.Type() == wire.DISCONNECT {
			c.t.Fatalf("%s: %s: MQTT %v has no DISCONNECT from the server", c.name, what, c.conn.Version())
		}
		return
	}
	d, ok := last.(*wire.Disconnect)
	if !ok {
		c.t.Fatalf("%s: %s: connection closed after %v, want DISCONNECT %v", c.name, what, last, codes)
	}
	for _, code := range codes {
		if d.Code == code {
			return
		}
	}
	c.t.Fatalf("%s: %s: DISCONNECT %v (%#x), want one of %v", c.name, what, d.Code, byte(d.Code), codes)
}

// WantAnswer waits for any packet; nil is the end of the connection without a word.
func (c *Client) WantAnswer(what string) wire.Packet {
	c.t.Helper()
	p, err := c.read()
	if err != nil && !Gone(err) {
		c.t.Fatalf("%s: %s: %v", c.name, what, err)
	}
	return p
}
