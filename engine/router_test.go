package engine

import (
	"fmt"
	"testing"

	"github.com/holdfast-mqtt/holdfast/wire"
)

func TestOverlappingSubscriptionsGiveOneMessage(t *testing.T) {
	eachKeeping(t, func(r *rig, keep connectOption) {
		c := r.connect("c", keep)
		c.acknowledgeAll()
		c.subscribe("a/#", 0, subscriptionID(7))
		c.subscribe("a/+", 2, subscriptionID(3), retainAsPublished)
		c.subscribe("a/b", 1)
		c.subscribe("#", 1, subscriptionID(7))
		c.subscribe("x", 2, subscriptionID(9))
		pub := r.connect("pub")
		for qos := byte(0); qos <= 2; qos++ {
			pub.publish("a/b", "m", qos, retain)
			c.want("once, at the highest QoS, with all identifiers", publish("a/b", "m", qos, retain, identified(3, 7)))
		}
		c.take()
		pub.publish("z", "m", 2)
		c.want("the one that matches", publish("z", "m", 1, identified(7)))
		c.wantNothing("once each")
	})
}

func TestSubscribingAgainReplaces(t *testing.T) {
	eachKeeping(t, func(r *rig, keep connectOption) {
		c, pub := r.connect("c", keep), r.connect("pub")
		c.acknowledgeAll()
		for _, step := range []struct {
			qos byte
			id  uint32
		}{{2, 1}, {0, 2}, {1, 3}, {0, 4}} {
			c.subscribe("t", step.qos, subscriptionID(step.id))
			pub.publish("t", "m", 1)
			c.want("the last subscription counts", publish("t", "m", min(step.qos, 1), identified(step.id)))
			c.wantNothing("one subscription, one message")
		}
		if n := r.broker.Stats().Subscriptions; n != 1 {
			t.Errorf("%d subscriptions, want 1", n)
		}
	})
}

func TestNoLocal(t *testing.T) {
	eachKeeping(t, func(r *rig, keep connectOption) {
		c, other := r.connect("c", keep), r.subscriber("other", "t", 1, keep)
		c.acknowledgeAll()
		c.subscribe("t", 1, noLocal)
		for qos := byte(0); qos <= 1; qos++ {
			c.publish("t", "mine", qos)
			c.wantNothing("its own message")
			other.want("everybody else", publish("t", "mine", qos))
			r.connect("pub").publish("t", "theirs", qos)
			c.want("a message of another", publish("t", "theirs", qos))
			other.take()
		}
		c.subscribe("#", 1)
		c.publish("t", "mine", 1)
		c.want("by the subscription that has no no local", publish("t", "mine", 1))
	})
}

func TestNoLocalHoldsAfterResume(t *testing.T) {
	for _, in := range interruptions {
		scenario(t, func(r *rig) {
			c := r.connect("c", kept)
			c.subscribe("t", 1, noLocal)
			in.do(r, c)
			c = r.connect("c", kept)
			c.publish("t", "mine", 1)
			c.wantNothing("its own message")
		})
	}
}

// decorated is a PUBLISH with all that a broker must pass on unaltered. [MQTT-3.3.2-4 -15 -16 -17 -18 -20]
func decorated(p *wire.Publish) {
	p.Properties.SetPayloadFormatIndicator(1)
	p.Properties.SetContentType([]byte("text/plain"))
	p.Properties.SetResponseTopic([]byte("answers/here"))
	p.Properties.SetCorrelationData([]byte{0, 1, 255})
	for _, u := range [][2]string{{"z", "1"}, {"a", "2"}, {"z", "3"}, {"", ""}} {
		p.Properties.AddUser([]byte(u[0]), []byte(u[1]))
	}
}

func TestPropertiesArePassedOn(t *testing.T) {
	eachKeeping(t, func(r *rig, keep connectOption) {
		five, three := r.subscriber("five", "t", 1, keep), r.subscriber("three", "t", 1, keep, v311)
		five.acknowledgeAll()
		three.acknowledgeAll()
		pub := r.connect("pub")
		for qos := byte(0); qos <= 1; qos++ {
			pub.publish("t", "m", qos, decorated, retain, userProperty("last", "4"))
			five.want("as they came", publish("t", "m", qos, decorated, userProperty("last", "4")))
			three.want("MQTT 3 has none", publish("t", "m", qos))
			late := r.subscriber(fmt.Sprint("late", qos), "t", 1, keep)
			late.want("retained too", publish("t", "m", qos, decorated, retain, userProperty("last", "4")))
		}
	})
}

