package tests

import (
	"errors"
	"testing"
	"time"

	paho3 "github.com/eclipse/paho.mqtt.golang"
)

// pahoThree is Eclipse Paho's client for MQTT 3.1.1.
func pahoThree() stranger {
	return stranger{
		name: "paho.mqtt.golang",
		subscribe: func(t *testing.T, addr, client, filter string) {
			c := pahoThreeConnect(t, pahoThreeOptions(addr, client, false))
			finish3(t, c.Subscribe(filter, 2, nil))
			c.Disconnect(100)
		},
		publish: func(t *testing.T, addr, topic string, qos byte, retain bool, payloads []string) {
			c := pahoThreeConnect(t, pahoThreeOptions(addr, id(t, "pub"), true))
			var tokens []paho3.Token
			for _, payload := range payloads {
				tokens = append(tokens, c.Publish(topic, qos, retain, payload))
			}
			for _, token := range tokens {
				finish3(t, token)
			}
			c.Disconnect(100)
		},
		collect: func(t *testing.T, addr, client, _ string, n int) []string {
			got := make(chan string, 1000)
			options := pahoThreeOptions(addr, client, false)
			options.SetDefaultPublishHandler(func(_ paho3.Client, m paho3.Message) { got <- string(m.Payload()) })
			c := pahoThreeConnect(t, options)
			defer c.Disconnect(100)
			return receive(t, got, n)
		},
		fetch: func(t *testing.T, addr, filter string) string {
			got := make(chan string, 1000)
			c := pahoThreeConnect(t, pahoThreeOptions(addr, id(t, "fetch"), true))
			defer c.Disconnect(100)
			finish3(t, c.Subscribe(filter, 1, func(_ paho3.Client, m paho3.Message) { got <- string(m.Payload()) }))
			return receive(t, got, 1)[0]
		},
		die: func(t *testing.T, addr, client, topic, payload string) {
			options := pahoThreeOptions(addr, client, true)
			options.SetWill(topic, payload, 1, false)
			conn := breakable(t, addr)
			options.SetCustomOpenConnectionFn(conn.openThree)
			c := pahoThreeConnect(t, options)
			conn.cut()
			c.Disconnect(0)
		},
	}
}

// pahoThreeOptions are what all uses have in common.
func pahoThreeOptions(addr, client string, clean bool) *paho3.ClientOptions {
	return paho3.NewClientOptions().AddBroker("tcp://" + addr).SetClientID(client).SetCleanSession(clean).
		SetProtocolVersion(4).SetAutoReconnect(false).SetConnectTimeout(interopPatience).SetOrderMatters(true)
}

// pahoThreeConnect connects.
func pahoThreeConnect(t *testing.T, options *paho3.ClientOptions) paho3.Client {
	t.Helper()
	c := paho3.NewClient(options)
	finish3(t, c.Connect())
	return c
}

// finish3 waits for what paho calls a token.
func finish3(t *testing.T, token paho3.Token) {
	t.Helper()
	err := errors.New("it takes too long")
	if token.WaitTimeout(interopPatience) {
		err = token.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// receive takes n payloads from a channel.
func receive(t *testing.T, from <-chan string, n int) []string {
	t.Helper()
	deadline := time.After(interopPatience)
	var got []string
	for len(got) < n {
		select {
		case payload := <-from:
			got = append(got, payload)
		case <-deadline:
			t.Errorf("only %d of %d messages came", len(got), n)
			return append(got, make([]string, n-len(got))...)
		}
	}
	return got
}
