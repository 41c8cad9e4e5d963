package wire

import (
	"bytes"
	"testing"
)

// publishCase is a PUBLISH as it is often seen.
type publishCase struct {
	name    string
	version Version
	packet  Publish
}

func publishCases() []publishCase {
	topic, payload := b("plant/7/line/3/temperature"), bytes.Repeat([]byte("x"), 256)
	forward := with(func(p *Properties) {
		p.SetContentType(b("application/json"))
		p.AddUser(b("origin"), b("gateway-12"))
	})
	return []publishCase{
		{"3.1.1 QoS 0", V311, Publish{Topic: topic, Payload: payload}},
		{"3.1.1 QoS 1", V311, Publish{Topic: topic, QoS: 1, PacketID: 7, Payload: payload}},
		{"5.0 bare", V5, Publish{Topic: topic, QoS: 1, PacketID: 7, Payload: payload}},
		{"5.0 properties", V5, Publish{Topic: topic, QoS: 1, PacketID: 7, Payload: payload,
			Forward: forward.AppendForward(nil),
			Properties: with(func(p *Properties) {
				p.SetMessageExpiryInterval(60)
				p.AddSubscriptionID(3)
			})}},
		{"5.0 two-byte characters", V5, Publish{Topic: b("Außenstelle/Gerät"), Payload: payload}},
	}
}

func TestPublishIsDecodedAndEncodedWithoutAllocating(t *testing.T) {
	for _, c := range publishCases() {
		packet, err := c.packet.Append(nil, c.version)
		if err != nil {
			t.Fatal(err)
		}
		frame := frameOf(t, packet)
		var in Publish
		decode := func() {
			if err := in.Decode(frame, c.version); err != nil {
				t.Fatal(err)
			}
		}
		decode() // the first time makes room for user properties
		if n := testing.AllocsPerRun(100, decode); n != 0 {
			t.Errorf("%s: %v allocations to decode", c.name, n)
		}
		out := c.packet
		if n := testing.AllocsPerRun(100, func() {
			if packet, err = out.Append(packet[:0], c.version); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations to encode", c.name, n)
		}
	}
}

func TestOtherPacketsAllocateNothingPerField(t *testing.T) {
	buf := make([]byte, 0, 4096)
	for _, g := range readGolden(t) {
		p := newPacket(Type(g.bytes[0] >> 4))
		frame := frameOf(t, g.bytes)
		work := func() {
			var err error
			if err = p.Decode(frame, g.version); err == nil {
				buf, err = p.Append(buf[:0], g.version)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		work()
		most := 0.0
		switch p.Type() { // strings are copies
		case CONNECT:
			most = 4
		case SUBSCRIBE, UNSUBSCRIBE:
			most = 2
		}
		if n := testing.AllocsPerRun(100, work); n > most {
			t.Errorf("MQTT %s %s: %v allocations", g.version, g.name, n)
		}
	}
}

func BenchmarkPublishDecode(b *testing.B) {
	for _, c := range publishCases() {
		b.Run(c.name, func(b *testing.B) {
			packet, err := c.packet.Append(nil, c.version)
			if err != nil {
				b.Fatal(err)
			}
			frame := frameOf(b, packet)
			var p Publish
			b.ReportAllocs()
			for b.Loop() {
				if err := p.Decode(frame, c.version); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkPublishAppend(b *testing.B) {
	for _, c := range publishCases() {
		b.Run(c.name, func(b *testing.B) {
			buf := make([]byte, 0, 1024)
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if buf, err = c.packet.Append(buf[:0], c.version); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkPuback(b *testing.B) {
	buf := make([]byte, 0, 64)
	out := Puback{PacketID: 7}
	var in Puback
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = out.Append(buf[:0], V5)
		if err := in.Decode(Frame{Header: buf[0], Body: buf[2:]}, V5); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReaderNext(b *testing.B) {
	packet := publishOf(b, 59)
	stream := bytes.Repeat(packet, 4096)
	source := bytes.NewReader(stream)
	r := NewReader(source, 0)
	b.SetBytes(int64(len(packet)))
	b.ReportAllocs()
	for b.Loop() {
		if !r.Ready() && source.Len() == 0 {
			source.Reset(stream)
		}
		if _, err := r.Next(); err != nil {
			b.Fatal(err)
		}
	}
}
