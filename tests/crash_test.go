package tests

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/tests/harness"
	"github.com/holdfast-mqtt/holdfast/tests/ledger"
)

// shortCrashRounds is how often the broker dies in an ordinary test run.
const shortCrashRounds = 12

// TestCrash kills the real broker again and again under load and lets the ledger judge what its clients saw.
//
// HOLDFAST_CRASH_DURATION=10m makes the run long, HOLDFAST_CRASH_SEED=n repeats the decisions of an earlier run. The
// machine's scheduling is not repeated, so a seed leads close to a failure and not always to it.
func TestCrash(t *testing.T) {
	seed := rand.Uint64()
	if text := os.Getenv("HOLDFAST_CRASH_SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("HOLDFAST_CRASH_SEED: %v", err)
		}
		seed = n
	}
	var duration time.Duration
	if text := os.Getenv("HOLDFAST_CRASH_DURATION"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatalf("HOLDFAST_CRASH_DURATION: %v", err)
		}
		duration = d
	}
	if testing.Short() {
		t.Skip("-short leaves out the crash test")
	}
	// Small segments and frequent checkpoints, so that crashes meet rotation, checkpoints and compaction.
	runCrash(t, seed, duration, harness.Options{Env: []string{
		"HOLDFAST_STORE__SEGMENT_SIZE=1MiB",
		"HOLDFAST_STORE__CHECKPOINT_INTERVAL=200ms",
		"HOLDFAST_STORE__CHECKPOINT_BYTES=512KiB",
		"HOLDFAST_MQTT__WILL_GRACE=1s",
		"HOLDFAST_LOG__FORMAT=json",
	}})
}

// runCrash is one whole crash test: for the given time, or for shortCrashRounds when it is 0.
func runCrash(t *testing.T, seed uint64, duration time.Duration, opts harness.Options) {
	t.Logf("seed %d (repeat with HOLDFAST_CRASH_SEED=%d)", seed, seed)
	broker := harness.Start(t, opts)
	p := newPlant(broker.Addr(), seed)
	defer p.shut()
	if err := p.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	k := &killer{t: t, broker: broker, rng: rand.New(rand.NewPCG(seed, 1))}
	end := time.Now().Add(duration)
	report := time.Now().Add(time.Minute)
	for k.rounds < shortCrashRounds || time.Now().Before(end) {
		k.round()
		if now := time.Now(); now.After(report) {
			t.Logf("after %d rounds: %+v", k.rounds, p.ledger.Counts())
			report = now.Add(time.Minute)
		}
		if duration == 0 && k.rounds >= shortCrashRounds {
			break
		}
	}
	if err := p.settle(t.Context()); err != nil {
		t.Errorf("the plant does not come to rest: %v", err)
	}
	verdict := p.ledger.Judge()
	t.Logf("%s\n%s\n%s", k, p, verdict)
	if refused := p.refused(); refused > 0 {
		t.Errorf("the broker refused %d publishes", refused)
	}
	if !verdict.Kept() {
		t.Errorf("the promise is broken with seed %d", seed)
	}
	demandEnough(t, verdict.Counts)
}

// demandEnough fails a run whose clients did so little that a good verdict would mean nothing.
func demandEnough(t *testing.T, c ledger.Counts) {
	t.Helper()
	for _, least := range []struct {
		what      string
		got, want int
	}{
		{"acknowledged messages", c.Acked, 500}, {"deliveries", c.Delivered, 1000}, {"connects", c.Connects, 50},
		{"unsubscribes", c.Unsubscribed, 5}, {"retained reads", c.Reads, 20},
	} {
		if least.got < least.want {
			t.Errorf("only %d %s in the whole run: too few to judge by", least.got, least.what)
		}
	}
}

// killer ends the broker in all the ways that a power switch, an operator and an out-of-memory killer know.
type killer struct {
	t      *testing.T
	broker *harness.Broker
	rng    *rand.Rand

	rounds, kills, duringStart, stops int
	recoveries                        []time.Duration
}

// round lets the broker work for a while, ends it, and starts it again.
func (k *killer) round() {
	k.t.Helper()
	k.rounds++
	k.work(time.Duration(50+k.rng.IntN(1400)) * time.Millisecond)
	if !k.broker.Running() {
		k.t.Fatal("the broker ended by itself")
	}
	if k.rng.IntN(8) == 0 {
		k.stop()
	} else {
		k.broker.Crash()
		k.kills++
	}
	for k.rng.IntN(3) == 0 { // again, while it recovers
		k.broker.Begin()
		k.work(time.Duration(k.rng.IntN(200)) * time.Millisecond)
		if !k.broker.Running() {
			k.t.Fatal("the broker ended by itself during its recovery")
		}
		k.broker.Crash()
		k.duringStart++
	}
	k.recoveries = append(k.recoveries, k.broker.Restart())
}

// work waits: this is the time in which the plant runs, and synchronises nothing.
func (k *killer) work(d time.Duration) { <-time.After(d) }

// stop ends the broker in good order.
func (k *killer) stop() {
	k.t.Helper()
	k.stops++
	if err := k.broker.Signal(syscall.SIGTERM); err != nil {
		k.t.Fatal(err)
	}
	code, err := k.broker.Wait(harness.Patience)
	if err != nil {
		k.t.Fatal(err)
	}
	if code != 0 {
		k.t.Errorf("exit code %d after SIGTERM", code)
	}
}

// String reports what was done to the broker and how fast it came back.
func (k *killer) String() string {
	if len(k.recoveries) == 0 {
		return "no rounds"
	}
	sorted := slices.Sorted(slices.Values(k.recoveries))
	return fmt.Sprintf("%d rounds: %d kills, %d more during recovery, %d orderly stops; recovery p50 %v, max %v",
		k.rounds, k.kills, k.duringStart, k.stops,
		sorted[len(sorted)/2].Round(time.Millisecond), sorted[len(sorted)-1].Round(time.Millisecond))
}
