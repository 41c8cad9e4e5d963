package wire

import (
	"errors"
	"testing"
)

// wantCode fails the test unless err is a ProtocolError with the code.
func wantCode(t *testing.T, err error, code ReasonCode) {
	t.Helper()
	var fault *ProtocolError
	if !errors.As(err, &fault) {
		t.Fatalf("got %v, want %s", err, code)
	}
	if fault.Code != code {
		t.Fatalf("got %v, want %s", err, code)
	}
}

// refusal is a body that must not decode.
type refusal struct {
	why     string
	version Version
	code    ReasonCode
	header  byte
	body    string
}

func testRefusals(t *testing.T, all []refusal) {
	t.Helper()
	for _, r := range all {
		t.Run(r.version.String()+" "+r.why, func(t *testing.T) {
			f := Frame{Header: r.header, Body: bytesOf(t, r.body)}
			_, err := Decode(f, r.version)
			wantCode(t, err, r.code)
			var fault *ProtocolError
			if errors.As(err, &fault); fault.Packet != f.Type() {
				t.Errorf("the fault %v names packet %d", err, fault.Packet)
			}
		})
	}
}

func TestConnectRefusals(t *testing.T) {
	testRefusals(t, []refusal{
		{"unknown protocol name", V5, UnsupportedProtocolVersion, 0x10, "0004 'HTTP' 05 02 003C 00 0000"},
		{"protocol name in lower case", V5, UnsupportedProtocolVersion, 0x10, "0004 'mqtt' 05 02 003C 00 0000"},
		{"empty protocol name", V5, UnsupportedProtocolVersion, 0x10, "0000 05 02 003C 00 0000"},
		{"level 6", V5, UnsupportedProtocolVersion, 0x10, "0004 'MQTT' 06 02 003C 00 0000"},
		{"level 0x84 of a bridge", V311, UnsupportedProtocolVersion, 0x10, "0004 'MQTT' 84 02 003C 0000"},
		{"old level with the new name", V311, UnsupportedProtocolVersion, 0x10, "0004 'MQTT' 03 02 003C 0000"},
		{"new level with the old name", V311, UnsupportedProtocolVersion, 0x10, "0006 'MQIsdp' 04 02 003C 0000"},
		{"reserved flag", V5, MalformedPacket, 0x10, "0004 'MQTT' 05 03 003C 00 0000"},
		{"reserved flag", V311, MalformedPacket, 0x10, "0004 'MQTT' 04 03 003C 0000"},
		{"will QoS without will", V311, MalformedPacket, 0x10, "0004 'MQTT' 04 0A 003C 0000"},
		{"will retain without will", V5, MalformedPacket, 0x10, "0004 'MQTT' 05 22 003C 00 0000"},
		{"will QoS 3", V5, MalformedPacket, 0x10, "0004 'MQTT' 05 1E 003C 00 0000 00 0001 't' 0000"},
		{"will QoS 3", V311, MalformedPacket, 0x10, "0004 'MQTT' 04 1E 003C 0000 0001 't' 0000"},
		{"will topic with wildcard", V311, TopicNameInvalid, 0x10, "0004 'MQTT' 04 06 003C 0000 0003 't/#' 0000"},
		{"empty will topic", V5, TopicNameInvalid, 0x10, "0004 'MQTT' 05 06 003C 00 0000 00 0000 0000"},
		{"will topic with U+0000", V5, MalformedPacket, 0x10, "0004 'MQTT' 05 06 003C 00 0000 00 0001 00 0000"},
		{"will without payload", V311, MalformedPacket, 0x10, "0004 'MQTT' 04 06 003C 0000 0001 't'"},
		{"property of the CONNECT in the will", V5, MalformedPacket, 0x10, "0004 'MQTT' 05 06 003C 00 0000 05 11 00000001 0001 't' 0000"},
		{"property of the will in the CONNECT", V5, MalformedPacket, 0x10, "0004 'MQTT' 05 02 003C 05 18 00000001 0000"},
		{"password without user name", V311, MalformedPacket, 0x10, "0004 'MQTT' 04 42 003C 0000 0001 'p'"},
		{"password without user name", V31, MalformedPacket, 0x10, "0006 'MQIsdp' 03 42 003C 0001 'c' 0001 'p'"},
		{"user name flag without user name", V311, MalformedPacket, 0x10, "0004 'MQTT' 04 82 003C 0000"},
		{"user name without its flag", V311, MalformedPacket, 0x10, "0004 'MQTT' 04 02 003C 0000 0001 'u'"},
		{"client identifier with U+0000", V311, MalformedPacket, 0x10, "0004 'MQTT' 04 02 003C 0003 61 00 62"},
		{"client identifier with a surrogate", V311, MalformedPacket, 0x10, "0004 'MQTT' 04 02 003C 0003 ED A0 80"},
		{"user name not UTF-8", V311, MalformedPacket, 0x10, "0004 'MQTT' 04 82 003C 0000 0001 FF"},
		{"fixed header flags", V311, MalformedPacket, 0x11, "0004 'MQTT' 04 02 003C 0000"},
		{"no properties", V5, MalformedPacket, 0x10, "0004 'MQTT' 05 02 003C"},
		{"authentication data alone", V5, ProtocolErrorCode, 0x10, "0004 'MQTT' 05 02 003C 04 16 0001 'd' 0000"},
		{"empty", V5, MalformedPacket, 0x10, ""},
	})
}

