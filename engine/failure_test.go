package engine

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/persist/memstore"
	"github.com/holdfast-mqtt/holdfast/wire"
)

var errDisk = errors.New("input/output error")

// hasFailed tells whether the broker raised the alarm.
func (r *rig) hasFailed() bool {
	r.wait()
	select {
	case <-r.broker.Failed():
		return true
	default:
		return false
	}
}

func TestFailedStoreIsToldToPublishers(t *testing.T) {
	scenario(t, func(r *rig) {
		sub := r.subscriber("sub", "t", 2, kept)
		live := r.subscriber("live", "t", 2)
		live.acknowledgeAll()
		five, three := r.connect("five"), r.connect("three", v311)
		if r.hasFailed() {
			t.Fatal("nothing has failed")
		}
		r.hold()
		for _, c := range []*client{five, three} {
			c.send(publish("t", "before", 1, withID(1)), publish("t", "before", 2, withID(2)))
		}
		r.wait()
		r.store.Fail(errDisk)
		if !r.hasFailed() {
			t.Error("no alarm was raised")
		}
		// The QoS 2 message may turn out to be stored: a refusal would free its identifier for another.
		five.want("it is told", puback(1, wire.ImplementationSpecificError))
		three.wantNothing("silence is what MQTT 3 has")

		five.send(publish("t", "after", 1, withID(3)), publish("t", "after", 2, withID(4)))
		five.want("it is told", puback(3, wire.ImplementationSpecificError), pubrec(4, wire.ImplementationSpecificError))
		three.send(publish("t", "after", 1, withID(3)))
		three.wantClosed()
		sub.wantNothing("nothing of it is durable")
		live.take()

		five.publish("t", "now", 0)
		live.want("QoS 0 goes on", publish("t", "now", 0))
		sub.want("QoS 0 goes on", publish("t", "now", 0))
		for _, c := range []*client{five, live, sub} {
			c.ping()
		}
	})
}

func TestFailedStoreRefusesSubscriptionsAndSessions(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			scenario(t, func(r *rig) {
				c := r.subscriber("c", "old", 1, kept, v.option)
				r.hold()
				c.send(subscription1(1, "t", 1)) // waits for the disk when it fails
				r.wait()
				r.store.Fail(errDisk)
				code := wire.UnspecifiedError
				if c.version == wire.V5 {
					code = wire.ImplementationSpecificError
				}
				c.want("it was never stored", suback(1, code))
				c.send(subscription1(2, "u", 1))
				c.want("it cannot be stored", suback(2, code))
				if c.version == wire.V5 {
					c.send(&wire.Unsubscribe{PacketID: 3, Filters: []string{"old"}})
					c.want("it cannot be stored", &wire.Unsuback{PacketID: 3, Codes: []wire.ReasonCode{wire.ImplementationSpecificError}})
				}
				fresh := r.attempt("fresh", kept, v.option)
				refused := wire.ServerUnavailable // before MQTT 5
				if c.version == wire.V5 {
					refused = wire.ImplementationSpecificError
				}
				fresh.want("nothing can be promised", &wire.Connack{Code: refused})
				fresh.wantClosed()
				live := r.connect("live", v.option)
				live.subscribe("t", 1)
				live.publish("t", "m", 1)
				live.want("what promises nothing goes on", publish("t", "m", 1))
			})
		})
	}
}

func TestFailedStoreEndsWaitingHandshakes(t *testing.T) {
	scenario(t, func(r *rig) {
		r.hold()
		c := r.attempt("c", kept)
		c.wantNothing("commits are held")
		r.store.Fail(errDisk)
		c.want("it will not be kept", &wire.Connack{Code: wire.ImplementationSpecificError})
		c.wantClosed()
	})
}

// TestRestartAfterAFailure: what was not acknowledged may be gone, the rest is there.
func TestRestartAfterAFailure(t *testing.T) {
	scenario(t, func(r *rig) {
		sub := r.subscriber("sub", "t", 1, kept)
		pub := r.connect("pub")
		pub.publish("t", "one", 1)
		r.hold()
		pub.send(publish("t", "two", 1, withID(9)))
		r.wait()
		r.store.Fail(errDisk)
		pub.want("it is told", puback(9, wire.ImplementationSpecificError))
		sub.want("what is durable", publish("t", "one", 1))
		r.crash()
		sub = r.connect("sub", kept)
		sub.want("what was acknowledged", publish("t", "one", 1, dup))
		sub.wantNothing("what was not")
		r.connect("pub").publish("t", "three", 1)
		sub.want("it works again", publish("t", "three", 1))
	})
}

