package tests

import (
	"fmt"
	"testing"

	"github.com/holdfast-mqtt/holdfast/tests/harness"
	"github.com/holdfast-mqtt/holdfast/wire"
)

func TestShared(t *testing.T) {
	broker := harness.Start(t, harness.Options{})
	t.Run("each message goes to one member", func(t *testing.T) { sharedOnce(t, broker) })
	t.Run("groups and plain subscriptions are independent", func(t *testing.T) { sharedIndependent(t, broker) })
	t.Run("retained messages are not sent to a group", func(t *testing.T) { sharedRetained(t, broker) })
	t.Run("what is published while all durable members are away waits, also through a crash", func(t *testing.T) { sharedDurable(t, broker) })
	t.Run("refused forms", func(t *testing.T) { sharedRefused(t, broker) })
}

// take receives everything that is there for a client, acknowledges it, and counts it by payload.
func take(c *harness.Client, into map[string]int) {
	for c.Pending() > 0 {
		p := harness.Next[*wire.Publish](c, "a pending message")
		into[string(p.Payload)]++
		c.Acknowledge(p)
	}
}

// wantAll waits until every message came, over all clients together, and wants each once.
func wantAll(t *testing.T, count int, got map[string]int, clients ...*harness.Client) {
	t.Helper()
	harness.Eventually(t, fmt.Sprintf("%d different messages", count), func() bool {
		for _, c := range clients {
			take(c, got)
		}
		return len(got) >= count
	})
	for payload, n := range got {
		if n != 1 {
			t.Errorf("message %s came %d times", payload, n)
		}
	}
}

func sharedOnce(t *testing.T, broker *harness.Broker) {
	everyVersion(t, func(t *testing.T, v wire.Version) {
		filter := "$share/g/" + topic(t, "#")
		one := broker.Connect(t, id(t, "one"), v)
		two := broker.Connect(t, id(t, "two"), v)
		one.Subscribe(filter, 1)
		two.Subscribe(filter, 1)
		publisher := broker.Connect(t, id(t, "p"), v)
		for i := range 40 {
			publisher.Publish(topic(t, "a"), fmt.Sprint(i), 1)
		}
		got := map[string]int{}
		wantAll(t, 40, got, one, two)
	})
}

func sharedIndependent(t *testing.T, broker *harness.Broker) {
	plain := broker.Connect(t, id(t, "plain"), wire.V5)
	plain.Subscribe(topic(t, "a"), 1)
	g := broker.Connect(t, id(t, "g"), wire.V5)
	g.Subscribe("$share/g/"+topic(t, "a"), 1)
	h := broker.Connect(t, id(t, "h"), wire.V5)
	h.Subscribe("$share/h/"+topic(t, "a"), 1)
	plain.Publish(topic(t, "a"), "x", 1)
	for _, c := range []*harness.Client{plain, g, h} {
		c.Receive("one for each", harness.Message{Topic: topic(t, "a"), Payload: "x", QoS: 1})
	}
	h.Unsubscribe("$share/h/" + topic(t, "a"))
	plain.Publish(topic(t, "a"), "y", 1)
	g.Receive("the other group goes on", harness.Message{Topic: topic(t, "a"), Payload: "y", QoS: 1})
	h.WantNothingBefore("the group has ended", 1)
}

func sharedRetained(t *testing.T, broker *harness.Broker) {
	c := broker.Connect(t, id(t, "c"), wire.V5)
	c.Retain(topic(t, "a"), "x", 1)
	c.Subscribe("$share/g/"+topic(t, "a"), 1)
	c.WantNothingBefore("no retained message comes", 1)
}

func sharedDurable(t *testing.T, broker *harness.Broker) {
	filter := "$share/g/" + topic(t, "#")
	one := broker.Connect(t, id(t, "one"), wire.V5, harness.Durable)
	two := broker.Connect(t, id(t, "two"), wire.V311, harness.Durable)
	one.Subscribe(filter, 2)
	two.Subscribe(filter, 2)
	one.Cut()
	two.Leave()
	publisher := broker.Connect(t, id(t, "p"), wire.V5)
	for i := range 40 {
		publisher.Publish(topic(t, "a"), fmt.Sprint(i), 2)
	}
	broker.CrashAndRestart()
	one = present(t, broker, id(t, "one"), wire.V5)
	two = present(t, broker, id(t, "two"), wire.V311)
	wantAll(t, 40, map[string]int{}, one, two)
}

func sharedRefused(t *testing.T, broker *harness.Broker) {
	for _, filter := range []string{"$share/g", "$share//a", "$share/+/a", "$share/g/"} {
		c := broker.Connect(t, id(t, "c"), wire.V5)
		c.Send(&wire.Subscribe{PacketID: 1, Filters: []wire.Subscription{{Filter: filter, QoS: 1}}})
		// Either end is right: refused by SUBACK, or by the end of the connection.
		last := c.WantAnswer("SUBSCRIBE to " + filter)
		if ack, ok := last.(*wire.Suback); ok && !ack.Codes[0].Failed() {
			t.Errorf("%s was granted", filter)
		}
	}
	c := broker.Connect(t, id(t, "local"), wire.V5)
	c.Send(&wire.Subscribe{PacketID: 1, Filters: []wire.Subscription{{Filter: "$share/g/a", QoS: 1, NoLocal: true}}})
	c.WantDisconnect("no local in a shared subscription", wire.ProtocolErrorCode) // [MQTT-3.8.3-4]
}
