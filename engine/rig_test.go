package engine

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/persist/memstore"
	"github.com/holdfast-mqtt/holdfast/wire"
)

// rig is a broker over a store in memory, with clients over pipes, in a bubble of virtual time. It belongs to the
// test's goroutine.
type rig struct {
	*testing.T
	options Options
	store   *memstore.Store
	broker  *Broker
	clients []*client
	serving sync.WaitGroup // ServeConn calls
	// mayPanic: the test provokes a defect on purpose.
	mayPanic bool
}

// scenario runs one conversation with a broker. That all of its goroutines end is part of every scenario: the bubble
// does not close before.
func scenario(t *testing.T, play func(r *rig)) { t.Helper(); scenarioWith(t, Options{}, play) }

// scenarioWith is scenario with options.
func scenarioWith(t *testing.T, o Options, play func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{T: t, options: o, store: memstore.New(memstore.Options{})}
		t.Cleanup(r.finish) // after a failure too
		r.start()
		play(r)
	})
}

// start builds the broker over the rig's store.
func (r *rig) start() {
	r.Helper()
	b, err := New(r.store, r.options)
	if err != nil {
		r.Fatalf("new broker: %v", err)
	}
	r.broker = b
	synctest.Wait()
}

// finish ends everything.
func (r *rig) finish() {
	for _, c := range r.clients {
		c.cutNow()
	}
	synctest.Wait()
	if r.broker != nil { // else the test shut it down
		r.stop(context.Background())
	}
	_ = r.store.Close() // a test may have failed it
}

// stop shuts the broker down.
func (r *rig) stop(ctx context.Context) {
	r.store.Release()
	_ = r.broker.Shutdown(ctx) // its error is the test's own
	r.serving.Wait()
	if n := r.broker.Stats().Panics; n != 0 && !r.mayPanic {
		r.Errorf("%d defects were caught", n)
	}
	r.broker = nil
}

// wait lets everything happen that needs no time.
func (r *rig) wait() { synctest.Wait() }

// sleep lets time pass.
func (r *rig) sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// crash kills the broker and starts another over what was durable. The clients are gone without a word.
func (r *rig) crash() {
	r.Helper()
	synctest.Wait()
	r.crashNow()
}

// crashNow is crash in the midst of what is going on.
func (r *rig) crashNow() {
	r.Helper()
	for _, c := range r.clients {
		c.deafen()
	}
	next := r.store.Crash()
	for _, c := range r.clients {
		c.cutNow()
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	r.stop(gone)
	r.clients = nil
	r.store = next
	r.start()
}

// restart stops the broker in order and starts it again.
func (r *rig) restart() {
	r.Helper()
	r.stop(context.Background())
	for _, c := range r.clients {
		c.cutNow()
	}
	r.clients = nil
	r.store = r.store.Restart()
	r.start()
}

// hold keeps everything from becoming durable until release.
func (r *rig) hold() { r.store.Hold() }

// release makes durable what was held.
func (r *rig) release() {
	r.store.Release()
	synctest.Wait()
}

// step makes the n oldest held batches durable.
func (r *rig) step(n int) {
	r.store.Step(n)
	synctest.Wait()
}

// dial opens a connection that says nothing yet.
func (r *rig) dial(name string, v wire.Version) *client {
	ours, theirs := newPipe()
	c := newClient(r, name, v, ours)
	r.clients = append(r.clients, c)
	b := r.broker
	r.serving.Go(func() { b.ServeConn(theirs, Peer{Listener: "test", AllowAnonymous: true}) })
	return c
}

// attempt connects a client and does not look at the answer: take it with want.
func (r *rig) attempt(name string, options ...connectOption) *client {
	p := &wire.Connect{Version: wire.V5, CleanStart: true, ClientID: name}
	for _, option := range options {
		option(p)
	}
	takeover := slices.ContainsFunc(r.clients, func(c *client) bool { return c.name == name })
	c := r.dial(name, p.Version)
	c.send(p)
	if takeover { // the earlier connection may go on for a little
		time.Sleep(3 * takeoverDrain)
	}
	return c
}

// connect connects a client that must be accepted: MQTT 5, clean start, nothing kept, unless the options say otherwise.
func (r *rig) connect(name string, options ...connectOption) *client {
	r.Helper()
	c := r.attempt(name, options...)
	synctest.Wait()
	c.accepted()
	return c
}

// subscriber is a connected client with a subscription.
func (r *rig) subscriber(name, filter string, qos byte, options ...connectOption) *client {
	r.Helper()
	c := r.connect(name, options...)
	c.subscribe(filter, qos)
	return c
}
