package main

import (
	"context"
	"net"

	"github.com/holdfast-mqtt/holdfast/config"
	"github.com/holdfast-mqtt/holdfast/engine"
	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/rs/zerolog"
)

// broker is what the assembly needs of the engine.
type broker interface {
	// ServeConn serves one connection until it is over, and closes it.
	ServeConn(conn net.Conn, peer engine.Peer)
	// Failed is closed when the store has failed: nothing is acknowledged any more.
	Failed() <-chan struct{}
	// Shutdown ends all connections. When the context ends first, it cuts them.
	Shutdown(ctx context.Context) error
}

// parts makes the two parts of the broker that have state.
type parts struct {
	openStore func(dir string, cfg config.Store, log zerolog.Logger) (persist.Store, error)
	newBroker func(store persist.Store, opts engine.Options) (broker, error)
}

// builtIn returns the parts of the product.
func builtIn() parts {
	return parts{
		openStore: openStore,
		newBroker: func(store persist.Store, opts engine.Options) (broker, error) {
			return engine.New(store, opts)
		},
	}
}
