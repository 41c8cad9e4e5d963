package harness

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Patience is how long the harness waits for what must happen. It is long, because a test that fails by slowness
// tells nothing; a healthy broker never uses it up.
const Patience = 20 * time.Second

// Options say how to run a broker.
type Options struct {
	// Env is added to the environment, such as HOLDFAST_STORE__SEGMENT_SIZE=1MiB.
	Env []string
	// Args are added to the command line.
	Args []string
	// Command runs something else than this checkout's broker; Env and Args are then its own affair.
	Command func(dataDir, addr string) *exec.Cmd
}

// Broker is a Process that belongs to a test: whatever goes wrong fails the test, its log is printed then and its
// data directory kept. With the test it ends.
type Broker struct {
	*Process
	t testing.TB
}

// Start runs a broker and waits until it is ready.
func Start(t testing.TB, opts Options) *Broker {
	t.Helper()
	b := New(t, opts)
	b.Restart()
	return b
}

// New prepares a broker without starting it.
func New(t testing.TB, opts Options) *Broker {
	t.Helper()
	command := opts.Command
	if command == nil {
		path, err := Binary()
		if err != nil {
			t.Fatal(err)
		}
		command = Serve(path, opts.Args, opts.Env)
	}
	dir, err := os.MkdirTemp("", "holdfast-"+strings.ReplaceAll(t.Name(), "/", "-")+"-")
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewProcess(dir, command)
	if err != nil {
		t.Fatal(err)
	}
	b := &Broker{Process: p, t: t}
	t.Cleanup(func() { b.end(dir) })
	return b
}

// end stops what runs, looks for a panic, and cleans up or shows what is needed to understand a failure.
func (b *Broker) end(dir string) {
	if err := b.Close(); err != nil {
		b.t.Error(err)
	}
	log := b.Log()
	if panicked.MatchString(log) {
		b.t.Error("the broker panicked")
	}
	if b.t.Failed() {
		b.t.Logf("the broker's log (all of it, and its data, in %s):\n%s", dir, tail(log, 80))
		return
	}
	if err := os.RemoveAll(dir); err != nil {
		b.t.Error(err)
	}
}

// panicked finds what the Go runtime prints when it gives up, and what the race detector prints.
var panicked = regexp.MustCompile(`(?m)^(panic:|fatal error:|WARNING: DATA RACE|goroutine \d+ \[)|defect while handling`)

// tail returns the last n lines.
func tail(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if len(lines) <= n {
		return text
	}
	return strings.Join(lines[len(lines)-n:], "\n")
}

// Restart starts the broker again after its end, and waits until it is ready. It returns how long that took.
func (b *Broker) Restart() time.Duration {
	b.t.Helper()
	began := time.Now()
	b.Begin()
	if err := b.Ready(Patience); err != nil {
		b.t.Fatal(err)
	}
	return time.Since(began)
}

// Begin starts the broker and does not wait.
func (b *Broker) Begin() {
	b.t.Helper()
	if err := b.Start(); err != nil {
		b.t.Fatal(err)
	}
}

// Crash kills the broker with SIGKILL.
func (b *Broker) Crash() {
	b.t.Helper()
	if err := b.Kill(); err != nil {
		b.t.Fatal(err)
	}
}

// CrashAndRestart kills the broker and starts it again.
func (b *Broker) CrashAndRestart() time.Duration {
	b.t.Helper()
	b.Crash()
	return b.Restart()
}

// Stop asks the broker to stop, and wants it to do so in good order.
func (b *Broker) Stop() {
	b.t.Helper()
	code, err := b.Terminate(Patience)
	if err != nil {
		b.t.Fatal(err)
	}
	if code != 0 {
		b.t.Fatalf("the broker ended with exit code %d after SIGTERM", code)
	}
}
