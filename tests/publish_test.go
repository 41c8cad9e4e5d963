package tests

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/tests/harness"
	"github.com/holdfast-mqtt/holdfast/wire"
)

func TestPublish(t *testing.T) {
	broker := harness.Start(t, harness.Options{})
	t.Run("QoS is the lower of published and subscribed", func(t *testing.T) { publishQoS(t, broker) })
	t.Run("messages keep their order", func(t *testing.T) { publishOrder(t, broker) })
	t.Run("a QoS 2 packet id stands for one message until PUBREL", func(t *testing.T) { publishExactlyOnce(t, broker) })
	t.Run("PUBREL of an unknown id is answered", func(t *testing.T) { publishUnknownRelease(t, broker) })
	t.Run("filters", func(t *testing.T) { publishFilters(t, broker) })
	t.Run("properties pass unaltered", func(t *testing.T) { publishProperties(t, broker) })
	t.Run("overlapping subscriptions give one copy", func(t *testing.T) { publishOverlap(t, broker) })
	t.Run("subscription options", func(t *testing.T) { publishOptions(t, broker) })
	t.Run("topic alias", func(t *testing.T) { publishAlias(t, broker) })
	t.Run("payloads of all sizes", func(t *testing.T) { publishSizes(t, broker) })
	t.Run("nobody listens", func(t *testing.T) { publishToNobody(t, broker) })
	t.Run("UNSUBSCRIBE", func(t *testing.T) { publishUnsubscribe(t, broker) })
}

func publishQoS(t *testing.T, broker *harness.Broker) {
	everyVersion(t, func(t *testing.T, v wire.Version) {
		for sub := byte(0); sub <= 2; sub++ {
			subscriber := broker.Connect(t, id(t, fmt.Sprint("s", sub)), v)
			subscriber.Subscribe(topic(t, "#"), sub)
			publisher := broker.Connect(t, id(t, fmt.Sprint("p", sub)), v)
			for pub := byte(0); pub <= 2; pub++ {
				text := fmt.Sprintf("published at %d, subscribed at %d", pub, sub)
				publisher.Publish(topic(t, text), text, pub)
				subscriber.Receive(text, harness.Message{Topic: topic(t, text), Payload: text, QoS: min(pub, sub)})
			}
		}
	})
}

func publishOrder(t *testing.T, broker *harness.Broker) {
	everyVersion(t, func(t *testing.T, v wire.Version) {
		const count = 300
		subscriber := broker.Connect(t, id(t, "s"), v, harness.Durable)
		subscriber.Subscribe(topic(t, "a"), 2)
		publisher := broker.Connect(t, id(t, "p"), v)
		for i := range count { // all at once, without waiting for one acknowledgement
			publisher.Send(&wire.Publish{Topic: []byte(topic(t, "a")), QoS: 1, PacketID: uint16(i + 1), Payload: fmt.Append(nil, i)})
		}
		for i := range count {
			publisher.WantPuback(uint16(i + 1)) // [MQTT-4.6.0-2]
			subscriber.Receive("in the order of publishing", harness.Message{Topic: topic(t, "a"), Payload: fmt.Sprint(i), QoS: 1})
		}
	})
}

func publishExactlyOnce(t *testing.T, broker *harness.Broker) {
	everyVersion(t, func(t *testing.T, v wire.Version) {
		subscriber := broker.Connect(t, id(t, "s"), v)
		subscriber.Subscribe(topic(t, "a"), 2)
		publisher := broker.Connect(t, id(t, "p"), v, harness.Durable)
		p := &wire.Publish{Topic: []byte(topic(t, "a")), QoS: 2, PacketID: 7, Payload: []byte("first")}
		publisher.Send(p)
		publisher.WantPubrec(7)
		publisher.Cut()
		publisher = broker.Connect(t, id(t, "p"), v, harness.Durable)
		p.Dup = true
		publisher.Send(p)
		publisher.WantPubrec(7)
		publisher.Release(7)
		p.Dup, p.Payload = false, []byte("second")
		publisher.Send(p) // released, so this is a new message
		publisher.WantPubrec(7)
		publisher.Release(7)
		subscriber.Receive("once", harness.Message{Topic: topic(t, "a"), Payload: "first", QoS: 2})
		subscriber.Receive("then the next", harness.Message{Topic: topic(t, "a"), Payload: "second", QoS: 2})
		subscriber.WantNothingBefore("there is no third", 2)
	})
}

func publishUnknownRelease(t *testing.T, broker *harness.Broker) {
	everyVersion(t, func(t *testing.T, v wire.Version) {
		c := broker.Connect(t, id(t, "c"), v)
		c.Send(&wire.Pubrel{PacketID: 99})
		ack := harness.Next[*wire.Pubcomp](c, "PUBCOMP")
		if ack.PacketID != 99 || v == wire.V5 && ack.Code != wire.PacketIdentifierNotFound {
			t.Errorf("PUBCOMP %d %v", ack.PacketID, ack.Code)
		}
	})
}

