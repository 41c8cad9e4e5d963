package tests

import (
	"fmt"
	"testing"

	"github.com/holdfast-mqtt/holdfast/tests/harness"
	"github.com/holdfast-mqtt/holdfast/wire"
)

func TestRetained(t *testing.T) {
	broker := harness.Start(t, harness.Options{})
	t.Run("the newest is sent to a new subscription", func(t *testing.T) { retainedNewest(t, broker) })
	t.Run("subscribers get it live without the flag", func(t *testing.T) { retainedLive(t, broker) })
	t.Run("cleared by an empty payload", func(t *testing.T) { retainedCleared(t, broker) })
	t.Run("wildcards find all that match", func(t *testing.T) { retainedWildcards(t, broker) })
	t.Run("retain handling and retain as published", func(t *testing.T) { retainedOptions(t, broker) })
	t.Run("set and cleared values survive", func(t *testing.T) { retainedSurvive(t, broker) })
	t.Run("a durable subscriber that is away gets it as a message", func(t *testing.T) { retainedQueued(t, broker) })
}

// wantRetained subscribes anew, reads the retained value of a topic at a QoS, and nothing behind it.
func wantRetained(t *testing.T, broker *harness.Broker, v wire.Version, name, payload string, qos byte) {
	t.Helper()
	c := broker.Connect(t, id(t, "reader"), v)
	c.Subscribe(name, 2)
	if payload != "" {
		c.Receive("the retained value", harness.Message{Topic: name, Payload: payload, QoS: qos, Retain: true})
	}
	c.WantNothingBefore("nothing else is retained", max(qos, 1))
	c.Leave()
}

func retainedNewest(t *testing.T, broker *harness.Broker) {
	everyVersion(t, func(t *testing.T, v wire.Version) {
		c := broker.Connect(t, id(t, "p"), v)
		for qos := byte(0); qos <= 2; qos++ {
			c.Retain(topic(t, "a"), "old", 2)
			c.Retain(topic(t, "a"), fmt.Sprint("new at ", qos), qos)
			wantRetained(t, broker, v, topic(t, "a"), fmt.Sprint("new at ", qos), qos)
		}
		c.Publish(topic(t, "a"), "not retained", 1)
		wantRetained(t, broker, v, topic(t, "a"), "new at 2", 2)
	})
}

func retainedLive(t *testing.T, broker *harness.Broker) {
	everyVersion(t, func(t *testing.T, v wire.Version) {
		c := broker.Connect(t, id(t, "c"), v)
		c.Subscribe(topic(t, "a"), 1)
		c.Retain(topic(t, "a"), "x", 1)
		c.Receive("live", harness.Message{Topic: topic(t, "a"), Payload: "x", QoS: 1}) // [MQTT-3.3.1-12]
		c.Subscribe(topic(t, "a"), 1)
		c.Receive("subscribed again", harness.Message{Topic: topic(t, "a"), Payload: "x", QoS: 1, Retain: true}) // [MQTT-3.3.1-9]
	})
}

func retainedCleared(t *testing.T, broker *harness.Broker) {
	everyVersion(t, func(t *testing.T, v wire.Version) {
		c := broker.Connect(t, id(t, "c"), v)
		c.Retain(topic(t, "a"), "x", 1)
		c.Subscribe(topic(t, "a"), 1)
		c.Receive("there", harness.Message{Topic: topic(t, "a"), Payload: "x", QoS: 1, Retain: true})
		c.Retain(topic(t, "a"), "", 1)
		c.Receive("clearing is a message too", harness.Message{Topic: topic(t, "a"), QoS: 1}) // [MQTT-3.3.1-6]
		wantRetained(t, broker, v, topic(t, "a"), "", 0)
	})
}

func retainedWildcards(t *testing.T, broker *harness.Broker) {
	c := broker.Connect(t, id(t, "c"), wire.V5)
	for _, name := range []string{"a", "a/b", "a/b/c", "d/b"} {
		c.Retain(topic(t, name), name, 1)
	}
	for filter, want := range map[string]int{"a/#": 3, "+/b": 2, "#": 4, "a/+": 1, "+": 1, "e/#": 0} {
		reader := broker.Connect(t, id(t, "reader"), wire.V5)
		reader.Subscribe(topic(t, filter), 1)
		got := map[string]int{}
		wantAll(t, want, got, reader)
		if len(got) != want {
			t.Errorf("%s found %v, want %d", filter, got, want)
		}
	}
}

func retainedOptions(t *testing.T, broker *harness.Broker) {
	c := broker.Connect(t, id(t, "c"), wire.V5)
	c.Retain(topic(t, "a"), "x", 1)
	retained := harness.Message{Topic: topic(t, "a"), Payload: "x", QoS: 1, Retain: true}
	never := wire.Subscription{Filter: topic(t, "a"), QoS: 1, RetainHandling: 2}
	c.SubscribeAs(never)
	c.WantNothingBefore("retain handling 2", 1) // [MQTT-3.3.1-11]
	c.Unsubscribe(topic(t, "a"))
	once := wire.Subscription{Filter: topic(t, "a"), QoS: 1, RetainHandling: 1, RetainAsPublished: true}
	c.SubscribeAs(once)
	c.Receive("retain handling 1, new", retained) // [MQTT-3.3.1-10]
	c.SubscribeAs(once)
	c.WantNothingBefore("retain handling 1, not new", 1)
	c.Retain(topic(t, "a"), "x", 1)
	c.Receive("retain as published", retained) // [MQTT-3.3.1-13]
	c.Publish(topic(t, "a"), "y", 1)
	c.Receive("as published, without", harness.Message{Topic: topic(t, "a"), Payload: "y", QoS: 1})
}

func retainedSurvive(t *testing.T, broker *harness.Broker) {
	for name, restart := range map[string]func(){
		"kill":    func() { broker.CrashAndRestart() },
		"restart": func() { broker.Stop(); broker.Restart() },
	} {
		t.Run(name, func(t *testing.T) {
			c := broker.Connect(t, id(t, "c"), wire.V5)
			for i := range 20 {
				c.Retain(topic(t, fmt.Sprint(i)), "old", 1)
			}
			restart()
			c = broker.Connect(t, id(t, "c"), wire.V5)
			for i := range 20 {
				payload := "new"
				if i%2 == 0 {
					payload = ""
				}
				c.Retain(topic(t, fmt.Sprint(i)), payload, byte(1+i%3%2))
			}
			restart()
			reader := broker.Connect(t, id(t, "reader"), wire.V5)
			for i := range 20 {
				reader.Subscribe(topic(t, fmt.Sprint(i)), 1)
				if i%2 == 1 {
					reader.Receive("the newest", harness.Message{Topic: topic(t, fmt.Sprint(i)), Payload: "new", QoS: 1, Retain: true})
				}
			}
			reader.WantNothingBefore("what was cleared stays so", 1)
		})
	}
}

func retainedQueued(t *testing.T, broker *harness.Broker) {
	c := broker.Connect(t, id(t, "s"), wire.V5, harness.Durable)
	c.Subscribe(topic(t, "a"), 1)
	c.Cut()
	publisher := broker.Connect(t, id(t, "p"), wire.V5)
	publisher.Retain(topic(t, "a"), "one", 1)
	publisher.Retain(topic(t, "a"), "two", 1)
	c = present(t, broker, id(t, "s"), wire.V5)
	c.Receive("each of them", harness.Message{Topic: topic(t, "a"), Payload: "one", QoS: 1})
	c.Receive("each of them", harness.Message{Topic: topic(t, "a"), Payload: "two", QoS: 1})
	c.WantNothingBefore("the value does not come as well", 1)
}
