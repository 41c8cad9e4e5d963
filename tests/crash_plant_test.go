package tests

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-mqtt/holdfast/tests/device"
	"github.com/holdfast-mqtt/holdfast/tests/ledger"
	"github.com/holdfast-mqtt/holdfast/wire"
)

// The plant's topics: t/<publisher>/<line> and t/common carry the messages, x/<n> those for changing subscriptions,
// r/<writer>/<n> retained values, w/<n> wills.
const (
	publishers  = 4
	lines       = 3
	extraTopics = 4
	writers     = 2
	valuesEach  = 4
)

// plant is a set of clients with habits, all writing into one ledger.
type plant struct {
	addr   string
	seed   uint64
	ledger *ledger.Ledger

	publishers  []*device.Device // and the writers of retained values
	subscribers []*device.Device
	prober      *device.Device

	life  context.Context // ends with the test
	die   context.CancelFunc
	chaos context.Context // ends when the plant is to settle
	calm  context.CancelFunc
	work  sync.WaitGroup // everybody who stops with chaos
	live  sync.WaitGroup // everybody who stops with life

	actors  uint64 // random streams given out
	wills   atomic.Int64
	reading atomic.Int64 // reads that the broker's death interrupted
}

// newPlant makes the clients without connecting them.
func newPlant(addr string, seed uint64) *plant {
	p := &plant{addr: addr, seed: seed, ledger: ledger.New(), actors: 100}
	p.life, p.die = context.WithCancel(context.Background())
	p.chaos, p.calm = context.WithCancel(p.life)
	return p
}

// rng gives every actor its own stream of the run's seed. Only open calls it.
func (p *plant) rng() *rand.Rand {
	p.actors++
	return rand.New(rand.NewPCG(p.seed, p.actors))
}

// version alternates between the protocols.
func version(i int) wire.Version {
	if i%2 == 0 {
		return wire.V5
	}
	return wire.V311
}

// open connects everybody while the broker stands still, and then lets them go.
func (p *plant) open(ctx context.Context) error {
	for i, habit := range p.habits() {
		d := device.New(p.ledger, device.Options{Name: fmt.Sprintf("s%d-%s", i, habit.name), Version: version(i), ReceiveMaximum: habit.window})
		p.subscribers = append(p.subscribers, d)
		if err := p.enrol(ctx, d, habit.filters); err != nil {
			return err
		}
		rng := p.rng()
		p.work.Go(func() { habit.run(d, rng) })
	}
	for i := range publishers + writers {
		name := fmt.Sprintf("p%d", i)
		run := p.publishing(i)
		if i >= publishers {
			name, run = fmt.Sprintf("v%d", i-publishers), p.writing(i-publishers)
		}
		d := device.New(p.ledger, device.Options{Name: name, Version: version(i)})
		p.publishers = append(p.publishers, d)
		rng := p.rng()
		p.live.Go(func() { d.Stay(p.life, p.where) })
		p.work.Go(func() { run(d, rng) })
	}
	for i := range 2 {
		reader, mourner := p.rng(), p.rng()
		p.work.Go(func() { p.read(i, reader) })
		p.work.Go(func() { p.leaveWills(i, mourner) })
	}
	return nil
}

// where is the broker's address.
func (p *plant) where() string { return p.addr }

// enrol makes a subscriber's session and leaves it without a connection.
func (p *plant) enrol(ctx context.Context, d *device.Device, filters map[string]wire.QoS) error {
	if err := d.Connect(p.addr, false); err != nil {
		return err
	}
	for filter, qos := range filters {
		if err := d.Subscribe(filter, qos); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	defer d.Cut()
	return d.Settle(ctx)
}

// pause waits for a while, or until the context ends. It paces the plant and synchronises nothing.
func pause(ctx context.Context, most time.Duration, rng *rand.Rand) {
	timer := time.NewTimer(time.Duration(rng.Int64N(int64(most)) + 1))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// settlePatience is how long the plant may stand still with something owed before it is given up.
const settlePatience = 20 * time.Second

// settle ends the chaos, brings everybody back, and waits until nothing is owed. Then it probes every subscription
// and reads every retained value.
func (p *plant) settle(ctx context.Context) error {
	p.calm()
	p.work.Wait()
	for _, d := range p.subscribers {
		p.live.Go(func() { d.Stay(p.life, p.where) })
	}
	rested := p.rest(ctx)
	if rested != nil {
		rested = fmt.Errorf("after the last crash: %w", rested)
	}
	return errors.Join(rested, p.probe(ctx), p.readAll())
}

// rest waits until no message is in flight, no request unanswered, and nothing is owed to anybody; or until nothing
// moves any more.
func (p *plant) rest(ctx context.Context) error {
	quiet := time.Now().Add(settlePatience)
	before := -1
	for {
		owed := p.ledger.Owed()
		open := owed + p.unsettled(ctx)
		if open == 0 {
			return nil
		}
		now := time.Now()
		if open != before {
			before, quiet = open, now.Add(settlePatience)
		}
		if now.After(quiet) {
			return fmt.Errorf("nothing moves for %v: %d deliveries owed, %d clients with something in flight", settlePatience, owed, open-owed)
		}
		<-time.After(50 * time.Millisecond) // between two questions
	}
}

// unsettled counts the clients that wait for an answer of the broker.
func (p *plant) unsettled(ctx context.Context) int {
	asked, cancel := context.WithCancel(ctx)
	cancel() // an ended context makes Settle answer at once
	n := 0
	for _, group := range [][]*device.Device{p.publishers, p.subscribers} {
		for _, d := range group {
			if d.Settle(asked) != nil {
				n++
			}
		}
	}
	return n
}

// probe publishes to every topic of the changing subscriptions, and then a last message to everybody: who receives
// the last one would have received a probe before it.
func (p *plant) probe(ctx context.Context) error {
	p.prober = device.New(p.ledger, device.Options{Name: "prober", Version: wire.V5})
	p.live.Go(func() { p.prober.Stay(p.life, p.where) })
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var err error
	for n := range extraTopics {
		for qos := byte(1); qos <= 2; qos++ {
			err = errors.Join(err, p.prober.Publish(ctx, ledger.Message{Topic: fmt.Sprintf("x/%d", n), QoS: qos, Probe: true}, 30))
		}
	}
	for n := range publishers {
		err = errors.Join(err, p.prober.Publish(ctx, ledger.Message{Topic: fmt.Sprintf("t/%d/0", n), QoS: 1}, 30))
	}
	if err = errors.Join(err, p.prober.Settle(ctx)); err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	if err := p.rest(ctx); err != nil {
		return fmt.Errorf("after the probes: %w", err)
	}
	return nil
}

// refused counts the publishes that the broker refused.
func (p *plant) refused() int {
	n := 0
	for _, d := range p.publishers {
		n += d.Refused()
	}
	return n
}

// shut ends everything. It may be called at any time.
func (p *plant) shut() {
	p.die()
	p.work.Wait()
	for _, d := range append(append([]*device.Device(nil), p.publishers...), p.subscribers...) {
		d.Cut()
	}
	p.live.Wait()
	for _, d := range append(append([]*device.Device(nil), p.publishers...), p.subscribers...) {
		d.Cut()
	}
	if p.prober != nil {
		p.prober.Cut()
	}
}

// String reports what the plant did besides what the ledger counts.
func (p *plant) String() string {
	return fmt.Sprintf("%d clients with wills, %d retained reads interrupted by a crash", p.wills.Load(), p.reading.Load())
}