func publishFilters(t *testing.T, broker *harness.Broker) {
	for i, test := range []struct {
		filter, topic string
		want          bool
	}{
		{"a/b", "a/b", true}, {"a/b", "a/b/c", false}, {"a/+", "a/b", true}, {"a/+", "a/b/c", false}, {"a/+/c", "a//c", true},
		{"a/#", "a", true}, {"a/#", "a/b/c", true}, {"+/+", "a/b", true}, {"a", "A", false}, {"a/", "a", false}, {"ä/+", "ä/€", true},
	} {
		t.Run(test.filter+" and "+test.topic, func(t *testing.T) {
			c := broker.Connect(t, fmt.Sprint("filter-", i), wire.V311)
			c.Subscribe(topic(t, test.filter), 1)
			c.Publish(topic(t, test.topic), "x", 1)
			if test.want {
				c.Receive("it matches", harness.Message{Topic: topic(t, test.topic), Payload: "x", QoS: 1})
			}
			c.WantNothingBefore("it comes once if it matches, else never", 1)
		})
	}
	t.Run("# does not match topics of the server", func(t *testing.T) {
		c := broker.Connect(t, id(t, "c"), wire.V311)
		c.Subscribe("$own/"+tag(t), 1)
		other := broker.Connect(t, id(t, "other"), wire.V311)
		other.Subscribe("#", 1) // [MQTT-4.7.2-1]
		other.Subscribe("+/"+tag(t), 1)
		c.Publish("$own/"+tag(t), "x", 1)
		c.Receive("named in full", harness.Message{Topic: "$own/" + tag(t), Payload: "x", QoS: 1})
		other.Unsubscribe("#") // the marker below would come twice
		other.WantNothingBefore("by wildcard", 1)
	})
}

func publishProperties(t *testing.T, broker *harness.Broker) {
	subscriber := broker.Connect(t, id(t, "s"), wire.V5, harness.Durable)
	subscriber.Subscribe(topic(t, "a"), 2)
	p := &wire.Publish{Topic: []byte(topic(t, "a")), Payload: []byte("text"), QoS: 2}
	p.Properties.SetPayloadFormatIndicator(1)
	p.Properties.SetContentType([]byte("text/plain"))
	p.Properties.SetResponseTopic([]byte("answers/here"))
	p.Properties.SetCorrelationData([]byte{0, 1, 2, 255})
	p.Properties.SetMessageExpiryInterval(3600)
	for _, pair := range []string{"b=1", "a=2", "b=3", "="} { // [MQTT-3.3.2-18]
		key, value, _ := strings.Cut(pair, "=")
		p.Properties.AddUser([]byte(key), []byte(value))
	}
	broker.Connect(t, id(t, "p"), wire.V5).PublishPacket(p)
	got := &subscriber.Receive("with all properties", harness.Message{Topic: topic(t, "a"), Payload: "text", QoS: 2}).Properties
	if got.PayloadFormatIndicator != 1 || string(got.ContentType) != "text/plain" || string(got.ResponseTopic) != "answers/here" ||
		!bytes.Equal(got.CorrelationData, []byte{0, 1, 2, 255}) {
		t.Errorf("properties changed on the way: %+v", got)
	}
	if e := got.MessageExpiryInterval; e == 0 || e > 3600 || e < 3500 { // [MQTT-3.3.2-6]
		t.Errorf("message expiry %d s, want 3600 less the time it waited", e)
	}
	var pairs []string
	for _, u := range got.User {
		pairs = append(pairs, string(u.Key)+"="+string(u.Value))
	}
	if !slices.Equal(pairs, []string{"b=1", "a=2", "b=3", "="}) {
		t.Errorf("user properties %q", pairs)
	}
}

func publishOverlap(t *testing.T, broker *harness.Broker) {
	everyVersion(t, func(t *testing.T, v wire.Version) {
		c := broker.Connect(t, id(t, "c"), v)
		c.Subscribe(topic(t, "a"), 0)
		c.Subscribe(topic(t, "+"), 2)
		c.Subscribe(topic(t, "#"), 1)
		c.Publish(topic(t, "a"), "x", 2)
		c.Receive("at the highest QoS of all", harness.Message{Topic: topic(t, "a"), Payload: "x", QoS: 2}) // [MQTT-3.3.4-2]
		c.WantNothingBefore("a second copy", 2)
	})
	c := broker.Connect(t, id(t, "ids"), wire.V5)
	for n, filter := range []string{"a", "+", "#"} {
		s := &wire.Subscribe{PacketID: c.ID(), Filters: []wire.Subscription{{Filter: topic(t, filter), QoS: 1}}}
		s.Properties.AddSubscriptionID(uint32(n + 1))
		c.Send(s)
		harness.Next[*wire.Suback](c, "SUBACK")
	}
	c.Publish(topic(t, "a"), "x", 1)
	p := c.Receive("with all subscription identifiers", harness.Message{Topic: topic(t, "a"), Payload: "x", QoS: 1})
	ids := slices.Sorted(slices.Values(p.Properties.SubscriptionIDs))
	if !slices.Equal(ids, []uint32{1, 2, 3}) { // [MQTT-3.3.4-3]
		t.Errorf("subscription identifiers %v, want 1, 2 and 3", ids)
	}
}

