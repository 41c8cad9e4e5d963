package harness

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/holdfast-mqtt/holdfast/wire"
)

const (
	dialPatience  = 5 * time.Second
	writePatience = 30 * time.Second
	// flushAt is how much Queue gathers before it writes.
	flushAt = 32 << 10
	// packetLimit is the largest packet that a Conn takes.
	packetLimit = 64 << 20
)

// Conn is one MQTT connection seen from the client. One goroutine may receive while others send.
type Conn struct {
	nc      net.Conn
	version wire.Version
	reader  *wire.Reader // owner: the receiving goroutine

	mu  sync.Mutex
	out []byte // guarded by mu: encoded and not yet written
}

// Dial opens a connection that will speak the given version. It sends nothing.
func Dial(addr string, v wire.Version) (*Conn, error) {
	nc, err := net.DialTimeout("tcp", addr, dialPatience)
	if err != nil {
		return nil, err
	}
	return &Conn{nc: nc, version: v, reader: wire.NewReader(nc, packetLimit)}, nil
}

// Version is the protocol version that packets are encoded and decoded in.
func (c *Conn) Version() wire.Version { return c.version }

// Queue encodes a packet for a later Flush. It writes by itself when much has gathered.
func (c *Conn) Queue(p wire.Packet) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	out, err := p.Append(c.out, c.version)
	if err != nil {
		return fmt.Errorf("encode %v: %w", p.Type(), err)
	}
	c.out = out
	if len(c.out) < flushAt {
		return nil
	}
	return c.flushLocked()
}

// Flush writes what was queued.
func (c *Conn) Flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.flushLocked()
}

// flushLocked writes the buffer. mu is held while the socket takes it, so that packets stay whole.
func (c *Conn) flushLocked() error {
	if len(c.out) == 0 {
		return nil
	}
	if err := c.nc.SetWriteDeadline(time.Now().Add(writePatience)); err != nil {
		return err
	}
	_, err := c.nc.Write(c.out)
	c.out = c.out[:0]
	return err
}

// Send encodes and writes a packet.
func (c *Conn) Send(p wire.Packet) error {
	if err := c.Queue(p); err != nil {
		return err
	}
	return c.Flush()
}

// SendRaw writes bytes as they are.
func (c *Conn) SendRaw(b []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = append(c.out, b...)
	return c.flushLocked()
}

// Frame receives one packet undecoded; its body is valid until the next call. After a deadline has passed the
// connection is of no further use.
func (c *Conn) Frame(deadline time.Time) (wire.Frame, error) {
	if !c.reader.Ready() {
		if err := c.nc.SetReadDeadline(deadline); err != nil {
			return wire.Frame{}, err
		}
	}
	return c.reader.Next()
}

// More tells whether Frame would return without waiting.
func (c *Conn) More() bool { return c.reader.Ready() }

// Receive receives one packet that the caller may keep.
func (c *Conn) Receive(deadline time.Time) (wire.Packet, error) {
	f, err := c.Frame(deadline)
	if err != nil {
		return nil, err
	}
	f.Body = bytes.Clone(f.Body)
	p, err := wire.Decode(f, c.version)
	if err != nil {
		return nil, fmt.Errorf("the broker sent a malformed packet (first byte %#x, body % x): %w", f.Header, f.Body, err)
	}
	return p, nil
}

// Close ends the connection the polite TCP way: what was sent still arrives.
func (c *Conn) Close() { _ = c.nc.Close() } // an error changes nothing for somebody who leaves

// Cut ends the connection with a reset, as a client does that crashes.
func (c *Conn) Cut() {
	if tcp, ok := c.nc.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // at worst the end is politer than meant
	}
	_ = c.nc.Close()
}

// Gone tells whether an error of Frame or Receive means that the broker closed the connection.
func Gone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// TimedOut tells whether an error means that the deadline passed.
func TimedOut(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
