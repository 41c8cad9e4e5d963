package tests

import (
	"fmt"
	"testing"

	"github.com/holdfast-mqtt/holdfast/tests/harness"
	"github.com/holdfast-mqtt/holdfast/wire"
)

// interruptions are the ways in which a connection ends and the client finds its session again. What is promised
// across one is promised across all.
func interruptions(broker *harness.Broker) map[string]func(c *harness.Client) {
	return map[string]func(*harness.Client){
		"the connection breaks": func(c *harness.Client) { c.Cut() },
		"the client leaves":     func(c *harness.Client) { c.Leave() },
		"the broker is killed":  func(c *harness.Client) { broker.CrashAndRestart(); c.Cut() },
		"the broker restarts":   func(c *harness.Client) { broker.Stop(); broker.Restart(); c.Cut() },
	}
}

// interrupted runs a test for every interruption and the two protocol versions that differ here.
func interrupted(t *testing.T, broker *harness.Broker, run func(t *testing.T, v wire.Version, interrupt func(*harness.Client))) {
	for name, interrupt := range interruptions(broker) {
		for _, v := range []wire.Version{wire.V311, wire.V5} {
			t.Run(name+", MQTT "+v.String(), func(t *testing.T) { run(t, v, interrupt) })
		}
	}
}

func TestResume(t *testing.T) {
	broker := harness.Start(t, harness.Options{})
	for _, test := range []struct {
		name string
		run  func(*testing.T, *harness.Broker, wire.Version, func(*harness.Client))
	}{
		{"what was published meanwhile comes in order", resumeQueue},
		{"unacknowledged messages come again with the same packet ids in order", resumeInflight},
		{"after PUBREC only PUBREL comes again", resumeReleased},
		{"a QoS 2 packet id of a publisher is remembered", resumeReceived},
		{"a QoS 2 packet id is forgotten after PUBREL", resumeReused},
		{"subscriptions and their ends are kept", resumeSubscriptions},
		{"a message whose exchange has ended does not come again", resumeSettled},
	} {
		t.Run(test.name, func(t *testing.T) {
			interrupted(t, broker, func(t *testing.T, v wire.Version, interrupt func(*harness.Client)) {
				test.run(t, broker, v, interrupt)
			})
		})
	}
	t.Run("the queue respects Receive Maximum", func(t *testing.T) { resumeReceiveMaximum(t, broker) })
	t.Run("an expired message does not come", func(t *testing.T) { resumeExpired(t, broker) })
}

// present connects and wants the session to be there.
func present(t *testing.T, broker *harness.Broker, name string, v wire.Version, options ...harness.Option) *harness.Client {
	t.Helper()
	c := broker.Connect(t, name, v, append([]harness.Option{harness.Durable}, options...)...)
	if !c.Connack.SessionPresent {
		t.Fatal("the session is gone")
	}
	return c
}

func resumeQueue(t *testing.T, broker *harness.Broker, v wire.Version, interrupt func(*harness.Client)) {
	const count = 30
	c := broker.Connect(t, id(t, "s"), v, harness.Durable)
	c.Subscribe(topic(t, "#"), 2)
	c.Cut()
	publisher := broker.Connect(t, id(t, "p"), v)
	for i := range count {
		publisher.Publish(topic(t, "a"), fmt.Sprint(i), byte(1+i%2))
	}
	interrupt(publisher)
	c = present(t, broker, id(t, "s"), v)
	for i := range count {
		c.Receive("what was acknowledged", harness.Message{Topic: topic(t, "a"), Payload: fmt.Sprint(i), QoS: byte(1 + i%2)})
	}
	c.WantNothingBefore("nothing comes twice", 2)
}

