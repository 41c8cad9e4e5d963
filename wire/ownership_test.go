package wire

import (
	"bytes"
	"testing"
)

// TestFieldsPointIntoTheFrameAndEndWhereTheyEnd appends to every slice of a packet: the frame behind it must not change.
func TestFieldsPointIntoTheFrameAndEndWhereTheyEnd(t *testing.T) {
	body := bytesOf(t, "0003 'a/b' 000A 12 03 0001 't' 09 0001 'c' 26 0001 'k' 0001 'v' 'x'")
	body[7] = byte(len(body) - 9) // the properties fill all but the payload
	before := bytes.Clone(body)
	var p Publish
	if err := p.Decode(Frame{Header: 0x32, Body: body}, V5); err != nil {
		t.Fatal(err)
	}
	user := p.Properties.User[0]
	for name, field := range map[string][]byte{
		"topic": p.Topic, "content type": p.Properties.ContentType, "correlation data": p.Properties.CorrelationData,
		"user key": user.Key, "user value": user.Value,
	} {
		if len(field) == 0 {
			t.Fatalf("%s is empty", name)
		}
		_ = append(field, "overwritten"...)
		if !bytes.Equal(body, before) {
			t.Fatalf("an append to the %s reaches what is behind it", name)
		}
	}
	body[2] = 'A'
	if string(p.Topic) != "A/b" {
		t.Error("the topic is a copy, not a part of the frame")
	}
}

// TestStringsAreCopies keeps what outlives the frame: identifiers and filters.
func TestStringsAreCopies(t *testing.T) {
	connect := bytesOf(t, "0004 'MQTT' 04 86 003C 0003 'abc' 0003 'w/t' 0000 0003 'bob'")
	var c Connect
	if err := c.Decode(Frame{Header: 0x10, Body: connect}, V311); err != nil {
		t.Fatal(err)
	}
	subscribe := bytesOf(t, "0001 0003 'a/b' 01")
	var s Subscribe
	if err := s.Decode(Frame{Header: 0x82, Body: subscribe}, V311); err != nil {
		t.Fatal(err)
	}
	clear(connect)
	clear(subscribe)
	if c.ClientID != "abc" || c.Username != "bob" || c.Will.Topic != "w/t" || s.Filters[0].Filter != "a/b" {
		t.Errorf("the frame is gone and left %q %q %q %q", c.ClientID, c.Username, c.Will.Topic, s.Filters[0].Filter)
	}
}

// TestReusedStructsKeepNothingOfThePacketBefore decodes a rich packet, then a poor one, into the same struct.
func TestReusedStructsKeepNothingOfThePacketBefore(t *testing.T) {
	p := Publish{Forward: b("forward")}
	for _, step := range []struct {
		header byte
		body   string
	}{
		{0x3D, "0003 'a/b' 000A 03 23 0001 'payload'"},
		{0x30, "0001 't' 00"},
	} {
		if err := p.Decode(Frame{Header: step.header, Body: bytesOf(t, step.body)}, V5); err != nil {
			t.Fatal(err)
		}
	}
	if p.Dup || p.Retain || p.QoS != 0 || p.PacketID != 0 || p.Properties.Has(PropTopicAlias) || p.Forward != nil || len(p.Payload) != 0 {
		t.Errorf("a PUBLISH kept %+v", p)
	}

	var c Connect
	for _, body := range []string{
		"0004 'MQTT' 05 C6 003C 03 21 0001 0003 'abc' 00 0003 'w/t' 0000 0003 'bob' 0002 'pw'",
		"0004 'MQTT' 05 00 0000 00 0000",
	} {
		if err := c.Decode(Frame{Header: 0x10, Body: bytesOf(t, body)}, V5); err != nil {
			t.Fatal(err)
		}
	}
	if c.CleanStart || c.KeepAlive != 0 || c.Will != nil || c.HasUsername || c.HasPassword || c.ClientID+c.Username != "" || c.Password != nil || c.Properties.Has(PropReceiveMaximum) {
		t.Errorf("a CONNECT kept %+v", c)
	}

	ack := Puback{PacketID: 1, Code: QuotaExceeded, Properties: with(func(p *Properties) { p.SetReasonString(b("r")) })}
	if err := ack.Decode(Frame{Header: 0x40, Body: []byte{0, 2}}, V5); err != nil || ack.Code != Success || ack.Properties.Has(PropReasonString) {
		t.Errorf("a PUBACK kept %+v (%v)", ack, err)
	}
}
