package tests

import (
	"bytes"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/tests/harness"
	"github.com/holdfast-mqtt/holdfast/wire"
)

// malformed is one packet that no client may send.
type malformed struct {
	name  string
	bytes []byte
	// codes of the DISCONNECT that MQTT 5 answers with; the connection ends in every version.
	codes []wire.ReasonCode
	// only is the version that it is wrong in; 0 is all.
	only wire.Version
}

// packet puts a fixed header before a body.
func packet(first byte, body ...byte) []byte {
	if len(body) > 127 {
		panic("the body needs a longer length")
	}
	return append([]byte{first, byte(len(body))}, body...)
}

// malformedPackets are what a connected client sends. Codes follow the specification where it names one, and allow
// both where it leaves the choice between Malformed Packet and Protocol Error.
func malformedPackets() []malformed {
	bad := []wire.ReasonCode{wire.MalformedPacket}
	protocol := []wire.ReasonCode{wire.ProtocolErrorCode}
	either := []wire.ReasonCode{wire.MalformedPacket, wire.ProtocolErrorCode}
	names := []wire.ReasonCode{wire.TopicNameInvalid, wire.MalformedPacket, wire.ProtocolErrorCode}
	filters := []wire.ReasonCode{wire.TopicFilterInvalid, wire.MalformedPacket, wire.ProtocolErrorCode}
	return []malformed{
		{"packet type 0", packet(0x00), either, 0},                                                                    // [MQTT-2.1.2]
		{"length of five bytes", []byte{0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x01}, bad, 0},                                  // [MQTT-1.5.5]
		{"PINGREQ with flags", packet(0xC1), bad, 0},                                                                  // [MQTT-2.1.3-1]
		{"PINGREQ with a body", packet(0xC0, 0), bad, 0},                                                              // has none
		{"SUBSCRIBE with wrong flags", packet(0x80, 0, 1, 0, 1, 'a', 0), bad, 0},                                      // [MQTT-3.8.1-1]
		{"PUBREL with wrong flags", packet(0x60, 0, 1), bad, 0},                                                       // [MQTT-3.6.1-1]
		{"PUBLISH at QoS 3", packet(0x36, 0, 1, 'a', 0, 1), bad, 0},                                                   // [MQTT-3.3.1-4]
		{"PUBLISH at QoS 0 with DUP", packet(0x38, 0, 1, 'a', 0), bad, 0},                                             // [MQTT-3.3.1-2]
		{"PUBLISH with packet id 0", packet(0x32, 0, 1, 'a', 0, 0, 0), either, 0},                                     // [MQTT-2.2.1-3]
		{"PUBLISH without a topic", packet(0x30, 0, 0), either, wire.V311},                                            // [MQTT-4.7.3-1]
		{"PUBLISH without topic and alias", packet(0x30, 0, 0, 0), protocol, wire.V5},                                 // [MQTT-3.3.2-1]
		{"PUBLISH to a wildcard", packet(0x30, 0, 1, '#', 0), names, 0},                                               // [MQTT-3.3.2-2]
		{"topic with NUL", packet(0x30, 0, 2, 'a', 0, 0), bad, 0},                                                     // [MQTT-1.5.4-2]
		{"topic with a surrogate", packet(0x30, 0, 3, 0xED, 0xA0, 0x80, 0), bad, 0},                                   // [MQTT-1.5.4-1]
		{"topic with an overlong form", packet(0x30, 0, 2, 0xC0, 0x80, 0), bad, 0},                                    // the same
		{"topic longer than the packet", packet(0x30, 0, 9, 'a'), bad, 0},                                             // does not fit
		{"PUBLISH that ends in its packet id", packet(0x32, 0, 1, 'a', 0), bad, 0},                                    // does not fit
		{"SUBSCRIBE without a filter", packet(0x82, 0, 1), either, wire.V311},                                         // [MQTT-3.8.3-2]
		{"SUBSCRIBE without a filter", packet(0x82, 0, 1, 0), protocol, wire.V5},                                      // [MQTT-3.8.3-2]
		{"SUBSCRIBE at QoS 3", packet(0x82, 0, 1, 0, 1, 'a', 3), bad, wire.V311},                                      // [MQTT-3-8.3-4]
		{"SUBSCRIBE at QoS 3", packet(0x82, 0, 1, 0, 0, 1, 'a', 3), either, wire.V5},                                  // 3.8.3.1
		{"SUBSCRIBE with reserved bits", packet(0x82, 0, 1, 0, 0, 1, 'a', 0x40), bad, wire.V5},                        // [MQTT-3.8.3-5]
		{"SUBSCRIBE with retain handling 3", packet(0x82, 0, 1, 0, 0, 1, 'a', 0x30), either, wire.V5},                 // 3.8.3.1
		{"SUBSCRIBE with subscription identifier 0", packet(0x82, 0, 1, 2, 0x0B, 0, 0, 1, 'a', 0), protocol, wire.V5}, // 3.8.2.1.2
		{"SUBSCRIBE with packet id 0", packet(0x82, 0, 0, 0, 1, 'a', 0), either, wire.V311},                           // [MQTT-2.2.1-3]
		{"filter with # in the middle", packet(0x82, 0, 1, 0, 3, 'a', '#', 'b', 0), filters, wire.V311},               // [MQTT-4.7.1-1]
		{"UNSUBSCRIBE without a filter", packet(0xA2, 0, 1, 0), protocol, wire.V5},                                    // [MQTT-3.10.3-2]
		{"unknown property", packet(0x30, 0, 1, 'a', 2, 0x7E, 0), bad, wire.V5},                                       // 2.2.2.2
		{"property of another packet", packet(0x30, 0, 1, 'a', 5, 0x11, 0, 0, 0, 1), either, wire.V5},                 // 2.2.2.2
		{"property twice", packet(0x30, 0, 1, 'a', 4, 0x01, 0, 0x01, 0), protocol, wire.V5},                           // 3.3.2.3.2
		{"payload format 2", packet(0x30, 0, 1, 'a', 2, 0x01, 2), either, wire.V5},                                    // a value that it has not
		{"property length past the end", packet(0x30, 0, 1, 'a', 9, 0x01, 0), bad, wire.V5},                           // does not fit
		{"response topic with a wildcard", packet(0x30, 0, 1, 'a', 4, 0x08, 0, 1, '+'), names, wire.V5},               // [MQTT-3.3.2-14]
		{"subscription identifier in PUBLISH", packet(0x30, 0, 1, 'a', 2, 0x0B, 1), protocol, wire.V5},                // [MQTT-3.3.4-6]
		{"PUBACK with a reason that it has not", packet(0x40, 0, 1, 0x18), either, wire.V5},                           // 3.4.2.1
		{"DISCONNECT with a reason of nobody", packet(0xE0, 0x77), either, wire.V5},                                   // 3.14.2.1
		{"AUTH that was not agreed on", packet(0xF0, 0x18, 0), protocol, wire.V5},                                     // [MQTT-4.12.0-6]
		{"AUTH", packet(0xF0), either, wire.V311},                                                                     // does not exist
		{"CONNACK from a client", packet(0x20, 0, 0), either, wire.V311},                                              // only for servers
		{"SUBACK from a client", packet(0x90, 0, 1, 0), either, wire.V311},                                            // only for servers
		{"PINGRESP from a client", packet(0xD0), either, 0},                                                           // only for servers
	}
}

