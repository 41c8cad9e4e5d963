package engine

import (
	"time"

	"github.com/rs/zerolog"
)

// Options say how a Broker behaves. The zero value of each field means its default; New resolves them once and they
// never change after.
type Options struct {
	// MaxPacketSize is the largest packet accepted, in bytes, offered to MQTT 5 clients. Default 1 MiB.
	MaxPacketSize int
	// MaxConnectPacketSize is the same for a CONNECT, before anything is known of the client. Default 64 KiB.
	MaxConnectPacketSize int
	// ConnectTimeout is the time a client has for its whole CONNECT. Default 10 s.
	ConnectTimeout time.Duration
	// MaxKeepAlive is the longest keep alive of MQTT 5 clients; a longer one, or none, is lowered to it. Default 0: what
	// the client asks.
	MaxKeepAlive time.Duration
	// MaxSessionExpiry is the longest that a session outlives its connection; sessions of MQTT 3 clients that ask to be
	// kept get it. Default 14 days.
	MaxSessionExpiry time.Duration
	// ReceiveMaximum is how many QoS 1 and 2 publishes a client may have unacknowledged. Default 1,000.
	ReceiveMaximum uint16
	// MaxInflight is how many unacknowledged messages a client gets at most, whatever more it takes. Default 1,000.
	MaxInflight uint16
	// TopicAliasMaximum is how many topic aliases a client may set, and how many are used towards it at most. Default 32;
	// NoTopicAliases turns them off.
	TopicAliasMaximum uint16
	NoTopicAliases    bool
	// MaxTopicLevels bounds the levels of topic names and filters. Default 128.
	MaxTopicLevels int
	// MaxSubscriptions bounds the subscriptions of one session. Default 10,000.
	MaxSubscriptions int
	// MaxPending bounds the bytes that wait in memory for one slow client (QoS 0, and all that goes to a session that
	// ends with its connection). What does not fit is dropped and counted. Default 8 MiB.
	MaxPending int
	// MaxPendingTotal bounds the same for all clients together, about: once it is reached, 64 KiB may wait for each.
	// Default 256 MiB.
	MaxPendingTotal int
	// WillGrace is the time after a start in which a returning client cancels its will. Default 5 s.
	WillGrace time.Duration

	// Authenticator decides who may connect. Default: Anonymous, which follows the listener.
	Authenticator Authenticator
	// Authorizer decides what a client may publish and subscribe to. Default: everything.
	Authorizer Authorizer
	// Log receives what happens. Default: nothing.
	Log *zerolog.Logger
	// Now is the wall clock. Default time.Now.
	Now func() time.Time
}

// resolved returns the options with every default applied.
func (o Options) resolved() Options {
	o.MaxPacketSize = orDefault(o.MaxPacketSize, 1<<20)
	o.MaxConnectPacketSize = orDefault(o.MaxConnectPacketSize, 64<<10)
	o.ConnectTimeout = orDefault(o.ConnectTimeout, 10*time.Second)
	o.MaxSessionExpiry = orDefault(o.MaxSessionExpiry, 14*24*time.Hour)
	o.ReceiveMaximum = orDefault(o.ReceiveMaximum, 1000)
	o.MaxInflight = orDefault(o.MaxInflight, 1000)
	o.TopicAliasMaximum = orDefault(o.TopicAliasMaximum, 32)
	if o.NoTopicAliases {
		o.TopicAliasMaximum = 0
	}
	o.MaxTopicLevels = orDefault(o.MaxTopicLevels, 128)
	o.MaxSubscriptions = orDefault(o.MaxSubscriptions, 10_000)
	o.MaxPending = orDefault(o.MaxPending, 8<<20)
	o.MaxPendingTotal = orDefault(o.MaxPendingTotal, 256<<20)
	o.WillGrace = orDefault(o.WillGrace, 5*time.Second)
	if o.Authenticator == nil {
		o.Authenticator = Anonymous{}
	}
	if o.Authorizer == nil {
		o.Authorizer = allowAll{}
	}
	if o.Log == nil {
		nop := zerolog.Nop()
		o.Log = &nop
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// orDefault returns v, or def if v is zero.
func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}
