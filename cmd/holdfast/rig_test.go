package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/config"
	"github.com/holdfast-mqtt/holdfast/engine"
	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/rs/zerolog"
)

// patience is how long a test waits for something that comes at once unless it is broken.
const patience = 20 * time.Second

// rig is a store and a broker that do nothing but note what is asked of them.
type rig struct {
	failStore, failBroker, failShutdown, failClose error // what each part answers

	failed chan struct{} // closed when the store has failed
	served chan engine.Peer

	mu     sync.Mutex
	events []string
	conns  []net.Conn
	opts   engine.Options
}

func newRig() *rig {
	return &rig{failed: make(chan struct{}), served: make(chan engine.Peer, 100)}
}

// parts returns the rig as the parts of an assembly.
func (r *rig) parts() parts {
	return parts{
		openStore: func(string, config.Store, zerolog.Logger) (persist.Store, error) {
			r.note("open store")
			return fakeStore{rig: r}, r.failStore
		},
		newBroker: func(_ persist.Store, opts engine.Options) (broker, error) {
			if r.failBroker != nil {
				return nil, r.failBroker
			}
			r.note("new broker")
			r.opts = opts
			return fakeBroker{rig: r}, nil
		},
	}
}

func (r *rig) note(event string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, event)
}

func (r *rig) wantEvents(t *testing.T, want ...string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.events, want) {
		t.Errorf("the parts were used in the order %q, want %q", r.events, want)
	}
}

// fakeStore is a store that is only opened and closed.
type fakeStore struct {
	persist.Store
	rig *rig
}

func (s fakeStore) Err() error { return s.rig.failStore }

func (s fakeStore) Close() error {
	s.rig.note("close store")
	return s.rig.failClose
}

// fakeBroker serves a connection until the shutdown.
type fakeBroker struct{ rig *rig }

func (b fakeBroker) ServeConn(conn net.Conn, peer engine.Peer) {
	b.rig.mu.Lock()
	b.rig.conns = append(b.rig.conns, conn)
	b.rig.mu.Unlock()
	b.rig.served <- peer
	_, _ = conn.Read(make([]byte, 1)) // until Shutdown closes it
	b.rig.note("connection over")
}

func (b fakeBroker) Failed() <-chan struct{} { return b.rig.failed }

func (b fakeBroker) Shutdown(context.Context) error {
	b.rig.note("shutdown")
	b.rig.mu.Lock()
	defer b.rig.mu.Unlock()
	for _, conn := range b.rig.conns {
		_ = conn.Close()
	}
	return b.rig.failShutdown
}

// logLines is a log to read along.
type logLines struct {
	lines chan map[string]any
}

func newLogLines() logLines { return logLines{lines: make(chan map[string]any, 1000)} }

// Write takes one line, as zerolog writes them.
func (l logLines) Write(line []byte) (int, error) {
	var fields map[string]any
	if err := json.Unmarshal(bytes.TrimSpace(line), &fields); err != nil {
		fields = map[string]any{"message": string(line)}
	}
	l.lines <- fields
	return len(line), nil
}

// want reads until a line with this message and returns its fields.
func (l logLines) want(t *testing.T, message string) map[string]any {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case fields := <-l.lines:
			if fields["message"] == message {
				return fields
			}
		case <-deadline:
			t.Fatalf("the log never said %q", message)
		}
	}
}
