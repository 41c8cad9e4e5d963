package engine

import (
	"fmt"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/wire"
)

// TestSmallMessagesCountForWhatTheyCost: a message without payload takes memory too while it waits.
func TestSmallMessagesCountForWhatTheyCost(t *testing.T) {
	const bound = 100_000
	scenarioWith(t, Options{MaxPending: bound}, func(r *rig) {
		r.subscriber("sub", "t", 1) // never acknowledges
		pub := r.connect("pub")
		for range 5000 {
			pub.publish("t", "", 1)
		}
		c := r.served("sub")
		c.mu.Lock()
		defer c.mu.Unlock()
		if n := len(c.outbox.waiting); n == 0 || n > bound/100 {
			t.Errorf("%d messages wait in memory within %d bytes", n, bound)
		}
	})
}

// TestAcknowledgingAllButTheFirstIsBounded: what is acknowledged behind it is kept account of.
func TestAcknowledgingAllButTheFirstIsBounded(t *testing.T) {
	w := newWindow(100)
	first, ok := w.add(1, 1)
	if !ok {
		t.Fatal("no identifier")
	}
	position := persist.Position(1)
	for w.room() > 0 {
		if position++; position > 10*maxFlights {
			t.Fatalf("%d messages behind one that is not acknowledged", position)
		}
		id, _ := w.add(position, 1)
		w.acknowledge(id, 1)
		w.takeSettled()
	}
	w.acknowledge(first, 1)
	if s, ok := w.takeSettled(); !ok || s.Floor != position || w.room() != 100 {
		t.Errorf("settled up to %d with room for %d, want %d and 100", s.Floor, w.room(), position)
	}
}

// TestFloorGoesOnAfterTheLateAcknowledgement: the same seen from the client.
func TestFloorGoesOnAfterTheLateAcknowledgement(t *testing.T) {
	const count = maxFlights + 500
	scenarioWith(t, Options{MaxPending: 64 << 20}, func(r *rig) {
		sub := r.subscriber("sub", "t", 1, kept)
		pub := r.connect("pub")
		got, stalled := 0, false
		for i := range count {
			pub.publish("t", fmt.Sprint(i), 1)
			for _, p := range sub.take() {
				if got > 0 {
					sub.send(puback(p.(*wire.Publish).PacketID))
				}
				got++
			}
			stalled = stalled || got <= i
		}
		if !stalled {
			t.Fatalf("%d messages behind one that is not acknowledged", got)
		}
		sub.acknowledgeAll()
		sub.send(puback(1))
		r.wait()
		for _, p := range sub.take() { // what was under way when the client became polite is acknowledged too
			if p.(*wire.Publish).PacketID != 0 {
				got++
			}
		}
		if got != count {
			t.Errorf("%d messages came, want %d", got, count)
		}
	})
}

// TestQuietPublisherHoldsNoLargeMemory: what a large packet needed is given back.
func TestQuietPublisherHoldsNoLargeMemory(t *testing.T) {
	scenario(t, func(r *rig) {
		sub := r.subscriber("sub", "t", 0)
		pub := r.connect("pub")
		pub.send(publish("t", strings.Repeat("x", 100_000), 0, func(p *wire.Publish) {
			for range 10_000 {
				p.Properties.AddUser([]byte("k"), []byte("v"))
			}
		}))
		if got := sub.next("the message").(*wire.Publish); len(got.Properties.User) != 10_000 {
			t.Fatalf("%d user properties came", len(got.Properties.User))
		}
		r.wait()
		in := &r.served("pub").in
		held := cap(in.forward) + cap(in.publish.Topic) + cap(in.publish.Payload) + cap(in.publish.Properties.User)*48 +
			cap(in.pub.message.Payload) + cap(in.pub.packet.Payload) + cap(in.pub.packet.Forward)
		for _, frame := range in.pub.frames {
			held += cap(frame)
		}
		if held > 16<<10 {
			t.Errorf("a quiet publisher holds %d bytes", held)
		}
	})
}

