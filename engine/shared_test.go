package engine

import (
	"fmt"
	"testing"

	"github.com/holdfast-mqtt/holdfast/wire"
)

// payloads takes the payloads of the PUBLISH packets that came.
func (c *client) payloads() []string {
	var all []string
	for _, p := range c.take() {
		if p, ok := p.(*wire.Publish); ok {
			all = append(all, string(p.Payload))
		}
	}
	return all
}

func TestSharedSubscriptionGivesEachMessageToOne(t *testing.T) {
	eachKeeping(t, func(r *rig, keep connectOption) {
		for qos := byte(0); qos <= 2; qos++ {
			var members []*client
			for i := range 3 {
				c := r.subscriber(fmt.Sprint("member", i), "$share/g/t/#", 2, keep)
				c.acknowledgeAll()
				members = append(members, c)
			}
			pub := r.connect("pub")
			for i := range 30 {
				pub.publish("t/x", fmt.Sprint(i), qos)
			}
			seen := make(map[string]int)
			for _, c := range members {
				got := c.payloads()
				if len(got) != 10 {
					t.Errorf("QoS %d: %s got %d messages, want its third of 30", qos, c.name, len(got))
				}
				for _, p := range got {
					seen[p]++
				}
			}
			for i := range 30 {
				if n := seen[fmt.Sprint(i)]; n != 1 {
					t.Errorf("QoS %d: message %d came %d times", qos, i, n)
				}
			}
		}
	})
}

func TestGroupsAreIndependent(t *testing.T) {
	eachKeeping(t, func(r *rig, keep connectOption) {
		a, b := r.subscriber("a", "$share/one/t", 1, keep), r.subscriber("b", "$share/two/t", 1, keep)
		plain := r.subscriber("plain", "t", 1, keep)
		pub := r.connect("pub")
		for i := range 5 {
			pub.publish("t", fmt.Sprint(i), 1)
		}
		for _, c := range []*client{a, b, plain} {
			if got := c.payloads(); len(got) != 5 {
				t.Errorf("%s got %d messages, want 5", c.name, len(got))
			}
		}
	})
}

func TestConnectedMembersGoFirst(t *testing.T) {
	scenario(t, func(r *rig) {
		r.subscriber("away", "$share/g/t", 1, kept).leave()
		here := r.subscriber("here", "$share/g/t", 1, kept)
		pub := r.connect("pub")
		for i := range 4 {
			pub.publish("t", fmt.Sprint(i), 1)
		}
		if got := here.payloads(); len(got) != 4 {
			t.Errorf("the connected member got %v", got)
		}
		here.leave()
		for i := range 4 {
			pub.publish("t", fmt.Sprint("queued ", i), 1)
		}
		here, away := r.connect("here", kept), r.connect("away", kept)
		here.acknowledgeAll()
		total := len(away.payloads())
		for _, p := range here.take() {
			if p, ok := p.(*wire.Publish); ok && !p.Dup {
				total++
			}
		}
		if total != 4 {
			t.Errorf("%d messages were queued for the absent members, want 4", total)
		}
	})
}

// TestGroupMemberWithAPlainSubscription: one session, two subscriptions, each message once or twice, with the right
// identifiers and at the higher QoS.
func TestGroupMemberWithAPlainSubscription(t *testing.T) {
	scenario(t, func(r *rig) {
		c := r.connect("c", kept)
		c.subscribe("$share/g/t", 1, subscriptionID(7))
		c.subscribe("t", 2, subscriptionID(3))
		pub := r.connect("pub")
		pub.publish("t", "m", 2)
		c.want("one copy for both", publish("t", "m", 2, identified(3, 7)))
		c.wantNothing("one copy")
	})
}

func TestSharedSubscriptionSurvives(t *testing.T) {
	for _, in := range interruptions {
		scenario(t, func(r *rig) {
			c := r.subscriber("c", "$share/g/t", 1, kept)
			in.do(r, c)
			r.connect("pub").publish("t", "m", 1)
			r.connect("c", kept).want("the subscription", publish("t", "m", 1))
		})
	}
}

func TestLeavingAGroup(t *testing.T) {
	eachKeeping(t, func(r *rig, keep connectOption) {
		a, b := r.subscriber("a", "$share/g/t", 1, keep), r.subscriber("b", "$share/g/t", 1, keep)
		pub := r.connect("pub")
		a.unsubscribe("$share/g/t")
		for i := range 4 {
			pub.publish("t", fmt.Sprint(i), 1)
		}
		a.wantNothing("it left")
		if got := b.payloads(); len(got) != 4 {
			t.Errorf("the one who stayed got %v", got)
		}
	})
}
