package tests

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/holdfast-mqtt/holdfast/tests/device"
	"github.com/holdfast-mqtt/holdfast/tests/ledger"
	"github.com/holdfast-mqtt/holdfast/wire"
)

// habit is how one subscriber behaves while the broker dies around it.
type habit struct {
	name    string
	filters map[string]wire.QoS
	window  uint16 // Receive Maximum of an MQTT 5 client
	run     func(*device.Device, *rand.Rand)
}

// habits are the plant's subscribers. Filters of one session do not overlap, so that a message is due to it once.
// Each habit comes in both protocol versions: even ones are MQTT 5.
func (p *plant) habits() []habit {
	everything := map[string]wire.QoS{"t/#": 2, "w/#": 2}
	return []habit{
		{"steady", everything, 0, p.steady},
		{"steady", map[string]wire.QoS{"t/#": 1, "w/#": 2}, 0, p.steady},
		{"flapping", everything, 5, p.flapping},
		{"flapping", everything, 0, p.flapping},
		{"sleepy", map[string]wire.QoS{"t/0/#": 2, "t/1/+": 1, "t/common": 2}, 50, p.sleepy},
		{"sleepy", map[string]wire.QoS{"t/2/#": 2, "t/3/+": 1}, 0, p.sleepy},
		{"changing", map[string]wire.QoS{"t/0/#": 1}, 0, p.changing},
		{"changing", map[string]wire.QoS{"t/1/#": 2}, 0, p.changing},
		{"renewing", map[string]wire.QoS{"t/3/+": 2}, 0, p.renewing},
		{"renewing", map[string]wire.QoS{"t/2/+": 1}, 0, p.renewing},
	}
}

// steady stays connected; only the broker breaks its connection.
func (p *plant) steady(d *device.Device, _ *rand.Rand) { d.Stay(p.chaos, p.where) }

// visit connects, stays for a while, and goes: abruptly or in good order.
func (p *plant) visit(d *device.Device, rng *rand.Rand, stay time.Duration) {
	if d.Connect(p.addr, false) != nil {
		return
	}
	pause(p.chaos, stay, rng)
	p.part(d, rng)
}

// part ends a connection, two times in three without a word.
func (p *plant) part(d *device.Device, rng *rand.Rand) {
	if rng.IntN(3) == 0 {
		d.Leave()
	} else {
		d.Cut()
	}
}

// flapping comes and goes several times a second.
func (p *plant) flapping(d *device.Device, rng *rand.Rand) {
	for p.chaos.Err() == nil {
		p.visit(d, rng, 300*time.Millisecond)
		pause(p.chaos, 200*time.Millisecond, rng)
	}
}

// sleepy is away for seconds, through several crashes, and back for a moment.
func (p *plant) sleepy(d *device.Device, rng *rand.Rand) {
	for p.chaos.Err() == nil {
		d.Cut()
		pause(p.chaos, 8*time.Second, rng)
		p.visit(d, rng, 500*time.Millisecond)
	}
}

// changing subscribes and unsubscribes all the time, and flaps a little.
func (p *plant) changing(d *device.Device, rng *rand.Rand) {
	held := map[string]bool{}
	for p.chaos.Err() == nil {
		if !d.Connected() && d.Connect(p.addr, false) != nil {
			pause(p.chaos, 20*time.Millisecond, rng)
			continue
		}
		filter := fmt.Sprintf("x/%d", rng.IntN(extraTopics))
		var err error
		if held[filter] {
			err = d.Unsubscribe(filter)
		} else {
			err = d.Subscribe(filter, byte(1+rng.IntN(2)))
		}
		if err != nil {
			continue
		}
		held[filter] = !held[filter]
		if rng.IntN(10) == 0 {
			p.part(d, rng)
		}
		p.settleOne(d)
		pause(p.chaos, 60*time.Millisecond, rng)
	}
	p.settleOne(d)
}

// settleOne waits for the answer to a request, on as many connections as it takes. It goes on after the chaos has
// ended, for only an answered request lets the ledger know what is due.
func (p *plant) settleOne(d *device.Device) {
	for p.life.Err() == nil {
		if !d.Connected() {
			_ = d.Connect(p.addr, false) // the next turn tries again
		}
		ctx, cancel := context.WithTimeout(p.life, 50*time.Millisecond)
		err := d.Settle(ctx)
		cancel()
		if err == nil {
			return
		}
	}
}

// renewing flaps, and now and then throws its session away and begins anew.
func (p *plant) renewing(d *device.Device, rng *rand.Rand) {
	filter, qos := "t/3/+", byte(2)
	if d.Name() != "s8-renewing" {
		filter, qos = "t/2/+", 1
	}
	for p.chaos.Err() == nil {
		p.visit(d, rng, 400*time.Millisecond)
		if rng.IntN(4) > 0 {
			continue
		}
		for p.chaos.Err() == nil && d.Connect(p.addr, true) != nil {
			pause(p.chaos, 20*time.Millisecond, rng)
		}
		for p.chaos.Err() == nil && d.Subscribe(filter, qos) != nil {
			p.settleOne(d)
		}
		if p.chaos.Err() == nil && rng.IntN(2) == 0 {
			p.settleOne(d)
		}
	}
	p.settleOne(d)
}

// publishing returns the habit of publisher i: messages at QoS 1 and 2 of all sizes, in bursts and one by one.
func (p *plant) publishing(i int) func(*device.Device, *rand.Rand) {
	return func(d *device.Device, rng *rand.Rand) {
		for p.chaos.Err() == nil {
			for range 1 + rng.IntN(8) {
				m := ledger.Message{Topic: p.topic(i, rng), QoS: byte(1 + rng.IntN(2))}
				if d.Publish(p.chaos, m, p.size(rng)) != nil {
					break
				}
			}
			if rng.IntN(150) == 0 {
				d.Cut()
			}
			pause(p.chaos, 40*time.Millisecond, rng)
		}
		p.finish(d)
	}
}

// topic chooses where a publisher sends its next message.
func (p *plant) topic(i int, rng *rand.Rand) string {
	switch rng.IntN(6) {
	case 0:
		return "t/common"
	case 1:
		return fmt.Sprintf("x/%d", rng.IntN(extraTopics))
	default:
		return fmt.Sprintf("t/%d/%d", i, rng.IntN(lines))
	}
}

// size is mostly small, and sometimes as large as many pages.
func (p *plant) size(rng *rand.Rand) int {
	if rng.IntN(40) == 0 {
		return 16<<10 + rng.IntN(48<<10)
	}
	return 20 + rng.IntN(1500)
}

// finish waits until the broker has taken over everything, as long as the test lives.
func (p *plant) finish(d *device.Device) {
	ctx, cancel := context.WithTimeout(p.life, time.Minute)
	defer cancel()
	_ = d.Settle(ctx) // what is left shows when the plant comes to rest
}

// writing returns the habit of a writer of retained values: it sets and clears them, the only one to do so.
func (p *plant) writing(i int) func(*device.Device, *rand.Rand) {
	return func(d *device.Device, rng *rand.Rand) {
		for p.chaos.Err() == nil {
			m := ledger.Message{
				Topic: fmt.Sprintf("r/%d/%d", i, rng.IntN(valuesEach)), QoS: byte(1 + rng.IntN(2)),
				Retain: true, Clear: rng.IntN(4) == 0,
			}
			if d.Publish(p.chaos, m, 20+rng.IntN(300)) != nil {
				break
			}
			pause(p.chaos, 60*time.Millisecond, rng)
		}
		p.finish(d)
	}
}
