package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-mqtt/holdfast/tests/device"
	"github.com/holdfast-mqtt/holdfast/tests/harness"
	"github.com/holdfast-mqtt/holdfast/tests/ledger"
	"github.com/holdfast-mqtt/holdfast/wire"
)

const (
	publishers = 8
	window     = 500 // messages of one publisher on their way
	payload    = 200 // bytes
)

// story is one demonstration.
type story struct {
	ctx      context.Context
	stop     context.CancelFunc
	broker   *harness.Process
	ledger   *ledger.Ledger
	messages int

	sessions   []*device.Device
	publishers []*device.Device
	keeping    sync.WaitGroup // goroutines that keep clients connected
	recoveries []time.Duration
	verdict    ledger.Verdict
}

// newStory prepares the story of one broker.
func newStory(ctx context.Context, broker *harness.Process, messages, sessions int) *story {
	s := &story{broker: broker, ledger: ledger.New(), messages: messages}
	s.ctx, s.stop = context.WithCancel(ctx)
	for i := range sessions {
		version := wire.V311
		if i%4 < 2 {
			version = wire.V5
		}
		s.sessions = append(s.sessions, device.New(s.ledger, device.Options{Name: fmt.Sprintf("session-%d", i), Version: version}))
	}
	for i := range publishers {
		s.publishers = append(s.publishers, device.New(s.ledger, device.Options{
			Name: fmt.Sprintf("publisher-%d", i), Version: wire.V5, Window: window, Eager: true,
		}))
	}
	return s
}

// end lets go of everybody.
func (s *story) end() {
	s.stop()
	for range 2 { // somebody may just be connecting
		for _, d := range append(append([]*device.Device(nil), s.sessions...), s.publishers...) {
			d.Cut()
		}
		s.keeping.Wait()
	}
}

// start starts the broker for the first time.
func (s *story) start() error {
	say("Starting the broker with an empty data directory. Every acknowledgement it gives follows an fsync.")
	if err := s.broker.Start(); err != nil {
		return err
	}
	return s.broker.Ready(patience)
}

// gather lets every session subscribe and leave.
func (s *story) gather() error {
	for i, d := range s.sessions {
		if err := d.Connect(s.broker.Addr(), false); err != nil {
			return err
		}
		if err := d.Subscribe(fmt.Sprintf("plant/%d/#", i/2), byte(1+i%2)); err != nil {
			return err
		}
		if err := d.Settle(s.ctx); err != nil {
			return err
		}
		d.Cut()
	}
	say("%d sessions subscribed, half of them at QoS 1 and half at QoS 2, and went offline without a word.", len(s.sessions))
	return nil
}

// publishAndKill publishes everything and kills the broker in the middle of it.
func (s *story) publishAndKill() error {
	say("%d publishers send %s messages at QoS 1 and 2. Each goes to two sessions, which are not there.", publishers, thousands(s.messages))
	began := time.Now()
	var sending sync.WaitGroup
	failures := make(chan error, publishers)
	for i, d := range s.publishers {
		s.keep(d)
		sending.Go(func() { failures <- s.publish(d, share(s.messages, publishers, i)) })
	}
	err := s.until("acknowledgements", func() (int, bool) {
		n := s.ledger.Counts().Acked
		return n, n >= s.messages/2
	})
	if err == nil {
		counts := s.ledger.Counts()
		say("kill -9, with %s messages acknowledged and %s on their way.", thousands(counts.Acked), thousands(counts.Sent-counts.Acked))
		err = s.killAndRestart()
	}
	if err != nil {
		s.stop() // the publishers end too
	}
	sending.Wait()
	close(failures)
	for failure := range failures {
		err = errors.Join(err, failure)
	}
	if err != nil {
		return err
	}
	took := time.Since(began)
	say("The publishers sent again what had no acknowledgement. Now all %s messages are acknowledged: %.1f s in all, %s a second.",
		thousands(s.messages), took.Seconds(), thousands(int(float64(s.messages)/took.Seconds())))
	return nil
}

// publish sends one publisher's share and waits for the last acknowledgement.
func (s *story) publish(d *device.Device, share int) error {
	for i := range share {
		m := ledger.Message{Topic: fmt.Sprintf("plant/%d/%s", i%(len(s.sessions)/2), d.Name()), QoS: byte(1 + i/2%2)}
		if err := d.Publish(s.ctx, m, payload); err != nil {
			return err
		}
	}
	return d.Settle(s.ctx)
}

// deliverAndKill lets the sessions come back and kills the broker while it delivers.
func (s *story) deliverAndKill() error {
	due := s.ledger.Owed()
	say("The %d sessions come back for what they missed: %s deliveries.", len(s.sessions), thousands(due))
	began := time.Now()
	before := s.ledger.Counts().Delivered
	for _, d := range s.sessions {
		s.keep(d)
	}
	err := s.until("deliveries", func() (int, bool) {
		n := s.ledger.Counts().Delivered - before
		return n, n >= due/2
	})
	if err != nil {
		return err
	}
	say("kill -9 again, with %s delivered.", thousands(s.ledger.Counts().Delivered-before))
	if err := s.killAndRestart(); err != nil {
		return err
	}
	if err := s.drain(); err != nil {
		return err
	}
	took := time.Since(began)
	say("Nothing is missing any more after %.1f s: %s deliveries a second.", took.Seconds(), thousands(int(float64(due)/took.Seconds())))
	return nil
}

// keep keeps a client connected until the story ends.
func (s *story) keep(d *device.Device) {
	s.keeping.Go(func() { d.Stay(s.ctx, s.broker.Addr) })
}

// killAndRestart ends the broker as a power switch would, as far as a process is concerned, and starts it again.
func (s *story) killAndRestart() error {
	if !s.broker.Running() {
		return errors.New("the broker ended by itself")
	}
	if err := s.broker.Kill(); err != nil {
		return err
	}
	began := time.Now()
	if err := s.broker.Start(); err != nil {
		return err
	}
	if err := s.broker.Ready(patience); err != nil {
		return err
	}
	took := time.Since(began)
	s.recoveries = append(s.recoveries, took)
	say("Started again: it answers after %d ms.", took.Milliseconds())
	return nil
}

// drain waits until no delivery is owed. What will never come is left for the verdict.
func (s *story) drain() error {
	last, moved := -1, time.Now()
	for {
		asked := time.Now()
		owed := s.ledger.Owed()
		if owed == 0 {
			return nil
		}
		if owed != last {
			last, moved = owed, time.Now()
		}
		if time.Since(moved) > patience {
			say("%s deliveries do not come.", thousands(owed))
			return nil
		}
		if err := s.wait(max(10*time.Millisecond, 3*time.Since(asked))); err != nil {
			return err
		}
	}
}

// until waits until a number has reached what is wanted, as long as it rises.
func (s *story) until(what string, reached func() (int, bool)) error {
	last, moved := -1, time.Now()
	for {
		n, enough := reached()
		if enough {
			return nil
		}
		if n != last {
			last, moved = n, time.Now()
		}
		if time.Since(moved) > patience {
			return fmt.Errorf("no progress for %v at %d %s", patience, n, what)
		}
		if err := s.wait(2 * time.Millisecond); err != nil {
			return err
		}
	}
}

// wait lets a moment pass between two questions.
func (s *story) wait(d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-s.ctx.Done():
		return errors.New("interrupted")
	}
}

// share divides a number among many; the first ones get what is left over.
func share(total, among, which int) int {
	n := total / among
	if which < total%among {
		n++
	}
	return n
}
