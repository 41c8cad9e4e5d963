package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/wire"
	"github.com/rs/zerolog"
)

// served returns the broker's side of a connection.
func (r *rig) served(clientID string) *conn {
	r.Helper()
	var found *conn
	r.broker.eachConn(func(c *conn) {
		if c.clientID == clientID {
			found = c
		}
	})
	if found == nil {
		r.Fatalf("%s is not connected", clientID)
	}
	return found
}

// TestSubscribingToEverythingAgainAndAgainCostsLittle: one packet may ask ten thousand times for all retained messages,
// and a client may send many of them and read nothing.
func TestSubscribingToEverythingAgainAndAgainCostsLittle(t *testing.T) {
	const count, packets = 500, 20
	filters := []string{"#", "+/#", "r/#", "+/+", "r/+"}
	eachKeeping(t, func(r *rig, keep connectOption) {
		pub := r.connect("pub")
		for i := range count {
			pub.publish(fmt.Sprint("r/", i), "m", byte(i%2), retain)
		}
		sub := r.connect("sub", keep, receiveMaximum(65535))
		sub.acknowledgeAll()
		sub.pause()
		for packet := range packets {
			p := &wire.Subscribe{PacketID: uint16(packet + 1)}
			for i := range 1000 {
				p.Filters = append(p.Filters, wire.Subscription{Filter: filters[i%len(filters)], QoS: 1})
			}
			sub.send(p)
		}
		r.wait()
		names := 0
		c := r.served("sub")
		c.mu.Lock()
		works := len(c.outbox.retained)
		for _, w := range c.outbox.retained {
			names += len(w.names)
		}
		c.mu.Unlock()
		if works > len(filters) || names > count {
			t.Errorf("%d subscriptions with %d topics wait in memory, want no more than %d with %d", works, names, len(filters), count)
		}
		sub.unpause()
		got := make(map[string]int)
		for _, p := range sub.take() {
			if p, ok := p.(*wire.Publish); ok {
				got[string(p.Topic)]++
			}
		}
		for i := range count {
			if n := got[fmt.Sprint("r/", i)]; n < len(filters) || n > packets*len(filters) {
				t.Fatalf("retained message %d came %d times for %d filters in %d packets", i, n, len(filters), packets)
			}
		}
	})
}

func TestRetainedMessagesThatWaitEndWithTheSubscription(t *testing.T) {
	scenario(t, func(r *rig) {
		pub := r.connect("pub")
		for i := range 100 {
			pub.publish(fmt.Sprint("a/", i), strings.Repeat("x", 1000), 0, retain)
			pub.publish(fmt.Sprint("b/", i), strings.Repeat("x", 1000), 0, retain)
		}
		sub := r.connect("sub")
		sub.pause()
		sub.send(subscription1(1, "a/#", 0), subscription1(2, "b/#", 0), &wire.Unsubscribe{PacketID: 3, Filters: []string{"b/#"}})
		r.wait()
		sub.unpause()
		for _, p := range sub.payloadTopics() {
			if strings.HasPrefix(p, "b/") {
				t.Fatalf("a retained message of %s came", p)
			}
		}
	})
}

// payloadTopics takes everything that was received and returns the topics of the messages.
func (c *client) payloadTopics() (topics []string) {
	for _, p := range c.take() {
		if p, ok := p.(*wire.Publish); ok {
			topics = append(topics, string(p.Topic))
		}
	}
	return topics
}

// TestRetainedMessagesAreNotQueuedForAConnectionThatEnds: there may be a million, and a shutdown waits for it.
func TestRetainedMessagesAreNotQueuedForAConnectionThatEnds(t *testing.T) {
	scenario(t, func(r *rig) {
		r.connect("pub").publish("r", "m", 1, retain)
		r.connect("sub", kept)
		c := r.served("sub")
		c.stop(wire.ServerShuttingDown)
		r.wait()
		if _, _, err := c.queueRetained([]string{"r"}, &persist.Subscription{Filter: "r", QoS: 1}); !errors.Is(err, ErrStopped) {
			t.Errorf("got %v, want ErrStopped", err)
		}
	})
}

// TestAnswersToSubscribeAreBounded: each may be large.
func TestAnswersToSubscribeAreBounded(t *testing.T) {
	eachKeeping(t, func(r *rig, keep connectOption) {
		c := r.connect("c", keep)
		c.pause()
		p := &wire.Subscribe{Filters: make([]wire.Subscription, 20_000)}
		for i := range p.Filters {
			p.Filters[i].Filter = "a"
		}
		const count = 100
		for i := range count {
			p.PacketID = uint16(i + 1)
			c.send(p)
		}
		r.wait()
		served := r.served("c")
		served.mu.Lock()
		size := 0
		for _, a := range served.acks.ring {
			size += a.size()
		}
		counted := served.answerBytes
		served.mu.Unlock()
		if size > maxAnswerBytes+(1<<20) || size != counted {
			t.Errorf("answers of %d bytes wait, counted as %d", size, counted)
		}
		c.unpause()
		if n := len(c.take()); n != count {
			t.Errorf("%d answers came, want %d", n, count)
		}
		served.mu.Lock()
		defer served.mu.Unlock()
		if served.answerBytes != 0 {
			t.Errorf("%d bytes are counted, none wait", served.answerBytes)
		}
	})
}

