package tests

import (
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/tests/harness"
	"github.com/holdfast-mqtt/holdfast/wire"
)

func TestLimits(t *testing.T) {
	broker := harness.Start(t, harness.Options{Env: []string{
		"HOLDFAST_MQTT__MAX_PACKET_SIZE=64KiB",
		"HOLDFAST_MQTT__MAX_CONNECT_PACKET_SIZE=1KiB",
		"HOLDFAST_MQTT__CONNECT_TIMEOUT=1s",
		"HOLDFAST_MQTT__RECEIVE_MAXIMUM=5",
		"HOLDFAST_MQTT__TOPIC_ALIAS_MAXIMUM=3",
		"HOLDFAST_MQTT__MAX_TOPIC_LEVELS=10",
		"HOLDFAST_MQTT__MAX_SUBSCRIPTIONS_PER_SESSION=4",
		"HOLDFAST_MQTT__MAX_KEEP_ALIVE=30s",
		"HOLDFAST_MQTT__MAX_SESSION_EXPIRY=1h",
		"HOLDFAST_MQTT__MAX_INFLIGHT=7",
		"HOLDFAST_MQTT__MAX_QOS0_PENDING=64KiB",
	}})
	t.Run("CONNACK tells them", func(t *testing.T) { limitsTold(t, broker) })
	t.Run("packet size", func(t *testing.T) { limitsPacket(t, broker) })
	t.Run("size of CONNECT", func(t *testing.T) { limitsConnectPacket(t, broker) })
	t.Run("time for CONNECT", func(t *testing.T) { limitsConnectTime(t, broker) })
	t.Run("receive maximum", func(t *testing.T) { limitsReceiveMaximum(t, broker) })
	t.Run("topic aliases", func(t *testing.T) { limitsAlias(t, broker) })
	t.Run("topic levels", func(t *testing.T) { limitsLevels(t, broker) })
	t.Run("subscriptions of a session", func(t *testing.T) { limitsSubscriptions(t, broker) })
	t.Run("messages in flight to a client", func(t *testing.T) { limitsInflight(t, broker) })
	t.Run("the client's packet size", func(t *testing.T) { limitsClientPacket(t, broker) })
	t.Run("a client that does not read costs nobody else", func(t *testing.T) { limitsDeaf(t, broker) })
}

func limitsTold(t *testing.T, broker *harness.Broker) {
	p := &broker.Connect(t, id(t, "c"), wire.V5, harness.Durable, harness.KeepAlive(60)).Connack.Properties
	if p.ReceiveMaximum != 5 || p.MaximumPacketSize != 64<<10 || p.TopicAliasMaximum != 3 || p.ServerKeepAlive != 30 {
		t.Errorf("receive maximum %d, packet size %d, aliases %d, keep alive %d; want 5, 64 KiB, 3, 30 s",
			p.ReceiveMaximum, p.MaximumPacketSize, p.TopicAliasMaximum, p.ServerKeepAlive)
	}
}

func limitsPacket(t *testing.T, broker *harness.Broker) {
	everyVersion(t, func(t *testing.T, v wire.Version) {
		c := broker.Connect(t, id(t, "c"), v)
		c.Publish(topic(t, "a"), strings.Repeat("x", 60<<10), 1)
		// The size is known from the first bytes: the answer comes before the packet was sent.
		c.SendRaw(0x32, 0x81, 0x80, 0x04) // PUBLISH QoS 1 with 65,537 bytes to come
		c.WantDisconnect("a packet above the limit", wire.PacketTooLarge)
	})
}

func limitsConnectPacket(t *testing.T, broker *harness.Broker) {
	everyVersion(t, func(t *testing.T, v wire.Version) {
		c := broker.Dial(t, id(t, "c"), v)
		c.Send(&wire.Connect{Version: v, CleanStart: true, ClientID: id(t, "c"), HasUsername: true, Username: strings.Repeat("u", 2000)})
		if last := c.WantClosed("a CONNECT above the limit"); last != nil {
			if ack, ok := last.(*wire.Connack); !ok || !ack.Code.Failed() {
				t.Errorf("got %s", harness.Describe(last))
			}
		}
	})
}

// limitsConnectTime sends CONNECT byte by byte: the bytes do not renew the deadline.
func limitsConnectTime(t *testing.T, broker *harness.Broker) {
	silent := broker.Dial(t, id(t, "silent"), wire.V311)
	slow := broker.Dial(t, id(t, "slow"), wire.V311)
	slow.SendRaw(0x10, 0x40, 0x00, 0x04, 'M')
	closed := make(chan struct{})
	t.Cleanup(func() { <-closed }) // the connections are cut before, so it ends in any case
	go func() {
		defer close(closed)
		for i := 0; i < 1000 && slow.Trickle('Q') == nil; i++ {
		}
	}()
	silent.WantClosed("no CONNECT at all")
	slow.WantClosed("a CONNECT byte by byte")
}

func limitsReceiveMaximum(t *testing.T, broker *harness.Broker) {
	c := broker.Connect(t, id(t, "c"), wire.V5)
	publish := func(n uint16) {
		c.Send(&wire.Publish{Topic: []byte(topic(t, "a")), QoS: 2, PacketID: n})
	}
	for n := uint16(1); n <= 5; n++ {
		publish(n)
		c.WantPubrec(n) // no PUBREL, so it stays open
	}
	c.Ping()
	publish(6)
	c.WantDisconnect("more than Receive Maximum", wire.ReceiveMaximumExceeded) // [MQTT-3.3.4-7]
	old := broker.Connect(t, id(t, "old"), wire.V311)                          // has no such limit
	for n := uint16(1); n <= 10; n++ {
		old.Send(&wire.Publish{Topic: []byte(topic(t, "a")), QoS: 2, PacketID: n})
		old.WantPubrec(n)
	}
	for n := uint16(1); n <= 10; n++ {
		old.Release(n)
	}
}

