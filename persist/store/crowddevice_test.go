package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// device is one client. A lazy one settles little.
type device struct {
	*crowd
	rnd      *rand.Rand
	clientID string
	lazy     bool

	now    handleOfDeed
	former []handleOfDeed
	queue  persist.Queue
	page   persist.Page
	// seen are messages that are not settled, in order.
	seen   []seenMessage
	lastID *uint16
}

type seenMessage struct {
	position persist.Position
	message  *deed
	id       uint16
}

func (d *device) run() {
	d.mu.Lock()
	d.now = d.handles[d.clientID]
	d.mu.Unlock()
	for !d.stop.Load() {
		if !d.step() {
			return
		}
	}
}

// step does one thing; false if the store is gone.
func (d *device) step() bool {
	if d.now.born == nil || d.rnd.IntN(150) == 0 {
		return d.open()
	}
	by := d.now
	if len(d.former) > 0 && d.rnd.IntN(40) == 0 {
		by = d.former[d.rnd.IntN(len(d.former))] // the word of an earlier connection
	}
	do := &deed{born: by.born, epoch: by.epoch, batch: persist.Batch{Session: by.id, Epoch: by.at}}
	switch n := d.rnd.IntN(40); {
	case n < 4:
		d.message(d.rnd, do)
		do.batch.ReceivedID = uint16(d.rnd.IntN(4))
	case n < 6:
		do.batch.ReleasedID = uint16(1 + d.rnd.IntN(3))
	case n == 6:
		do.batch.Subscribe = []persist.Subscription{{Filter: fmt.Sprint("filter", d.rnd.IntN(9))}}
	case n == 7:
		do.batch.Unsubscribe = []string{fmt.Sprint("filter", d.rnd.IntN(9))}
	case n == 8 && d.rnd.IntN(4) == 0:
		do.batch.Close = &persist.Close{At: 1}
	case n == 9 && d.rnd.IntN(8) == 0 && !d.lazy:
		do.batch.End = true
	default:
		if !d.read() {
			return true
		}
		d.progress(do)
	}
	return d.submit(do, d.rnd.IntN(10) == 0)
}

// open opens the session, and learns what the store calls it.
func (d *device) open() bool {
	o := &persist.Open{ClientID: d.clientID, Clean: d.rnd.IntN(4) == 0 && !d.lazy, ExpirySeconds: persist.NeverExpires}
	do := &deed{batch: persist.Batch{Open: o}}
	if !d.submit(do, true) {
		return false
	}
	d.s.mu.RLock()
	known := d.s.state.clients[d.clientID]
	now := handleOfDeed{id: known.id, at: known.epoch, born: d.now.born, epoch: do}
	d.s.mu.RUnlock()
	if persist.Epoch(now.id) == now.at {
		now.born = do
	}
	if d.now.born != nil {
		d.former = append(d.former, d.now)
	}
	if d.queue != nil {
		d.queue.Detach()
	}
	d.now, d.queue, d.seen = now, nil, nil
	d.mu.Lock()
	d.handles[d.clientID] = now
	d.mu.Unlock()
	return true
}

// read takes a page of the queue; false if that was not possible.
func (d *device) read() bool {
	if d.queue == nil || d.rnd.IntN(50) == 0 {
		q, err := d.s.Attach(d.now.id, newSignal())
		if err != nil {
			d.now.born = nil // it has ended
			return false
		}
		d.queue, d.seen = q, nil
	}
	d.page.MaxMessages = 1 + d.rnd.IntN(200)
	err := d.queue.Next(&d.page)
	if errors.Is(err, persist.ErrNoSession) {
		d.now.born = nil
		return false
	}
	if err != nil {
		if !d.stop.Load() && d.s.Err() == nil && !d.s.isClosed() {
			d.t.Errorf("next: %v", err)
		}
		return false
	}
	for _, m := range d.page.Deliveries {
		if m.Damaged {
			d.t.Errorf("message at %d is damaged", m.Position)
			return false
		}
		d.seen = append(d.seen, seenMessage{position: m.Position, message: d.chronicle.deed(uidOf(d.t, m.Message.Payload))})
	}
	return true
}

// progress sends, releases and settles some of what was read: from the front by the floor, or anywhere.
func (d *device) progress(do *deed) {
	b := &do.batch
	do.sent = make(map[*deed]uint16)
	for i := range d.seen {
		m := &d.seen[i]
		switch n := d.rnd.IntN(12); {
		case n == 0 && m.id == 0:
			*d.lastID = *d.lastID%65535 + 1
			m.id = *d.lastID
			do.sent[m.message] = m.id
			b.Sent = append(b.Sent, persist.Sent{Position: m.position, PacketID: m.id})
		case n == 1 && m.id != 0:
			b.Released = append(b.Released, m.id)
		case n < 5 && !d.lazy:
			b.Settled.Above = append(b.Settled.Above, m.position)
			do.above = append(do.above, m.message)
		}
	}
	if n := len(d.seen); n > 0 && d.rnd.IntN(3) == 0 && (!d.lazy || d.rnd.IntN(100) == 0) {
		floor := d.rnd.IntN(n)
		b.Settled.Floor, do.floor = d.seen[floor].position, d.seen[floor].message
		d.seen = d.seen[floor+1:]
	}
	d.seen = slices.DeleteFunc(d.seen, func(m seenMessage) bool { return slices.Contains(do.above, m.message) })
}
