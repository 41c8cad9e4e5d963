package engine

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/wire"
)

// conn is one client's connection. Its read loop decodes and handles packets; its write loop sends what is due. They
// share what mu guards.
type conn struct {
	broker *Broker
	nc     net.Conn
	peer   Peer
	wake   signal        // the write loop's
	done   chan struct{} // closed when the connection has said its last word to the store

	// Set by the handshake, then read only.

	version   wire.Version
	clientID  string
	who       Identity
	session   *session
	id        persist.SessionID // 0: nothing is stored for this connection
	epoch     persist.Epoch
	kept      bool   // the session outlives the connection
	maxPacket int    // the client's Maximum Packet Size; 0: any
	expiry    uint32 // session expiry asked for, as capped

	in  inbound  // the read loop's
	out outbound // the write loop's

	mu   sync.Mutex
	acks ackQueue
	// answerBytes is the size of the SUBACKs and UNSUBACKs in acks.
	answerBytes int
	room        *sync.Cond // on mu: acks were sent
	outbox      outbox
	window      window
	written     bool // the write loop runs, or is about to: it has the last word
	ended       bool // nothing is written any more
	// writing is how much was taken from outbox for the write under way; charged is what of all that waits is counted in
	// Broker.pending.
	writing, charged int
	// signalled: somebody has undertaken to wake the write loop.
	signalled bool

	// quota counts the client's publishes that are not acknowledged, against our Receive Maximum.
	quota atomic.Int32
	// superseded: a later connection of the client waits for the end of this one.
	superseded atomic.Bool
	// stopCode says why the broker ends the connection; see stop.
	stopCode atomic.Int32
}

// inbound is what only the read loop touches.
type inbound struct {
	reader    *wire.Reader
	keepAlive keepAlive
	aliases   inboundAliases
	received  receivedIDs
	publish   wire.Publish
	pub       publication
	forward   []byte
	plans     map[string]*plan
	version   uint64 // of the index, that plans were made at
	planned   int    // targets of plans
	touched   wakeList
	batch     persist.Batch
	one       [1]uint16
	last      persist.Ticket      // of the last step that something was acknowledged for
	filters   map[string]struct{} // of a volatile session
	// leave is how the client took its leave: nil until DISCONNECT.
	leave *wire.Disconnect
}

// letGo gives up what handling packets took hold of, for a connection that may be quiet for long: scratch memory that a
// large packet made large, and the buffer of the packet itself.
func (in *inbound) letGo() {
	in.publish.Properties.Reset()
	in.publish.Topic, in.publish.Payload = nil, nil
	in.pub.release()
	if cap(in.forward) > keptScratch {
		in.forward = nil
	}
}

// id returns a list of one packet identifier, in memory that the next call overwrites.
func (in *inbound) id(packetID uint16) []uint16 {
	in.one[0] = packetID
	return in.one[:]
}

// notStopped is the stop code of a connection that nobody has ended.
const notStopped = -1

// newConn returns a connection that has not read anything.
func newConn(b *Broker, nc net.Conn, peer Peer) *conn {
	c := &conn{broker: b, nc: nc, peer: peer, wake: newSignal(), done: make(chan struct{})}
	c.room = sync.NewCond(&c.mu)
	c.stopCode.Store(notStopped)
	return c
}

// stop ends the connection, for the reason that an MQTT 5 client is told with DISCONNECT; Success says nothing. The
// first reason counts. It does not wait.
func (c *conn) stop(code wire.ReasonCode) {
	if !c.stopCode.CompareAndSwap(notStopped, int32(code)) {
		return
	}
	c.mu.Lock()
	running := c.written
	c.room.Broadcast()
	c.mu.Unlock()
	if running {
		_ = c.nc.SetWriteDeadline(time.Now().Add(stopTimeout)) // a write that hangs ends too
	} else {
		_ = c.nc.Close() // still in the handshake
	}
	c.wake.Wake()
}