func TestConnackRefusals(t *testing.T) {
	testRefusals(t, []refusal{
		{"reserved acknowledge flag", V311, MalformedPacket, 0x20, "02 00"},
		{"reserved acknowledge flag", V5, MalformedPacket, 0x20, "80 00 00"},
		{"return code 6", V311, MalformedPacket, 0x20, "00 06"},
		{"return code 6", V31, MalformedPacket, 0x20, "00 06"},
		{"reason of another packet", V5, ProtocolErrorCode, 0x20, "00 8E 00"},
		{"unknown reason", V5, ProtocolErrorCode, 0x20, "00 FF 00"},
		{"session present in a refusal", V311, ProtocolErrorCode, 0x20, "01 05"},
		{"session present in a refusal", V5, ProtocolErrorCode, 0x20, "01 87 00"},
		{"without properties", V5, MalformedPacket, 0x20, "00 00"},
		{"with properties", V311, MalformedPacket, 0x20, "00 00 00"},
	})
}

func TestPublishRefusals(t *testing.T) {
	testRefusals(t, []refusal{
		{"QoS 3", V311, MalformedPacket, 0x36, "0001 't' 0001"},
		{"QoS 3", V5, MalformedPacket, 0x36, "0001 't' 0001 00"},
		{"DUP with QoS 0", V311, MalformedPacket, 0x38, "0001 't'"},
		{"DUP with QoS 0", V5, MalformedPacket, 0x38, "0001 't' 00"},
		{"packet identifier 0", V311, ProtocolErrorCode, 0x32, "0001 't' 0000"},
		{"packet identifier 0", V5, ProtocolErrorCode, 0x34, "0001 't' 0000 00"},
		{"no packet identifier", V311, MalformedPacket, 0x32, "0001 't'"},
		{"topic is cut short", V311, MalformedPacket, 0x30, "0002 't'"},
		{"empty", V311, MalformedPacket, 0x30, ""},
		{"empty topic", V31, TopicNameInvalid, 0x30, "0000 'x'"},
		{"empty topic", V311, TopicNameInvalid, 0x30, "0000 'x'"},
		{"empty topic without alias", V5, ProtocolErrorCode, 0x30, "0000 00 'x'"},
		{"# in topic", V311, TopicNameInvalid, 0x30, "0003 'a/#'"},
		{"+ in topic", V5, TopicNameInvalid, 0x30, "0003 '+/a' 00"},
		{"+ behind a multi-byte character", V5, TopicNameInvalid, 0x30, "0003 C3 A9 '+' 00"},
		{"U+0000 in topic", V311, MalformedPacket, 0x30, "0003 61 00 62"},
		{"surrogate in topic", V311, MalformedPacket, 0x30, "0003 ED A0 80"},
		{"overlong form in topic", V311, MalformedPacket, 0x30, "0002 C0 AF"},
		{"overlong U+0000 in topic", V311, MalformedPacket, 0x30, "0002 C0 80"},
		{"beyond U+10FFFF in topic", V311, MalformedPacket, 0x30, "0004 F4 90 80 80"},
		{"character cut in half in topic", V311, MalformedPacket, 0x30, "0001 C3"},
		{"bad bytes come before wildcards", V5, MalformedPacket, 0x30, "0002 '#' FF 00"},
		{"alias 0", V5, TopicAliasInvalid, 0x30, "0001 't' 03 23 0000"},
		{"response topic with wildcard", V5, ProtocolErrorCode, 0x30, "0001 't' 06 08 0003 'a/+'"},
		{"empty response topic", V5, ProtocolErrorCode, 0x30, "0001 't' 03 08 0000"},
		{"subscription identifier 0", V5, ProtocolErrorCode, 0x30, "0001 't' 02 0B 00"},
		{"payload format 2", V5, ProtocolErrorCode, 0x30, "0001 't' 02 01 02"},
		{"no properties", V5, MalformedPacket, 0x30, "0001 't'"},
		{"properties run past the end", V5, MalformedPacket, 0x30, "0001 't' 05 01 00"},
		{"a property runs past the properties", V5, MalformedPacket, 0x30, "0001 't' 03 02 0000 0001 'payload'"},
	})
}

