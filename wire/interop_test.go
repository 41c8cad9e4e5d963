package wire

import (
	"bytes"
	"reflect"
	"testing"

	paho5 "github.com/eclipse/paho.golang/packets"
	paho3 "github.com/eclipse/paho.mqtt.golang/packets"
)

// TestAnotherLibraryReadsAndRepeats5 sends random packets through another implementation of MQTT 5.0, which reads and writes them again.
// That one drops empty properties, all but the last subscription identifier, and most will properties, so there are none.
func TestAnotherLibraryReadsAndRepeats5(t *testing.T) {
	m := newMaker(t)
	m.solid = true
	for typ := CONNECT; typ <= AUTH; typ++ {
		for range 100 {
			want := m.packet(typ, V5)
			if c, ok := want.(*Connect); ok && c.Will != nil {
				c.Will.Properties = with(func(p *Properties) { p.SetWillDelayInterval(uint32(m.packetID())) })
			}
			packet, err := want.Append(nil, V5)
			if err != nil {
				t.Fatal(err)
			}
			if len(packet) == 2 && (typ == DISCONNECT || typ == AUTH) {
				continue // it does not know the form without a body
			}
			theirs, err := paho5.ReadPacket(bytes.NewReader(packet))
			if err != nil {
				t.Fatalf("% X: %v", packet, err)
			}
			var repeated bytes.Buffer
			if _, err := theirs.WriteTo(&repeated); err != nil {
				t.Fatal(err)
			}
			got, err := Decode(frameOf(t, repeated.Bytes()), V5)
			if err != nil {
				t.Fatalf("sent % X\ngot  % X: %v", packet, repeated.Bytes(), err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("sent %+v\ngot  %+v", want, got)
			}
		}
	}
}

// TestAnotherLibraryReadsAndRepeats3 does the same for the versions before 5.0.
func TestAnotherLibraryReadsAndRepeats3(t *testing.T) {
	m := newMaker(t)
	eachVersion(func(v Version, typ Type) {
		if v == V5 {
			return
		}
		for range 100 {
			want := m.packet(typ, v)
			packet, err := want.Append(nil, v)
			if err != nil {
				t.Fatal(err)
			}
			theirs, err := paho3.ReadPacket(bytes.NewReader(packet))
			if err != nil {
				t.Fatalf("% X: %v", packet, err)
			}
			var repeated bytes.Buffer
			if err := theirs.Write(&repeated); err != nil {
				t.Fatal(err)
			}
			got, err := Decode(frameOf(t, repeated.Bytes()), v)
			if err != nil {
				t.Fatalf("sent % X\ngot  % X: %v", packet, repeated.Bytes(), err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("sent %+v\ngot  %+v", want, got)
			}
		}
	})
}