func TestFullStoreRefusesMessagesOnly(t *testing.T) {
	scenario(t, func(r *rig) {
		pub := r.connect("pub")
		sub := r.subscriber("sub", "t", 2, kept)
		live := r.subscriber("live", "t", 0)
		pub.publish("t", "before", 1)
		pub.publish("r", "before", 1, retain)
		sub.want("the message", publish("t", "before", 1, withID(1)))
		live.want("the message", publish("t", "before", 0))
		r.store.Full(true)
		pub.send(publish("t", "one", 1, withID(11)), publish("t", "two", 2, withID(12)), publish("r", "three", 1, retain, withID(13)))
		pub.want("there is no room", puback(11, wire.QuotaExceeded), pubrec(12, wire.QuotaExceeded), puback(13, wire.QuotaExceeded))
		old := r.connect("old", v311)
		old.send(publish("t", "one", 1, withID(1)))
		old.wantClosed()
		live.wantNothing("what is refused is delivered to nobody: it will be sent again")
		pub.publish("t", "zero", 0)
		pub.publish("t", "retained zero", 0, retain)
		live.want("QoS 0 goes on", publish("t", "zero", 0), publish("t", "retained zero", 0))
		sub.want("QoS 0 goes on", publish("t", "zero", 0), publish("t", "retained zero", 0))
		pub.publish("nobody", "listens", 1)
		sub.send(puback(1)) // what makes room is taken
		fresh := r.subscriber("fresh", "u", 1, kept)
		fresh.unsubscribe("u")
		fresh.leave()
		r.store.Full(false)
		pub.publish("t", "again", 1)
		sub.want("it works again", publish("t", "again", 1))
		sub.wantNothing("nothing else was stored")
	})
}

// TestSubscribeWhileFull: the subscription is taken, and the retained messages come, though not by way of the queue.
func TestSubscribeWhileFull(t *testing.T) {
	scenario(t, func(r *rig) {
		r.connect("pub").publish("t", "m", 1, retain)
		sub := r.connect("sub", kept)
		r.store.Full(true)
		sub.subscribe("t", 1)
		sub.want("the retained message", publish("t", "m", 1, retain, withID(1)))
		sub.send(puback(1))
		r.store.Full(false)
		r.connect("pub").publish("t", "next", 1)
		sub.want("the queue goes on", publish("t", "next", 1, withID(2)))
		sub.send(puback(2))
		sub.wantNothing("done")
		sub.cut()
		r.connect("sub", kept).wantNothing("all is settled")
	})
}

// TestTakeoverWhileFull: a will that cannot be stored does not keep its client out, who may be about to make room.
func TestTakeoverWhileFull(t *testing.T) {
	scenario(t, func(r *rig) {
		r.subscriber("watch", "w", 1, kept)
		c := r.subscriber("c", "t", 1, kept, willing("w", "gone", 1))
		r.store.Full(true)
		r.connect("c", kept).ping()
		c.wantEnd(wire.SessionTakenOver)
		r.connect("c").ping()
	})
}

func TestTooLargeForTheStore(t *testing.T) {
	scenario(t, func(r *rig) {
		r.stop(context.Background())
		r.store = memstore.New(memstore.Options{LargestEntry: 100})
		r.start()
		sub := r.subscriber("sub", "t", 1, kept)
		pub := r.connect("pub")
		if n := pub.connack.Properties.MaximumPacketSize; n != 100 {
			t.Errorf("CONNACK offers packets of %d bytes", n)
		}
		large := strings.Repeat("x", 200)
		pub.send(publish("t", large, 1, withID(1)))
		pub.wantEnd(wire.PacketTooLarge)
		old := r.connect("old", v311)
		old.send(publish("t", large, 1, withID(1)))
		old.wantClosed()
		pub = r.connect("pub")
		pub.publish("t", "small", 1)
		sub.want("what fits", publish("t", "small", 1))
	})
}