// TestPlansAreBounded: what publishers remember of their topics' subscribers is bounded for all of them together.
func TestPlansAreBounded(t *testing.T) {
	const subscribers = 1000
	scenario(t, func(r *rig) {
		for i := range subscribers {
			sub := persist.Subscription{Filter: "#"}
			r.broker.indexAdd(r.broker.sessions.volatile(fmt.Sprint(i)), &sub, false)
		}
		pubs := make([]*client, 5)
		for i := range pubs {
			pubs[i] = r.connect(fmt.Sprint("pub", i))
			for n := range maxPlans - 1 {
				pubs[i].send(publish(fmt.Sprint("t/", n), "m", 0))
				r.wait()
			}
		}
		targets := 0
		for i := range pubs {
			for _, p := range r.served(fmt.Sprint("pub", i)).in.plans {
				targets += len(p.targets)
			}
		}
		if targets > maxRemembered+subscribers {
			t.Errorf("%d targets are remembered, want at most %d", targets, maxRemembered)
		}
		if n := r.broker.router.remembered.Load(); n != int64(targets) {
			t.Errorf("%d targets are counted, %d are remembered", n, targets)
		}
		for _, p := range pubs {
			p.cut()
		}
		if n := r.broker.router.remembered.Load(); n != 0 {
			t.Errorf("%d targets are counted when nobody remembers any", n)
		}
	})
}

// TestSlowClientsTogetherAreBounded: many that do not read must not take all memory, nor keep it when they are gone.
func TestSlowClientsTogetherAreBounded(t *testing.T) {
	const clients, total = 20, 1 << 20
	for qos := byte(0); qos <= 1; qos++ {
		scenarioWith(t, Options{MaxPendingTotal: total}, func(r *rig) {
			subs := make([]*client, clients)
			for i := range subs {
				subs[i] = r.subscriber(fmt.Sprint("sub", i), "t", qos, receiveMaximum(20))
				subs[i].acknowledgeAll()
				subs[i].pause()
			}
			pub := r.connect("pub")
			for range 400 {
				pub.publish("t", strings.Repeat("x", 1000), qos)
			}
			held := 0
			r.broker.eachConn(func(c *conn) {
				c.mu.Lock()
				defer c.mu.Unlock()
				held += len(c.outbox.frames) + c.outbox.waitingBytes
			})
			if limit := total + clients*2*sharePending; held > limit || held < total/2 {
				t.Errorf("QoS %d: %d bytes wait for slow clients, the limit is %d", qos, held, limit)
			}
			if r.broker.Stats().Dropped == 0 {
				t.Error("nothing was counted as dropped")
			}
			for i, c := range subs {
				if i%2 == 0 {
					c.cut()
				} else {
					c.unpause()
				}
			}
			r.wait()
			if n := r.broker.pending.Load(); n != 0 {
				t.Errorf("QoS %d: %d bytes are counted, nothing waits", qos, n)
			}
			subs[1].take()
			pub.publish("t", "next", qos)
			subs[1].want("it goes on", publish("t", "next", qos))
		})
	}
}

// TestDueIsOverHoweverItEnds: messages of an earlier connection are counted until each is sent again or done.
func TestDueIsOverHoweverItEnds(t *testing.T) {
	for name, end := range map[string]func(w *window){
		"sent again":                func(w *window) { w.resend(5, 2) },
		"the client has it":         func(w *window) { w.release(7) },
		"expired":                   func(w *window) { w.skip(5) },
		"gone, as a later one says": func(w *window) { w.resend(6, 1) },
		"gone, as the end says":     func(w *window) { w.caughtUp() },
	} {
		w := newWindow(10)
		w.restore([]persist.InFlight{{Position: 4, PacketID: 6, Released: true}, {Position: 5, PacketID: 7}}, 3)
		if !w.due() {
			t.Fatalf("%s: nothing is due at first", name)
		}
		if end(&w); w.due() {
			t.Errorf("%s: something is due still", name)
		}
	}
}

// TestWhatWaitsBehindAnUnreadConnackIsLetGo: messages are left for a client from the moment it may know that it is
// connected, and it may never come to know.
func TestWhatWaitsBehindAnUnreadConnackIsLetGo(t *testing.T) {
	scenario(t, func(r *rig) {
		r.subscriber("sub", "t", 0, kept).leave()
		ours, theirs := newPipe()
		defer ours.Close()
		b := r.broker
		r.serving.Go(func() { b.ServeConn(theirs, Peer{Listener: "test", AllowAnonymous: true}) })
		p := &wire.Connect{Version: wire.V5, ClientID: "sub"}
		p.Properties.SetSessionExpiryInterval(3600)
		frame, err := p.Append(nil, wire.V5)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ours.Write(frame); err != nil {
			t.Fatal(err)
		}
		r.wait()
		pub := r.connect("pub")
		for range 300 {
			pub.publish("t", strings.Repeat("x", 1000), 0)
		}
		if b.pending.Load() == 0 {
			t.Error("what is published before CONNACK was read does not wait for the client")
		}
		r.sleep(b.opts.ConnectTimeout)
		if n := b.pending.Load(); n != 0 {
			t.Errorf("%d bytes are counted for a connection that never was", n)
		}
	})
}
