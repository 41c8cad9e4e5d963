package wire

import "errors"

// ProtocolError says that the peer sent what the specification forbids. Code is what a DISCONNECT or CONNACK answering it carries.
type ProtocolError struct {
	Packet Type // 0 when the fault is not tied to one packet type
	Code   ReasonCode
	Detail string
}

// Error names the packet, the reason in the specification's words, and what exactly was wrong.
func (e *ProtocolError) Error() string {
	s := e.Code.String() + ": " + e.Detail
	if e.Packet == 0 {
		return s
	}
	return e.Packet.String() + ": " + s
}

// ErrNotEncodable is wrapped by every error of Append: the packet asks for something that has no encoding,
// such as a string of more than 65,535 bytes. The fault lies with the caller, never with the peer.
var ErrNotEncodable = errors.New("cannot be encoded")
