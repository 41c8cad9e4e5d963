package device

import (
	"context"
	"errors"
	"sync"

	"github.com/holdfast-mqtt/holdfast/tests/harness"
	"github.com/holdfast-mqtt/holdfast/tests/ledger"
	"github.com/holdfast-mqtt/holdfast/wire"
)

// Options say what kind of client a device is.
type Options struct {
	Name    string
	Version wire.Version
	// Window is the most messages in flight; the broker's Receive Maximum lowers it. Default 20.
	Window int
	// ReceiveMaximum is what an MQTT 5 device tells the broker; 0 says nothing.
	ReceiveMaximum uint16
	// Eager leaves messages in the buffer until it is full or the window is: fast, for bulk. Otherwise every message
	// is written at once.
	Eager bool
}

// Device is one client with its half of a session. Its methods may be called from any goroutine, but Connect from one
// at a time.
type Device struct {
	opts   Options
	ledger *ledger.Ledger

	mu      sync.Mutex
	changed *sync.Cond // on mu: a connection came or went, something was acknowledged

	// Guarded by mu, and kept from connection to connection:
	nextID   uint16
	seq      uint64               // of the last message published
	out      []*outgoing          // in flight, in the order of their first sending
	byID     map[uint16]*outgoing // the same
	received map[uint16]bool      // QoS 2 packet ids received and not released
	filters  map[string]wire.QoS  // what the device wants to be subscribed to
	requests map[uint16]*request  // SUBSCRIBE and UNSUBSCRIBE without an answer
	again    []*request           // the same, to be repeated on the next connection
	fresh    bool                 // a clean start was asked for and not yet confirmed

	// Guarded by mu, of the present connection:
	conn   *harness.Conn
	window int
	down   chan struct{} // closed when the receiving goroutine has ended

	refused int // publishes that the broker refused
}

// New returns a device without a connection.
func New(l *ledger.Ledger, opts Options) *Device {
	if opts.Window == 0 {
		opts.Window = 20
	}
	d := &Device{
		opts: opts, ledger: l,
		byID: map[uint16]*outgoing{}, received: map[uint16]bool{},
		filters: map[string]wire.QoS{}, requests: map[uint16]*request{},
	}
	d.changed = sync.NewCond(&d.mu)
	return d
}

// Name is the device's client id.
func (d *Device) Name() string { return d.opts.Name }

// ErrDown says that there is no connection.
var ErrDown = errors.New("not connected")

// Refused counts the messages that the broker refused with a reason code.
func (d *Device) Refused() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.refused
}

// awaitLocked blocks until the condition holds; it is asked with mu held. It ends early with the context.
func (d *Device) awaitLocked(ctx context.Context, holds func() bool) error {
	if holds() {
		return nil
	}
	stop := context.AfterFunc(ctx, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.changed.Broadcast()
	})
	defer stop()
	for !holds() {
		if err := ctx.Err(); err != nil {
			return err
		}
		d.changed.Wait()
	}
	return nil
}

// Settle waits until nothing is in flight and no request is unanswered.
func (d *Device) Settle(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.flushLocked()
	return d.awaitLocked(ctx, func() bool { return len(d.out) == 0 && len(d.requests) == 0 && len(d.again) == 0 })
}

// packetIDLocked chooses a packet id that nothing in flight uses. [MQTT-2.2.1-3]
func (d *Device) packetIDLocked() uint16 {
	for {
		d.nextID++
		_, publishing := d.byID[d.nextID]
		_, asking := d.requests[d.nextID]
		if d.nextID != 0 && !publishing && !asking {
			return d.nextID
		}
	}
}