func TestMalformed(t *testing.T) {
	broker := harness.Start(t, harness.Options{})
	bystander := broker.Connect(t, "bystander", wire.V5)
	bystander.Subscribe("bystander", 1)
	unharmed := func(t *testing.T) {
		t.Helper()
		bystander.Publish("bystander", t.Name(), 1)
		bystander.Receive("others are unharmed", harness.Message{Topic: "bystander", Payload: t.Name(), QoS: 1})
	}
	for _, m := range malformedPackets() {
		for _, v := range []wire.Version{wire.V311, wire.V5} {
			if m.only != 0 && m.only != v {
				continue
			}
			t.Run(m.name+", MQTT "+v.String(), func(t *testing.T) {
				c := broker.Connect(t, id(t, "c"), v)
				c.SendRaw(m.bytes...)
				c.WantDisconnect(m.name, m.codes...)
				unharmed(t)
			})
		}
	}
	t.Run("CONNECT", func(t *testing.T) { malformedConnects(t, broker) })
	unharmed(t)
	t.Run("noise", func(t *testing.T) { malformedNoise(t, broker) })
	unharmed(t)
	t.Run("packets in pieces are not malformed", func(t *testing.T) { malformedPieces(t, broker) })
}

// malformedConnects sends broken CONNECTs. None is accepted; one that MQTT 5 can answer gets a CONNACK with a failure.
func malformedConnects(t *testing.T, broker *harness.Broker) {
	five := []byte{0, 4, 'M', 'Q', 'T', 'T', 5}
	old := []byte{0, 4, 'M', 'Q', 'T', 'T', 4}
	with := func(head []byte, rest ...byte) []byte { return packet(0x10, append(bytes.Clone(head), rest...)...) }
	for _, test := range []struct {
		name    string
		version wire.Version
		bytes   []byte
	}{
		{"reserved flag", wire.V5, with(five, 0x03, 0, 0, 0, 0, 1, 'x')},                                          // [MQTT-3.1.2-3]
		{"will QoS 3", wire.V5, with(five, 0x1E, 0, 0, 0, 0, 1, 'x', 0, 0, 1, 'w', 0, 0)},                         // [MQTT-3.1.2-12]
		{"will QoS without a will", wire.V5, with(five, 0x0A, 0, 0, 0, 0, 1, 'x')},                                // [MQTT-3.1.2-11]
		{"will retain without a will", wire.V311, with(old, 0x22, 0, 0, 0, 1, 'x')},                               // [MQTT-3.1.2-15]
		{"password without a user", wire.V311, with(old, 0x42, 0, 0, 0, 1, 'x', 0, 1, 'p')},                       // [MQTT-3.1.2-22] of 3.1.1
		{"no client identifier", wire.V5, with(five, 0x02, 0, 0, 0)},                                              // [MQTT-3.1.3-3]
		{"client identifier past the end", wire.V5, with(five, 0x02, 0, 0, 0, 0, 9, 'x')},                         // does not fit
		{"bytes behind the end", wire.V5, with(five, 0x02, 0, 0, 0, 0, 1, 'x', 'y')},                              // too many
		{"receive maximum 0", wire.V5, with(five, 0x02, 0, 0, 3, 0x21, 0, 0, 0, 1, 'x')},                          // 3.1.2.11.3
		{"maximum packet size 0", wire.V5, with(five, 0x02, 0, 0, 5, 0x27, 0, 0, 0, 0, 0, 1, 'x')},                // 3.1.2.11.4
		{"session expiry twice", wire.V5, with(five, 2, 0, 0, 10, 0x11, 0, 0, 0, 1, 0x11, 0, 0, 0, 1, 0, 1, 'x')}, // 3.1.2.11.2
		{"wrong protocol name", wire.V311, packet(0x10, 0, 4, 'M', 'Q', 'T', 'X', 4, 2, 0, 0, 0, 1, 'x')},         // [MQTT-3.1.2-1]
		{"flags of the fixed header", wire.V311, append([]byte{0x11}, with(old, 2, 0, 0, 0, 1, 'x')[1:]...)},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := broker.Dial(t, id(t, "c"), test.version)
			c.SendRaw(test.bytes...)
			switch last := c.WantClosed(test.name).(type) {
			case nil, *wire.Disconnect:
			case *wire.Connack:
				if !last.Code.Failed() || test.version == wire.V311 && wire.ReturnCode(last.Code) == 0 {
					t.Errorf("accepted with %v", last.Code)
				}
			default:
				t.Errorf("got %s", harness.Describe(last))
			}
		})
	}
}

