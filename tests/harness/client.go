package harness

import (
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/wire"
)

// Versions are the protocol versions that the broker speaks.
func Versions() []wire.Version { return []wire.Version{wire.V31, wire.V311, wire.V5} }

// Client is one connection in the hands of a test. Everything that fails, fails the test.
type Client struct {
	t    testing.TB
	name string
	conn *Conn
	// pending are packets that came while another was waited for, in order.
	pending []wire.Packet
	lastID  uint16
	// Connack is the broker's answer to CONNECT.
	Connack *wire.Connack
}

// Dial opens a connection and sends nothing.
func (b *Broker) Dial(t testing.TB, name string, v wire.Version) *Client {
	t.Helper()
	conn, err := Dial(b.Addr(), v)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	c := &Client{t: t, name: name, conn: conn}
	t.Cleanup(conn.Cut)
	return c
}

// Connect connects a client whose session ends with the connection, unless an option says otherwise, and wants to be
// accepted.
func (b *Broker) Connect(t testing.TB, name string, v wire.Version, options ...Option) *Client {
	t.Helper()
	c := b.Dial(t, name, v)
	c.Hello(options...)
	if c.Connack.Code != wire.Success {
		t.Fatalf("%s: CONNACK %v, want success", name, c.Connack.Code)
	}
	return c
}

// Option changes a CONNECT.
type Option func(*wire.Connect)

// Durable asks for the session that is there, and to keep it when the connection ends.
func Durable(p *wire.Connect) {
	p.CleanStart = false
	p.Properties.SetSessionExpiryInterval(3600)
}

// Will leaves a will.
func Will(topic, payload string, qos wire.QoS) Option {
	return func(p *wire.Connect) { p.Will = &wire.Will{Topic: topic, Payload: []byte(payload), QoS: qos} }
}

// KeepAlive promises a sign of life.
func KeepAlive(seconds uint16) Option { return func(p *wire.Connect) { p.KeepAlive = seconds } }

// Hello sends CONNECT and waits for CONNACK, whatever it says.
func (c *Client) Hello(options ...Option) *wire.Connack {
	c.t.Helper()
	p := &wire.Connect{Version: c.conn.Version(), CleanStart: true, ClientID: c.name}
	for _, o := range options {
		o(p)
	}
	c.Send(p)
	c.Connack = Next[*wire.Connack](c, "CONNACK")
	return c.Connack
}

// Send sends a packet.
func (c *Client) Send(p wire.Packet) {
	c.t.Helper()
	if err := c.conn.Send(p); err != nil {
		c.t.Fatalf("%s: send %v: %v", c.name, p.Type(), err)
	}
}

// SendRaw sends bytes as they are. The broker may close while they are on their way; that is no failure here.
func (c *Client) SendRaw(b ...byte) { _ = c.conn.SendRaw(b) }

// Cut breaks the connection without a word.
func (c *Client) Cut() { c.conn.Cut() }

// Leave says DISCONNECT and waits until the broker has closed the connection: it has seen the leave then.
func (c *Client) Leave() {
	c.t.Helper()
	c.Send(&wire.Disconnect{})
	c.WantClosed("after DISCONNECT")
}

// LeaveAtOnce says DISCONNECT and closes.
func (c *Client) LeaveAtOnce() {
	c.t.Helper()
	c.Send(&wire.Disconnect{})
	c.conn.Close()
}

// read returns the next packet from the connection.
func (c *Client) read() (wire.Packet, error) { return c.conn.Receive(time.Now().Add(Patience)) }

// Next waits for the next packet of type P. PUBLISH packets that come before it are kept for later, and a PUBREL is
// answered: after a crash the broker may repeat one that was answered before. Anything else fails the test.
func Next[P wire.Packet](c *Client, what string) P {
	c.t.Helper()
	for i, p := range c.pending {
		if want, ok := p.(P); ok {
			c.pending = append(c.pending[:i:i], c.pending[i+1:]...)
			return want
		}
	}
	for {
		p, err := c.read()
		if err != nil {
			c.t.Fatalf("%s: waiting for %s: %v", c.name, what, err)
		}
		if want, ok := p.(P); ok {
			return want
		}
		switch p := p.(type) {
		case *wire.Publish:
			c.pending = append(c.pending, p)
		case *wire.Pubrel:
			c.Send(&wire.Pubcomp{PacketID: p.PacketID})
		default:
			c.t.Fatalf("%s: waiting for %s, got %s", c.name, what, Describe(p))
		}
	}
}

// Describe writes a packet for people.
func Describe(p wire.Packet) string {
	switch p := p.(type) {
	case *wire.Publish:
		payload := p.Payload
		if len(payload) > 60 {
			payload = payload[:60]
		}
		return fmt.Sprintf("PUBLISH %q %q QoS %d id %d dup %t retain %t", p.Topic, payload, p.QoS, p.PacketID, p.Dup, p.Retain)
	case *wire.Connack:
		return fmt.Sprintf("CONNACK %v, session present %t", p.Code, p.SessionPresent)
	case *wire.Disconnect:
		return fmt.Sprintf("DISCONNECT %v", p.Code)
	default:
		return fmt.Sprintf("%v %+v", p.Type(), p)
	}
}

// Pending pings the broker and returns how many messages came that nobody has asked for yet.
func (c *Client) Pending() int {
	c.t.Helper()
	c.Ping()
	return len(c.pending)
}

// Trickle sends one byte after a moment. It is for a goroutine of its own, so it returns its error.
func (c *Client) Trickle(b byte) error {
	time.Sleep(20 * time.Millisecond) // the pace of a slow client
	return c.conn.SendRaw([]byte{b})
}