func TestAckRefusals(t *testing.T) {
	for header, other := range map[byte]string{0x40: "92", 0x50: "92", 0x62: "10", 0x70: "80"} {
		testRefusals(t, []refusal{
			{"empty", V311, MalformedPacket, header, ""},
			{"half a packet identifier", V5, MalformedPacket, header, "00"},
			{"packet identifier 0", V31, ProtocolErrorCode, header, "0000"},
			{"packet identifier 0", V5, ProtocolErrorCode, header, "0000"},
			{"reason code", V311, MalformedPacket, header, "0001 00"},
			{"reason of another packet", V5, ProtocolErrorCode, header, "0001 " + other},
			{"unknown reason", V5, ProtocolErrorCode, header, "0001 7F"},
			{"property of another packet", V5, MalformedPacket, header, "0001 00 03 21 0001"},
			{"bytes behind the properties", V5, MalformedPacket, header, "0001 00 00 00"},
			{"two reason strings", V5, ProtocolErrorCode, header, "0001 00 08 1F 0001 'a' 1F 0001 'a'"},
		})
	}
	testRefusals(t, []refusal{
		{"PUBREL without its flag", V311, MalformedPacket, 0x60, "0001"},
		{"PUBREL with DUP", V311, MalformedPacket, 0x6A, "0001"},
		{"PUBREL with DUP", V5, MalformedPacket, 0x6A, "0001"},
		{"PUBACK with flag", V31, MalformedPacket, 0x41, "0001"},
	})
}

func TestSubscribeRefusals(t *testing.T) {
	testRefusals(t, []refusal{
		{"no filter", V311, ProtocolErrorCode, 0x82, "0001"},
		{"no filter", V5, ProtocolErrorCode, 0x82, "0001 00"},
		{"packet identifier 0", V311, ProtocolErrorCode, 0x82, "0000 0001 'a' 00"},
		{"no options", V311, MalformedPacket, 0x82, "0001 0001 'a'"},
		{"QoS 3", V311, MalformedPacket, 0x82, "0001 0001 'a' 03"},
		{"QoS 3", V5, ProtocolErrorCode, 0x82, "0001 00 0001 'a' 03"},
		{"reserved bits", V311, MalformedPacket, 0x82, "0001 0001 'a' 04"},
		{"reserved bits", V5, MalformedPacket, 0x82, "0001 00 0001 'a' 40"},
		{"retain handling 3", V5, ProtocolErrorCode, 0x82, "0001 00 0001 'a' 30"},
		{"no local and shared", V5, ProtocolErrorCode, 0x82, "0001 00 000A '$share/g/a' 04"},
		{"empty filter", V311, TopicFilterInvalid, 0x82, "0001 0000 00"},
		{"misplaced wildcard", V5, TopicFilterInvalid, 0x82, "0001 00 0003 'a/b' 00 0003 '#/a' 00"},
		{"filter with U+0000", V311, MalformedPacket, 0x82, "0001 0001 00 00"},
		{"share without group", V5, TopicFilterInvalid, 0x82, "0001 00 0009 '$share//a' 00"},
		{"two subscription identifiers", V5, ProtocolErrorCode, 0x82, "0001 04 0B 01 0B 02 0001 'a' 00"},
		{"subscription identifier 0", V5, ProtocolErrorCode, 0x82, "0001 02 0B 00 0001 'a' 00"},
		{"without its flag", V311, MalformedPacket, 0x80, "0001 0001 'a' 00"},
		{"with DUP", V311, MalformedPacket, 0x8A, "0001 0001 'a' 00"},
		{"unsubscribe: no filter", V311, ProtocolErrorCode, 0xA2, "0001"},
		{"unsubscribe: no filter", V5, ProtocolErrorCode, 0xA2, "0001 00"},
		{"unsubscribe: packet identifier 0", V5, ProtocolErrorCode, 0xA2, "0000 00 0001 'a'"},
		{"unsubscribe: misplaced wildcard", V311, TopicFilterInvalid, 0xA2, "0001 0002 'a#'"},
		{"unsubscribe: filter cut short", V311, MalformedPacket, 0xA2, "0001 0002 'a'"},
		{"unsubscribe: subscription identifier", V5, MalformedPacket, 0xA2, "0001 02 0B 01 0001 'a'"},
		{"suback: no code", V311, ProtocolErrorCode, 0x90, "0001"},
		{"suback: no code", V5, ProtocolErrorCode, 0x90, "0001 00"},
		{"suback: code 3", V311, MalformedPacket, 0x90, "0001 03"},
		{"suback: reason before 5.0", V311, MalformedPacket, 0x90, "0001 87"},
		{"suback: reason of another packet", V5, ProtocolErrorCode, 0x90, "0001 00 11"},
		{"unsuback: no code", V5, ProtocolErrorCode, 0xB0, "0001 00"},
		{"unsuback: code before 5.0", V311, MalformedPacket, 0xB0, "0001 00"},
		{"unsuback: reason of another packet", V5, ProtocolErrorCode, 0xB0, "0001 00 01"},
	})
}

