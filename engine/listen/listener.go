package listen

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// firstBackoff is how long Accept waits after a first failure.
	firstBackoff = 5 * time.Millisecond
	// maxBackoff is what the wait grows to; clients wait in the kernel's queue.
	maxBackoff = time.Second
)

// Listener yields the connections that arrive at one address. One goroutine
// accepts; the other methods may be called by any.
type Listener struct {
	// Name is the address as it was given to Listen.
	Name string
	// Loopback says that only this machine can connect.
	Loopback bool

	inner    net.Listener
	closed   chan struct{}
	close    func() error // closes inner, and closed, once
	failures atomic.Uint64
	last     atomic.Pointer[error]
}

// newListener wraps what a transport has bound.
func newListener(name string, inner net.Listener) *Listener {
	l := &Listener{
		Name:     name,
		Loopback: isLoopback(inner.Addr()),
		inner:    inner,
		closed:   make(chan struct{}),
	}
	l.close = sync.OnceValue(func() error {
		close(l.closed)
		return inner.Close()
	})
	return l
}

// Accept waits for a connection. It fails only once the listener is closed, with
// net.ErrClosed. Whatever else goes wrong passes: the machine is out of file
// descriptors or memory, a peer was gone before it was accepted. Then Accept
// waits, longer from time to time, and goes on; see Failures.
func (l *Listener) Accept() (net.Conn, error) {
	for wait := firstBackoff; ; wait = min(2*wait, maxBackoff) {
		conn, err := l.inner.Accept()
		if err == nil {
			return conn, nil
		}
		if errors.Is(err, net.ErrClosed) {
			return nil, err
		}
		l.failures.Add(1)
		l.last.Store(&err)
		// Without the wait a lack of file descriptors would cost a processor too:
		// the connection stays in the queue and the call returns at once.
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-l.closed:
			timer.Stop()
			return nil, net.ErrClosed
		}
	}
}

// Failures returns how often accepting failed and was tried again, and the last
// error, nil if there was none.
func (l *Listener) Failures() (count uint64, last error) {
	if p := l.last.Load(); p != nil {
		last = *p
	}
	return l.failures.Load(), last
}

// Addr returns the address that was bound, with the port that was chosen.
func (l *Listener) Addr() net.Addr {
	return l.inner.Addr()
}

// Close stops listening; an Accept that waits returns. Connections that were
// accepted stay. Closing again changes nothing and returns the same.
func (l *Listener) Close() error {
	return l.close()
}

// isLoopback reports whether an address can be reached from this machine only.
// What was bound decides, not what was asked for: a name resolves to anything.
func isLoopback(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
