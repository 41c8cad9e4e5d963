package tests

import (
	"testing"

	"github.com/holdfast-mqtt/holdfast/tests/harness"
	"github.com/holdfast-mqtt/holdfast/wire"
)

func TestConnect(t *testing.T) {
	broker := harness.Start(t, harness.Options{})
	t.Run("a durable session is present when its client comes back", func(t *testing.T) { connectResume(t, broker) })
	t.Run("a clean session is not", func(t *testing.T) { connectClean(t, broker) })
	t.Run("a clean start ends the session that was there", func(t *testing.T) { connectCleanStart(t, broker) })
	t.Run("CONNACK tells the limits", func(t *testing.T) { connectLimits(t, broker) })
	t.Run("empty client identifier", func(t *testing.T) { connectEmptyID(t, broker) })
	t.Run("the session expires", func(t *testing.T) { connectExpiry(t, broker) })
	t.Run("DISCONNECT may end the session", func(t *testing.T) { connectExpiryAtLeave(t, broker) })
	t.Run("keep alive", func(t *testing.T) { connectKeepAlive(t, broker) })
	t.Run("refused", func(t *testing.T) { connectRefused(t, broker) })
}

func connectResume(t *testing.T, broker *harness.Broker) {
	everyVersion(t, func(t *testing.T, v wire.Version) {
		c := broker.Connect(t, id(t, "c"), v, harness.Durable)
		if c.Connack.SessionPresent {
			t.Error("session present at the first CONNECT")
		}
		c.Leave()
		c = broker.Connect(t, id(t, "c"), v, harness.Durable)
		if v != wire.V31 && !c.Connack.SessionPresent { // 3.1 has no such flag
			t.Error("session not present after DISCONNECT")
		}
		c.Cut()
		c = broker.Connect(t, id(t, "c"), v, harness.Durable)
		if v != wire.V31 && !c.Connack.SessionPresent {
			t.Error("session not present after the connection broke")
		}
	})
}

func connectClean(t *testing.T, broker *harness.Broker) {
	everyVersion(t, func(t *testing.T, v wire.Version) {
		c := broker.Connect(t, id(t, "c"), v)
		c.Subscribe(topic(t, "a"), 1)
		c.Leave()
		publisher := broker.Connect(t, id(t, "p"), v)
		publisher.Publish(topic(t, "a"), "while away", 1)
		c = broker.Connect(t, id(t, "c"), v, harness.Durable)
		if c.Connack.SessionPresent {
			t.Error("a clean session outlived its connection")
		}
		c.WantNothingBefore("the subscription ended with the session", 1)
	})
}

func connectCleanStart(t *testing.T, broker *harness.Broker) {
	everyVersion(t, func(t *testing.T, v wire.Version) {
		c := broker.Connect(t, id(t, "c"), v, harness.Durable)
		c.Subscribe(topic(t, "a"), 1)
		c.Cut()
		publisher := broker.Connect(t, id(t, "p"), v)
		publisher.Publish(topic(t, "a"), "queued", 1)
		c = broker.Connect(t, id(t, "c"), v)
		if c.Connack.SessionPresent {
			t.Error("session present after a clean start")
		}
		publisher.Publish(topic(t, "a"), "after the clean start", 1)
		c.WantNothingBefore("queue and subscription of the old session are gone", 1)
	})
}

func connectLimits(t *testing.T, broker *harness.Broker) {
	ack := broker.Connect(t, id(t, "c"), wire.V5, func(p *wire.Connect) { p.Properties.SetSessionExpiryInterval(0xFFFFFFFF) }).Connack
	p := &ack.Properties
	if p.ReceiveMaximum != 1000 || p.MaximumPacketSize != 1<<20 || p.TopicAliasMaximum != 32 {
		t.Errorf("receive maximum %d, maximum packet size %d, topic aliases %d; want the defaults 1000, 1 MiB, 32",
			p.ReceiveMaximum, p.MaximumPacketSize, p.TopicAliasMaximum)
	}
	const fortnight = 14 * 24 * 3600
	if p.SessionExpiryInterval != fortnight { // [MQTT-3.2.2-21]
		t.Errorf("session expiry %d s, want it lowered to %d s and told", p.SessionExpiryInterval, fortnight)
	}
	short := broker.Connect(t, id(t, "d"), wire.V5, func(p *wire.Connect) { p.Properties.SetSessionExpiryInterval(60) }).Connack
	if short.Properties.Has(wire.PropSessionExpiryInterval) && short.Properties.SessionExpiryInterval != 60 {
		t.Errorf("session expiry %d s instead of the 60 s asked for", short.Properties.SessionExpiryInterval)
	}
}

