package engine

import (
	"fmt"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/wire"
)

func TestReceiveMaximumOfTheClient(t *testing.T) {
	for _, k := range keeping {
		for qos := byte(1); qos <= 2; qos++ {
			t.Run(fmt.Sprint(k.name, " QoS ", qos), func(t *testing.T) {
				scenario(t, func(r *rig) {
					sub := r.subscriber("sub", "t", 2, k.option, receiveMaximum(3))
					pub := r.connect("pub")
					for i := range 10 {
						pub.publish("t", fmt.Sprint(i), qos)
					}
					for i := range 10 {
						if i < 3 {
							sub.want("as many as it takes", publish("t", fmt.Sprint(i), qos, withID(uint16(i+1))))
						}
						if i == 2 {
							sub.wantNothing("it takes no more")
						}
					}
					for i := 3; i < 10; i++ {
						sub.finish1(uint16(i-2), qos)
						sub.want("one for each that ends", publish("t", fmt.Sprint(i), qos, withID(uint16(i+1))))
						sub.wantNothing("one for each that ends")
					}
				})
			})
		}
	}
}

// finish1 acknowledges one message to the end.
func (c *client) finish1(id uint16, qos byte) {
	c.Helper()
	if qos == 1 {
		c.send(puback(id))
		return
	}
	c.send(pubrec(id))
	c.want("PUBREL", pubrel(id))
	c.wantNothing("PUBREC does not end a message [MQTT-4.9.0-1]")
	c.send(pubcomp(id))
}

// TestReceiveMaximumAfterResume: what is sent again counts too.
func TestReceiveMaximumAfterResume(t *testing.T) {
	for _, in := range interruptions {
		scenario(t, func(r *rig) {
			sub := r.subscriber("sub", "t", 1, kept)
			pub := r.connect("pub")
			for i := range 6 {
				pub.publish("t", fmt.Sprint(i), 1)
			}
			sub.take()
			in.do(r, sub)
			r.connect("sub", kept).cut()
			sub = r.connect("sub", kept, receiveMaximum(2))
			for i := range 6 {
				sub.want("two at a time", publish("t", fmt.Sprint(i), 1, withID(uint16(i+1)), dup))
				if i%2 == 1 {
					sub.wantNothing("two at a time")
					sub.send(puback(uint16(i)), puback(uint16(i+1)))
				}
			}
			pub = r.connect("pub")
			pub.publish("t", "next", 1)
			sub.want("the next", publish("t", "next", 1, withID(7)))
		})
	}
}

func TestReceiveMaximumOfTheBroker(t *testing.T) {
	scenarioWith(t, Options{ReceiveMaximum: 3}, func(r *rig) {
		r.subscriber("sub", "t", 1, kept).leave()
		r.hold()
		pub := r.connect("pub")
		old := r.connect("old", v311)
		for i := range 4 {
			id := uint16(i + 1)
			old.send(publish("t", "m", 1, withID(id))) // has no Receive Maximum
			if i == 3 {
				pub.wantNothing("three are allowed")
				pub.send(publish("t", "m", 2, withID(1), dup)) // known, so it does not count
				pub.wantNothing("a repeat is allowed")
			}
			pub.send(publish("t", "m", 2, withID(id)))
		}
		pub.wantEnd(wire.ReceiveMaximumExceeded)
		r.release()
		old.want("all", puback(1), puback(2), puback(3), puback(4))
	})
	scenarioWith(t, Options{ReceiveMaximum: 3}, func(r *rig) {
		pub := r.connect("pub", kept)
		for i := range 100 { // each is ended before the next
			pub.publish("t", "m", byte(i%3))
		}
		for i := range 3 {
			pub.send(publish("t", "m", 2, withID(uint16(1000+i))))
		}
		pub.take()
		pub.cut()
		pub = r.connect("pub", kept)
		pub.send(pubrel(1000), pubrel(1001), pubrel(1002))
		pub.want("they end", pubcomp(1000), pubcomp(1001), pubcomp(1002))
		for i := range 3 {
			pub.send(publish("t", "m", 2, withID(uint16(2000+i))))
		}
		pub.take()
		pub.send(publish("t", "m", 2, withID(3000)))
		pub.wantEnd(wire.ReceiveMaximumExceeded)
	})
}

func TestMaximumPacketSizeOfTheClient(t *testing.T) {
	fits := strings.Repeat("x", 50)
	frame, err := publish("topic", fits, 1, withID(1)).Append(nil, wire.V5)
	if err != nil {
		t.Fatal(err)
	}
	size := uint32(len(frame))
	eachKeeping(t, func(r *rig, keep connectOption) {
		pub := r.connect("pub")
		pub.publish("retained", strings.Repeat("x", 200), 1, retain)
		pub.publish("retained/0", strings.Repeat("x", 200), 0, retain)
		sub := r.subscriber("sub", "topic", 1, keep, maximumPacketSize(size), aliasMaximum(5))
		sub.acknowledgeAll()
		sub.subscribe("retained/#", 1)
		for qos := byte(0); qos <= 1; qos++ {
			pub.publish("topic", fits+strings.Repeat("y", 3), qos)
			pub.publish("topic", fits, qos)
			sub.want("what fits, to the byte", publish("topic", fits, qos))
		}
		sub.wantNothing("what does not")
		if n := r.broker.Stats().Oversized; n != 4 {
			t.Errorf("%d messages were counted as too large, want 4", n)
		}
		sub.leave()
		r.connect("sub", keep).wantNothing("nor later: it was settled")
	})
}

