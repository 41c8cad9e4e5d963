package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/wire"
)

func TestWillIsPublishedWhenTheConnectionBreaks(t *testing.T) {
	for _, v := range versions {
		for _, keep := range []connectOption{clean, kept} {
			for qos := byte(0); qos <= 2; qos++ {
				t.Run(fmt.Sprint(v.name, " QoS ", qos), func(t *testing.T) {
					scenario(t, func(r *rig) {
						live := r.subscriber("live", "w", 2)
						away := r.subscriber("away", "w", 2, kept)
						away.leave()
						r.connect("c", v.option, keep, willing("w", "gone", qos)).cut()
						live.want("the will", publish("w", "gone", qos))
						live.wantNothing("once")
						away = r.connect("away", kept)
						if qos > 0 {
							away.want("the will", publish("w", "gone", qos))
						}
						away.wantNothing("once")
						if n := r.broker.Stats().Wills; n != 1 {
							t.Errorf("%d wills were counted, want 1", n)
						}
					})
				})
			}
		}
	}
}

// endings are the ways in which a connection ends, and whether the will is due then.
var endings = []struct {
	name string
	do   func(c *client)
	due  bool
}{
	{"DISCONNECT", func(c *client) { c.leave() }, false},
	{"cut", func(c *client) { c.cut() }, true},
	{"keep alive", func(c *client) { c.sleep(time.Minute); c.take() }, true},
	{"protocol error", func(c *client) { c.send(&wire.Connack{}); c.take() }, true},
	{"garbage", func(c *client) { c.sendRaw([]byte("\x00\x00")); c.take() }, true},
	{"DISCONNECT 0x04", func(c *client) { c.leaveWith(&wire.Disconnect{Code: wire.DisconnectWithWillMessage}) }, true},
	{"DISCONNECT 0x80", func(c *client) { c.leaveWith(&wire.Disconnect{Code: wire.UnspecifiedError}) }, true},
	{"taken over", func(c *client) { c.connect("c"); c.take() }, true},
	{"taken over by the next that keeps", func(c *client) { c.connect("c", kept); c.take() }, true},
}

func TestWillFollowsTheEnding(t *testing.T) {
	for _, ending := range endings {
		for name, keep := range map[string]connectOption{"clean": clean, "kept": kept} {
			t.Run(ending.name+" "+name, func(t *testing.T) {
				scenario(t, func(r *rig) {
					sub := r.subscriber("sub", "w", 1)
					ending.do(r.connect("c", keep, keepAliveOf(10), willing("w", "gone", 1)))
					r.sleep(time.Minute)
					if ending.due {
						sub.want("the will", publish("w", "gone", 1))
					}
					sub.wantNothing("no more than that")
				})
			})
		}
	}
}

// TestTakeoverPublishesTheWillAtOnce: with commits held, the broker cannot know of the old connection's end from the
// log when the new one comes.
func TestTakeoverPublishesTheWillAtOnce(t *testing.T) {
	for name, again := range map[string][]connectOption{"clean": {clean}, "kept": {kept}, "MQTT 3": {v311, clean}} {
		for _, first := range []connectOption{clean, kept} {
			t.Run(name, func(t *testing.T) {
				scenario(t, func(r *rig) {
					sub := r.subscriber("sub", "w", 1)
					r.connect("c", first, willing("w", "gone", 1))
					r.store.Delay(time.Millisecond)
					c := r.attempt("c", again...)
					r.sleep(time.Second)
					c.accepted()
					sub.want("the will of the connection that was ended", publish("w", "gone", 1))
					sub.wantNothing("once")
				})
			})
		}
	}
}

func TestWillDelay(t *testing.T) {
	scenario(t, func(r *rig) {
		sub := r.subscriber("sub", "w", 1)
		r.connect("c", kept, willing("w", "gone", 1, delayed(60))).cut()
		r.sleep(59 * time.Second)
		sub.wantNothing("the client has time to come back")
		r.sleep(time.Second)
		sub.want("the will", publish("w", "gone", 1))

		r.connect("c", kept, willing("w", "gone", 1, delayed(60))).cut()
		r.sleep(59 * time.Second)
		c := r.connect("c", kept)
		r.sleep(time.Hour)
		sub.wantNothing("the client came back")
		c.ping()
	})
}

func TestWillOfAReturningClientIsReplaced(t *testing.T) {
	scenario(t, func(r *rig) {
		sub := r.subscriber("sub", "w", 1)
		r.connect("c", kept, willing("w", "first", 1, delayed(60))).cut()
		r.connect("c", kept, willing("w", "second", 1, delayed(60))).cut()
		r.sleep(time.Minute)
		sub.want("the will of the last connection", publish("w", "second", 1))
		r.sleep(time.Hour)
		sub.wantNothing("once")
	})
}

func TestSessionEndPublishesADelayedWill(t *testing.T) {
	scenario(t, func(r *rig) {
		sub := r.subscriber("sub", "w", 1)
		r.connect("expires", keptFor(30), willing("w", "expired", 1, delayed(60))).cut()
		r.sleep(29 * time.Second)
		sub.wantNothing("the session lives")
		r.sleep(time.Second)
		sub.want("the session ended", publish("w", "expired", 1))

		r.connect("volatile", willing("w", "volatile", 1, delayed(60))).cut()
		sub.want("the session ended with the connection", publish("w", "volatile", 1))

		r.connect("discarded", kept, willing("w", "discarded", 1, delayed(60))).cut()
		r.connect("discarded", clean)
		sub.want("the session ended by clean start", publish("w", "discarded", 1))
		r.sleep(time.Hour)
		sub.wantNothing("each once")
	})
}

