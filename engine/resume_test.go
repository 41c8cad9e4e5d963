package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/wire"
)

// interruptions are the ways in which a connection and perhaps the broker end, all of which must come to the same.
var interruptions = []struct {
	name string
	do   func(r *rig, c *client)
}{
	{"cut", func(_ *rig, c *client) { c.cut() }},
	{"leave", func(_ *rig, c *client) { c.leave() }},
	{"crash", func(r *rig, _ *client) { r.crash() }},
	{"restart", func(r *rig, _ *client) { r.restart() }},
}

// eachInterruption runs a scenario for every interruption and protocol version.
func eachInterruption(t *testing.T, play func(r *rig, version connectOption, interrupt func(c *client))) {
	for _, in := range interruptions {
		for _, v := range versions {
			t.Run(in.name+" "+v.name, func(t *testing.T) {
				scenario(t, func(r *rig) { play(r, v.option, func(c *client) { in.do(r, c) }) })
			})
		}
	}
}

func TestMessagesQueuedWhileAwayComeInOrder(t *testing.T) {
	eachInterruption(t, func(r *rig, version connectOption, interrupt func(*client)) {
		sub := r.subscriber("sub", "t/#", 2, kept, version)
		sub.leave()
		pub := r.connect("pub")
		for i := range 600 {
			pub.publish(fmt.Sprint("t/", i%3), fmt.Sprint(i), byte(1+i%2))
		}
		interrupt(pub)
		sub = r.connect("sub", kept, version)
		sub.acknowledgeAll()
		var got []*wire.Publish
		for _, p := range sub.take() {
			if p, ok := p.(*wire.Publish); ok {
				got = append(got, p)
			}
		}
		if len(got) != 600 {
			t.Fatalf("got %d messages, want 600", len(got))
		}
		for i, p := range got {
			want := publish(fmt.Sprint("t/", i%3), fmt.Sprint(i), byte(1+i%2))
			if describe(p, false) != describe(want, false) {
				t.Fatalf("message %d is %s", i, describe(p, true))
			}
		}
	})
}

// TestResumeResendsInOriginalOrder: PUBREL first, then what is not acknowledged with DUP under its old identifiers,
// then what is new.
func TestResumeResendsInOriginalOrder(t *testing.T) {
	eachInterruption(t, func(r *rig, version connectOption, interrupt func(*client)) {
		sub := r.subscriber("sub", "t", 2, kept, version)
		pub := r.connect("pub")
		for i, qos := range []byte{1, 2, 1, 2, 1} {
			pub.publish("t", fmt.Sprint(i), qos)
		}
		sub.want("all of them", publish("t", "0", 1, withID(1)), publish("t", "1", 2, withID(2)), publish("t", "2", 1, withID(3)),
			publish("t", "3", 2, withID(4)), publish("t", "4", 1, withID(5)))
		sub.send(puback(3), pubrec(4))
		sub.want("the release", pubrel(4))
		interrupt(sub)
		pub = r.connect("pub")
		pub.publish("t", "5", 1)
		sub = r.connect("sub", kept, version)
		if sub.version != wire.V31 && !sub.connack.SessionPresent {
			t.Error("session present is 0")
		}
		sub.want("the release, the rest, the new", pubrel(4), publish("t", "0", 1, withID(1), dup),
			publish("t", "1", 2, withID(2), dup), publish("t", "4", 1, withID(5), dup), publish("t", "5", 1, withID(6)))
		sub.wantNothing("nothing else")
		sub.send(puback(1), pubrec(2), pubcomp(4), puback(5), puback(6))
		sub.want("the release", pubrel(2))
		sub.send(pubcomp(2))
		sub.wantNothing("done")
		interrupt(sub)
		sub = r.connect("sub", kept, version)
		sub.wantNothing("all of it is settled")
	})
}

