package engine

import (
	"net"

	"github.com/holdfast-mqtt/holdfast/wire"
)

// Credentials are what a client shows when it connects.
type Credentials struct {
	ClientID    string
	HasUsername bool
	Username    string
	HasPassword bool
	Password    []byte
	// Remote is the peer's address.
	Remote net.Addr
	// AllowAnonymous is what the listener says of clients that prove nothing.
	AllowAnonymous bool
}

// Identity is who a client was found to be.
type Identity struct {
	// Name is the authenticated user, empty for a client that proved nothing.
	Name string
}

// Authenticator decides who may connect. It is called on the connection's own goroutine.
type Authenticator interface {
	// Authenticate returns who the client is and Success, or the reason code to refuse it with.
	Authenticate(c *Credentials) (Identity, wire.ReasonCode)
}

// Authorizer decides what a client may do.
type Authorizer interface {
	// MayPublish tells whether the client may publish to the topic; wills too.
	MayPublish(who Identity, clientID string, topic []byte) bool
	// MaySubscribe tells whether the client may subscribe to the filter, given without its $share prefix.
	MaySubscribe(who Identity, clientID string, filter string) bool
}

// Anonymous accepts every client where the listener accepts anonymous clients, and nobody elsewhere.
type Anonymous struct{}

// Authenticate implements Authenticator.
func (Anonymous) Authenticate(c *Credentials) (Identity, wire.ReasonCode) {
	if !c.AllowAnonymous {
		return Identity{}, wire.NotAuthorized
	}
	return Identity{}, wire.Success
}

// allowAll is the Authorizer of a broker without rules.
type allowAll struct{}

func (allowAll) MayPublish(Identity, string, []byte) bool   { return true }
func (allowAll) MaySubscribe(Identity, string, string) bool { return true }