func publishOptions(t *testing.T, broker *harness.Broker) {
	c := broker.Connect(t, id(t, "c"), wire.V5)
	c.SubscribeAs(wire.Subscription{Filter: topic(t, "own"), QoS: 1, NoLocal: true})
	c.Publish(topic(t, "own"), "by itself", 1)
	other := broker.Connect(t, id(t, "p"), wire.V5)
	other.Publish(topic(t, "own"), "by another", 1)
	c.Receive("no local leaves out only its own", harness.Message{Topic: topic(t, "own"), Payload: "by another", QoS: 1})
	c.Subscribe(topic(t, "changed"), 2)
	c.Subscribe(topic(t, "changed"), 0) // [MQTT-3.8.4-3]
	other.Publish(topic(t, "changed"), "x", 2)
	c.Receive("the later SUBSCRIBE replaces the earlier", harness.Message{Topic: topic(t, "changed"), Payload: "x", QoS: 0})
	codes := c.AskToSubscribe(wire.Subscription{Filter: topic(t, "1"), QoS: 1}, wire.Subscription{Filter: topic(t, "2"), QoS: 2}, wire.Subscription{Filter: topic(t, "0")})
	if !slices.Equal(codes, []wire.ReasonCode{wire.GrantedQoS1, wire.GrantedQoS2, wire.GrantedQoS0}) {
		t.Errorf("SUBACK %v", codes)
	}
}

func publishAlias(t *testing.T, broker *harness.Broker) {
	subscriber := broker.Connect(t, id(t, "s"), wire.V5)
	subscriber.Subscribe(topic(t, "#"), 1)
	c := broker.Connect(t, id(t, "c"), wire.V5)
	send := func(name, payload string) {
		p := &wire.Publish{Topic: []byte(name), Payload: []byte(payload), QoS: 1}
		p.Properties.SetTopicAlias(5)
		c.PublishPacket(p)
	}
	send(topic(t, "a"), "one")
	send("", "two")
	send(topic(t, "b"), "three") // redefined
	send("", "four")
	for _, m := range []harness.Message{
		{Topic: topic(t, "a"), Payload: "one"}, {Topic: topic(t, "a"), Payload: "two"},
		{Topic: topic(t, "b"), Payload: "three"}, {Topic: topic(t, "b"), Payload: "four"},
	} {
		m.QoS = 1
		subscriber.Receive("the alias stands for its topic", m)
	}
}

func publishSizes(t *testing.T, broker *harness.Broker) {
	everyVersion(t, func(t *testing.T, v wire.Version) {
		c := broker.Connect(t, id(t, "c"), v, harness.Durable)
		c.Subscribe(topic(t, "a"), 1)
		for _, size := range []int{0, 1, 127, 128, 16383, 16384, 100_000, 1_000_000} {
			payload := strings.Repeat("x", size)
			c.Publish(topic(t, "a"), payload, 1)
			c.Receive(fmt.Sprint(size, " bytes"), harness.Message{Topic: topic(t, "a"), Payload: payload, QoS: 1})
		}
	})
}

func publishToNobody(t *testing.T, broker *harness.Broker) {
	everyVersion(t, func(t *testing.T, v wire.Version) {
		c := broker.Connect(t, id(t, "c"), v)
		c.Send(&wire.Publish{Topic: []byte(topic(t, "a")), QoS: 1, PacketID: 3})
		ack := harness.Next[*wire.Puback](c, "PUBACK")
		if ack.PacketID != 3 || v == wire.V5 && ack.Code != wire.NoMatchingSubscribers {
			t.Errorf("PUBACK %d %v", ack.PacketID, ack.Code)
		}
		c.Publish(topic(t, "a"), "x", 2)
	})
}

func publishUnsubscribe(t *testing.T, broker *harness.Broker) {
	everyVersion(t, func(t *testing.T, v wire.Version) {
		c := broker.Connect(t, id(t, "c"), v, harness.Durable)
		c.Subscribe(topic(t, "a"), 1)
		c.Subscribe(topic(t, "b"), 1)
		codes := c.Unsubscribe(topic(t, "a"), topic(t, "never"))
		if v == wire.V5 && !slices.Equal(codes, []wire.ReasonCode{wire.Success, wire.NoSubscriptionExisted}) {
			t.Errorf("UNSUBACK %v", codes)
		}
		c.Publish(topic(t, "a"), "x", 1) // [MQTT-3.10.4-2]
		c.Publish(topic(t, "b"), "y", 1)
		c.Receive("only what is still subscribed", harness.Message{Topic: topic(t, "b"), Payload: "y", QoS: 1})
	})
}