// TestInboundQoS2IsOnceWhereverTheBrokerDies goes through the handshake of a publisher that does what the
// specification asks: it sends again what was not answered.
func TestInboundQoS2IsOnceWhereverTheBrokerDies(t *testing.T) {
	for held := range 2 {
		for steps := range 5 {
			t.Run(fmt.Sprintf("after step %d, held %d", steps, held), func(t *testing.T) {
				scenario(t, func(r *rig) {
					r.subscriber("sub", "t", 1, kept).leave()
					pub := r.connect("pub", kept)
					if held == 1 { // what the last step appends is lost
						inboundQoS2(r, pub, steps-1, false)
						r.hold()
						inboundQoS2(r, pub, steps, true)
					} else {
						inboundQoS2(r, pub, steps, false)
					}
					r.crash()
					pub = r.connect("pub", kept)
					finishInboundQoS2(pub, steps-held)
					sub := r.connect("sub", kept)
					sub.want("exactly one of each", publish("t", "one", 1), publish("t", "two", 1))
					sub.wantNothing("exactly one of each")
				})
			})
		}
	}
}

// inboundQoS2 brings a publish under identifier 7 to a step: 0 nothing, 1 PUBLISH, 2 sent again, 3 PUBREL, 4 PUBREL
// again. With last only the step itself is done.
func inboundQoS2(r *rig, pub *client, step int, last bool) {
	packets := []wire.Packet{nil, publish("t", "one", 2, withID(7)), publish("t", "one", 2, withID(7), dup), pubrel(7), pubrel(7)}
	for i := 1; i <= step; i++ {
		if !last || i == step {
			pub.send(packets[i])
		}
	}
	r.wait()
}

// finishInboundQoS2 goes on where a correct client would that had its answers up to a step, and then uses the
// identifier again for another message.
func finishInboundQoS2(pub *client, step int) {
	pub.Helper()
	if step < 3 { // PUBREC may have come or not: both ways are allowed
		pub.send(publish("t", "one", 2, withID(7), dup))
		pub.want("PUBREC", pubrec(7))
	}
	pub.send(pubrel(7))
	pub.next("PUBCOMP") // success, or identifier not found
	pub.send(publish("t", "two", 2, withID(7)), pubrel(7))
	pub.want("the identifier is free", pubrec(7), pubcomp(7))
}

// TestOutboundQoS2IsOnceWhereverTheBrokerDies: a correct subscriber counts a message when it comes under an
// identifier that it does not know.
func TestOutboundQoS2IsOnceWhereverTheBrokerDies(t *testing.T) {
	for steps := range 5 { // of the store: message, identifier, PUBREC, PUBCOMP
		for _, answered := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d steps durable, answered %v", steps, answered), func(t *testing.T) {
				scenario(t, func(r *rig) {
					j := &judge{known: make(map[uint16]bool)}
					j.client = r.subscriber("sub", "t", 2, kept)
					pub := r.connect("pub")
					r.hold()
					pub.send(publish("t", "m", 2, withID(1)))
					r.wait()
					for range steps {
						r.step(1)
						j.play(true)
					}
					j.play(answered)
					r.crash()
					if steps == 0 { // never acknowledged: the publisher sends it again
						r.connect("pub").publish("t", "m", 2)
					}
					for range 3 {
						j.client = r.connect("sub", kept)
						j.play(true)
						r.crash()
					}
					if j.count != 1 {
						t.Errorf("the message was received %d times, want once", j.count)
					}
					if len(j.known) > 0 {
						t.Errorf("identifiers %v were never released", j.known)
					}
				})
			})
		}
	}
}

// judge is a subscriber that does QoS 2 by the book, across connections.
type judge struct {
	client *client
	known  map[uint16]bool
	count  int
}

