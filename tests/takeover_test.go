package tests

import (
	"fmt"
	"sync"
	"testing"

	"github.com/holdfast-mqtt/holdfast/tests/harness"
	"github.com/holdfast-mqtt/holdfast/wire"
)

func TestTakeover(t *testing.T) {
	broker := harness.Start(t, harness.Options{})
	t.Run("the later connection wins", func(t *testing.T) { takeoverLater(t, broker) })
	t.Run("what is in flight goes over", func(t *testing.T) { takeoverInflight(t, broker) })
	t.Run("a clean start takes over and begins anew", func(t *testing.T) { takeoverClean(t, broker) })
	t.Run("a storm on one identifier ends with one", func(t *testing.T) { takeoverStorm(t, broker) })
}

func takeoverLater(t *testing.T, broker *harness.Broker) {
	everyVersion(t, func(t *testing.T, v wire.Version) {
		first := broker.Connect(t, id(t, "c"), v, harness.Durable)
		first.Subscribe(topic(t, "a"), 1)
		second := broker.Connect(t, id(t, "c"), v, harness.Durable)
		first.WantDisconnect("another client has the identifier", wire.SessionTakenOver) // [MQTT-3.1.4-3]
		if v != wire.V31 && !second.Connack.SessionPresent {
			t.Error("the session did not go over")
		}
		second.Publish(topic(t, "a"), "x", 1)
		second.Receive("the subscription went over", harness.Message{Topic: topic(t, "a"), Payload: "x", QoS: 1})
	})
}

func takeoverInflight(t *testing.T, broker *harness.Broker) {
	everyVersion(t, func(t *testing.T, v wire.Version) {
		first := broker.Connect(t, id(t, "c"), v, harness.Durable)
		first.Subscribe(topic(t, "a"), 2)
		publisher := broker.Connect(t, id(t, "p"), v)
		publisher.Publish(topic(t, "a"), "one", 1)
		publisher.Publish(topic(t, "a"), "two", 2)
		first.Want("unacknowledged", harness.Message{Topic: topic(t, "a"), Payload: "one", QoS: 1})
		two := first.Want("up to PUBREC", harness.Message{Topic: topic(t, "a"), Payload: "two", QoS: 2})
		first.Send(&wire.Pubrec{PacketID: two.PacketID})
		first.WantPubrel(two.PacketID)
		second := broker.Connect(t, id(t, "c"), v, harness.Durable)
		second.WantPubrel(two.PacketID)
		second.Send(&wire.Pubcomp{PacketID: two.PacketID})
		second.Receive("again", harness.Message{Topic: topic(t, "a"), Payload: "one", QoS: 1, Dup: true})
		second.WantNothingBefore("nothing else", 2)
	})
}

func takeoverClean(t *testing.T, broker *harness.Broker) {
	everyVersion(t, func(t *testing.T, v wire.Version) {
		first := broker.Connect(t, id(t, "c"), v, harness.Durable)
		first.Subscribe(topic(t, "a"), 1)
		second := broker.Connect(t, id(t, "c"), v)
		first.WantDisconnect("another client has the identifier", wire.SessionTakenOver)
		if second.Connack.SessionPresent {
			t.Error("session present after a clean start")
		}
		second.Publish(topic(t, "a"), "x", 1)
		second.WantNothingBefore("the subscription ended with its session", 1)
	})
}

// takeoverStorm lets many clients fight for one identifier. In the end one has it, all others were closed, and what
// was published meanwhile is there once.
func takeoverStorm(t *testing.T, broker *harness.Broker) {
	const clients, rounds = 16, 10
	first := broker.Connect(t, id(t, "c"), wire.V5, harness.Durable)
	first.Subscribe(topic(t, "a"), 2)
	var fight sync.WaitGroup
	for i := range clients {
		fight.Go(func() {
			for range rounds {
				conn, err := harness.Dial(broker.Addr(), wire.V5)
				if err != nil {
					t.Errorf("client %d: %v", i, err)
					return
				}
				connect := &wire.Connect{Version: wire.V5, ClientID: id(t, "c")}
				connect.Properties.SetSessionExpiryInterval(3600)
				_ = greet(conn, connect) // it may be taken over before its CONNACK
				conn.Cut()
			}
		})
	}
	publisher := broker.Connect(t, id(t, "p"), wire.V5)
	const messages = 50
	for i := range messages {
		publisher.Publish(topic(t, "a"), fmt.Sprint(i), 2)
	}
	fight.Wait()
	last := present(t, broker, id(t, "c"), wire.V5)
	for i := range messages {
		p := harness.Next[*wire.Publish](last, "a message of the storm") // DUP or not: it may have been on its way before
		if string(p.Payload) != fmt.Sprint(i) {
			t.Fatalf("got %s, want message %d", harness.Describe(p), i)
		}
		last.Acknowledge(p)
	}
	last.WantNothingBefore("each came once", 2)
	first.WantClosed("the first of all")
	if _, err := harness.Dial(broker.Addr(), wire.V5); err != nil {
		t.Errorf("after the storm: %v", err)
	}
}
