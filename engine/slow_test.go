package engine

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/wire"
)

func TestSlowReaderLosesQoS0AndCountsIt(t *testing.T) {
	const bound = 100_000
	scenarioWith(t, Options{MaxPending: bound}, func(r *rig) {
		slow, kept0 := r.subscriber("slow", "t", 0), r.subscriber("kept", "t", 0, kept)
		swift := r.subscriber("swift", "t", 0)
		slow.pause()
		kept0.pause()
		pub := r.connect("pub")
		payload := strings.Repeat("x", 1000)
		for range 1000 {
			pub.publish("t", payload, 0)
		}
		if n := len(swift.payloads()); n != 1000 {
			t.Errorf("who reads got %d messages, want 1000", n)
		}
		for _, c := range []*client{slow, kept0} {
			c.unpause()
			// One write may be under way besides what waits.
			if n := len(c.payloads()); n < bound/1100 || n > 2*bound/1000+10 {
				t.Errorf("%s got %d messages", c.name, n)
			} else if dropped := r.broker.Stats().Dropped; dropped < 1000-int64(n) {
				t.Errorf("%d messages were counted as dropped, but %d came", dropped, n)
			}
			pub.publish("t", "next", 0)
			c.want("it goes on", publish("t", "next", 0))
		}
	})
}

func TestSlowVolatileReaderIsBounded(t *testing.T) {
	const bound = 100_000
	for _, window := range []uint16{10, 1000} {
		scenarioWith(t, Options{MaxPending: bound}, func(r *rig) {
			slow := r.subscriber("slow", "t", 1, receiveMaximum(window))
			slow.acknowledgeAll()
			slow.pause()
			pub := r.connect("pub")
			payload := strings.Repeat("x", 1000)
			for range 1000 {
				pub.publish("t", payload, 1)
			}
			slow.unpause()
			n := len(slow.payloads())
			if n < bound/1100 || n > 2*bound/1000+10 {
				t.Errorf("window %d: %d messages of 1000 bytes came, where %d bytes may wait", window, n, bound)
			}
			if dropped := r.broker.Stats().Dropped; dropped != 1000-int64(n) {
				t.Errorf("%d messages were counted as dropped, %d came", dropped, n)
			}
			pub.publish("t", "next", 1)
			slow.want("it goes on", publish("t", "next", 1))
		})
	}
}

func TestBoundLetsOneLargeMessagePass(t *testing.T) {
	for qos := byte(0); qos <= 1; qos++ {
		scenarioWith(t, Options{MaxPending: 1000}, func(r *rig) {
			sub := r.subscriber("sub", "t", qos)
			large := strings.Repeat("x", 50_000)
			r.connect("pub").publish("t", large, 1)
			sub.want("nothing else waits", publish("t", large, qos))
		})
	}
}

func TestSlowKeptReaderLosesNothing(t *testing.T) {
	const count = 2000
	scenarioWith(t, Options{MaxPending: 10_000}, func(r *rig) {
		slow := r.subscriber("slow", "t", 1, kept)
		slow.acknowledgeAll()
		slow.pause()
		pub := r.connect("pub")
		payload := strings.Repeat("x", 1000)
		for i := range count {
			pub.publish("t", fmt.Sprint(i, payload), 1)
		}
		pub.publish("t", "now", 0) // goes past the queue
		r.broker.eachConn(func(c *conn) {
			c.mu.Lock()
			defer c.mu.Unlock()
			if n := len(c.outbox.frames) + c.outbox.waitingBytes; n > 10_000 {
				t.Errorf("%d bytes wait in memory for %s", n, c.clientID)
			}
		})
		slow.unpause()
		got := slow.payloads()
		if len(got) != count+1 {
			t.Fatalf("%d messages came, want %d", len(got), count+1)
		}
		next := 0
		for _, p := range got {
			if p != "now" && p != fmt.Sprint(next, payload) {
				t.Fatalf("message %.10q came in the place of %d", p, next)
			} else if p != "now" {
				next++
			}
		}
	})
}

// TestTooManyPendingAcknowledgementsSlowThePublisher: MQTT 3 has no Receive Maximum, so reading stops.
func TestTooManyPendingAcknowledgementsSlowThePublisher(t *testing.T) {
	scenario(t, func(r *rig) {
		r.subscriber("sub", "t", 1, kept).leave()
		pub := r.connect("pub", v311, keepAliveOf(10))
		other := r.connect("other")
		r.hold()
		const count = 3 * maxPendingAcks
		for i := range count {
			pub.send(publish("t", "m", 1, withID(uint16(i+1))))
		}
		r.wait()
		if n := r.store.Pending(); n < maxPendingAcks || n > 2*maxPendingAcks {
			t.Errorf("%d steps wait, want about %d", n, maxPendingAcks)
		}
		r.sleep(time.Minute)
		pub.wantNothing("a slow disk is not the client's silence")
		other.ping()
		r.release()
		if got := pub.take(); len(got) != count || describe(got[count-1], true) != describe(puback(count), true) {
			t.Errorf("%d acknowledgements came, want %d", len(got), count)
		}
	})
}

func TestPingsThatNobodyReadsAreBounded(t *testing.T) {
	scenarioWith(t, Options{MaxPending: 1000}, func(r *rig) {
		c := r.connect("c")
		c.pause()
		for range 5000 {
			c.send(&wire.Pingreq{})
		}
		r.wait()
		c.unpause()
		if n := len(c.take()); n == 0 || n > 2000 {
			t.Errorf("%d answers came", n)
		}
		c.ping()
	})
}
