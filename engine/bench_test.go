package engine

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/persist/memstore"
	"github.com/holdfast-mqtt/holdfast/wire"
)

// engineConn is a connection whose far end costs nothing: what is written is counted, and acknowledged if need be,
// without memory.
type engineConn struct {
	net.Conn // for the methods that nobody calls
	mu       sync.Mutex
	changed  *sync.Cond // on mu
	input    []byte
	read     int
	packets  int // written by the broker
	// frame is the size of the PUBLISH frames that come, 0 if none do; identifier is where their packet identifier
	// stands, 0 for none.
	frame, identifier int
	closed            bool
}

func newEngineConn() *engineConn {
	c := new(engineConn)
	c.changed = sync.NewCond(&c.mu)
	return c
}

func (c *engineConn) Read(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.read == len(c.input) && !c.closed {
		c.changed.Wait()
	}
	if c.closed {
		return 0, io.EOF
	}
	n := copy(b, c.input[c.read:])
	c.read += n
	if c.read == len(c.input) {
		c.input, c.read = c.input[:0], 0
	}
	return n, nil
}

// Write counts packets: PUBLISH frames of the size that is known, else acknowledgements of 4 bytes.
func (c *engineConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b[0]>>4 != byte(wire.PUBLISH) {
		c.packets += max(1, len(b)/4)
		c.changed.Broadcast()
		return len(b), nil
	}
	for at := 0; at+c.frame <= len(b); at += c.frame {
		c.packets++
		if c.identifier > 0 {
			c.input = append(c.input, byte(wire.PUBACK)<<4, 2, b[at+c.identifier], b[at+c.identifier+1])
		}
	}
	c.changed.Broadcast()
	return len(b), nil
}

func (c *engineConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.changed.Broadcast()
	return nil
}

func (c *engineConn) SetDeadline(time.Time) error      { return nil }
func (c *engineConn) SetReadDeadline(time.Time) error  { return nil }
func (c *engineConn) SetWriteDeadline(time.Time) error { return nil }
func (c *engineConn) RemoteAddr() net.Addr             { return nil }

// feed gives the broker something to read.
func (c *engineConn) feed(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.input = append(c.input, b...)
	c.changed.Broadcast()
}

// await waits until so many packets were written since the last call.
func (c *engineConn) await(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.packets < n {
		c.changed.Wait()
	}
	c.packets -= n
}

// engineBench is one publisher and one subscriber.
type engineBench struct {
	broker   *Broker
	pub, sub *engineConn
	batch    []byte // batchSize publishes
	qos      byte
}

const batchSize = 100

// newEngineBench connects both. The sessions are MQTT 3.1.1, so that no Receive Maximum is in the way.
func newEngineBench(t testing.TB, qos byte, keep bool) *engineBench {
	store := memstore.New(memstore.Options{})
	broker, err := New(store, Options{})
	if err != nil {
		t.Fatal(err)
	}
	e := &engineBench{broker: broker, qos: qos}
	e.pub = e.connect(t, "pub", true)
	e.sub = e.connect(t, "sub", !keep)
	p := publish("bench/topic", "a payload of some sixty-four bytes, as sensors have them, or so.", qos, withID(uint16(qos)))
	if qos > 0 {
		e.sub.identifier = 2 + 2 + len(p.Topic)
	}
	e.sub.frame = p.EncodedSize(wire.V311)
	e.send(t, e.sub, subscription1(1, "bench/#", qos))
	e.sub.await(1)
	for i := range batchSize {
		if qos > 0 {
			p.PacketID = uint16(i + 1)
		}
		if e.batch, err = p.Append(e.batch, wire.V311); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := broker.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		_ = store.Close() // in memory
	})
	return e
}

// connect runs one connection.
func (e *engineBench) connect(t testing.TB, name string, clean bool) *engineConn {
	c := newEngineConn()
	go e.broker.ServeConn(c, Peer{AllowAnonymous: true}) // ends in Shutdown
	e.send(t, c, &wire.Connect{Version: wire.V311, CleanStart: clean, ClientID: name})
	c.await(1)
	return c
}

func (e *engineBench) send(t testing.TB, c *engineConn, p wire.Packet) {
	frame, err := p.Append(nil, wire.V311)
	if err != nil {
		t.Fatal(err)
	}
	c.feed(frame)
}

// run sends one batch through.
func (e *engineBench) run() {
	e.pub.feed(e.batch)
	e.sub.await(batchSize)
	if e.qos > 0 {
		e.pub.await(batchSize)
	}
}

func TestVolatilePublishAllocatesNothing(t *testing.T) {
	// What is left at QoS 1 is the ring of acknowledgements, which grows for a batch and shrinks behind it.
	for qos, most := range []float64{0.05, 0.25} {
		e := newEngineBench(t, byte(qos), false)
		for range 50 {
			e.run()
		}
		if n := testing.AllocsPerRun(200, e.run) / batchSize; n > most {
			t.Errorf("QoS %d: %.2f allocations a message, want none", qos, n)
		}
	}
}

func BenchmarkPublish(b *testing.B) {
	for _, kind := range []struct {
		name string
		qos  byte
		keep bool
	}{{"QoS0", 0, false}, {"QoS1Volatile", 1, false}, {"QoS1KeptInMemory", 1, true}} {
		b.Run(kind.name, func(b *testing.B) {
			e := newEngineBench(b, kind.qos, kind.keep)
			b.ReportAllocs()
			b.ResetTimer()
			for n := 0; n < b.N; n += batchSize {
				e.run()
			}
		})
	}
}

func BenchmarkPlan(b *testing.B) {
	for _, subscribers := range []uint64{1, 100, 10_000} {
		r := newPlanRig()
		for key := range subscribers {
			r.add(key+1, "a/+/c", 1, true)
		}
		name := []byte("a/b/c")
		b.Run(fmt.Sprintf("made/%d", subscribers), func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				r.router.plan(name, 0)
			}
		})
		c := &conn{broker: &Broker{index: r.index, router: r.router}, session: new(session)}
		b.Run(fmt.Sprintf("remembered/%d", subscribers), func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				c.plan(name)
			}
		})
	}
}