func TestPropertiesSurvive(t *testing.T) {
	for _, in := range interruptions {
		scenario(t, func(r *rig) {
			r.subscriber("sub", "t", 1, kept).leave()
			pub := r.connect("pub")
			pub.publish("t", "m", 1, decorated)
			in.do(r, pub)
			r.connect("sub", kept).want("as they came", publish("t", "m", 1, decorated))
		})
	}
}

func TestRequestAndResponse(t *testing.T) {
	scenario(t, func(r *rig) {
		asks, answers := r.subscriber("asks", "answers/asks", 1), r.subscriber("answers", "questions", 1)
		asks.send(publish("questions", "how?", 1, withID(1), func(p *wire.Publish) {
			p.Properties.SetResponseTopic([]byte("answers/asks"))
			p.Properties.SetCorrelationData([]byte("17"))
		}))
		asks.want("taken", puback(1))
		question := answers.next("the question").(*wire.Publish)
		answers.publish(string(question.Properties.ResponseTopic), "so", 1, func(p *wire.Publish) {
			p.Properties.SetCorrelationData(question.Properties.CorrelationData)
		})
		asks.want("the answer", publish("answers/asks", "so", 1, func(p *wire.Publish) {
			p.Properties.SetCorrelationData([]byte("17"))
		}))
	})
}

func TestRightsAreAsked(t *testing.T) {
	o := Options{Authenticator: doorkeeper{}, Authorizer: doorkeeper{}}
	for _, v := range versions {
		scenarioWith(t, o, func(r *rig) {
			watch := r.subscriber("watch", "#", 2, kept)
			c := r.connect("c", v.option)
			denied, refused := wire.Success, wire.UnspecifiedError
			if c.version == wire.V5 {
				denied, refused = wire.NotAuthorized, wire.NotAuthorized
			}
			c.publish("forbidden", "m", 0)
			c.send(publish("forbidden", "m", 1, withID(1)), publish("forbidden", "m", 2, withID(2)))
			c.want("it is told, or silently dropped", puback(1, denied), pubrec(2, denied))
			if denied == wire.Success {
				c.send(pubrel(2))
				c.want("the handshake ends", pubcomp(2))
			}
			c.send(subscription1(3, "forbidden/x", 1), subscription1(4, "$share/g/forbidden", 1), subscription1(5, "fine", 1))
			c.want("each filter for itself", suback(3, refused), suback(4, refused), suback(5, wire.GrantedQoS1))
			c.publish("allowed", "m", 1)
			watch.want("what is allowed", publish("allowed", "m", 1))
			watch.wantNothing("what is not")
			if n := r.broker.Stats().Denied; n != 5 {
				t.Errorf("%d denials were counted, want 5", n)
			}
		})
	}
}

func TestOneSubscribeWithManyFilters(t *testing.T) {
	eachKeeping(t, func(r *rig, keep connectOption) {
		c := r.connect("c", keep)
		c.send(&wire.Subscribe{PacketID: 1, Filters: []wire.Subscription{
			{Filter: "a", QoS: 0}, {Filter: "$queue/b", QoS: 1}, {Filter: "b", QoS: 2}, {Filter: "a", QoS: 1},
		}})
		c.want("one code each", suback(1, 0, wire.TopicFilterInvalid, 2, 1))
		pub := r.connect("pub")
		pub.publish("a", "m", 2)
		c.want("the last for a filter counts", publish("a", "m", 1))
		c.send(&wire.Unsubscribe{PacketID: 2, Filters: []string{"a", "nothing", "a", "b"}})
		c.next("UNSUBACK")
		pub.publish("a", "m", 1)
		pub.publish("b", "m", 1)
		c.wantNothing("it has no subscriptions")
	})
}

// TestOrderIsKept: of one publisher and one topic, at each QoS, live and queued, across a restart.
func TestOrderIsKept(t *testing.T) {
	eachKeeping(t, func(r *rig, keep connectOption) {
		for qos := byte(0); qos <= 2; qos++ {
			topic := fmt.Sprint("t", qos)
			sub := r.connect("sub"+topic, keep, receiveMaximum(7))
			sub.acknowledgeAll()
			sub.subscribe(topic, 2)
			pub := r.connect("pub")
			var all []wire.Packet
			for i := range 500 {
				p := publish(topic, fmt.Sprint(i), qos)
				if qos > 0 {
					p.PacketID = uint16(i + 1)
				}
				all = append(all, p)
			}
			pub.send(all...)
			for i, p := range sub.payloads() {
				if p != fmt.Sprint(i) {
					t.Fatalf("QoS %d: message %s came in the place of %d", qos, p, i)
				}
			}
		}
	})
}
