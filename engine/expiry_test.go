package engine

import (
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/wire"
)

// expirySetting returns a DISCONNECT that changes the session expiry.
func expirySetting(seconds uint32) *wire.Disconnect {
	p := &wire.Disconnect{}
	p.Properties.SetSessionExpiryInterval(seconds)
	return p
}

// wantPresent connects and compares session present.
func (r *rig) wantPresent(why, name string, present bool, options ...connectOption) *client {
	r.Helper()
	c := r.connect(name, options...)
	if c.connack.SessionPresent != present {
		r.Fatalf("%s: session present is %v", why, !present)
	}
	return c
}

func TestSessionExpires(t *testing.T) {
	for _, in := range interruptions {
		t.Run(in.name, func(t *testing.T) {
			scenario(t, func(r *rig) {
				c := r.subscriber("c", "t", 1, keptFor(100))
				in.do(r, c)
				r.connect("pub").publish("t", "one", 1)
				r.sleep(99 * time.Second)
				c = r.wantPresent("in time", "c", true, keptFor(100))
				c.want("the message", publish("t", "one", 1, withID(1)))
				in.do(r, c)
				r.sleep(101 * time.Second)
				if n := r.store.Stats().Sessions; n != 0 {
					t.Errorf("%d sessions are stored, want none", n)
				}
				if n := r.broker.Stats().Subscriptions; n != 0 {
					t.Errorf("there are %d subscriptions, want none", n)
				}
				r.wantPresent("too late", "c", false, keptFor(100)).wantNothing("the queue is gone")
			})
		})
	}
}

func TestExpiryRunsOnWhileTheBrokerIsDown(t *testing.T) {
	scenario(t, func(r *rig) {
		c := r.subscriber("c", "t", 1, keptFor(100))
		c.cut()
		r.sleep(50 * time.Second)
		r.restart()
		r.sleep(49 * time.Second)
		c = r.wantPresent("in time", "c", true, keptFor(100))
		c.leave()
		r.restart()
		r.sleep(101 * time.Second)
		r.wantPresent("too late", "c", false, keptFor(100))
	})
}

// TestExpiredSessionIsNotResumed although its end is not recorded: nothing could be written.
func TestExpiredSessionIsNotResumed(t *testing.T) {
	scenario(t, func(r *rig) {
		r.subscriber("c", "t", 1, keptFor(100)).leave()
		r.hold()
		r.sleep(200 * time.Second)
		c := r.attempt("c", keptFor(100))
		r.release()
		c.want("a new session", &wire.Connack{})
	})
}

func TestSessionOfMQTT3LastsAsLongAsAny(t *testing.T) {
	for _, v := range versions[:2] {
		scenarioWith(t, Options{MaxSessionExpiry: time.Hour}, func(r *rig) {
			r.subscriber("c", "t", 1, v.option, kept).leave()
			r.sleep(time.Hour - time.Second)
			r.connect("pub").publish("t", "one", 1)
			c := r.connect("c", v.option, kept)
			c.want("the session is there", publish("t", "one", 1))
			c.leave()
			r.sleep(time.Hour)
			if n := r.store.Stats().Sessions; n != 0 {
				t.Errorf("%d sessions are stored, want none", n)
			}
		})
	}
}

func TestExpiryIsChangedByDisconnect(t *testing.T) {
	scenario(t, func(r *rig) {
		r.connect("longer", keptFor(10)).leaveWith(expirySetting(1000))
		r.connect("shorter", keptFor(1000)).leaveWith(expirySetting(10))
		r.connect("none", keptFor(1000)).leaveWith(expirySetting(0))
		r.wantPresent("set to 0", "none", false, keptFor(10))
		r.sleep(11 * time.Second)
		r.wantPresent("made longer", "longer", true, kept)
		r.wantPresent("made shorter", "shorter", false, kept)
	})
	scenario(t, func(r *rig) {
		sub := r.subscriber("sub", "w", 0)
		c := r.connect("c", willing("w", "gone", 0))
		c.send(expirySetting(10))
		c.wantEnd(wire.ProtocolErrorCode) // [MQTT-3.14.2-2]
		sub.want("it was no proper leave", publish("w", "gone", 0))
	})
}

func TestSessionWithoutExpiryEndsWithItsConnection(t *testing.T) {
	scenario(t, func(r *rig) {
		c := r.wantPresent("nothing is there", "c", false, keptFor(0))
		c.subscribe("t", 1)
		c.cut()
		r.wantPresent("it ended", "c", false, keptFor(0)).leave()
		if n := r.store.Stats().Position; n != 0 {
			t.Errorf("something was stored: position %d", n)
		}
	})
}

