package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/holdfast-mqtt/holdfast/tests/harness"
	"github.com/holdfast-mqtt/holdfast/tests/ledger"
)

func main() {
	broker := flag.String("broker", "bin/holdfast", "the broker's executable")
	messages := flag.Int("messages", 100_000, "how many messages to publish")
	sessions := flag.Int("sessions", 20, "how many sessions wait for them; an even number")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	verdict, err := demonstrate(ctx, *broker, *messages, *sessions)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "demo: %v\n", err)
		os.Exit(1)
	}
	if !verdict.Kept() {
		fmt.Printf("\nTHE PROMISE IS BROKEN.\n%s\n", verdict)
		os.Exit(1)
	}
}

// demonstrate tells the whole story and cleans up behind it.
func demonstrate(ctx context.Context, binary string, messages, sessions int) (verdict ledger.Verdict, err error) {
	if messages < 100 || sessions < 2 || sessions%2 != 0 {
		return verdict, errors.New("want at least 100 messages and an even number of sessions")
	}
	if _, err := os.Stat(binary); err != nil {
		return verdict, fmt.Errorf("no broker at %s: build it with make build, or name it with -broker", binary)
	}
	dir, err := os.MkdirTemp("", "holdfast-demo-")
	if err != nil {
		return verdict, fmt.Errorf("directory for the demonstration: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	process, err := harness.NewProcess(dir, harness.Serve(binary, nil, nil))
	if err != nil {
		return verdict, err
	}
	defer func() { err = errors.Join(err, process.Close()) }()
	s := newStory(ctx, process, messages, sessions)
	defer s.end()
	for _, step := range []func() error{s.start, s.gather, s.publishAndKill, s.deliverAndKill, s.count} {
		if err := step(); err != nil {
			return verdict, fmt.Errorf("%w\nthe broker's last words:\n%s", err, lastWords(process.Log()))
		}
	}
	return s.verdict, nil
}

// patience is how long a step may stand still.
const patience = 30 * time.Second