// malformedNoise sends what other protocols begin with, and a valid packet cut off at every place.
func malformedNoise(t *testing.T, broker *harness.Broker) {
	for _, text := range []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "SSH-2.0-OpenSSH\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", strings.Repeat("\xff", 4096)} {
		c := broker.Dial(t, id(t, "noise"), wire.V311)
		c.SendRaw([]byte(text)...)
		c.WantClosed("noise")
	}
	whole := packet(0x10, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0, 0, 1, 'x')
	for n := range whole {
		c := broker.Dial(t, id(t, "cut"), wire.V311)
		c.SendRaw(whole[:n]...)
		c.Cut()
	}
}

// malformedPieces sends two packets byte by byte, and many in one piece.
func malformedPieces(t *testing.T, broker *harness.Broker) {
	c := broker.Connect(t, id(t, "c"), wire.V311)
	for _, b := range packet(0x32, 0, 1, 'a', 0, 1, 'x') {
		c.SendRaw(b)
	}
	c.WantPuback(1)
	for _, b := range packet(0xC0) {
		c.SendRaw(b)
	}
	harness.Next[*wire.Pingresp](c, "PINGRESP")
	var many []byte
	for n := byte(1); n <= 100; n++ {
		many = append(many, packet(0x32, 0, 1, 'a', 0, n, 'x')...)
	}
	c.SendRaw(many...)
	for n := uint16(1); n <= 100; n++ {
		c.WantPuback(n)
	}
}