func resumeInflight(t *testing.T, broker *harness.Broker, v wire.Version, interrupt func(*harness.Client)) {
	c := broker.Connect(t, id(t, "s"), v, harness.Durable)
	c.Subscribe(topic(t, "#"), 2)
	publisher := broker.Connect(t, id(t, "p"), v)
	var first []*wire.Publish
	for i := range 6 {
		qos := byte(1 + i%2)
		publisher.Publish(topic(t, "a"), fmt.Sprint(i), qos)
		first = append(first, c.Want("for the first time", harness.Message{Topic: topic(t, "a"), Payload: fmt.Sprint(i), QoS: qos}))
	}
	interrupt(c)
	c = present(t, broker, id(t, "s"), v)
	for i, before := range first {
		again := c.Want("again", harness.Message{Topic: topic(t, "a"), Payload: fmt.Sprint(i), QoS: before.QoS, Dup: true}) // [MQTT-3.3.1-1]
		if again.PacketID != before.PacketID && again.QoS == 2 {                                                            // [MQTT-4.3.3-4]
			t.Errorf("message %d came as packet %d and now as %d", i, before.PacketID, again.PacketID)
		}
		c.Acknowledge(again)
	}
	c.WantNothingBefore("nothing comes twice", 2)
}

func resumeReleased(t *testing.T, broker *harness.Broker, v wire.Version, interrupt func(*harness.Client)) {
	c := broker.Connect(t, id(t, "s"), v, harness.Durable)
	c.Subscribe(topic(t, "a"), 2)
	publisher := broker.Connect(t, id(t, "p"), v)
	publisher.Publish(topic(t, "a"), "x", 2)
	p := c.Want("the message", harness.Message{Topic: topic(t, "a"), Payload: "x", QoS: 2})
	c.Send(&wire.Pubrec{PacketID: p.PacketID})
	c.WantPubrel(p.PacketID)
	interrupt(c)
	c = present(t, broker, id(t, "s"), v)
	c.WantPubrel(p.PacketID) // [MQTT-4.4.0-1]
	c.Send(&wire.Pubcomp{PacketID: p.PacketID})
	c.WantNothingBefore("the message itself does not come again", 2) // [MQTT-4.3.3-7]
}

func resumeReceived(t *testing.T, broker *harness.Broker, v wire.Version, interrupt func(*harness.Client)) {
	s := broker.Connect(t, id(t, "s"), v, harness.Durable)
	s.Subscribe(topic(t, "a"), 2)
	c := broker.Connect(t, id(t, "p"), v, harness.Durable)
	p := &wire.Publish{Topic: []byte(topic(t, "a")), QoS: 2, PacketID: 11, Payload: []byte("x")}
	c.Send(p)
	c.WantPubrec(11)
	s.Cut()
	interrupt(c)
	c = present(t, broker, id(t, "p"), v)
	p.Dup = true
	c.Send(p)
	c.WantPubrec(11)
	c.Release(11)
	s = present(t, broker, id(t, "s"), v)
	got := harness.Next[*wire.Publish](s, "the message")
	if string(got.Payload) != "x" || got.QoS != 2 {
		t.Errorf("got %s", harness.Describe(got))
	}
	s.Acknowledge(got)
	s.WantNothingBefore("the repeat is no second message", 2)
}

func resumeReused(t *testing.T, broker *harness.Broker, v wire.Version, interrupt func(*harness.Client)) {
	s := broker.Connect(t, id(t, "s"), v, harness.Durable)
	s.Subscribe(topic(t, "a"), 1)
	s.Cut()
	c := broker.Connect(t, id(t, "p"), v, harness.Durable)
	p := &wire.Publish{Topic: []byte(topic(t, "a")), QoS: 2, PacketID: 12, Payload: []byte("first")}
	c.Send(p)
	c.WantPubrec(12)
	c.Release(12)
	interrupt(c)
	c = present(t, broker, id(t, "p"), v)
	p.Payload = []byte("second")
	c.Send(p)
	c.WantPubrec(12)
	c.Release(12)
	s = present(t, broker, id(t, "s"), v)
	s.Receive("the first under the id", harness.Message{Topic: topic(t, "a"), Payload: "first", QoS: 1})
	s.Receive("the second under the same id", harness.Message{Topic: topic(t, "a"), Payload: "second", QoS: 1})
}

func resumeSubscriptions(t *testing.T, broker *harness.Broker, v wire.Version, interrupt func(*harness.Client)) {
	c := broker.Connect(t, id(t, "s"), v, harness.Durable)
	c.Subscribe(topic(t, "kept"), 1)
	c.Subscribe(topic(t, "ended"), 1)
	c.Unsubscribe(topic(t, "ended"))
	interrupt(c)
	publisher := broker.Connect(t, id(t, "p"), v)
	publisher.Publish(topic(t, "ended"), "back from the dead", 1)
	publisher.Publish(topic(t, "kept"), "x", 1)
	c = present(t, broker, id(t, "s"), v)
	c.Receive("only the subscription that was kept", harness.Message{Topic: topic(t, "kept"), Payload: "x", QoS: 1})
	c.WantNothingBefore("nothing else", 1)
}

