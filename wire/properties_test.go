package wire

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// standing is the specification's table of properties once more, in its own words: where each may stand.
const standing = `
01 PUBLISH will
02 PUBLISH will
03 PUBLISH will
08 PUBLISH will
09 PUBLISH will
0B PUBLISH SUBSCRIBE
11 CONNECT CONNACK DISCONNECT
12 CONNACK
13 CONNACK
15 CONNECT CONNACK AUTH
16 CONNECT CONNACK AUTH
17 CONNECT
18 will
19 CONNECT
1A CONNACK
1C CONNACK DISCONNECT
1F CONNACK PUBACK PUBREC PUBREL PUBCOMP SUBACK UNSUBACK DISCONNECT AUTH
21 CONNECT CONNACK
22 CONNECT CONNACK
23 PUBLISH
24 CONNACK
25 CONNACK
26 CONNECT CONNACK PUBLISH will PUBACK PUBREC PUBREL PUBCOMP SUBSCRIBE SUBACK UNSUBSCRIBE UNSUBACK DISCONNECT AUTH
27 CONNECT CONNACK
28 CONNACK
29 CONNACK
2A CONNACK
`

// sampleProperty returns the bytes of one property with a legal value.
func sampleProperty(t *testing.T, id PropertyID) []byte {
	t.Helper()
	if int(id) >= len(propertyTable) || propertyTable[id].kind == kindNone {
		return []byte{byte(id), 1}
	}
	p := with(func(p *Properties) { newMaker(t).property(p, id, &propertyTable[id], inSubscribe) })
	if id == PropUserProperty {
		p.User = p.User[:1]
	}
	return p.append(nil, p.present)
}

// decodeProperties decodes bytes as the properties of a place.
func decodeProperties(b []byte, in place) error {
	c := cursor{b: append(appendVarint(nil, len(b)), b...), packet: PUBLISH}
	var p Properties
	p.decode(&c, in)
	return c.end()
}

func TestPropertiesStandWhereTheSpecificationSays(t *testing.T) {
	allowed := map[string]bool{}
	for _, line := range strings.Split(strings.TrimSpace(standing), "\n") {
		words := strings.Fields(line)
		for _, where := range words[1:] {
			allowed[words[0]+where] = true
		}
	}
	places := map[string]place{"will": inWill}
	for typ := CONNECT; typ <= AUTH; typ++ {
		places[typ.String()] = placeOf(typ)
	}
	for n := range 128 {
		id := PropertyID(n)
		sample := sampleProperty(t, id)
		for where, in := range places {
			err := decodeProperties(sample, in)
			if id == PropAuthenticationData && in&(inSetup|inAuth) != 0 {
				wantCode(t, err, ProtocolErrorCode) // only together with a method
				continue
			}
			if allowed[fmt.Sprintf("%02X%s", n, where)] {
				if err != nil {
					t.Errorf("%s in %s: %v", id, where, err)
				}
				continue
			}
			if err == nil {
				t.Errorf("%s is accepted in %s", id, where)
				continue
			}
			wantCode(t, err, MalformedPacket)
		}
	}
}

func TestPropertiesMayNotRepeat(t *testing.T) {
	for n := range propertyTable {
		id, rule := PropertyID(n), &propertyTable[n]
		for bit := 0; bit < 16; bit++ {
			in := place(1) << bit
			if rule.in&in == 0 {
				continue
			}
			err := decodeProperties(append(sampleProperty(t, id), sampleProperty(t, id)...), in)
			if id == PropUserProperty || id == PropSubscriptionIdentifier && in == inPublish {
				if err != nil {
					t.Errorf("%s twice: %v", id, err)
				}
				continue
			}
			if err == nil {
				t.Errorf("%s twice is accepted", id)
				continue
			}
			wantCode(t, err, ProtocolErrorCode)
		}
	}
}

