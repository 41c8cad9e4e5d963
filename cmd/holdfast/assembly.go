package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/holdfast-mqtt/holdfast/config"
	"github.com/holdfast-mqtt/holdfast/engine"
	"github.com/holdfast-mqtt/holdfast/engine/listen"
	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/rs/zerolog"
)

// stopTimeout is how long the broker may take to close its connections. After that the store closes under those
// that are left: service managers kill a process that takes longer than a minute or so, and a store that was closed
// starts faster.
const stopTimeout = 10 * time.Second

// assembly is the parts of a running broker. The goroutine that starts it also stops it.
type assembly struct {
	cfg   config.Config
	log   zerolog.Logger
	parts parts

	store     persist.Store
	broker    broker
	listeners []*listen.Listener

	accepting sync.WaitGroup // accept loops
	serving   sync.WaitGroup // connections; grows only in accept loops
}

// start opens the data directory, the store, the broker and the listeners, in that order: a client that can connect
// finds everything behind it ready. When one fails, what had started is stopped.
func (a *assembly) start() error {
	if err := prepareDataDir(a.cfg.DataDir); err != nil {
		return err
	}
	a.log.Info().Str("version", version()).Str("data_dir", a.cfg.DataDir).Stringer("sync", a.cfg.Store.Sync).
		Int("pid", os.Getpid()).Msg("starting")
	warnOfRisks(a.cfg, a.log)
	store, err := a.parts.openStore(a.cfg.DataDir, a.cfg.Store, a.log)
	if err != nil {
		return err
	}
	a.store = store
	broker, err := a.parts.newBroker(store, brokerOptions(a.cfg.MQTT, &a.log))
	if err != nil {
		return errors.Join(err, a.stop())
	}
	a.broker = broker
	// All are bound before the first one accepts: a port that is taken shows before any client is let in.
	for _, configured := range a.cfg.Listeners {
		listener, err := listen.Listen(configured.Address)
		if err != nil {
			return errors.Join(err, a.stop())
		}
		a.listeners = append(a.listeners, listener)
	}
	for i, listener := range a.listeners {
		anonymous := a.cfg.Listeners[i].Anonymous(listener.Loopback)
		// Ends when the listener closes; stop waits for it.
		a.accepting.Go(func() {
			a.accept(listener, engine.Peer{Listener: listener.Name, AllowAnonymous: anonymous})
		})
		a.log.Info().Str("address", "tcp://"+listener.Addr().String()).Bool("anonymous", anonymous).Msg("listening")
		if !anonymous { // nothing else tells clients apart yet
			a.log.Warn().Str("address", listener.Name).
				Msg("this listener lets nobody in: it accepts anonymous clients only with allow_anonymous: true in the configuration")
		}
	}
	return nil
}

// accept serves the connections of one listener until it closes.
func (a *assembly) accept(listener *listen.Listener, peer engine.Peer) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return // only ever because it was closed
		}
		// Ends when the connection does; stop waits for it.
		a.serving.Go(func() { a.broker.ServeConn(conn, peer) })
	}
}

// stop undoes start in reverse. It goes on when one part fails, so that the store is closed whatever happens.
func (a *assembly) stop() error {
	var failures []error
	for _, listener := range a.listeners {
		if err := listener.Close(); err != nil {
			failures = append(failures, fmt.Errorf("close listener %s: %w", listener.Name, err))
		}
	}
	a.accepting.Wait()
	if a.broker != nil {
		if err := a.stopBroker(); err != nil {
			failures = append(failures, err)
		}
	}
	if a.store != nil {
		if err := a.store.Close(); err != nil {
			failures = append(failures, fmt.Errorf("close store: %w", err))
		}
	}
	return errors.Join(failures...)
}

// stopBroker ends all connections.
func (a *assembly) stopBroker() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	err := a.broker.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		// A peer that does not read is no failure of the broker's.
		a.log.Warn().Err(err).Msg("connections did not end in time and were cut")
		return nil
	}
	if err != nil {
		return fmt.Errorf("close connections: %w", err)
	}
	a.serving.Wait()
	return nil
}
