package engine

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-mqtt/holdfast/engine/topic"
	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/wire"
	"github.com/rs/zerolog"
)

// Broker routes messages between clients and keeps what it acknowledged in its store.
type Broker struct {
	opts  Options
	store persist.Store
	index *topic.Index[uint64, subscription]
	names *topic.Names // topics with a retained message
	gate  gate

	router   *router
	sessions sessions
	fold     *fold
	expiry   *expiry
	stats    stats
	refusals zerolog.Logger // of what could not be stored: on a full disk that is everything
	pending  atomic.Int64   // bytes that wait for slow clients beyond sharePending each

	// failed is closed when the store has failed.
	failed chan struct{}

	mu       sync.Mutex
	stopping bool
	conns    map[*conn]struct{}
	serving  sync.WaitGroup // connections
}

// New returns a broker over a store that was just opened: it takes over the sessions and retained topics there. The
// caller keeps the store and closes it after Shutdown.
func New(store persist.Store, o Options) (*Broker, error) {
	b := &Broker{
		opts: o.resolved(), store: store,
		index: topic.NewIndex[uint64, subscription](), names: topic.NewNames(),
		gate: newGate(), sessions: newSessions(), failed: make(chan struct{}), conns: make(map[*conn]struct{}),
	}
	if largest := store.Stats().LargestEntry; largest > 0 { // a message that is taken can be stored
		b.opts.MaxPacketSize = min(b.opts.MaxPacketSize, largest)
	}
	b.refusals = b.opts.Log.Sample(&zerolog.BurstSampler{Burst: refusalsLogged, Period: time.Second})
	b.router = newRouter(b.index, store)
	b.fold, b.expiry = newFold(b), newExpiry(b)
	if err := b.load(); err != nil {
		return nil, err
	}
	go b.fold.run()   // ends in Shutdown
	go b.expiry.run() // ends in Shutdown
	return b, nil
}

// load takes over what the store holds.
func (b *Broker) load() error {
	now := b.opts.Now().UnixMilli()
	var connected []persist.SessionState
	b.sessions.mu.Lock()
	err := b.store.Sessions(func(state persist.SessionState) bool {
		b.restore(&state, now)
		if state.Connected {
			connected = append(connected, persist.SessionState{ID: state.ID, Epoch: state.Epoch})
		}
		return true
	})
	b.sessions.mu.Unlock()
	if err != nil {
		return fmt.Errorf("load sessions: %w", err)
	}
	if err := b.store.RetainedTopics(func(name string) bool { b.names.Add(name); return true }); err != nil {
		return fmt.Errorf("load retained topics: %w", err)
	}
	// Whoever was connected when the broker stopped is not connected any more: expiry and will delay run from now.
	for _, s := range connected {
		batch := persist.Batch{Session: s.ID, Epoch: s.Epoch, Close: &persist.Close{At: now}}
		if _, err := b.store.Append(&batch); err != nil {
			return fmt.Errorf("close sessions of the last run: %w", err)
		}
	}
	return nil
}

// restore takes over one session. Called with sessions.mu held.
func (b *Broker) restore(state *persist.SessionState, now int64) {
	s := b.sessions.addLocked(state.ClientID, state.ID)
	s.epoch, s.username = state.Epoch, state.Username
	s.expirySeconds, s.will = state.ExpirySeconds, state.Will
	s.connected, s.closedAt = state.Connected, state.ClosedAt
	s.notBefore = now + b.opts.WillGrace.Milliseconds()
	for i := range state.Subscriptions {
		b.indexAdd(s, &state.Subscriptions[i], true)
		s.filters[state.Subscriptions[i].Filter] = struct{}{}
	}
	if !state.Connected {
		b.expiry.watch(s)
	}
}

// Peer is what a listener knows of a connection it accepted.
type Peer struct {
	// Listener is its name, for the log.
	Listener string
	// AllowAnonymous lets clients in that prove nothing.
	AllowAnonymous bool
}

// ServeConn serves one client until its connection ends. It closes nc.
func (b *Broker) ServeConn(nc net.Conn, peer Peer) {
	c := newConn(b, nc, peer)
	if !b.enter(c) {
		_ = nc.Close() // shutting down: there is nothing to tell a client that has not spoken
		return
	}
	defer b.leave(c)
	c.serve()
}

// enter counts a connection in; false when the broker is shutting down.
func (b *Broker) enter(c *conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopping {
		return false
	}
	b.conns[c] = struct{}{}
	b.serving.Add(1)
	b.stats.connections.Add(1)
	b.stats.connectionsTotal.Add(1)
	return true
}

// leave counts a connection out.
func (b *Broker) leave(c *conn) {
	b.mu.Lock()
	delete(b.conns, c)
	b.mu.Unlock()
	b.stats.connections.Add(-1)
	b.serving.Done()
}

// Failed is closed when the store has failed: nothing will be acknowledged any more, and the process should be started
// again.
func (b *Broker) Failed() <-chan struct{} { return b.failed }

// storeFailed raises the alarm, once, and wakes whoever waits for the disk.
func (b *Broker) storeFailed(err error) {
	b.opts.Log.Error().Err(err).Msg("the store has failed: nothing is acknowledged any more; restart to recover from the log")
	close(b.failed)
	b.eachConn(func(c *conn) { c.wake.Wake() })
}

// eachConn calls fn with every connection.
func (b *Broker) eachConn(fn func(*conn)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.conns {
		fn(c)
	}
}

// Shutdown ends all connections, telling MQTT 5 clients why, and the broker's goroutines. When ctx ends first, the
// connections are cut. The listeners must have stopped before.
func (b *Broker) Shutdown(ctx context.Context) error {
	b.mu.Lock()
	b.stopping = true
	b.mu.Unlock()
	b.eachConn(func(c *conn) { c.stop(wire.ServerShuttingDown) })
	served := make(chan struct{})
	go func() { // ends when the last connection has
		b.serving.Wait()
		close(served)
	}()
	var err error
	select {
	case <-served:
	case <-ctx.Done():
		err = fmt.Errorf("wait for connections to end: %w", ctx.Err())
		b.fold.fail(ErrStopped) // lets those go that wait for a disk that does not answer
		b.eachConn(func(c *conn) { _ = c.nc.Close() })
		<-served
	}
	b.fold.fail(ErrStopped) // expiry too may wait for the disk
	b.expiry.halt()
	b.fold.halt()
	return err
}