func TestPropertyValuesThatAreForbidden(t *testing.T) {
	for _, c := range []struct {
		bytes string
		in    place
		code  ReasonCode
	}{
		{"17 02", inConnect, ProtocolErrorCode},
		{"19 FF", inConnect, ProtocolErrorCode},
		{"24 02", inConnack, ProtocolErrorCode},
		{"25 02", inConnack, ProtocolErrorCode},
		{"28 02", inConnack, ProtocolErrorCode},
		{"29 02", inConnack, ProtocolErrorCode},
		{"2A 02", inConnack, ProtocolErrorCode},
		{"01 02", inWill, ProtocolErrorCode},
		{"21 0000", inConnect, ProtocolErrorCode},
		{"21 0000", inConnack, ProtocolErrorCode},
		{"27 00000000", inConnect, ProtocolErrorCode},
		{"0B 00", inSubscribe, ProtocolErrorCode},
		{"0B 80 00", inSubscribe, MalformedPacket},
		{"0B FF FF FF FF 01", inPublish, MalformedPacket},
		{"0B 80", inPublish, MalformedPacket},
		{"23 0000", inPublish, TopicAliasInvalid},
		{"08 0001 '#'", inWill, ProtocolErrorCode},
		{"1F 0001 00", inPuback, MalformedPacket},
		{"1F 0001 FF", inPuback, MalformedPacket},
		{"26 0001 FF 0000", inPuback, MalformedPacket},
		{"26 0000 0001 FF", inPuback, MalformedPacket},
		{"26 0000", inPuback, MalformedPacket},
		{"80 01", inPublish, MalformedPacket},
		{"81 00 01", inPublish, MalformedPacket}, // a needlessly long identifier
		{"26", inPublish, MalformedPacket},
		{"02 000000", inPublish, MalformedPacket},
		{"23 01", inPublish, MalformedPacket},
		{"01", inPublish, MalformedPacket},
	} {
		err := decodeProperties(bytesOf(t, c.bytes), c.in)
		if err == nil {
			t.Errorf("%s is accepted", c.bytes)
			continue
		}
		wantCode(t, err, c.code)
	}
}

func TestZeroIsAllowedWhereTheSpecificationHasNoRule(t *testing.T) {
	for text, in := range map[string]place{
		"11 00000000": inConnect, "22 0000": inConnect, "13 0000": inConnack, "02 00000000": inPublish, "18 00000000": inWill,
		"24 00": inConnack, "01 00": inPublish, "03 0000": inPublish, "09 0000": inPublish, "12 0000": inConnack, "26 0000 0000": inPuback,
	} {
		if err := decodeProperties(bytesOf(t, text), in); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestResetForgetsEverything(t *testing.T) {
	m := newMaker(t)
	for n := range propertyTable {
		rule := &propertyTable[n]
		if rule.kind == kindNone {
			continue
		}
		var p Properties
		m.property(&p, PropertyID(n), rule, inPublish)
		users, ids := p.User, p.SubscriptionIDs
		p.Reset()
		for id := range PropertyID(64) {
			if p.Has(id) {
				t.Errorf("%s is there after Reset", id)
			}
		}
		if len(p.User) != 0 || len(p.SubscriptionIDs) != 0 || !reflect.DeepEqual(p, Properties{User: p.User, SubscriptionIDs: p.SubscriptionIDs}) {
			t.Errorf("%s leaves %+v behind", PropertyID(n), p)
		}
		for _, u := range users {
			if u.Key != nil || u.Value != nil {
				t.Error("a user property still points into the frame")
			}
		}
		if cap(users) > 0 && cap(p.User) == 0 && cap(users) <= keptCapacity || cap(ids) > 0 && cap(p.SubscriptionIDs) == 0 && cap(ids) <= keptCapacity {
			t.Error("a small slice is not kept for reuse")
		}
	}
}

func TestResetDropsWhatAHostilePacketLeftBehind(t *testing.T) {
	p := with(func(p *Properties) {
		for range 10_000 {
			p.AddUser(nil, nil)
			p.AddSubscriptionID(1)
		}
	})
	p.Reset()
	if cap(p.User) > keptCapacity || cap(p.SubscriptionIDs) > keptCapacity {
		t.Errorf("room for %d user properties and %d identifiers is kept", cap(p.User), cap(p.SubscriptionIDs))
	}
}

func TestHasIsFalseForWhatIsNoProperty(t *testing.T) {
	p := Properties{present: ^uint64(0)}
	if p.Has(64) || p.Has(255) {
		t.Error("a property beyond the mask is present")
	}
}

func TestPropertyNames(t *testing.T) {
	for id, want := range map[PropertyID]string{
		PropTopicAlias: "Topic Alias", PropMaximumQoS: "Maximum QoS", 0x04: "property 0x04", 0x2B: "property 0x2B", 0xFF: "property 0xFF",
	} {
		if got := id.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestDecodeForwardRefusesWhatIsNotForwarded(t *testing.T) {
	var p Properties
	for _, text := range []string{"02 0000003C", "23 0001", "0B 01", "01 00 01 00", "03 0005 'x'"} {
		if err := DecodeForward(bytesOf(t, text), &p); err == nil {
			t.Errorf("%s is accepted", text)
		}
	}
	if err := DecodeForward(nil, &p); err != nil || p.present != 0 {
		t.Errorf("nothing to forward: %+v, %v", p, err)
	}
}
