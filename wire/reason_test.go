package wire

import (
	"strings"
	"testing"
)

// reasonsBySpecification is the specification's table of reason codes once more: name and packets, by code.
var reasonsBySpecification = map[ReasonCode]string{
	0x00: "Success: CONNACK PUBACK PUBREC PUBREL PUBCOMP SUBACK UNSUBACK DISCONNECT AUTH",
	0x01: "Granted QoS 1: SUBACK",
	0x02: "Granted QoS 2: SUBACK",
	0x04: "Disconnect with Will Message: DISCONNECT",
	0x10: "No matching subscribers: PUBACK PUBREC",
	0x11: "No subscription existed: UNSUBACK",
	0x18: "Continue authentication: AUTH",
	0x19: "Re-authenticate: AUTH",
	0x80: "Unspecified error: CONNACK PUBACK PUBREC SUBACK UNSUBACK DISCONNECT",
	0x81: "Malformed Packet: CONNACK DISCONNECT",
	0x82: "Protocol Error: CONNACK DISCONNECT",
	0x83: "Implementation specific error: CONNACK PUBACK PUBREC SUBACK UNSUBACK DISCONNECT",
	0x84: "Unsupported Protocol Version: CONNACK",
	0x85: "Client Identifier not valid: CONNACK",
	0x86: "Bad User Name or Password: CONNACK",
	0x87: "Not authorized: CONNACK PUBACK PUBREC SUBACK UNSUBACK DISCONNECT",
	0x88: "Server unavailable: CONNACK",
	0x89: "Server busy: CONNACK DISCONNECT",
	0x8A: "Banned: CONNACK",
	0x8B: "Server shutting down: DISCONNECT",
	0x8C: "Bad authentication method: CONNACK DISCONNECT",
	0x8D: "Keep Alive timeout: DISCONNECT",
	0x8E: "Session taken over: DISCONNECT",
	0x8F: "Topic Filter invalid: SUBACK UNSUBACK DISCONNECT",
	0x90: "Topic Name invalid: CONNACK PUBACK PUBREC DISCONNECT",
	0x91: "Packet Identifier in use: PUBACK PUBREC SUBACK UNSUBACK",
	0x92: "Packet Identifier not found: PUBREL PUBCOMP",
	0x93: "Receive Maximum exceeded: DISCONNECT",
	0x94: "Topic Alias invalid: DISCONNECT",
	0x95: "Packet too large: CONNACK DISCONNECT",
	0x96: "Message rate too high: DISCONNECT",
	0x97: "Quota exceeded: CONNACK PUBACK PUBREC SUBACK DISCONNECT",
	0x98: "Administrative action: DISCONNECT",
	0x99: "Payload format invalid: CONNACK PUBACK PUBREC DISCONNECT",
	0x9A: "Retain not supported: CONNACK DISCONNECT",
	0x9B: "QoS not supported: CONNACK DISCONNECT",
	0x9C: "Use another server: CONNACK DISCONNECT",
	0x9D: "Server moved: CONNACK DISCONNECT",
	0x9E: "Shared Subscriptions not supported: SUBACK DISCONNECT",
	0x9F: "Connection rate exceeded: CONNACK DISCONNECT",
	0xA0: "Maximum connect time: DISCONNECT",
	0xA1: "Subscription Identifiers not supported: SUBACK DISCONNECT",
	0xA2: "Wildcard Subscriptions not supported: SUBACK DISCONNECT",
}

func TestReasonCodesAreNamedAndPlacedAsSpecified(t *testing.T) {
	for n := range 256 {
		code := ReasonCode(n)
		name, packets, known := strings.Cut(reasonsBySpecification[code], ": ")
		if known && code.String() != name {
			t.Errorf("0x%02X is called %q, want %q", n, code, name)
		}
		if !known && !strings.HasPrefix(code.String(), "reason code 0x") {
			t.Errorf("0x%02X is called %q", n, code)
		}
		for typ := Type(0); typ <= 16; typ++ {
			want := false
			for _, p := range strings.Fields(packets) {
				want = want || p == typ.String()
			}
			if code.LegalIn(typ) != want {
				t.Errorf("%s in %s: %v, want %v", code, typ, !want, want)
			}
		}
		if code.Failed() != (n >= 128) {
			t.Errorf("0x%02X: failed is %v", n, code.Failed())
		}
	}
}

func TestReturnCodesBefore5(t *testing.T) {
	for code, want := range map[ReasonCode]byte{
		Success: 0, UnsupportedProtocolVersion: 1, ClientIdentifierNotValid: 2, BadUserNameOrPassword: 4, NotAuthorized: 5,
		Banned: 5, BadAuthenticationMethod: 5, ServerUnavailable: 3, ServerBusy: 3, QuotaExceeded: 3, UnspecifiedError: 3, MalformedPacket: 3,
	} {
		if got := ReturnCode(code); got != want {
			t.Errorf("%s: got %d, want %d", code, got, want)
		}
	}
}

func TestProtocolErrorSaysWhatIsWrong(t *testing.T) {
	for want, err := range map[string]error{
		"PUBLISH: Topic Alias invalid: Topic Alias is 0":        &ProtocolError{PUBLISH, TopicAliasInvalid, "Topic Alias is 0"},
		"Topic Filter invalid: empty topic filter":              CheckTopicFilter(""),
		"Malformed Packet: packet type 0 is forbidden":          checkFirstByte(0),
		"PINGREQ: Malformed Packet: bytes left over at the end": new(Pingreq).Decode(Frame{0xC0, []byte{1}}, V311),
	} {
		if err.Error() != want {
			t.Errorf("got %q, want %q", err, want)
		}
	}
}

func TestNamesOfTypesAndVersions(t *testing.T) {
	for got, want := range map[string]string{
		CONNECT.String(): "CONNECT", AUTH.String(): "AUTH", Type(0).String(): "packet type 0",
		V31.String(): "3.1", V311.String(): "3.1.1", V5.String(): "5.0", Version(6).String(): "level 6",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
