package engine

import (
	"fmt"
	"testing"

	"github.com/holdfast-mqtt/holdfast/wire"
)

func TestTakeoverEndsTheOldConnection(t *testing.T) {
	for _, keep := range []connectOption{clean, kept} {
		scenario(t, func(r *rig) {
			old := r.connect("c", keep)
			ancient := r.connect("d", v311, keep)
			newer := r.connect("c", keep)
			r.connect("d", v311, keep)
			old.wantEnd(wire.SessionTakenOver)
			ancient.wantClosed()
			newer.subscribe("t", 1)
			newer.publish("t", "m", 1)
			newer.want("the session is the newer one's", publish("t", "m", 1))
		})
	}
}

func TestTakeoverKeepsTheQueue(t *testing.T) {
	scenario(t, func(r *rig) {
		old := r.subscriber("c", "t", 1, kept)
		pub := r.connect("pub")
		pub.publish("t", "one", 1)
		old.want("the message", publish("t", "one", 1, withID(1)))
		newer := r.connect("c", kept)
		if !newer.connack.SessionPresent {
			t.Error("session present is 0")
		}
		newer.want("what the old one did not acknowledge", publish("t", "one", 1, withID(1), dup))
		pub.publish("t", "two", 1)
		newer.want("the next", publish("t", "two", 1, withID(2)))
		old.wantEnd(wire.SessionTakenOver)
	})
}

// TestWhatTheOldConnectionSaidCounts: what had arrived before the takeover is handled, and nothing after.
func TestWhatTheOldConnectionSaidCounts(t *testing.T) {
	scenario(t, func(r *rig) {
		sub := r.subscriber("sub", "t", 1, kept)
		old := r.connect("c", kept)
		r.hold()
		old.send(publish("t", "before", 2, withID(1)))
		r.wait()
		newer := r.attempt("c", kept)
		r.wait()
		old.send(publish("t", "after", 2, withID(2)))
		r.wait()
		r.release()
		newer.want("the session", &wire.Connack{SessionPresent: true})
		sub.want("the message before", publish("t", "before", 1))
		sub.wantNothing("the message after came too late")
		newer.send(publish("t", "before", 2, withID(1), dup))
		newer.want("it is known", pubrec(1))
		sub.wantNothing("it was published")
	})
}

func TestTakeoverOfAPausedReader(t *testing.T) {
	scenario(t, func(r *rig) {
		old := r.subscriber("c", "t", 1, kept)
		old.pause()
		pub := r.connect("pub")
		for i := range 100 {
			pub.publish("t", fmt.Sprint(i), 1)
		}
		newer := r.attempt("c", kept)
		r.sleep(2 * stopTimeout) // as long as the old one's writing may hang
		newer.accepted()
		for i := range 100 {
			if got := newer.next("the queue").(*wire.Publish); string(got.Payload) != fmt.Sprint(i) {
				t.Fatalf("message %d is %s", i, describe(got, true))
			}
		}
	})
}

func TestTakeoverStormEnds(t *testing.T) {
	for _, keep := range []connectOption{clean, kept} {
		scenario(t, func(r *rig) {
			r.subscriber("c", "t", 1, keep)
			storm := make([]*client, 50)
			for i := range storm {
				storm[i] = r.attempt("c", keep)
			}
			r.sleep(2 * stopTimeout)
			winners := 0
			for _, c := range storm {
				c.mu.Lock()
				if !c.closed {
					winners++
				}
				c.mu.Unlock()
			}
			if winners != 1 {
				t.Fatalf("%d connections have the session, want 1", winners)
			}
			r.connect("c", keep).ping()
		})
	}
}

// TestLastConnectionWins: connections that wait for the session give way to a later one, in whatever order they wake.
func TestLastConnectionWins(t *testing.T) {
	for range 20 {
		scenario(t, func(r *rig) {
			first := r.connect("c", kept)
			r.hold()
			first.send(subscription1(1, "t", 1)) // keeps its read loop busy, so that the others wait
			r.wait()
			var waiting []*client
			for range 10 {
				waiting = append(waiting, r.attempt("c", kept))
				r.wait()
			}
			r.release()
			r.sleep(2 * stopTimeout)
			last := waiting[len(waiting)-1]
			last.accepted()
			last.ping()
		})
	}
}
