package tests

import (
	"testing"

	"github.com/holdfast-mqtt/holdfast/tests/harness"
	"github.com/holdfast-mqtt/holdfast/wire"
)

func TestWill(t *testing.T) {
	broker := harness.Start(t, harness.Options{Env: []string{"HOLDFAST_MQTT__WILL_GRACE=2s"}})
	t.Run("sent when the connection breaks", func(t *testing.T) { willBroken(t, broker) })
	t.Run("not sent after DISCONNECT", func(t *testing.T) { willLeave(t, broker) })
	t.Run("not sent when the client is back at once after DISCONNECT", func(t *testing.T) { willBackAtOnce(t, broker) })
	t.Run("sent after DISCONNECT with will", func(t *testing.T) { willLeaveWithWill(t, broker) })
	t.Run("sent when the client breaks the protocol", func(t *testing.T) { willProtocolError(t, broker) })
	t.Run("sent when keep alive runs out", func(t *testing.T) { willKeepAlive(t, broker) })
	t.Run("retained", func(t *testing.T) { willRetained(t, broker) })
	t.Run("a client that returns within the delay cancels it", func(t *testing.T) { willDelay(t, broker) })
	t.Run("sent for who was connected when the broker was killed", func(t *testing.T) { willCrash(t, broker) })
	t.Run("sent once for who was connected when the broker was stopped", func(t *testing.T) { willStop(t, broker) })
}

// willWatcher is a durable client that sees every will of the test.
func willWatcher(t *testing.T, broker *harness.Broker) *harness.Client {
	t.Helper()
	c := broker.Connect(t, id(t, "watcher"), wire.V5, harness.Durable)
	c.Subscribe(topic(t, "#"), 2)
	return c
}

func willBroken(t *testing.T, broker *harness.Broker) {
	everyVersion(t, func(t *testing.T, v wire.Version) {
		watcher := willWatcher(t, broker)
		for qos := byte(0); qos <= 2; qos++ {
			broker.Connect(t, id(t, "c"), v, harness.Will(topic(t, "w"), "gone", qos)).Cut()
			watcher.Receive("the will of a clean session", harness.Message{Topic: topic(t, "w"), Payload: "gone", QoS: qos})
			broker.Connect(t, id(t, "d"), v, harness.Durable, harness.Will(topic(t, "w"), "away", qos)).Cut()
			watcher.Receive("the will of a durable session", harness.Message{Topic: topic(t, "w"), Payload: "away", QoS: qos})
		}
		watcher.Unsubscribe(topic(t, "#"))
		watcher.WantNothingBefore("each came once", 2)
	})
}

func willLeave(t *testing.T, broker *harness.Broker) {
	everyVersion(t, func(t *testing.T, v wire.Version) {
		watcher := willWatcher(t, broker)
		broker.Connect(t, id(t, "c"), v, harness.Will(topic(t, "w"), "wrong", 1)).Leave() // [MQTT-3.14.4-3]
		broker.Connect(t, id(t, "d"), v, harness.Durable, harness.Will(topic(t, "w"), "wrong", 1)).Leave()
		watcher.WantNothingBefore("no will", 2)
	})
}

// willBackAtOnce lets DISCONNECT and the next CONNECT race: the broker may meet the second while the first is still in
// its socket. The client has left in good order all the same.
func willBackAtOnce(t *testing.T, broker *harness.Broker) {
	watcher := willWatcher(t, broker)
	for range 50 {
		broker.Connect(t, id(t, "c"), wire.V311, harness.Durable, harness.Will(topic(t, "w"), "wrong", 1)).LeaveAtOnce()
	}
	watcher.WantNothingBefore("no will", 2)
}

func willLeaveWithWill(t *testing.T, broker *harness.Broker) {
	watcher := willWatcher(t, broker)
	c := broker.Connect(t, id(t, "c"), wire.V5, harness.Will(topic(t, "w"), "on purpose", 1))
	c.Send(&wire.Disconnect{Code: wire.DisconnectWithWillMessage})
	watcher.Receive("asked for", harness.Message{Topic: topic(t, "w"), Payload: "on purpose", QoS: 1})
}

func willProtocolError(t *testing.T, broker *harness.Broker) {
	everyVersion(t, func(t *testing.T, v wire.Version) {
		watcher := willWatcher(t, broker)
		c := broker.Connect(t, id(t, "c"), v, harness.Will(topic(t, "w"), "expelled", 1))
		c.SendRaw(0xF0|0x0F, 0x00)
		watcher.Receive("the broker ended the connection", harness.Message{Topic: topic(t, "w"), Payload: "expelled", QoS: 1})
	})
}