func limitsAlias(t *testing.T, broker *harness.Broker) {
	for _, alias := range []uint16{0, 4, 65535} {
		c := broker.Connect(t, id(t, "c"), wire.V5)
		p := &wire.Publish{Topic: []byte(topic(t, "a"))}
		p.Properties.SetTopicAlias(alias)
		c.Send(p)
		c.WantDisconnect("an alias out of range", wire.TopicAliasInvalid) // [MQTT-3.3.2-9]
	}
	c := broker.Connect(t, id(t, "c"), wire.V5)
	p := &wire.Publish{}
	p.Properties.SetTopicAlias(2)
	c.Send(p)
	c.WantDisconnect("an alias that stands for nothing", wire.ProtocolErrorCode, wire.TopicAliasInvalid)
}

func limitsLevels(t *testing.T, broker *harness.Broker) {
	fits, deep := topic(t, strings.Repeat("a/", 8)+"a"), topic(t, strings.Repeat("a/", 9)+"a")
	everyVersion(t, func(t *testing.T, v wire.Version) {
		c := broker.Connect(t, id(t, "c"), v)
		c.Subscribe(fits, 1)
		c.Publish(fits, "x", 1)
		c.Receive("ten levels", harness.Message{Topic: fits, Payload: "x", QoS: 1})
		if code := c.AskToSubscribe(wire.Subscription{Filter: deep, QoS: 1})[0]; !code.Failed() {
			t.Errorf("a filter of eleven levels: %v", code)
		}
		c.Send(&wire.Publish{Topic: []byte(deep), QoS: 1, PacketID: 9})
		c.WantDisconnect("a topic of eleven levels", wire.TopicNameInvalid)
	})
}

func limitsSubscriptions(t *testing.T, broker *harness.Broker) {
	everyVersion(t, func(t *testing.T, v wire.Version) {
		c := broker.Connect(t, id(t, "c"), v, harness.Durable)
		for _, level := range []string{"1", "2", "3", "4"} {
			c.Subscribe(topic(t, level), 1)
		}
		if code := c.AskToSubscribe(wire.Subscription{Filter: topic(t, "5"), QoS: 1})[0]; !code.Failed() || v == wire.V5 && code != wire.QuotaExceeded {
			t.Errorf("the fifth subscription: %v", code)
		}
		c.Subscribe(topic(t, "4"), 2) // replaces one
		c.Unsubscribe(topic(t, "1"))
		c.Subscribe(topic(t, "5"), 1)
	})
}

func limitsInflight(t *testing.T, broker *harness.Broker) {
	const limit = 7
	c := broker.Connect(t, id(t, "c"), wire.V311, harness.Durable)
	c.Subscribe(topic(t, "a"), 1)
	publisher := broker.Connect(t, id(t, "p"), wire.V311)
	for range 2 * limit {
		publisher.Publish(topic(t, "a"), "x", 1)
	}
	var open []*wire.Publish
	for range limit {
		open = append(open, c.Want("within the window", harness.Message{Topic: topic(t, "a"), Payload: "x", QoS: 1}))
	}
	if n := c.Pending(); n > 0 {
		t.Errorf("%d messages more than the window came", n)
	}
	for _, p := range open {
		c.Acknowledge(p)
	}
	for range limit {
		c.Receive("the rest", harness.Message{Topic: topic(t, "a"), Payload: "x", QoS: 1})
	}
}

func limitsClientPacket(t *testing.T, broker *harness.Broker) {
	narrow := func(p *wire.Connect) { p.Properties.SetMaximumPacketSize(200) }
	c := broker.Connect(t, id(t, "c"), wire.V5, harness.Durable, narrow)
	c.Subscribe(topic(t, "a"), 2)
	publisher := broker.Connect(t, id(t, "p"), wire.V5)
	for _, qos := range []byte{0, 1, 2} {
		publisher.Publish(topic(t, "a"), strings.Repeat("x", 300), qos) // [MQTT-3.1.2-25]
		publisher.Publish(topic(t, "a"), "fits", qos)
		c.Receive("what fits", harness.Message{Topic: topic(t, "a"), Payload: "fits", QoS: qos})
	}
	c.Cut()
	c = present(t, broker, id(t, "c"), wire.V5, narrow)
	c.WantNothingBefore("what does not fit never comes", 1)
}

// limitsDeaf floods a client that does not read with more than all socket buffers and the limit hold.
func limitsDeaf(t *testing.T, broker *harness.Broker) {
	deaf := broker.Connect(t, id(t, "deaf"), wire.V311)
	deaf.Subscribe(topic(t, "#"), 0)
	listener := broker.Connect(t, id(t, "listener"), wire.V311)
	listener.Subscribe(topic(t, "#"), 0)
	publisher := broker.Connect(t, id(t, "p"), wire.V311)
	payload := strings.Repeat("x", 32<<10)
	const count = 1000
	for range count {
		publisher.Publish(topic(t, "flood"), payload, 0)
		listener.Receive("at once", harness.Message{Topic: topic(t, "flood"), Payload: payload})
	}
	listener.Ping()
	// What the deaf one missed was dropped, and it is still connected.
	deaf.Send(&wire.Pingreq{})
	harness.Next[*wire.Pingresp](deaf, "PINGRESP after the flood")
	if n := deaf.Pending(); n >= count {
		t.Errorf("all %d messages came: either the flood is too small or nothing was dropped", n)
	}
}