func TestSubscribeAfterARetainedMessageFailed(t *testing.T) {
	scenario(t, func(r *rig) {
		pub := r.connect("pub")
		pub.publish("t", "old", 1, retain)
		r.hold()
		pub.send(publish("t", "new", 1, retain, withID(9)))
		r.wait()
		r.store.Fail(errDisk)
		r.subscriber("sub", "t", 1).want("what can be read", publish("t", "old", 1, retain))
	})
}

// TestUnreadableQueueEndsTheConnection: the client comes again, and then the disk may answer.
func TestUnreadableQueueEndsTheConnection(t *testing.T) {
	scenario(t, func(r *rig) {
		sub := r.subscriber("sub", "t", 1, kept)
		r.store.FailReads(errDisk)
		pub := r.connect("pub")
		pub.publish("t", "m", 1)
		sub.wantEnd(wire.UnspecifiedError)
		pub.ping()
		r.store.FailReads(nil)
		r.connect("sub", kept).want("the message", publish("t", "m", 1))
	})
}

func TestDamagedMessageIsCountedAndPassedOver(t *testing.T) {
	scenario(t, func(r *rig) {
		sub := r.subscriber("sub", "t", 2, kept)
		sub.leave()
		pub := r.connect("pub")
		pub.publish("t", "one", 2)
		damaged := r.store.Stats().Position
		r.hold()
		pub.send(publish("t", "two", 1, withID(50)))
		r.wait()
		r.release()
		pub.want("it is durable", puback(50))
		if !r.store.Damage(r.store.Stats().Position) || r.store.Stats().Position <= damaged {
			t.Fatal("there is no message to damage")
		}
		pub.publish("t", "three", 1)
		sub = r.connect("sub", kept)
		sub.want("what can be read", publish("t", "one", 2, withID(1)), publish("t", "three", 1, withID(2)))
		sub.send(pubrec(1), puback(2), pubcomp(1))
		if n := r.broker.Stats().Damaged; n != 1 {
			t.Errorf("%d damaged messages were counted, want 1", n)
		}
		sub.take()
		sub.cut()
		r.connect("sub", kept).wantNothing("all is settled")
	})
}

// TestStalledStoreHoldsNobodyElse: a publisher that has filled what may be pending waits; who got a QoS 0 message from
// it just before does not wait with it.
func TestStalledStoreHoldsNobodyElse(t *testing.T) {
	scenario(t, func(r *rig) {
		r.stop(context.Background())
		r.store = memstore.New(memstore.Options{MaxPending: 100})
		r.start()
		r.subscriber("sub", "t", 1, kept).leave()
		live := r.subscriber("live", "now", 0)
		pub, other := r.connect("pub", v311), r.connect("other")
		r.hold()
		large := strings.Repeat("x", 100) // and yet the three below come in one read
		pub.send(publish("t", large, 1, withID(1)))
		r.wait()
		pub.send(publish("now", "one", 0), publish("t", large, 1, withID(2)), publish("now", "two", 0))
		live.want("what was before the wait", publish("now", "one", 0))
		other.publish("now", "other", 0)
		live.want("what another sends", publish("now", "other", 0))
		other.ping()
		r.release()
		live.want("what was behind the wait", publish("now", "two", 0))
		pub.want("all of it", puback(1), puback(2))
	})
}

// fragile is an Authorizer with a defect.
type fragile struct{ allowAll }

func (fragile) MayPublish(_ Identity, _ string, topic []byte) bool {
	if string(topic) == "defect" {
		panic("defect")
	}
	return true
}

func TestDefectEndsOneConnection(t *testing.T) {
	scenarioWith(t, Options{Authorizer: fragile{}}, func(r *rig) {
		r.mayPanic = true
		other := r.subscriber("other", "#", 1)
		c := r.connect("c", willing("w", "gone", 1))
		c.send(publish("fine", "m", 0), publish("defect", "m", 1, withID(1)))
		c.wantClosed()
		other.want("what was before, and the will", publish("fine", "m", 0), publish("w", "gone", 1))
		other.ping()
		if n := r.broker.Stats().Panics; n != 1 {
			t.Errorf("%d defects were counted, want 1", n)
		}
		r.connect("c").ping()
	})
}
