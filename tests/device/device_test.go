package device

import (
	"context"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/tests/ledger"
	"github.com/holdfast-mqtt/holdfast/wire"
)

const patience = 10 * time.Second

// server is a broker in the hands of the test: it sends what it is told to, and shows what came.
type server struct {
	t    *testing.T
	l    net.Listener
	conn net.Conn
	in   *wire.Reader
	v    wire.Version
}

// newServer listens.
func newServer(t *testing.T, v wire.Version) *server {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return &server{t: t, l: l, v: v}
}

// connect lets the device connect and answers with session present or not.
func (s *server) connect(d *Device, clean, present bool) {
	s.t.Helper()
	failed := make(chan error, 1)
	go func() { failed <- d.Connect(s.l.Addr().String(), clean) }()
	s.accept(present)
	if err := <-failed; err != nil {
		s.t.Fatal(err)
	}
}

// accept takes one connection and answers its CONNECT.
func (s *server) accept(present bool) *wire.Connect {
	s.t.Helper()
	conn, err := s.l.Accept()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	s.conn, s.in = conn, wire.NewReader(conn, 1<<20)
	connect, ok := s.read().(*wire.Connect)
	if !ok {
		s.t.Fatal("no CONNECT")
	}
	s.send(&wire.Connack{SessionPresent: present})
	return connect
}

// read returns the device's next packet.
func (s *server) read() wire.Packet {
	s.t.Helper()
	if err := s.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		s.t.Fatal(err)
	}
	f, err := s.in.Next()
	if err != nil {
		s.t.Fatal(err)
	}
	f.Body = slices.Clone(f.Body)
	p, err := wire.Decode(f, s.v)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// want reads the next packet and compares it, written as brief prints it.
func (s *server) want(want ...string) {
	s.t.Helper()
	for _, w := range want {
		if got := brief(s.read()); got != w {
			s.t.Fatalf("the device sent %s, want %s", got, w)
		}
	}
}

// brief writes what matters of a packet.
func brief(p wire.Packet) string {
	switch p := p.(type) {
	case *wire.Publish:
		_, seq, _ := Parse(p.Payload)
		return fmt.Sprintf("PUBLISH %d id %d qos %d dup %t", seq, p.PacketID, p.QoS, p.Dup)
	case *wire.Puback:
		return fmt.Sprintf("PUBACK %d", p.PacketID)
	case *wire.Pubrec:
		return fmt.Sprintf("PUBREC %d", p.PacketID)
	case *wire.Pubrel:
		return fmt.Sprintf("PUBREL %d", p.PacketID)
	case *wire.Pubcomp:
		return fmt.Sprintf("PUBCOMP %d %v", p.PacketID, p.Code)
	case *wire.Subscribe:
		return fmt.Sprintf("SUBSCRIBE %s", p.Filters[0].Filter)
	case *wire.Unsubscribe:
		return fmt.Sprintf("UNSUBSCRIBE %s", p.Filters[0])
	}
	return p.Type().String()
}

// send sends packets.
func (s *server) send(packets ...wire.Packet) {
	s.t.Helper()
	for _, p := range packets {
		b, err := p.Append(nil, s.v)
		if err != nil {
			s.t.Fatal(err)
		}
		if _, err := s.conn.Write(b); err != nil {
			s.t.Fatal(err)
		}
	}
}

// cut breaks the connection and waits until the device knows.
func (s *server) cut(d *Device) {
	_ = s.conn.Close()
	d.Wait()
}

// publish lets the device publish.
func publish(t *testing.T, d *Device, qos byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := d.Publish(ctx, ledger.Message{Topic: "a", QoS: qos}, 20); err != nil {
		t.Fatal(err)
	}
}

