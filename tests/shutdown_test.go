package tests

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/tests/harness"
	"github.com/holdfast-mqtt/holdfast/wire"
)

// stopPatience is how long an orderly stop may take.
const stopPatience = 15 * time.Second

func TestShutdown(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run("clients are told at "+sig.String(), func(t *testing.T) { shutdownTold(t, sig) })
	}
	t.Run("a client that does not read does not hold it up", shutdownHung)
	t.Run("what was acknowledged under load is there after the restart", shutdownUnderLoad)
	t.Run("other signals do not stop it", shutdownHarmless)
	t.Run("a second signal ends it at once", shutdownTwice)
}

func shutdownTold(t *testing.T, sig syscall.Signal) {
	broker := harness.Start(t, harness.Options{})
	var clients []*harness.Client
	for _, v := range harness.Versions() {
		c := broker.Connect(t, id(t, v.String()), v, harness.Durable)
		c.Ping() // it is more than half connected
		clients = append(clients, c)
	}
	if err := broker.Signal(sig); err != nil {
		t.Fatal(err)
	}
	for _, c := range clients {
		c.WantDisconnect("the broker stops", wire.ServerShuttingDown)
	}
	wantExit(t, broker, 0)
	broker.Restart()
	for _, v := range []wire.Version{wire.V311, wire.V5} {
		present(t, broker, id(t, v.String()), v)
	}
}

// wantExit waits for the broker's end and its exit code.
func wantExit(t *testing.T, broker *harness.Broker, want int) {
	t.Helper()
	code, err := broker.Wait(stopPatience)
	if err != nil {
		t.Fatal(err)
	}
	if code != want {
		t.Errorf("exit code %d, want %d", code, want)
	}
}

func shutdownHung(t *testing.T) {
	broker := harness.Start(t, harness.Options{})
	hung := broker.Connect(t, id(t, "hung"), wire.V5, harness.Durable)
	hung.Subscribe(topic(t, "a"), 1)
	half := broker.Dial(t, id(t, "half"), wire.V5) // in the middle of its CONNECT
	half.SendRaw(0x10, 0x40, 0x00)
	publisher := broker.Connect(t, id(t, "p"), wire.V5)
	payload := strings.Repeat("x", 100<<10)
	for range 200 { // more than the socket's buffers hold
		publisher.Publish(topic(t, "a"), payload, 1)
	}
	if err := broker.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	wantExit(t, broker, 0)
	broker.Restart()
	hung = present(t, broker, id(t, "hung"), wire.V5)
	for range 200 {
		p := harness.Next[*wire.Publish](hung, "the backlog")
		hung.Acknowledge(p)
	}
}

func shutdownUnderLoad(t *testing.T) {
	broker := harness.Start(t, harness.Options{})
	subscriber := broker.Connect(t, id(t, "s"), wire.V5, harness.Durable)
	subscriber.Subscribe(topic(t, "a"), 1)
	subscriber.Cut()
	conn, err := harness.Dial(broker.Addr(), wire.V311)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Cut()
	if err := greet(conn, &wire.Connect{Version: wire.V311, CleanStart: true, ClientID: id(t, "p")}); err != nil {
		t.Fatal(err)
	}
	sending := make(chan struct{})
	go func() { // ends when the broker closes the connection
		defer close(sending)
		for n := 0; n < 60_000; n++ {
			p := &wire.Publish{Topic: []byte(topic(t, "a")), QoS: 1, PacketID: uint16(n + 1), Payload: fmt.Append(nil, n)}
			if conn.Send(p) != nil {
				return
			}
		}
	}()
	acknowledged := 0
	for {
		p, err := conn.Receive(time.Now().Add(harness.Patience))
		if err != nil {
			if !harness.Gone(err) {
				t.Fatal(err)
			}
			break
		}
		if _, ok := p.(*wire.Puback); !ok {
			t.Fatalf("got %s", harness.Describe(p))
		}
		if acknowledged++; acknowledged == 500 {
			if err := broker.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
		}
	}
	<-sending
	wantExit(t, broker, 0)
	broker.Restart()
	subscriber = present(t, broker, id(t, "s"), wire.V5)
	for n := range acknowledged {
		subscriber.Receive("acknowledged before the end", harness.Message{Topic: topic(t, "a"), Payload: fmt.Sprint(n), QoS: 1})
	}
}

func shutdownHarmless(t *testing.T) {
	broker := harness.Start(t, harness.Options{})
	c := broker.Connect(t, id(t, "c"), wire.V5)
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGUSR1} {
		before := strings.Count(broker.Log(), "\n")
		if err := broker.Signal(sig); err != nil {
			t.Fatal(err)
		}
		harness.Eventually(t, sig.String()+" is mentioned in the log", func() bool { return strings.Count(broker.Log(), "\n") > before })
		c.Ping()
	}
	broker.Stop()
}

// shutdownTwice does not ask how far the first signal got: either way the process ends, and starts again.
func shutdownTwice(t *testing.T) {
	broker := harness.Start(t, harness.Options{})
	for range 2 {
		_ = broker.Signal(syscall.SIGTERM) // the second may find it gone
	}
	if _, err := broker.Wait(stopPatience); err != nil {
		t.Fatal(err)
	}
	broker.Restart()
	broker.Connect(t, id(t, "c"), wire.V5).Ping()
}