func TestTakeoverKeepsADelayedWillBack(t *testing.T) {
	scenario(t, func(r *rig) {
		sub := r.subscriber("sub", "w", 1)
		r.connect("c", kept, willing("w", "gone", 1, delayed(60)))
		r.connect("c", kept)
		r.sleep(time.Hour)
		sub.wantNothing("the session went on [MQTT-3.1.2-8]")
	})
}

// TestWillAfterACrash: who was connected has a grace to come back.
func TestWillAfterACrash(t *testing.T) {
	for name, keep := range map[string]connectOption{"volatile": clean, "kept": kept} {
		t.Run(name, func(t *testing.T) {
			scenario(t, func(r *rig) {
				r.subscriber("sub", "w", 1, keptFor(1e6))
				r.connect("lost", keep, willing("w", "lost", 1))
				r.connect("back", keep, willing("w", "back", 1))
				r.connect("left", keep, willing("w", "left", 1)).leave()
				r.crash()
				sub := r.connect("sub", keptFor(1e6))
				r.sleep(4 * time.Second)
				r.connect("back", keep)
				sub.wantNothing("the grace")
				r.sleep(time.Second)
				sub.want("the will of the one that did not come back", publish("w", "lost", 1))
				r.sleep(time.Hour)
				sub.wantNothing("once")
				sub.cut()
				r.crash()
				r.sleep(time.Hour)
				sub = r.connect("sub", keptFor(1e6))
				sub.want("not acknowledged above", publish("w", "lost", 1, dup))
				sub.wantNothing("once, after another crash too")
			})
		})
	}
}

// TestGraceIsForTheCrashOnly: a client that came back and is gone again has had it.
func TestGraceIsForTheCrashOnly(t *testing.T) {
	scenario(t, func(r *rig) {
		r.subscriber("sub", "w", 1, kept)
		r.connect("c", kept, willing("w", "first", 1))
		r.crash()
		sub := r.connect("sub", kept)
		r.connect("c", kept, willing("w", "second", 1)).cut()
		sub.want("the will, at once", publish("w", "second", 1))
	})
}

// TestWillIsOnceWhereverTheBrokerDies: the will is proposed, durable or not.
func TestWillIsOnceWhereverTheBrokerDies(t *testing.T) {
	for steps := range 4 {
		for name, keep := range map[string]connectOption{"volatile": clean, "kept": kept} {
			t.Run(fmt.Sprint(name, " ", steps), func(t *testing.T) {
				scenario(t, func(r *rig) {
					r.subscriber("sub", "w", 1, keptFor(1e6)).leave()
					c := r.connect("c", keep, willing("w", "gone", 1))
					r.hold()
					c.cut()
					for range steps {
						r.step(1)
					}
					r.crash()
					r.sleep(time.Hour)
					sub := r.connect("sub", keptFor(1e6))
					sub.want("the will", publish("w", "gone", 1))
					sub.wantNothing("once")
				})
			})
		}
	}
}

func TestDelayedWillSurvivesARestart(t *testing.T) {
	for _, in := range interruptions[2:] {
		scenario(t, func(r *rig) {
			c := r.connect("c", kept, willing("w", "gone", 1, delayed(60)))
			c.cut()
			r.sleep(30 * time.Second)
			in.do(r, c)
			sub := r.subscriber("sub", "w", 1)
			r.sleep(29 * time.Second)
			sub.wantNothing("the delay runs on")
			r.sleep(time.Second)
			sub.want("the will", publish("w", "gone", 1))
		})
	}
}

func TestRetainedWill(t *testing.T) {
	scenario(t, func(r *rig) {
		live := r.subscriber("live", "w", 1)
		r.connect("c", willing("w", "gone", 1, retainedWill)).cut()
		live.want("the will", publish("w", "gone", 1))
		late := r.subscriber("late", "w", 1)
		late.want("the will, retained", publish("w", "gone", 1, retain))
		r.connect("c", willing("w", "", 1, retainedWill)).cut()
		live.want("an empty will", publish("w", "", 1))
		r.subscriber("later", "w", 1).wantNothing("it cleared the retained message")
	})
}

func TestWillCarriesItsProperties(t *testing.T) {
	scenario(t, func(r *rig) {
		sub := r.subscriber("sub", "w", 1, kept)
		sub.leave()
		r.connect("c", willing("w", "gone", 1, func(w *wire.Will) {
			w.Properties.SetMessageExpiryInterval(100)
			w.Properties.SetContentType([]byte("text"))
			w.Properties.SetResponseTopic([]byte("answer"))
			w.Properties.AddUser([]byte("k"), []byte("v"))
		})).cut()
		r.sleep(10 * time.Second)
		sub = r.connect("sub", kept)
		sub.want("the will", publish("w", "gone", 1, expiring(90), userProperty("k", "v"), func(p *wire.Publish) {
			p.Properties.SetContentType([]byte("text"))
			p.Properties.SetResponseTopic([]byte("answer"))
		}))
	})
}

func TestWillWaitsForRoom(t *testing.T) {
	scenario(t, func(r *rig) {
		sub := r.subscriber("sub", "w", 1, kept)
		r.store.Full(true)
		r.connect("c", willing("w", "gone", 1)).cut()
		r.sleep(time.Minute)
		sub.wantNothing("there is no room")
		r.store.Full(false)
		r.sleep(time.Minute)
		sub.want("the will", publish("w", "gone", 1))
		sub.wantNothing("once")
	})
}