// settle waits until nothing is in flight.
func settle(t *testing.T, d *Device) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := d.Settle(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestResumeSendsAgainInOrder(t *testing.T) {
	l := ledger.New()
	d := New(l, Options{Name: "d", Version: wire.V311})
	s := newServer(t, wire.V311)
	s.connect(d, false, false)
	publish(t, d, 1)
	publish(t, d, 2)
	publish(t, d, 2)
	s.want("PUBLISH 1 id 1 qos 1 dup false", "PUBLISH 2 id 2 qos 2 dup false", "PUBLISH 3 id 3 qos 2 dup false")
	s.send(&wire.Pubrec{PacketID: 2})
	s.want("PUBREL 2")
	s.cut(d)
	s.connect(d, false, true)
	s.want("PUBLISH 1 id 1 qos 1 dup true", "PUBREL 2", "PUBLISH 3 id 3 qos 2 dup true")
	s.send(&wire.Puback{PacketID: 1}, &wire.Pubcomp{PacketID: 2}, &wire.Pubrec{PacketID: 3})
	s.want("PUBREL 3")
	s.send(&wire.Pubcomp{PacketID: 3})
	settle(t, d)
	if v := l.Judge(); !v.Kept() || v.Counts.Acked != 3 {
		t.Error(v)
	}
	s.cut(d)
}

func TestLostSessionMakesMessagesNew(t *testing.T) {
	l := ledger.New()
	d := New(l, Options{Name: "d", Version: wire.V5})
	s := newServer(t, wire.V5)
	s.connect(d, false, false)
	if err := d.Subscribe("f", 1); err != nil {
		t.Fatal(err)
	}
	s.want("SUBSCRIBE f")
	s.send(&wire.Suback{PacketID: 1, Codes: []wire.ReasonCode{wire.GrantedQoS1}})
	settle(t, d)
	publish(t, d, 1)
	publish(t, d, 2)
	s.want("PUBLISH 1 id 2 qos 1 dup false", "PUBLISH 2 id 3 qos 2 dup false")
	s.send(&wire.Pubrec{PacketID: 3})
	s.want("PUBREL 3")
	s.cut(d)
	s.connect(d, false, false)
	s.want("PUBLISH 1 id 4 qos 1 dup false", "SUBSCRIBE f") // the broker had taken over the other message
	s.cut(d)
	if v := l.Judge(); v.Of(ledger.Session) != 1 || len(v.Faults) != 1 {
		t.Error(v)
	}
}

func TestReceivedPacketIDsSurviveTheConnection(t *testing.T) {
	l := ledger.New()
	l.PublishSent(ledger.Message{Publisher: "p", Seq: 1, Topic: "a", QoS: 2})
	l.PublishSent(ledger.Message{Publisher: "p", Seq: 2, Topic: "a", QoS: 2})
	d := New(l, Options{Name: "d", Version: wire.V5})
	s := newServer(t, wire.V5)
	s.connect(d, false, false)
	if err := d.Subscribe("a", 2); err != nil {
		t.Fatal(err)
	}
	s.want("SUBSCRIBE a")
	first := &wire.Publish{Topic: []byte("a"), QoS: 2, PacketID: 9, Payload: Payload("p", 1, 20)}
	s.send(&wire.Suback{PacketID: 1, Codes: []wire.ReasonCode{wire.GrantedQoS2}}, first)
	s.want("PUBREC 9")
	s.cut(d)
	s.connect(d, false, true)
	first.Dup = true
	s.send(first)
	s.want("PUBREC 9")
	s.send(&wire.Pubrel{PacketID: 9})
	s.want("PUBCOMP 9 Success")
	s.send(&wire.Pubrel{PacketID: 9})
	s.want("PUBCOMP 9 Packet Identifier not found")
	s.send(&wire.Publish{Topic: []byte("a"), QoS: 2, PacketID: 9, Payload: Payload("p", 2, 20)})
	s.want("PUBREC 9")
	if v := l.Judge(); !v.Kept() || v.Counts.Delivered != 2 {
		t.Error(v)
	}
	s.send(&wire.Pubrel{PacketID: 9})
	s.want("PUBCOMP 9 Success")
	s.send(first) // released, so it is delivered a second time
	s.want("PUBREC 9")
	if v := l.Judge(); v.Of(ledger.Duplicate) != 1 {
		t.Error(v)
	}
	s.cut(d)
}

func TestUnansweredRequestsAreRepeated(t *testing.T) {
	l := ledger.New()
	d := New(l, Options{Name: "d", Version: wire.V311})
	s := newServer(t, wire.V311)
	s.connect(d, false, false)
	if err := d.Unsubscribe("gone"); err != nil {
		t.Fatal(err)
	}
	s.want("UNSUBSCRIBE gone")
	s.cut(d)
	if err := d.Subscribe("x", 1); err == nil {
		t.Error("subscribed without a connection")
	}
	s.connect(d, false, true)
	s.want("UNSUBSCRIBE gone")
	s.send(&wire.Unsuback{PacketID: 2})
	settle(t, d)
	s.cut(d)
	if v := l.Judge(); !v.Kept() {
		t.Error(v)
	}
}

func TestCleanStartTakesTwoConnectionsBeforeFive(t *testing.T) {
	d := New(ledger.New(), Options{Name: "d", Version: wire.V311})
	s := newServer(t, wire.V311)
	failed := make(chan error, 1)
	go func() { failed <- d.Connect(s.l.Addr().String(), true) }()
	if c := s.accept(false); !c.CleanStart {
		t.Error("the first CONNECT asks for no clean session")
	}
	s.want("DISCONNECT")
	if c := s.accept(false); c.CleanStart {
		t.Error("the second CONNECT asks for a session that ends with its connection")
	}
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	s.cut(d)
}

func TestViolationsAreWrittenDown(t *testing.T) {
	for name, packet := range map[string]wire.Packet{
		"PUBACK of nothing":  &wire.Puback{PacketID: 5},
		"PUBREC of nothing":  &wire.Pubrec{PacketID: 5},
		"PUBCOMP of nothing": &wire.Pubcomp{PacketID: 5},
		"SUBACK of nothing":  &wire.Suback{PacketID: 5, Codes: []wire.ReasonCode{0}},
		"a second CONNACK":   &wire.Connack{},
		"strange payload":    &wire.Publish{Topic: []byte("a"), Payload: []byte("?")},
		"told to go":         &wire.Disconnect{Code: wire.NotAuthorized},
	} {
		t.Run(name, func(t *testing.T) {
			l := ledger.New()
			d := New(l, Options{Name: "d", Version: wire.V5})
			s := newServer(t, wire.V5)
			s.connect(d, false, false)
			s.send(packet)
			s.cut(d)
			if v := l.Judge(); v.Of(ledger.Protocol) != 1 {
				t.Error(v)
			}
		})
	}
}

func TestRefusalsAreCounted(t *testing.T) {
	d := New(ledger.New(), Options{Name: "d", Version: wire.V5})
	s := newServer(t, wire.V5)
	s.connect(d, false, false)
	publish(t, d, 1)
	publish(t, d, 2)
	s.want("PUBLISH 1 id 1 qos 1 dup false", "PUBLISH 2 id 2 qos 2 dup false")
	s.send(&wire.Puback{PacketID: 1, Code: wire.QuotaExceeded}, &wire.Pubrec{PacketID: 2, Code: wire.QuotaExceeded})
	settle(t, d)
	if n := d.Refused(); n != 2 {
		t.Errorf("%d refused, want 2", n)
	}
	s.cut(d)
}

func TestPayloadTellsItsMessageAndItsDamage(t *testing.T) {
	for _, size := range []int{0, 10, 100, 5000} {
		b := Payload("publisher-1", 42, size)
		if name, seq, err := Parse(b); name != "publisher-1" || seq != 42 || err != nil || len(b) < size {
			t.Errorf("size %d: %s %d %v, %d bytes", size, name, seq, err, len(b))
		}
	}
	b := Payload("p", 1, 100)
	b[50]++
	if _, _, err := Parse(b); err == nil {
		t.Error("a changed byte was not seen")
	}
	for _, bad := range []string{"", "p", "p 1", "p x "} {
		if _, _, err := Parse([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