// TestResumeWithoutExpiry: a kept session is resumed for one connection more.
func TestResumeWithoutExpiry(t *testing.T) {
	for _, ending := range []func(c *client){(*client).leave, (*client).cut} {
		scenario(t, func(r *rig) {
			pub := r.connect("pub")
			r.subscriber("c", "t", 1, kept).leave()
			pub.publish("t", "one", 1)
			c := r.wantPresent("it is resumed", "c", true, keptFor(0))
			c.want("the queue", publish("t", "one", 1))
			pub.publish("t", "two", 1)
			c.want("the subscription", publish("t", "two", 1))
			c.subscribe("u", 1)
			pub.publish("u", "three", 1)
			c.want("a new subscription", publish("u", "three", 1))
			ending(c)
			r.wantPresent("it ended", "c", false, kept).wantNothing("nothing is left")
			r.crash()
			r.wantPresent("the new one", "c", true, kept).wantNothing("nothing is left")
		})
	}
}

func TestCleanStartDiscardsDurably(t *testing.T) {
	for name, again := range map[string][]connectOption{
		"volatile": {clean}, "kept": {kept, clean}, "MQTT 3": {v311, clean}, "with a will": {clean, willing("w", "", 0)},
	} {
		t.Run(name, func(t *testing.T) {
			scenario(t, func(r *rig) {
				pub := r.connect("pub")
				c := r.subscriber("c", "t", 2, kept)
				pub.publish("t", "one", 1)
				pub.publish("t", "two", 2)
				c.send(publish("x", "mine", 2, withID(9)))
				c.want("unfinished business", publish("t", "one", 1), publish("t", "two", 2), pubrec(9, wire.NoMatchingSubscribers))
				c.cut()
				r.hold()
				c = r.attempt("c", again...)
				c.wantNothing("the end of the old session is not durable")
				r.release()
				c.accepted()
				if c.connack.SessionPresent {
					t.Error("session present is 1")
				}
				r.crash()
				pub = r.connect("pub")
				pub.publish("t", "three", 1)
				c = r.connect("c", kept)
				c.wantNothing("queue, subscriptions and releases are gone")
				c.send(publish("x", "mine", 2, withID(9)))
				c.want("the identifier was forgotten", pubrec(9, wire.NoMatchingSubscribers))
			})
		})
	}
}

func TestMessageExpiry(t *testing.T) {
	scenario(t, func(r *rig) {
		pub := r.connect("pub")
		live := r.subscriber("live", "t", 0)
		r.subscriber("away", "t", 1, kept).leave()
		pub.publish("t", "short", 1, expiring(10))
		pub.publish("t", "long", 1, expiring(100))
		pub.publish("t", "ever", 1)
		live.want("as published", publish("t", "short", 0, expiring(10)), publish("t", "long", 0, expiring(100)), publish("t", "ever", 0))
		r.sleep(10 * time.Second)
		away := r.connect("away", kept)
		away.want("what is left", publish("t", "long", 1, expiring(90)), publish("t", "ever", 1))
		if n := r.broker.Stats().Expired; n != 1 {
			t.Errorf("%d messages were counted as expired, want 1", n)
		}
		r.sleep(200 * time.Second)
		away.cut()
		away = r.connect("away", kept)
		away.want("what may have arrived is not taken back", publish("t", "long", 1, dup, expiring(1)), publish("t", "ever", 1, dup))
	})
}

func TestMessageExpiryInAFullWindow(t *testing.T) {
	for name, keep := range map[string]connectOption{"volatile": clean, "kept": kept} {
		t.Run(name, func(t *testing.T) {
			scenario(t, func(r *rig) {
				sub := r.subscriber("sub", "t", 1, keep, receiveMaximum(1))
				pub := r.connect("pub")
				pub.publish("t", "first", 1)
				pub.publish("t", "short", 1, expiring(10))
				pub.publish("t", "long", 1, expiring(100))
				sub.want("one at a time", publish("t", "first", 1, withID(1)))
				r.sleep(30 * time.Second)
				sub.send(puback(1))
				sub.want("what is left", publish("t", "long", 1, expiring(70)))
			})
		})
	}
}

func TestMessageExpiryOfZeroIsExpired(t *testing.T) {
	scenario(t, func(r *rig) {
		r.subscriber("away", "t", 1, kept).leave()
		r.connect("pub").publish("t", "m", 1, expiring(0))
		r.connect("away", kept).wantNothing("its lifetime was nothing")
	})
}

// TestExpiredMessageMakesRoomAtOnce, although a message before it is not acknowledged.
func TestExpiredMessageMakesRoomAtOnce(t *testing.T) {
	scenario(t, func(r *rig) {
		r.subscriber("away", "t", 1, kept).leave()
		pub := r.connect("pub")
		pub.publish("t", "one", 1)
		pub.publish("t", "short", 1, expiring(10))
		pub.publish("t", "three", 1)
		r.sleep(20 * time.Second)
		r.connect("away", kept).want("the others", publish("t", "one", 1), publish("t", "three", 1))
		if n := r.store.Stats().Queued; n != 2 {
			t.Errorf("%d messages are stored, want 2", n)
		}
		r.crash()
		r.connect("away", kept).want("the others again", publish("t", "one", 1, dup, withID(1)), publish("t", "three", 1, dup, withID(2)))
		if n := r.broker.Stats().Expired; n != 0 {
			t.Errorf("the expired message was counted again")
		}
	})
}
