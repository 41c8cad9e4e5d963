package tests

import (
	"context"
	"net"
	"net/url"
	"testing"

	"github.com/eclipse/paho.golang/autopaho"
	paho5 "github.com/eclipse/paho.golang/paho"
	paho3 "github.com/eclipse/paho.mqtt.golang"
)

// pahoFive is Eclipse Paho's client for MQTT 5.
func pahoFive() stranger {
	return stranger{
		name: "paho.golang",
		subscribe: func(t *testing.T, addr, client, filter string) {
			c := pahoFiveConnect(t, pahoFiveConfig(t, addr, client, 3600, nil))
			pahoFiveSubscribe(t, c, filter, 2)
			pahoFiveLeave(t, c)
		},
		publish: func(t *testing.T, addr, topic string, qos byte, retain bool, payloads []string) {
			c := pahoFiveConnect(t, pahoFiveConfig(t, addr, id(t, "pub"), 0, nil))
			ctx, cancel := context.WithTimeout(t.Context(), interopPatience)
			defer cancel()
			for _, payload := range payloads {
				if _, err := c.Publish(ctx, &paho5.Publish{Topic: topic, QoS: qos, Retain: retain, Payload: []byte(payload)}); err != nil {
					t.Fatal(err)
				}
			}
			pahoFiveLeave(t, c)
		},
		collect: func(t *testing.T, addr, client, _ string, n int) []string {
			got := make(chan string, 1000)
			c := pahoFiveConnect(t, pahoFiveConfig(t, addr, client, 3600, got))
			defer pahoFiveLeave(t, c)
			return receive(t, got, n)
		},
		fetch: func(t *testing.T, addr, filter string) string {
			got := make(chan string, 1000)
			c := pahoFiveConnect(t, pahoFiveConfig(t, addr, id(t, "fetch"), 0, got))
			defer pahoFiveLeave(t, c)
			pahoFiveSubscribe(t, c, filter, 1)
			return receive(t, got, 1)[0]
		},
		die: func(t *testing.T, addr, client, topic, payload string) {
			config := pahoFiveConfig(t, addr, client, 0, nil)
			config.WillMessage = &paho5.WillMessage{Topic: topic, Payload: []byte(payload), QoS: 1}
			conn := breakable(t, addr)
			config.AttemptConnection = conn.openFive
			config.OnConnectionDown = func() bool { return false } // it stays away
			pahoFiveConnect(t, config)
			conn.cut()
		},
	}
}

// pahoFiveConfig is what all uses have in common. What arrives goes to a channel, unless that is nil.
func pahoFiveConfig(t *testing.T, addr, client string, expirySeconds uint32, got chan<- string) autopaho.ClientConfig {
	t.Helper()
	server, err := url.Parse("mqtt://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	config := autopaho.ClientConfig{
		ServerUrls: []*url.URL{server}, KeepAlive: 30, SessionExpiryInterval: expirySeconds, ConnectTimeout: interopPatience,
	}
	config.ClientID = client
	config.OnPublishReceived = []func(paho5.PublishReceived) (bool, error){func(p paho5.PublishReceived) (bool, error) {
		if got != nil {
			got <- string(p.Packet.Payload)
		}
		return true, nil
	}}
	return config
}

// pahoFiveConnect connects.
func pahoFiveConnect(t *testing.T, config autopaho.ClientConfig) *autopaho.ConnectionManager {
	t.Helper()
	c, err := autopaho.NewConnection(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), interopPatience)
	defer cancel()
	if err := c.AwaitConnection(ctx); err != nil {
		t.Fatal(err)
	}
	return c
}

// pahoFiveSubscribe subscribes to one filter.
func pahoFiveSubscribe(t *testing.T, c *autopaho.ConnectionManager, filter string, qos byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), interopPatience)
	defer cancel()
	if _, err := c.Subscribe(ctx, &paho5.Subscribe{Subscriptions: []paho5.SubscribeOptions{{Topic: filter, QoS: qos}}}); err != nil {
		t.Fatal(err)
	}
}

// pahoFiveLeave disconnects.
func pahoFiveLeave(t *testing.T, c *autopaho.ConnectionManager) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), interopPatience)
	defer cancel()
	if err := c.Disconnect(ctx); err != nil {
		t.Fatal(err)
	}
}

// breaking is a TCP connection that a test can cut under the client that uses it.
type breaking struct {
	t    *testing.T
	addr string
	conn *net.TCPConn
}

// breakable prepares a connection.
func breakable(t *testing.T, addr string) *breaking { return &breaking{t: t, addr: addr} }

// open dials.
func (b *breaking) open() (net.Conn, error) {
	conn, err := net.DialTimeout("tcp", b.addr, interopPatience)
	if err != nil {
		return nil, err
	}
	b.conn = conn.(*net.TCPConn)
	return conn, nil
}

// openThree opens it for paho.mqtt.golang.
func (b *breaking) openThree(*url.URL, paho3.ClientOptions) (net.Conn, error) { return b.open() }

// openFive opens it for paho.golang.
func (b *breaking) openFive(context.Context, autopaho.ClientConfig, *url.URL) (net.Conn, error) {
	return b.open()
}

// cut resets it.
func (b *breaking) cut() {
	b.t.Helper()
	if err := b.conn.SetLinger(0); err != nil {
		b.t.Fatal(err)
	}
	if err := b.conn.Close(); err != nil {
		b.t.Fatal(err)
	}
}