// TestWhoPingsAndNeverReadsIsEnded: its keep alive is in order, and it would hold on to memory for ever.
func TestWhoPingsAndNeverReadsIsEnded(t *testing.T) {
	scenario(t, func(r *rig) {
		sub := r.subscriber("sub", "t", 0, keepAliveOf(10))
		sub.pause()
		pub := r.connect("pub")
		for range 100 {
			pub.publish("t", strings.Repeat("x", 10_000), 0)
		}
		for range 30 {
			sub.send(&wire.Pingreq{})
			r.sleep(10 * time.Second)
		}
		sub.mu.Lock()
		sub.paused = false
		sub.changed.Broadcast()
		sub.mu.Unlock()
		sub.take()
		sub.wantClosed()
	})
}

// TestWhoReadsSlowlyIsNotEnded: a byte now and then is enough.
func TestWhoReadsSlowlyIsNotEnded(t *testing.T) {
	const count = 5
	scenario(t, func(r *rig) {
		sub := r.subscriber("sub", "t", 0)
		sub.pause()
		pub := r.connect("pub")
		payload := strings.Repeat("x", 10_000)
		for range count {
			pub.publish("t", payload, 0)
		}
		for range 30 {
			r.sleep(writeTimeout * 3 / 4)
			if _, err := sub.nc.Read(make([]byte, 1)); err != nil {
				t.Fatalf("read one byte: %v", err)
			}
		}
		served := r.served("sub")
		if served.stopped() {
			t.Error("the connection is being ended")
		}
	})
}

// byName is an Authenticator that believes every name.
type byName struct{}

func (byName) Authenticate(c *Credentials) (Identity, wire.ReasonCode) {
	return Identity{Name: c.Username}, wire.Success
}

func user(name string) connectOption {
	return func(p *wire.Connect) { p.HasUsername, p.Username = name != "", name }
}

// TestSessionBelongsToItsUser: whoever knows a client identifier does not thereby get the messages of another user, nor
// end its connection or its session.
func TestSessionBelongsToItsUser(t *testing.T) {
	scenarioWith(t, Options{Authenticator: byName{}}, func(r *rig) {
		for _, away := range []bool{false, true} {
			mine := r.subscriber("c", "t", 1, kept, user("me"))
			if away {
				mine.leave()
			}
			for _, thief := range []string{"you", ""} {
				for _, start := range []connectOption{kept, clean} {
					c := r.attempt("c", start, user(thief))
					c.want("refused", &wire.Connack{Code: wire.NotAuthorized})
					c.wantClosed()
				}
			}
			if !away {
				mine.ping()
				mine.leave()
			}
			r.connect("pub").publish("t", "m", 1)
			mine = r.connect("c", kept, user("me"))
			mine.want("its message", publish("t", "m", 1))
			mine.send(puback(1))
			mine.leave()
		}
		r.subscriber("old", "t", 1, kept).leave() // of the time before users
		if c := r.connect("old", kept, user("me")); !c.connack.SessionPresent {
			t.Error("a session of nobody cannot be taken")
		}
	})
	scenarioWith(t, Options{Authenticator: byName{}}, func(r *rig) {
		r.connect("c", user("me")) // a session that is not kept
		r.attempt("c", user("you")).want("refused", &wire.Connack{Code: wire.NotAuthorized})
	})
}

// TestShutdownDoesNotWaitForWhoDoesNotRead: however many they are, and whatever waits for them.
func TestShutdownDoesNotWaitForWhoDoesNotRead(t *testing.T) {
	scenario(t, func(r *rig) {
		for i := range 20 {
			r.subscriber(fmt.Sprint("sub", i), "t", byte(i%3), kept).pause()
		}
		pub := r.connect("pub")
		for range 100 {
			pub.publish("t", strings.Repeat("x", 10_000), 2)
		}
		started := time.Now()
		r.stop(context.Background())
		if took := time.Since(started); took > 2*stopTimeout {
			t.Errorf("shutdown took %v", took)
		}
	})
}

// TestLogDoesNotFillTheDisk: a line says who, not all that a client calls itself, and a full disk is not told with every
// message that finds it full.
func TestLogDoesNotFillTheDisk(t *testing.T) {
	var lines bytes.Buffer
	log := zerolog.New(&lines)
	scenarioWith(t, Options{Log: &log}, func(r *rig) {
		long := strings.Repeat("c", 50_000)
		r.subscriber("sub", "#", 1, kept).leave()
		pub := r.connect(long)
		r.store.Full(true)
		for range 1000 {
			pub.send(publish(strings.Repeat("t", 1000), "m", 1, withID(pub.id())))
			pub.want("refused", puback(pub.lastID, wire.QuotaExceeded))
		}
		pub.send(subscription1(1, "a", 1))
		pub.take()
		pub.leave()
		if n := lines.Len(); n == 0 || n > 20_000 {
			t.Errorf("%d bytes were logged", n)
		}
		if !strings.Contains(lines.String(), "could not be stored") {
			t.Error("the refusal was not logged at all")
		}
	})
}
