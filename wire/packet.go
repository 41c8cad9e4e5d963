package wire

import "strconv"

// Version is the protocol level that a CONNECT announces; the whole connection speaks it.
type Version byte

// The protocol levels in use.
const (
	V31  Version = 3
	V311 Version = 4
	V5   Version = 5
)

// String returns the version as people write it.
func (v Version) String() string {
	switch v {
	case V31:
		return "3.1"
	case V311:
		return "3.1.1"
	case V5:
		return "5.0"
	}
	return "level " + strconv.Itoa(int(v))
}

// Type is a control packet type: the upper four bits of the first byte.
type Type byte

// The control packet types; 0 is forbidden.
const (
	CONNECT Type = iota + 1
	CONNACK
	PUBLISH
	PUBACK
	PUBREC
	PUBREL
	PUBCOMP
	SUBSCRIBE
	SUBACK
	UNSUBSCRIBE
	UNSUBACK
	PINGREQ
	PINGRESP
	DISCONNECT
	AUTH
)

// String returns the specification's name of the packet type.
func (t Type) String() string {
	switch t {
	case CONNECT:
		return "CONNECT"
	case CONNACK:
		return "CONNACK"
	case PUBLISH:
		return "PUBLISH"
	case PUBACK:
		return "PUBACK"
	case PUBREC:
		return "PUBREC"
	case PUBREL:
		return "PUBREL"
	case PUBCOMP:
		return "PUBCOMP"
	case SUBSCRIBE:
		return "SUBSCRIBE"
	case SUBACK:
		return "SUBACK"
	case UNSUBSCRIBE:
		return "UNSUBSCRIBE"
	case UNSUBACK:
		return "UNSUBACK"
	case PINGREQ:
		return "PINGREQ"
	case PINGRESP:
		return "PINGRESP"
	case DISCONNECT:
		return "DISCONNECT"
	case AUTH:
		return "AUTH"
	}
	return "packet type " + strconv.Itoa(int(t))
}

// QoS is a quality of service: 0, 1 or 2.
type QoS = byte

// Packet is one control packet of any type, for either direction.
type Packet interface {
	// Type tells which of the fifteen packets it is.
	Type() Type
	// Append encodes the packet behind dst. What version v cannot say (properties and reason codes before 5.0) is left out.
	// It fails, with dst unchanged in length, only for what cannot be encoded; see ErrNotEncodable.
	Append(dst []byte, v Version) ([]byte, error)
}

// Frame is one packet as it came: its first byte, and everything behind the remaining length.
type Frame struct {
	Header byte
	Body   []byte
}

// Type returns the packet type that the frame's first byte names.
func (f Frame) Type() Type { return Type(f.Header >> 4) }

// decodable is a packet that can be read from a frame; every packet of this package is one.
type decodable interface {
	Packet
	Decode(f Frame, v Version) error
}

// Decode reads any packet, strictly, into a new struct. Byte slices in it point into f.Body.
// Callers that handle many packets keep structs of their own and use their Decode methods.
func Decode(f Frame, v Version) (Packet, error) {
	p := newPacket(f.Type())
	if p == nil {
		return nil, &ProtocolError{Code: MalformedPacket, Detail: "packet type 0 is forbidden"}
	}
	if err := p.Decode(f, v); err != nil {
		return nil, err
	}
	return p, nil
}

// newPacket returns an empty packet of type t, or nil for type 0.
func newPacket(t Type) decodable {
	switch t {
	case CONNECT:
		return new(Connect)
	case CONNACK:
		return new(Connack)
	case PUBLISH:
		return new(Publish)
	case PUBACK:
		return new(Puback)
	case PUBREC:
		return new(Pubrec)
	case PUBREL:
		return new(Pubrel)
	case PUBCOMP:
		return new(Pubcomp)
	case SUBSCRIBE:
		return new(Subscribe)
	case SUBACK:
		return new(Suback)
	case UNSUBSCRIBE:
		return new(Unsubscribe)
	case UNSUBACK:
		return new(Unsuback)
	case PINGREQ:
		return new(Pingreq)
	case PINGRESP:
		return new(Pingresp)
	case DISCONNECT:
		return new(Disconnect)
	case AUTH:
		return new(Auth)
	}
	return nil
}