func connectEmptyID(t *testing.T, broker *harness.Broker) {
	first := broker.Connect(t, "", wire.V5)
	second := broker.Connect(t, "", wire.V5)
	one, two := first.Connack.Properties.AssignedClientIdentifier, second.Connack.Properties.AssignedClientIdentifier
	if len(one) == 0 || string(one) == string(two) { // [MQTT-3.1.3-7]
		t.Errorf("assigned client identifiers %q and %q, want two different ones", one, two)
	}
	broker.Connect(t, "", wire.V311).Ping()
	for _, v := range []wire.Version{wire.V31, wire.V311} {
		c := broker.Dial(t, "", v)
		c.Hello(harness.Durable) // [MQTT-3.1.3-8]
		if c.Connack.Code != wire.ClientIdentifierNotValid {
			t.Errorf("MQTT %v: empty client identifier for a session to keep: %v", v, c.Connack.Code)
		}
		c.WantClosed("after the refusal")
	}
}

// connectExpiry uses a will with a long delay as the clock: it is published when its session ends, if that is earlier.
func connectExpiry(t *testing.T, broker *harness.Broker) {
	watcher := broker.Connect(t, id(t, "watcher"), wire.V5)
	watcher.Subscribe(topic(t, "will"), 1)
	expiring := func(p *wire.Connect) {
		p.CleanStart = false
		p.Properties.SetSessionExpiryInterval(1)
		harness.Will(topic(t, "will"), "ended", 1)(p)
		p.Will.Properties.SetWillDelayInterval(3600)
	}
	c := broker.Connect(t, id(t, "c"), wire.V5, expiring)
	c.Cut()
	watcher.Receive("the will at the end of the session", harness.Message{Topic: topic(t, "will"), Payload: "ended", QoS: 1})
	if c = broker.Connect(t, id(t, "c"), wire.V5, expiring); c.Connack.SessionPresent {
		t.Error("the session is present after it expired")
	}
}

func connectExpiryAtLeave(t *testing.T, broker *harness.Broker) {
	c := broker.Connect(t, id(t, "c"), wire.V5, harness.Durable)
	leave := &wire.Disconnect{}
	leave.Properties.SetSessionExpiryInterval(0)
	c.Send(leave)
	c.WantClosed("after DISCONNECT")
	if c = broker.Connect(t, id(t, "c"), wire.V5, harness.Durable); c.Connack.SessionPresent {
		t.Error("session present although DISCONNECT set its expiry to 0")
	}
	volatile := broker.Connect(t, id(t, "v"), wire.V5)
	leave = &wire.Disconnect{}
	leave.Properties.SetSessionExpiryInterval(60)
	volatile.Send(leave) // [MQTT-3.14.2-2]
	volatile.WantDisconnect("an expiry where CONNECT had none", wire.ProtocolErrorCode)
}

func connectKeepAlive(t *testing.T, broker *harness.Broker) {
	everyVersion(t, func(t *testing.T, v wire.Version) {
		t.Parallel() // each waits a second and a half
		c := broker.Connect(t, id(t, "c"), v, harness.KeepAlive(1))
		c.WantDisconnect("silence for one and a half times the keep alive", wire.KeepAliveTimeout) // [MQTT-3.1.2-22]
	})
}

func connectRefused(t *testing.T, broker *harness.Broker) {
	everyVersion(t, func(t *testing.T, v wire.Version) {
		c := broker.Dial(t, id(t, "c"), v)
		c.Send(&wire.Pingreq{}) // [MQTT-3.1.0-1]
		if last := c.WantClosed("the first packet is not CONNECT"); last != nil && last.Type() != wire.DISCONNECT {
			t.Errorf("got %s", harness.Describe(last))
		}
		c = broker.Connect(t, id(t, "c"), v)
		c.Send(&wire.Connect{Version: v, CleanStart: true, ClientID: id(t, "c")}) // [MQTT-3.1.0-2]
		c.WantDisconnect("a second CONNECT", wire.ProtocolErrorCode)
	})
	c := broker.Dial(t, id(t, "auth"), wire.V5)
	c.Hello(func(p *wire.Connect) { p.Properties.SetAuthenticationMethod([]byte("SCRAM")) })
	if c.Connack.Code != wire.BadAuthenticationMethod {
		t.Errorf("unknown authentication method: %v", c.Connack.Code)
	}
	c.WantClosed("after the refusal")
	for _, level := range []byte{0, 2, 6, 0x84} {
		c := broker.Dial(t, id(t, "level"), wire.V311)
		c.SendRaw(0x10, 0x0d, 0x00, 0x04, 'M', 'Q', 'T', 'T', level, 0x02, 0x00, 0x00, 0x00, 0x01, 'x')
		last := c.WantClosed("unknown protocol level") // [MQTT-3.1.2-2]
		if ack, ok := last.(*wire.Connack); last != nil && (!ok || !ack.Code.Failed()) {
			t.Errorf("level %d: %s", level, harness.Describe(last))
		}
	}
}
