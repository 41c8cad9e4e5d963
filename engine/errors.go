package engine

import (
	"errors"

	"github.com/holdfast-mqtt/holdfast/wire"
)

// ErrStopped: the broker is shutting down.
var ErrStopped = errors.New("broker is shutting down")

// errDisconnected: the client took its leave with DISCONNECT.
var errDisconnected = errors.New("client disconnected")

// errSuperseded: while the connection waited for the session, a later one of the same client came.
var errSuperseded = errors.New("a later connection has the client identifier")

// errNotTheirs: the session of that client identifier belongs to another user.
var errNotTheirs = errors.New("the client identifier is another user's")

// protocolError says that the client broke the protocol: the connection ends with code.
func protocolError(packet wire.Type, code wire.ReasonCode, detail string) error {
	return &wire.ProtocolError{Packet: packet, Code: code, Detail: detail}
}
