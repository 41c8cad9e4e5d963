package engine

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/wire"
)

// keeping are the two kinds of session that a subscriber may have.
var keeping = []struct {
	name   string
	option connectOption
}{{"volatile", clean}, {"kept", kept}}

// eachKeeping runs a scenario with both.
func eachKeeping(t *testing.T, play func(r *rig, keep connectOption)) {
	for _, k := range keeping {
		t.Run(k.name, func(t *testing.T) { scenario(t, func(r *rig) { play(r, k.option) }) })
	}
}

func TestRetainedMessageIsSentToNewSubscribers(t *testing.T) {
	eachKeeping(t, func(r *rig, keep connectOption) {
		pub := r.connect("pub")
		for granted := byte(0); granted <= 2; granted++ {
			for qos := byte(0); qos <= 2; qos++ {
				live := r.connect("live")
				live.subscribe("t", 0, retainHandling(2))
				pub.publish("t", fmt.Sprint(qos), qos, retain)
				live.want("who was there gets it without RETAIN", publish("t", fmt.Sprint(qos), 0))
				live.unsubscribe("t")
				sub := r.subscriber(fmt.Sprint("sub", granted, qos), "t", granted, keep)
				sub.want("the retained message", publish("t", fmt.Sprint(qos), min(qos, granted), retain))
				sub.wantNothing("once")
				sub.unsubscribe("t")
			}
		}
	})
}

func TestRetainedMessageIsReplacedAndCleared(t *testing.T) {
	eachKeeping(t, func(r *rig, keep connectOption) {
		pub := r.connect("pub")
		for qos := byte(0); qos <= 2; qos++ {
			pub.publish("t", "old", qos, retain)
			pub.publish("t", "new", qos, retain)
			sub := r.connect("sub", keep)
			sub.acknowledgeAll()
			sub.subscribe("t", 2)
			sub.want("the last one", publish("t", "new", qos, retain))
			sub.take() // PUBREL
			pub.publish("t", "passing", 0)
			sub.want("not retained", publish("t", "passing", 0))
			sub.take()
			pub.publish("t", "", qos, retain)
			sub.want("an empty message is a message", publish("t", "", qos))
			sub.take()
			sub.leave()
			sub = r.connect("sub", keep)
			sub.subscribe("t", 2)
			sub.wantNothing("it was cleared")
			sub.unsubscribe("t")
		}
	})
}

func TestRetainedMessagesSurvive(t *testing.T) {
	for _, in := range interruptions[2:] {
		scenario(t, func(r *rig) {
			pub := r.connect("pub")
			for qos := byte(0); qos <= 2; qos++ {
				pub.publish(fmt.Sprint("t/", qos), "kept", qos, retain)
				pub.publish(fmt.Sprint("u/", qos), "cleared", qos, retain)
				pub.publish(fmt.Sprint("u/", qos), "", qos, retain)
			}
			in.do(r, pub)
			r.subscriber("sub", "#", 2).want("all that was retained", publish("t/0", "kept", 0, retain),
				publish("t/1", "kept", 1, retain), publish("t/2", "kept", 2, retain))
		})
	}
}

func TestRetainHandling(t *testing.T) {
	eachKeeping(t, func(r *rig, keep connectOption) {
		pub := r.connect("pub")
		pub.publish("t", "m", 1, retain)
		sub := r.connect("sub", keep)
		for i, step := range []struct {
			handling byte
			sent     bool
		}{{2, false}, {1, false}, {0, true}, {0, true}, {1, false}, {2, false}} {
			sub.subscribe("t", 1, retainHandling(step.handling))
			if step.sent {
				sub.want(fmt.Sprint("step ", i), publish("t", "m", 1, retain))
			}
			sub.wantNothing(fmt.Sprint("step ", i))
		}
		sub.unsubscribe("t")
		sub.subscribe("t", 1, retainHandling(1))
		sub.want("a new subscription", publish("t", "m", 1, retain))
	})
}

func TestRetainAsPublished(t *testing.T) {
	eachKeeping(t, func(r *rig, keep connectOption) {
		pub := r.connect("pub")
		as := r.connect("as", keep)
		as.acknowledgeAll()
		for qos := byte(0); qos <= 1; qos++ {
			as.subscribe("t", qos, retainAsPublished)
			as.take()
			pub.publish("t", "m", 1, retain)
			as.want("as published", publish("t", "m", qos, retain))
			pub.publish("t", "m", 1)
			as.want("as published", publish("t", "m", qos))
		}
	})
}

func TestRetainedMessagesCarryTheSubscriptionIdentifier(t *testing.T) {
	eachKeeping(t, func(r *rig, keep connectOption) {
		pub := r.connect("pub")
		pub.publish("t", "zero", 0, retain)
		pub.publish("u", "one", 1, retain, userProperty("k", "v"))
		sub := r.connect("sub", keep)
		sub.subscribe("t", 1, subscriptionID(5))
		sub.want("with its identifier", publish("t", "zero", 0, retain, identified(5)))
		sub.subscribe("u", 1, subscriptionID(6))
		sub.want("with its identifier", publish("u", "one", 1, retain, identified(6), userProperty("k", "v")))
	})
}

func TestWildcardsDoNotReachDollarTopics(t *testing.T) {
	eachKeeping(t, func(r *rig, keep connectOption) {
		pub := r.connect("pub")
		sub := r.subscriber("sub", "#", 1, keep)
		sub.subscribe("+/x", 1)
		pub.publish("$dev/x", "m", 1, retain)
		sub.wantNothing("[MQTT-4.7.2-1]")
		sub.subscribe("#", 1)
		sub.wantNothing("nor retained")
		sub.subscribe("$dev/#", 1)
		sub.want("it was asked for", publish("$dev/x", "m", 1, retain))
	})
}

