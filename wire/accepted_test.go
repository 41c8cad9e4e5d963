package wire

import (
	"bytes"
	"testing"
)

// TestLongerFormsMeanTheShortest covers encodings that are legal but not what Append writes.
func TestLongerFormsMeanTheShortest(t *testing.T) {
	for _, c := range []struct {
		why       string
		version   Version
		long      string
		canonical string
	}{
		{"explicit success", V5, "40 03 000A 00", "40 02 000A"},
		{"explicit success without properties", V5, "70 04 000A 00 00", "70 02 000A"},
		{"failure without properties", V5, "50 04 000A 97 00", "50 03 000A 97"},
		{"explicit normal disconnection", V5, "E0 01 00", "E0 00"},
		{"normal disconnection without properties", V5, "E0 02 00 00", "E0 00"},
		{"disconnection code without properties", V5, "E0 02 04 00", "E0 01 04"},
		{"explicit success of AUTH", V5, "F0 02 00 00", "F0 00"},
		{"properties in another order", V5, "40 0E 000A 10 0A 26 0001 'k' 0000 1F 0001 'r'", "40 0E 000A 10 0A 1F 0001 'r' 26 0001 'k' 0000"},
		{"DUP in PUBREL", V31, "6A 02 000A", "62 02 000A"},
		{"DUP in SUBSCRIBE", V31, "8A 06 000A 0001 'a' 01", "82 06 000A 0001 'a' 01"},
		{"DUP in UNSUBSCRIBE", V31, "AA 05 000A 0001 'a'", "A2 05 000A 0001 'a'"},
		{"unused connect flag", V31, "10 0F 0006 'MQIsdp' 03 03 003C 0001 'c'", "10 0F 0006 'MQIsdp' 03 02 003C 0001 'c'"},
		{"unused byte in CONNACK", V31, "20 02 01 00", "20 02 00 00"},
	} {
		t.Run(c.version.String()+" "+c.why, func(t *testing.T) {
			p, err := Decode(frameOf(t, bytesOf(t, c.long)), c.version)
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.Append(nil, c.version)
			if want := bytesOf(t, c.canonical); err != nil || !bytes.Equal(got, want) {
				t.Errorf("encoded % X (%v), want % X", got, err, want)
			}
		})
	}
}

func TestUnusualTextIsAccepted(t *testing.T) {
	for why, topic := range map[string]string{
		"non-character":       "a\uffff\U0010ffff",
		"control characters":  "a\x01\x1f\x7f\u0085",
		"byte order mark":     "\ufeffa",
		"replacement":         "\ufffd",
		"space":               " ",
		"only a separator":    "/",
		"dollar":              "$SYS/x",
		"four-byte character": "\U0001f600",
	} {
		p := Publish{Topic: b(topic)}
		packet, err := p.Append(nil, V311)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Decode(frameOf(t, packet), V311); err != nil || string(p.Topic) != topic {
			t.Errorf("%s: topic %q, %v", why, p.Topic, err)
		}
	}
}

func TestVersionsBefore5LeaveOutWhatTheyCannotSay(t *testing.T) {
	reason := with(func(p *Properties) { p.SetReasonString(b("why")) })
	for _, c := range []struct {
		packet Packet
		want   string
	}{
		{&Puback{PacketID: 10, Code: QuotaExceeded, Properties: reason}, "40 02 000A"},
		{&Publish{Topic: b("t"), Forward: b("forward"), Properties: with(func(p *Properties) { p.SetTopicAlias(1) })}, "30 03 0001 't'"},
		{&Suback{PacketID: 10, Codes: []ReasonCode{GrantedQoS2, NotAuthorized}, Properties: reason}, "90 04 000A 02 80"},
		{&Unsuback{PacketID: 10, Codes: []ReasonCode{Success}}, "B0 02 000A"},
		{&Disconnect{Code: ServerShuttingDown, Properties: reason}, "E0 00"},
		{&Connack{SessionPresent: true, Code: ServerBusy, Properties: reason}, "20 02 00 03"},
		{&Subscribe{PacketID: 10, Filters: []Subscription{{Filter: "a", QoS: 1, NoLocal: true, RetainHandling: 2}}}, "82 06 000A 0001 'a' 01"},
	} {
		got, err := c.packet.Append(nil, V311)
		if want := bytesOf(t, c.want); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: encoded % X (%v), want % X", c.packet.Type(), got, err, want)
		}
	}
}

func TestRefusalLeavesOutSessionPresent(t *testing.T) {
	got, err := (&Connack{SessionPresent: true, Code: ServerBusy}).Append(nil, V5)
	if want := bytesOf(t, "20 03 00 89 00"); err != nil || !bytes.Equal(got, want) {
		t.Errorf("encoded % X (%v), want % X", got, err, want)
	}
}

func TestConnectAppendsItsOwnVersion(t *testing.T) {
	own, err := (&Connect{Version: V31, ClientID: "c"}).Append(nil, V5)
	if err != nil || own[8+2] != byte(V31) {
		t.Errorf("encoded % X, %v", own, err)
	}
	given, err := (&Connect{ClientID: "c"}).Append(nil, V311)
	if err != nil || given[6+2] != byte(V311) {
		t.Errorf("encoded % X, %v", given, err)
	}
}
