package tests

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/tests/harness"
	"github.com/holdfast-mqtt/holdfast/wire"
)

// interopPatience is how long another client may take for one step.
const interopPatience = 30 * time.Second

// stranger is somebody else's MQTT client, seen through what the tests ask of all of them. Its functions fail the test.
type stranger struct {
	name string
	// subscribe makes a durable session with one filter at QoS 2, and leaves.
	subscribe func(t *testing.T, addr, client, filter string)
	// publish publishes payloads one after the other and returns when all are acknowledged.
	publish func(t *testing.T, addr, topic string, qos byte, retain bool, payloads []string)
	// collect resumes a durable session and returns the next n payloads.
	collect func(t *testing.T, addr, client, filter string, n int) []string
	// fetch subscribes with a session that ends with the connection and returns the first payload.
	fetch func(t *testing.T, addr, filter string) string
	// die connects with a will, and breaks off.
	die func(t *testing.T, addr, client, topic, payload string)
}

// TestInterop lets other people's clients do what Holdfast is for.
func TestInterop(t *testing.T) {
	strangers := []stranger{pahoThree(), pahoFive()}
	if mosquittoClients(t) {
		for _, version := range []string{"mqttv31", "mqttv311", "mqttv5"} {
			strangers = append(strangers, mosquitto(version))
		}
	}
	broker := harness.Start(t, harness.Options{Env: []string{"HOLDFAST_MQTT__WILL_GRACE=1s"}})
	for _, s := range strangers {
		t.Run(s.name, func(t *testing.T) {
			t.Run("nothing acknowledged is lost when the broker is killed", func(t *testing.T) { interopCrash(t, broker, s) })
			t.Run("retained", func(t *testing.T) { interopRetained(t, broker, s) })
			t.Run("will", func(t *testing.T) { interopWill(t, broker, s) })
			t.Run("shared subscription", func(t *testing.T) { interopShared(t, broker, s) })
		})
	}
	for _, from := range strangers {
		for _, to := range strangers {
			if from.name != to.name {
				t.Run(from.name+" to "+to.name, func(t *testing.T) { interopPair(t, broker, from, to) })
			}
		}
	}
}

// numbered makes payloads in an order that can be seen.
func numbered(prefix string, n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("%s-%03d", prefix, i))
	}
	return all
}

// interopCrash subscribes, leaves, publishes, kills the broker, and comes back. A last message shows that none before
// it came twice.
func interopCrash(t *testing.T, broker *harness.Broker, s stranger) {
	filter, client := topic(t, "#"), id(t, "s")
	s.subscribe(t, broker.Addr(), client, filter)
	want := append(numbered("one", 60), numbered("two", 60)...)
	s.publish(t, broker.Addr(), topic(t, "a"), 1, false, want[:60])
	s.publish(t, broker.Addr(), topic(t, "a"), 2, false, want[60:])
	broker.CrashAndRestart()
	s.publish(t, broker.Addr(), topic(t, "a"), 2, false, []string{"last"})
	want = append(want, "last")
	if got := s.collect(t, broker.Addr(), client, filter, len(want)); !slices.Equal(got, want) {
		t.Errorf("got %d messages\n%q\nwant %d in this order\n%q", len(got), got, len(want), want)
	}
}

func interopRetained(t *testing.T, broker *harness.Broker, s stranger) {
	s.publish(t, broker.Addr(), topic(t, "a"), 1, true, []string{"old", "new"})
	broker.CrashAndRestart()
	if got := s.fetch(t, broker.Addr(), topic(t, "#")); got != "new" {
		t.Errorf("retained: %q, want new", got)
	}
}

func interopWill(t *testing.T, broker *harness.Broker, s stranger) {
	watcher := broker.Connect(t, id(t, "watcher"), wire.V5)
	watcher.Subscribe(topic(t, "will"), 2)
	s.die(t, broker.Addr(), id(t, "c"), topic(t, "will"), "gone")
	watcher.Receive("the will", harness.Message{Topic: topic(t, "will"), Payload: "gone", QoS: 1})
}

// interopShared makes a durable session the only member of a group: what is published while it is away waits for it.
func interopShared(t *testing.T, broker *harness.Broker, s stranger) {
	filter := "$share/g/" + topic(t, "#")
	client := id(t, "member")
	s.subscribe(t, broker.Addr(), client, filter)
	want := numbered("shared", 20)
	s.publish(t, broker.Addr(), topic(t, "a"), 1, false, want)
	broker.CrashAndRestart()
	if got := s.collect(t, broker.Addr(), client, filter, len(want)); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// interopPair sends from one implementation to another.
func interopPair(t *testing.T, broker *harness.Broker, from, to stranger) {
	filter, client := topic(t, "+"), id(t, "s")
	to.subscribe(t, broker.Addr(), client, filter)
	want := append(numbered("one", 5), numbered("two", 5)...)
	from.publish(t, broker.Addr(), topic(t, "a"), 1, false, want[:5])
	from.publish(t, broker.Addr(), topic(t, "a"), 2, false, want[5:])
	if got := to.collect(t, broker.Addr(), client, filter, len(want)); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// mosquittoClients tells whether mosquitto_pub and mosquitto_sub are there. It installs them where it may; where that
// is not possible it says loudly what is left out, and under CI it fails.
func mosquittoClients(t *testing.T) bool {
	t.Helper()
	there := func() bool {
		_, pub := exec.LookPath("mosquitto_pub")
		_, sub := exec.LookPath("mosquitto_sub")
		return pub == nil && sub == nil
	}
	if there() {
		return true
	}
	if _, err := exec.LookPath("apt-get"); err == nil && os.Geteuid() == 0 {
		cmd := exec.CommandContext(t.Context(), "apt-get", "install", "-y", "mosquitto-clients")
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Logf("apt-get install mosquitto-clients: %v\n%s", err, out)
		}
		if there() {
			return true
		}
	}
	const left = "mosquitto_pub and mosquitto_sub are not installed: MQTT 3.1, 3.1.1 and 5 with mosquitto's clients is NOT tested"
	if os.Getenv("CI") == "true" {
		t.Fatal(left)
	}
	t.Log(left)
	fmt.Fprintln(os.Stderr, "*** SKIPPED: "+left)
	return false
}