// play handles what came, and answers it if told to.
func (j *judge) play(answer bool) {
	for again := true; again; {
		again = false
		for _, p := range j.client.take() {
			again = true
			switch p := p.(type) {
			case *wire.Publish:
				if !j.known[p.PacketID] {
					j.count++
				}
				j.known[p.PacketID] = true
				if answer {
					j.client.send(pubrec(p.PacketID))
				}
			case *wire.Pubrel:
				delete(j.known, p.PacketID)
				if answer {
					j.client.send(pubcomp(p.PacketID))
				}
			}
		}
	}
}

func TestQoS1IsNeverLostWhereverTheBrokerDies(t *testing.T) {
	for steps := range 4 {
		scenario(t, func(r *rig) {
			sub := r.subscriber("sub", "t", 1, kept)
			pub := r.connect("pub")
			r.hold()
			pub.send(publish("t", "m", 1, withID(1)))
			r.wait()
			r.step(steps)
			acknowledged := len(pub.take()) > 0
			if delivered := len(sub.take()) > 0; delivered != acknowledged {
				t.Errorf("%d steps: acknowledged %v, delivered %v", steps, acknowledged, delivered)
			}
			r.crash()
			sub = r.connect("sub", kept)
			if acknowledged {
				sub.next("what was acknowledged")
			}
			sub.wantNothing("no more than that")
		})
	}
}

// TestLastWordsCount: what comes together with DISCONNECT is handled before it.
func TestLastWordsCount(t *testing.T) {
	scenario(t, func(r *rig) {
		sub := r.subscriber("sub", "t", 2, kept)
		pub := r.connect("pub")
		pub.publish("t", "one", 1)
		pub.publish("t", "two", 2)
		sub.want("both", publish("t", "one", 1, withID(1)), publish("t", "two", 2, withID(2)))
		sub.send(puback(1), pubrec(2), publish("t", "mine", 2, withID(3)), &wire.Disconnect{})
		r.wait()
		sub = r.connect("sub", kept)
		sub.want("what is left", pubrel(2))
		// It may have been on its way when the connection ended, and is a repeat then.
		if p, ok := sub.next("its own message").(*wire.Publish); !ok || string(p.Payload) != "mine" || p.QoS != 2 {
			t.Errorf("got %s", describe(p, true))
		}
		sub.send(publish("t", "mine", 2, withID(3), dup))
		sub.want("it is known", pubrec(3))
		sub.wantNothing("no more")
	})
}

func TestSubscriptionsSurvive(t *testing.T) {
	eachInterruption(t, func(r *rig, version connectOption, interrupt func(*client)) {
		sub := r.subscriber("sub", "a", 1, kept, version)
		sub.subscribe("b", 2)
		sub.subscribe("$share/g/c", 1)
		sub.subscribe("d", 1)
		sub.unsubscribe("d")
		interrupt(sub)
		pub := r.connect("pub")
		for _, topic := range []string{"a", "b", "c", "d"} {
			pub.publish(topic, "m", 2)
		}
		sub = r.connect("sub", kept, version)
		sub.want("all but d", publish("a", "m", 1), publish("b", "m", 2), publish("c", "m", 1))
		sub.wantNothing("all but d")
	})
}

func TestStallDelaysAndLosesNothing(t *testing.T) {
	scenario(t, func(r *rig) {
		sub := r.subscriber("sub", "t", 1, kept, keepAliveOf(20))
		live := r.subscriber("live", "t", 0, keepAliveOf(20))
		pub := r.connect("pub", keepAliveOf(20))
		r.store.Stall("the disk does not answer")
		pub.send(publish("t", "one", 1, withID(1)))
		for range 6 {
			r.sleep(10 * time.Second)
			for _, c := range []*client{sub, live, pub} {
				c.ping()
			}
			pub.publish("t", "now", 0)
		}
		live.want("QoS 0 goes on", publish("t", "one", 0), publish("t", "now", 0))
		pub.wantNothing("the disk does not answer")
		r.release()
		pub.want("it answers", puback(1))
		for range 6 {
			sub.want("QoS 0 did not wait", publish("t", "now", 0))
		}
		sub.want("QoS 1 did", publish("t", "one", 1))
	})
}
