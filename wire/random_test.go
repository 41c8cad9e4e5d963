package wire

import (
	"bytes"
	"reflect"
	"testing"
)

// eachVersion calls f for every packet type of every version.
func eachVersion(f func(v Version, t Type)) {
	for _, v := range []Version{V31, V311, V5} {
		for t := CONNECT; t <= AUTH; t++ {
			if v == V5 || t != AUTH {
				f(v, t)
			}
		}
	}
}

func TestRandomPacketsSurviveTheRoundTrip(t *testing.T) {
	m := newMaker(t)
	reused := map[Type]decodable{}
	for typ := CONNECT; typ <= AUTH; typ++ {
		reused[typ] = newPacket(typ)
	}
	eachVersion(func(v Version, typ Type) {
		for range 300 {
			want := m.packet(typ, v)
			packet, err := want.Append(nil, v)
			if err != nil {
				t.Fatalf("MQTT %s: encode %+v: %v", v, want, err)
			}
			got, err := Decode(frameOf(t, packet), v)
			if err != nil {
				t.Fatalf("MQTT %s: decode % X: %v", v, packet, err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("MQTT %s: decoded\n%+v\nwant\n%+v", v, got, want)
			}
			if p, ok := want.(*Publish); ok && p.EncodedSize(v) != len(packet) {
				t.Fatalf("MQTT %s: %+v has size %d, foretold %d", v, p, len(packet), p.EncodedSize(v))
			}
			again := reused[typ]
			if err := again.Decode(frameOf(t, packet), v); err != nil {
				t.Fatal(err)
			}
			if second, err := again.Append(nil, v); err != nil || !bytes.Equal(second, packet) {
				t.Fatalf("MQTT %s: a reused struct became\n%+v\nwant\n%+v", v, again, want)
			}
		}
	})
}

// TestForwardedPropertiesArriveUnaltered sends random properties the way a server passes them on.
func TestForwardedPropertiesArriveUnaltered(t *testing.T) {
	m := newMaker(t)
	for range 500 {
		in := m.properties(inPublish)
		forward := in.AppendForward(nil)
		out := Publish{Topic: b("t"), Payload: b("x"), Forward: forward}
		out.Properties.SetMessageExpiryInterval(7)
		out.Properties.AddSubscriptionID(9)
		packet, err := out.Append(nil, V5)
		if err != nil {
			t.Fatal(err)
		}
		if len(packet) != out.EncodedSize(V5) {
			t.Fatalf("size %d, foretold %d", len(packet), out.EncodedSize(V5))
		}
		var got Publish
		if err := got.Decode(frameOf(t, packet), V5); err != nil {
			t.Fatal(err)
		}
		if got.Properties.MessageExpiryInterval != 7 || !reflect.DeepEqual(got.Properties.SubscriptionIDs, []uint32{9}) || got.Forward != nil {
			t.Fatalf("got %+v", got)
		}
		if again := got.Properties.AppendForward(nil); !bytes.Equal(again, forward) {
			t.Fatalf("forwarded % X, got % X", forward, again)
		}
		var inspected Properties
		if err := DecodeForward(forward, &inspected); err != nil {
			t.Fatal(err)
		}
		want := in
		want.present &= forwardMask
		want.MessageExpiryInterval, want.TopicAlias, want.SubscriptionIDs = 0, 0, nil
		if !reflect.DeepEqual(inspected, want) {
			t.Fatalf("inspected %+v, want %+v", inspected, want)
		}
	}
}

// TestEveryPrefixOfABodyIsRefusedOrShorter cuts random packets everywhere. Where the rest is optional a prefix is a packet of its own,
// but never the same one.
func TestEveryPrefixOfABodyIsRefusedOrShorter(t *testing.T) {
	m := newMaker(t)
	eachVersion(func(v Version, typ Type) {
		whole := typ == CONNECT || typ == CONNACK
		if v != V5 && (typ <= PUBCOMP && typ != PUBLISH || typ == UNSUBACK) {
			whole = true // nothing in it is optional
		}
		for range 20 {
			packet, err := m.packet(typ, v).Append(nil, v)
			if err != nil {
				t.Fatal(err)
			}
			f := frameOf(t, packet)
			for n := range min(len(f.Body), 400) {
				p, err := Decode(Frame{Header: f.Header, Body: f.Body[:n:n]}, v)
				if err != nil {
					continue
				}
				if whole {
					t.Fatalf("MQTT %s: %d bytes of % X are accepted", v, n, packet)
				}
				if again, err := p.Append(nil, v); err != nil || len(again) >= len(packet) {
					t.Fatalf("MQTT %s: %d bytes of % X read as % X (%v)", v, n, packet, again, err)
				}
			}
		}
	})
}

// TestBytesLeftOverAreRefused appends one byte that nothing can start with.
func TestBytesLeftOverAreRefused(t *testing.T) {
	m := newMaker(t)
	eachVersion(func(v Version, typ Type) {
		if typ == PUBLISH {
			return // its payload takes everything
		}
		for range 20 {
			packet, err := m.packet(typ, v).Append(nil, v)
			if err != nil {
				t.Fatal(err)
			}
			f := frameOf(t, packet)
			f.Body = append(f.Body, 0x7f)
			if p, err := Decode(f, v); err == nil {
				t.Fatalf("MQTT %s: % X and one byte more is accepted as %+v", v, packet, p)
			}
		}
	})
}