func TestSmallPacketRefusals(t *testing.T) {
	testRefusals(t, []refusal{
		{"PINGREQ with a body", V311, MalformedPacket, 0xC0, "00"},
		{"PINGRESP with a body", V5, MalformedPacket, 0xD0, "00"},
		{"PINGREQ with a flag", V5, MalformedPacket, 0xC1, ""},
		{"DISCONNECT with a body", V311, MalformedPacket, 0xE0, "00"},
		{"DISCONNECT with a flag", V311, MalformedPacket, 0xE8, ""},
		{"DISCONNECT with a reason of another packet", V5, ProtocolErrorCode, 0xE0, "10"},
		{"DISCONNECT with bytes left over", V5, MalformedPacket, 0xE0, "00 00 00"},
		{"DISCONNECT with a property of another packet", V5, MalformedPacket, 0xE0, "00 03 21 0001"},
		{"AUTH", V311, MalformedPacket, 0xF0, ""},
		{"AUTH", V31, MalformedPacket, 0xF0, ""},
		{"AUTH without properties", V5, MalformedPacket, 0xF0, "18"},
		{"AUTH without method", V5, ProtocolErrorCode, 0xF0, "18 00"},
		{"AUTH with data alone", V5, ProtocolErrorCode, 0xF0, "18 04 16 0001 'd'"},
		{"AUTH with a reason of another packet", V5, ProtocolErrorCode, 0xF0, "87 04 15 0001 'm'"},
		{"packet type 0", V5, MalformedPacket, 0x00, ""},
	})
}

func TestBrokenConnectStillTellsItsVersion(t *testing.T) {
	for body, want := range map[string]Version{
		"0006 'MQIsdp' 03 42 003C 0001 'c' 0001 'p'": V31,
		"0004 'MQTT' 04 03 003C 0000":                V311,
		"0004 'MQTT' 05 02 003C 02 17 02 0000":       V5,
		"0004 'MQTT' 05":                             V5,
		"0004 'MQTT' 06 02 003C 00 0000":             0,
		"0004 'MQTT'":                                0,
	} {
		p := Connect{Version: V31, ClientID: "left from before"}
		if err := p.Decode(Frame{Header: 0x10, Body: bytesOf(t, body)}, V5); err == nil {
			t.Errorf("%s was accepted", body)
		}
		if p.Version != want {
			t.Errorf("%s: version %s, want %s", body, p.Version, want)
		}
	}
}

func TestDecodeOfAnotherPacketTypeIsRefused(t *testing.T) {
	var p Pubrec
	wantCode(t, p.Decode(Frame{Header: 0x40, Body: []byte{0, 1}}, V311), ProtocolErrorCode)
}