func TestSharedSubscriptionsGetNoRetainedMessages(t *testing.T) {
	eachKeeping(t, func(r *rig, keep connectOption) {
		r.connect("pub").publish("t", "m", 1, retain)
		r.subscriber("sub", "$share/g/t", 1, keep).wantNothing("section 4.8.2")
	})
}

func TestRetainedMessageExpires(t *testing.T) {
	eachKeeping(t, func(r *rig, keep connectOption) {
		pub := r.connect("pub")
		for qos := byte(0); qos <= 1; qos++ {
			pub.publish(fmt.Sprint("t/", qos), "m", qos, retain, expiring(100))
		}
		r.sleep(40 * time.Second)
		sub := r.subscriber("sub", "t/+", 1, keep)
		got := sub.take()
		want := []wire.Packet{publish("t/0", "m", 0, retain, expiring(60)), publish("t/1", "m", 1, retain, expiring(60), withID(1))}
		if len(got) == 2 && got[0].(*wire.Publish).QoS == 1 { // the two ways are not ordered
			got[0], got[1] = got[1], got[0]
		}
		if describeAll(got) != describeAll(want) {
			t.Errorf("got %s, want %s", describeAll(got), describeAll(want))
		}
		r.sleep(60 * time.Second)
		r.subscriber("late", "t/+", 1, keep).wantNothing("they expired")
	})
}

// TestManyRetainedMessagesToASlowClient: they are read as they are sent, and none is left out.
func TestManyRetainedMessagesToASlowClient(t *testing.T) {
	const count = 3000
	eachKeeping(t, func(r *rig, keep connectOption) {
		pub := r.connect("pub")
		payload := strings.Repeat("x", 500)
		for i := range count {
			pub.publish(fmt.Sprintf("t/%05d", i), payload, byte(i%2), retain)
		}
		sub := r.connect("sub", keep, receiveMaximum(10))
		sub.acknowledgeAll()
		sub.pause()
		sub.send(subscription1(1, "t/#", 1))
		r.sleep(time.Minute)
		sub.unpause()
		seen := make(map[string]bool)
		for _, p := range sub.take() {
			if p, ok := p.(*wire.Publish); ok {
				seen[string(p.Topic)] = true
			}
		}
		if len(seen) != count {
			t.Errorf("%d retained messages came, want %d", len(seen), count)
		}
	})
}

// TestRetainedMessageIsNotMissedWhileItIsStored: a subscription finds a message that was routed before it.
func TestRetainedMessageIsNotMissedWhileItIsStored(t *testing.T) {
	eachKeeping(t, func(r *rig, keep connectOption) {
		pub := r.connect("pub")
		first, second := r.connect("first", keep), r.connect("second", keep)
		live := r.subscriber("live", "now", 0)
		r.hold()
		pub.send(publish("t", "m", 1, retain, withID(1)))
		r.wait()
		first.send(&wire.Pingreq{}, publish("now", "m", 0), subscription1(1, "t", 1))
		first.want("what came before it does not wait", &wire.Pingresp{})
		live.want("what came before it does not wait", publish("now", "m", 0))
		second.send(subscription1(1, "t", 1))
		r.wait()
		r.release()
		for _, c := range []*client{first, second} {
			c.wantAnswer(wire.SUBACK)
			c.want("the message", publish("t", "m", 1, retain))
			c.wantNothing("once")
		}
	})
}

func TestUnreadableRetainedMessageIsCounted(t *testing.T) {
	scenario(t, func(r *rig) {
		r.connect("pub").publish("t", "m", 1, retain)
		r.store.FailReads(errors.New("bad sector"))
		sub := r.connect("sub")
		sub.subscribe("t", 1)
		sub.wantNothing("it cannot be read")
		if n := r.broker.Stats().Damaged; n != 1 {
			t.Errorf("%d damaged messages were counted, want 1", n)
		}
	})
}

// TestGateHoldsEverySubscriberForEarlierPublishers: also the second, when the first waits for a publisher already.
func TestGateHoldsEverySubscriberForEarlierPublishers(t *testing.T) {
	scenario(t, func(r *rig) {
		g := newGate()
		inside := g.enter()
		passed := make(chan uint64, 3)
		for range 3 {
			go func() { passed <- uint64(g.pass()) }() // ends when the publisher leaves
			r.wait()
		}
		g.leave(g.enter(), 5) // a later publisher holds nobody
		r.wait()
		if len(passed) > 0 {
			t.Errorf("%d subscribers did not wait for the publisher that entered before", len(passed))
		}
		g.leave(inside, 7)
		for range 3 {
			if ticket := <-passed; ticket != 7 {
				t.Errorf("ticket %d, want 7", ticket)
			}
		}
	})
}

// TestSubackWaitsForTheCopies: the retained messages that a kept subscription brings are promised with it.
func TestSubackWaitsForTheCopies(t *testing.T) {
	scenario(t, func(r *rig) {
		r.connect("pub").publish("t", "m", 1, retain)
		sub := r.connect("sub", kept)
		r.hold()
		sub.send(&wire.Subscribe{PacketID: 1, Filters: []wire.Subscription{{Filter: "t", QoS: 1}}})
		r.wait()
		r.step(1) // the subscription
		sub.wantNothing("the copy is not durable")
		r.release()
		sub.want("now it is", suback(1, wire.GrantedQoS1), publish("t", "m", 1, retain))
	})
}