func TestMaximumPacketSizeWithSubscriptionIdentifiers(t *testing.T) {
	eachKeeping(t, func(r *rig, keep connectOption) {
		sub := r.connect("sub", keep, maximumPacketSize(30))
		sub.subscribe("t", 1, subscriptionID(200))
		pub := r.connect("pub")
		for qos := byte(0); qos <= 1; qos++ {
			for n := range 40 {
				pub.publish("t", strings.Repeat("x", n), qos)
			}
		}
		got := sub.take()
		for _, p := range got {
			if n := p.(*wire.Publish).EncodedSize(wire.V5); n > 30 {
				t.Errorf("a packet of %d bytes came", n)
			}
		}
		// 9 bytes besides the payload at QoS 0, 11 at QoS 1.
		if n := r.broker.Stats().Oversized; n != 18+20 || len(got) != 22+20 {
			t.Errorf("%d messages came and %d were counted as too large", len(got), n)
		}
	})
}

func TestMaximumPacketSizeOfTheBroker(t *testing.T) {
	for _, v := range versions {
		scenarioWith(t, Options{MaxPacketSize: 1000}, func(r *rig) {
			other := r.subscriber("other", "#", 0)
			c := r.connect("c", v.option)
			c.send(publish("t", strings.Repeat("x", 900), 0))
			c.wantNothing("it fits")
			c.send(publish("t", strings.Repeat("x", 1000), 0))
			if c.version == wire.V5 {
				c.want("the reason", &wire.Disconnect{Code: wire.PacketTooLarge})
			}
			c.wantClosed()
			other.want("the first", publish("t", strings.Repeat("x", 900), 0))
			other.wantNothing("the first")
		})
	}
}

func TestInboundTopicAliases(t *testing.T) {
	scenario(t, func(r *rig) {
		sub := r.subscriber("sub", "#", 2)
		pub := r.connect("pub")
		pub.send(publish("long/topic", "1", 0, aliased(1)), publish("", "2", 0, aliased(1)),
			publish("other/topic", "3", 0, aliased(2)), publish("", "4", 1, aliased(1), withID(1)),
			publish("new/topic", "5", 0, aliased(1)), publish("", "6", 2, aliased(1), withID(2)))
		sub.want("the topics in full, and no alias", publish("long/topic", "1", 0), publish("long/topic", "2", 0),
			publish("other/topic", "3", 0), publish("long/topic", "4", 1), publish("new/topic", "5", 0), publish("new/topic", "6", 2))
		pub.take()
		pub.send(publish("", "7", 0, aliased(3)))
		pub.wantEnd(wire.ProtocolErrorCode)
	})
	scenarioWith(t, Options{NoTopicAliases: true}, func(r *rig) {
		c := r.connect("c")
		if c.connack.Properties.Has(wire.PropTopicAliasMaximum) {
			t.Error("topic aliases are offered")
		}
		c.send(publish("t", "m", 0, aliased(1)))
		c.wantEnd(wire.TopicAliasInvalid)
	})
}

func TestOutboundTopicAliases(t *testing.T) {
	scenario(t, func(r *rig) {
		sub := r.subscriber("sub", "#", 1, kept, aliasMaximum(1))
		pub := r.connect("pub")
		for range 2 {
			pub.publish("long/topic", "m", 1)
			pub.publish("other/topic", "m", 1)
		}
		sub.want("set, then used", publish("long/topic", "m", 1, aliased(1)), publish("other/topic", "m", 1), publish("", "m", 1, aliased(1)))
		sub.take()
		sub.cut()
		sub = r.connect("sub", kept)
		sub.want("aliases end with the connection", publish("long/topic", "m", 1, dup))
	})
}

func TestTopicLevels(t *testing.T) {
	deep := strings.Repeat("a/", 128) + "a" // 129 levels
	for _, v := range versions {
		scenario(t, func(r *rig) {
			c := r.connect("c", v.option)
			c.subscribe(deep[2:], 0)
			c.publish(deep[2:], "m", 0)
			c.want("128 levels", publish(deep[2:], "m", 0))
			code := wire.UnspecifiedError
			if c.version == wire.V5 {
				code = wire.TopicFilterInvalid
			}
			c.send(subscription1(9, deep, 0), subscription1(10, "$share/g/"+deep, 0))
			c.want("129 are too many", suback(9, code), suback(10, code))
			c.send(publish(deep, "m", 0))
			if c.version == wire.V5 {
				c.want("the reason", &wire.Disconnect{Code: wire.TopicNameInvalid})
			}
			c.wantClosed()
		})
	}
}

func TestMaxSubscriptions(t *testing.T) {
	for _, k := range keeping {
		scenarioWith(t, Options{MaxSubscriptions: 3}, func(r *rig) {
			c := r.connect("c", k.option)
			c.subscribe("a", 1)
			c.send(&wire.Subscribe{PacketID: 10, Filters: []wire.Subscription{{Filter: "b"}, {Filter: "a"}, {Filter: "c"}, {Filter: "d"}}})
			c.want("three fit, one of them twice", suback(10, 0, 0, 0, wire.QuotaExceeded))
			c.unsubscribe("b")
			c.subscribe("d", 1)
			c.send(subscription1(11, "e", 1))
			c.want("three again", suback(11, wire.QuotaExceeded))
		})
	}
}