func willKeepAlive(t *testing.T, broker *harness.Broker) {
	watcher := willWatcher(t, broker)
	broker.Connect(t, id(t, "c"), wire.V311, harness.KeepAlive(1), harness.Will(topic(t, "w"), "silent", 1))
	watcher.Receive("no sign of life", harness.Message{Topic: topic(t, "w"), Payload: "silent", QoS: 1})
}

func willRetained(t *testing.T, broker *harness.Broker) {
	watcher := willWatcher(t, broker)
	c := broker.Connect(t, id(t, "c"), wire.V5, harness.Will(topic(t, "w"), "offline", 1), func(p *wire.Connect) { p.Will.Retain = true })
	c.Cut()
	watcher.Receive("live", harness.Message{Topic: topic(t, "w"), Payload: "offline", QoS: 1})
	wantRetained(t, broker, wire.V5, topic(t, "w"), "offline", 1)
}

// willDelay lets two clients break off, of which one returns: when the will of the other is there, the first one's
// would have been.
func willDelay(t *testing.T, broker *harness.Broker) {
	watcher := willWatcher(t, broker)
	delayed := func(payload string, seconds uint32) harness.Option {
		return func(p *wire.Connect) {
			harness.Will(topic(t, "w"), payload, 1)(p)
			p.Will.Properties.SetWillDelayInterval(seconds)
		}
	}
	broker.Connect(t, id(t, "back"), wire.V5, harness.Durable, delayed("wrong", 1)).Cut()
	back := broker.Connect(t, id(t, "back"), wire.V5, harness.Durable) // without a will
	broker.Connect(t, id(t, "gone"), wire.V5, harness.Durable, delayed("right", 2)).Cut()
	watcher.Receive("of the one that did not return", harness.Message{Topic: topic(t, "w"), Payload: "right", QoS: 1})
	back.Cut()
	watcher.Unsubscribe(topic(t, "#"))
	watcher.WantNothingBefore("nothing of the one that did", 1)
}

func willCrash(t *testing.T, broker *harness.Broker) {
	watcher := willWatcher(t, broker)
	for _, v := range harness.Versions() {
		broker.Connect(t, id(t, "back"+v.String()), v, harness.Durable, harness.Will(topic(t, "w"), "wrong: back "+v.String(), 2))
	}
	names := map[string]int{}
	for _, v := range harness.Versions() {
		broker.Connect(t, id(t, "kept"+v.String()), v, harness.Durable, harness.Will(topic(t, "w"), "kept "+v.String(), 2))
		broker.Connect(t, id(t, "clean"+v.String()), v, harness.Will(topic(t, "w"), "clean "+v.String(), 2))
	}
	left := broker.Connect(t, id(t, "left"), wire.V5, harness.Durable, harness.Will(topic(t, "w"), "wrong: left", 2))
	left.Leave()
	broker.Connect(t, id(t, "left"), wire.V5, harness.Durable) // its CONNACK says that the leave before it is on disk
	watcher.Cut()
	broker.CrashAndRestart()
	for _, v := range harness.Versions() {
		broker.Connect(t, id(t, "back"+v.String()), v, harness.Durable).Ping() // within the grace
	}
	watcher = present(t, broker, id(t, "watcher"), wire.V5)
	wantAll(t, 6, names, watcher)
	if len(names) > 6 {
		t.Errorf("wills %v: a client that was back within the grace, or had left before, has none", names)
	}
	broker.CrashAndRestart() // a will that was sent is not sent again
	watcher = present(t, broker, id(t, "watcher"), wire.V5)
	late := broker.Connect(t, id(t, "late"), wire.V5, harness.Durable, harness.Will(topic(t, "w"), "late", 2))
	late.Cut()
	watcher.Receive("the next will is a new one", harness.Message{Topic: topic(t, "w"), Payload: "late", QoS: 2})
}

func willStop(t *testing.T, broker *harness.Broker) {
	watcher := willWatcher(t, broker)
	broker.Connect(t, id(t, "c"), wire.V5, harness.Durable, harness.Will(topic(t, "w"), "stopped", 2))
	broker.Stop()
	broker.Restart()
	watcher.Cut()
	watcher = present(t, broker, id(t, "watcher"), wire.V5)
	got := map[string]int{}
	wantAll(t, 1, got, watcher)
	if got["stopped"] != 1 {
		t.Errorf("got %v", got)
	}
	watcher.WantNothingBefore("it came once", 2)
}