// supersede ends the connection because a later one of the same client has come, and waits until it has said its last
// word. What had arrived before is handled first, for a client may have taken its leave an instant ago.
func (c *conn) supersede() {
	c.superseded.Store(true)
	_ = c.nc.SetReadDeadline(time.Now().Add(takeoverDrain))
	patience := time.NewTimer(2 * takeoverDrain) // it may be busy, or in its handshake
	defer patience.Stop()
	select {
	case <-c.done:
	case <-patience.C:
		c.stop(wire.SessionTakenOver)
		<-c.done
	}
}

// stopped tells whether the connection is being ended.
func (c *conn) stopped() bool { return c.stopCode.Load() != notStopped }

// serve runs the connection to its end.
func (c *conn) serve() {
	defer close(c.done)
	defer c.nc.Close()
	if err := c.guarded(c.handshake); err != nil {
		c.broker.sessions.release(c)
		c.refused(err)
		return
	}
	written := make(chan struct{})
	go func() { // ends when stop was called; waited for below
		defer close(written)
		defer c.endWriting()
		if c.guarded(c.writeLoop) != nil {
			c.stop(wire.UnspecifiedError)
		}
	}()
	err := c.guarded(c.readLoop)
	c.stop(c.endCode(err))
	<-written
	c.finish(err)
	c.broker.sessions.release(c)
}

// refused logs why a connection never became one.
func (c *conn) refused(err error) {
	c.broker.stats.refused.Add(1)
	c.broker.opts.Log.Info().Err(err).Str("remote", c.remote()).Str("client", shown(c.clientID)).Msg("connection refused")
}

// shown returns a client's words for the log, cut: they may be 64 KiB, and connecting again and again costs nothing.
func shown[T string | []byte](words T) string {
	if len(words) <= maxShown {
		return string(words)
	}
	return string(words[:maxShown]) + "..."
}

// remote returns the peer's address for the log.
func (c *conn) remote() string {
	if a := c.nc.RemoteAddr(); a != nil {
		return a.String()
	}
	return ""
}

// finish takes what the connection leaves to the store and the index. The will is due unless the client took its leave
// with DISCONNECT 0x00. [MQTT-3.14.4-3]
func (c *conn) finish(cause error) {
	b := c.broker
	c.session.conn.CompareAndSwap(c, nil)
	if c.out.queue != nil {
		c.out.queue.Detach()
	}
	for filter := range c.in.filters {
		b.indexRemove(c.session, filter)
	}
	c.forgetPlans()
	discard := c.in.leave != nil && c.in.leave.Code == wire.NormalDisconnection
	if c.id != 0 {
		c.close(discard)
	}
	b.opts.Log.Info().Str("client", shown(c.clientID)).Str("remote", c.remote()).AnErr("cause", quietly(cause)).
		Bool("kept", c.kept).Msg("client disconnected")
}

// close appends the end of the connection, and of the session if it ends with it and no will is due.
func (c *conn) close(discard bool) {
	c.flushSettled()
	batch := persist.Batch{Session: c.id, Epoch: c.epoch}
	step := &persist.Close{At: c.broker.opts.Now().UnixMilli(), DiscardWill: discard}
	expiry := c.expiry
	if c.in.leave != nil && c.in.leave.Properties.Has(wire.PropSessionExpiryInterval) {
		expiry = c.broker.capExpiry(c.in.leave.Properties.SessionExpiryInterval)
		step.SetExpiry, step.ExpirySeconds = true, expiry
	}
	batch.Close = step
	batch.End = expiry == 0 && discard
	ticket, err := c.broker.store.Append(&batch)
	if err != nil {
		c.broker.opts.Log.Warn().Err(err).Str("client", shown(c.clientID)).
			Msg("the end of the connection could not be stored; after a restart it counts as ended then")
		return
	}
	c.broker.sessions.closes(c.id, ticket)
}