// resumeSettled completes the exchange of one message and goes on to PUBREC with the next. After a crash the broker may
// repeat the PUBREL of the first, for a PUBCOMP need not be on disk; it may not repeat a message.
func resumeSettled(t *testing.T, broker *harness.Broker, v wire.Version, interrupt func(*harness.Client)) {
	c := broker.Connect(t, id(t, "s"), v, harness.Durable)
	c.Subscribe(topic(t, "a"), 2)
	publisher := broker.Connect(t, id(t, "p"), v)
	publisher.Publish(topic(t, "a"), "one", 2)
	publisher.Publish(topic(t, "a"), "two", 2)
	c.Receive("the first, to its end", harness.Message{Topic: topic(t, "a"), Payload: "one", QoS: 2})
	p := c.Want("the second, to PUBREC", harness.Message{Topic: topic(t, "a"), Payload: "two", QoS: 2})
	c.Send(&wire.Pubrec{PacketID: p.PacketID})
	c.WantPubrel(p.PacketID)
	interrupt(c)
	c = present(t, broker, id(t, "s"), v)
	for released := uint16(0); released != p.PacketID; {
		released = harness.Next[*wire.Pubrel](c, "PUBREL of the second").PacketID
		c.Send(&wire.Pubcomp{PacketID: released})
	}
	c.WantNothingBefore("neither message comes again", 2)
}

func resumeReceiveMaximum(t *testing.T, broker *harness.Broker) {
	const limit, count = 3, 10
	narrow := func(p *wire.Connect) { p.Properties.SetReceiveMaximum(limit) }
	c := broker.Connect(t, id(t, "s"), wire.V5, harness.Durable, narrow)
	c.Subscribe(topic(t, "a"), 1)
	c.Cut()
	publisher := broker.Connect(t, id(t, "p"), wire.V5)
	for i := range count {
		publisher.Publish(topic(t, "a"), fmt.Sprint(i), 1)
	}
	c = present(t, broker, id(t, "s"), wire.V5, narrow)
	var open []*wire.Publish
	for i := range count {
		if len(open) == limit { // [MQTT-3.3.4-9]
			c.Ping()
			c.Send(&wire.Puback{PacketID: open[0].PacketID})
			open = open[1:]
		}
		open = append(open, c.Want("within the window", harness.Message{Topic: topic(t, "a"), Payload: fmt.Sprint(i), QoS: 1}))
		if extra := c.Pending(); len(open) == limit && extra > 0 {
			t.Fatalf("%d messages are unacknowledged, the client takes %d", limit+extra, limit)
		}
	}
}

// resumeExpired uses the delay of a will as the clock.
func resumeExpired(t *testing.T, broker *harness.Broker) {
	c := broker.Connect(t, id(t, "s"), wire.V5, harness.Durable)
	c.Subscribe(topic(t, "a"), 1)
	c.Cut()
	watcher := broker.Connect(t, id(t, "watcher"), wire.V5)
	watcher.Subscribe(topic(t, "clock"), 1)
	p := &wire.Publish{Topic: []byte(topic(t, "a")), QoS: 1, Payload: []byte("for one second")}
	p.Properties.SetMessageExpiryInterval(1)
	watcher.PublishPacket(p)
	clock := broker.Connect(t, id(t, "clock"), wire.V5, harness.Durable, harness.Will(topic(t, "clock"), "later", 1), func(p *wire.Connect) {
		p.Will.Properties.SetWillDelayInterval(2)
	})
	clock.Cut()
	watcher.Publish(topic(t, "a"), "for ever", 1)
	watcher.Receive("two seconds have passed", harness.Message{Topic: topic(t, "clock"), Payload: "later", QoS: 1})
	c = present(t, broker, id(t, "s"), wire.V5)
	c.Receive("only what has not expired", harness.Message{Topic: topic(t, "a"), Payload: "for ever", QoS: 1}) // [MQTT-3.3.2-5]
}
