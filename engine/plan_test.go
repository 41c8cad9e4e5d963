package engine

import (
	"fmt"
	"slices"
	"testing"

	"github.com/holdfast-mqtt/holdfast/engine/topic"
	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/persist/memstore"
)

// planRig is a router over an index and a store of its own.
type planRig struct {
	index  *topic.Index[uint64, subscription]
	router *router
}

func newPlanRig() *planRig {
	index := topic.NewIndex[uint64, subscription]()
	return &planRig{index: index, router: newRouter(index, memstore.New(memstore.Options{}))}
}

// add subscribes a session that is kept, or not.
func (r *planRig) add(key uint64, filter string, qos byte, keep bool, ids ...uint32) {
	s := &session{key: key}
	if keep {
		s.id = persist.SessionID(key)
	}
	sub := &persist.Subscription{Filter: filter, QoS: qos}
	if len(ids) > 0 {
		sub.ID = ids[0]
	}
	r.index.Add(filter, key, newSubscription(s, sub, keep))
}

// addShared makes a session a member of group g.
func (r *planRig) addShared(key uint64, filter string, qos byte, keep bool) {
	s := &session{key: key}
	if keep {
		s.id = persist.SessionID(key)
	}
	r.index.AddShared("g", filter, key, newSubscription(s, &persist.Subscription{Filter: filter, QoS: qos}, keep))
}

// sessions returns whom an audience reaches.
func sessionsOf(a *persist.Audience) []persist.SessionID {
	var all []persist.SessionID
	if a != nil {
		for _, m := range a.Members() {
			all = append(all, m.Session)
		}
	}
	return all
}

func TestPlanSplitsStoredFromPassing(t *testing.T) {
	r := newPlanRig()
	r.add(1, "t", 1, true)
	r.add(2, "t", 0, true)
	r.add(3, "t", 2, false)
	r.add(4, "other", 1, true)
	r.add(5, "#", 2, true)
	p := r.router.plan([]byte("t"), 0)
	if got := sessionsOf(r.router.audience(p)); !slices.Equal(got, []persist.SessionID{1, 5}) {
		t.Errorf("the message is stored for %v, want 1 and 5", got)
	}
	if len(p.targets) != 4 || p.empty() {
		t.Errorf("%d targets, want 4", len(p.targets))
	}
	if p := r.router.plan([]byte("nobody/$"), 0); p.empty() || len(p.targets) != 1 {
		t.Errorf("%d targets, want the one of #", len(p.targets))
	}
}

func TestEqualPlansShareTheirAudience(t *testing.T) {
	r := newPlanRig()
	for key := range uint64(50) {
		r.add(key+1, "a/#", 1, true)
	}
	a, b := r.router.plan([]byte("a/1"), 0), r.router.plan([]byte("a/2"), 99)
	if r.router.audience(a) != r.router.audience(b) {
		t.Error("two audiences of the same sessions")
	}
}

func TestGroupTurnsGoRoundWithoutRepeats(t *testing.T) {
	for _, keep := range []bool{false, true} {
		r := newPlanRig()
		r.add(9, "t", 1, true)
		for key := range uint64(4) {
			r.addShared(key+1, "t", 1, keep)
		}
		p := r.router.plan([]byte("t"), 0)
		count := make(map[uint64]int)
		audiences := make(map[*persist.Audience]bool)
		for range 400 {
			audiences[r.router.audience(p)] = true
			if len(p.chosen) != 1 {
				t.Fatalf("%d members were chosen", len(p.chosen))
			}
			count[p.chosen[0].session.key]++
		}
		for key := range uint64(4) {
			if n := count[key+1]; n != 100 {
				t.Errorf("member %d was chosen %d times of 400", key+1, n)
			}
		}
		if want := map[bool]int{false: 1, true: 4}[keep]; len(audiences) != want {
			t.Errorf("%d audiences, want %d", len(audiences), want)
		}
	}
}

func TestGroupsJoinTheAudience(t *testing.T) {
	r := newPlanRig()
	r.add(1, "t", 1, true, 5)
	r.addShared(1, "t", 2, true)
	r.addShared(1, "+", 1, true)
	p := r.router.plan([]byte("t"), 0)
	a := r.router.audience(p)
	if got := sessionsOf(a); !slices.Equal(got, []persist.SessionID{1}) {
		t.Fatalf("the message is stored for %v, want 1 once", got)
	}
	if m := a.Members()[0]; m.QoS != 2 || !slices.Equal(m.SubscriptionIDs, []uint32{5}) {
		t.Errorf("got %+v, want QoS 2 and identifier 5", m)
	}
	if p.members[0].QoS != 1 {
		t.Error("the choice changed the plan's own members")
	}
}

func TestPlansOfAConnectionAreBounded(t *testing.T) {
	scenario(t, func(r *rig) {
		sub := r.subscriber("sub", "#", 0)
		pub := r.connect("pub")
		const topics = 5*maxPlans + 3
		for i := range topics {
			pub.publish(fmt.Sprint("t/", i), "m", 0)
		}
		if n := len(sub.payloads()); n != topics {
			t.Errorf("%d messages came, want %d", n, topics)
		}
		r.broker.eachConn(func(c *conn) {
			if len(c.in.plans) > maxPlans {
				t.Errorf("%s remembers %d plans", c.clientID, len(c.in.plans))
			}
		})
	})
}

// TestPlansFollowSubscriptions: what is remembered does not outlive what it was made of.
func TestPlansFollowSubscriptions(t *testing.T) {
	eachKeeping(t, func(r *rig, keep connectOption) {
		pub := r.connect("pub")
		for i := range 5 {
			for qos := byte(0); qos <= 1; qos++ {
				name := fmt.Sprint("sub", i)
				pub.publish("t", "nobody", qos)
				sub := r.subscriber(name, "t", 1, keep)
				sub.acknowledgeAll()
				pub.publish("t", "one", qos)
				sub.want("it is there", publish("t", "one", qos))
				sub.unsubscribe("t")
				pub.publish("t", "two", qos)
				sub.wantNothing("it has left")
				sub.leave()
			}
		}
	})
}
