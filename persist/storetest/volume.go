package storetest

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"

	"github.com/holdfast-mqtt/holdfast/persist"
)

func volumeBehaviours() []behaviour {
	return []behaviour{{name: "ManySessionsWithInterleavedSettles", test: testVolume}}
}

// crowd is many sessions in overlapping audiences, with every message that will be sent and to whom.
type crowd struct {
	*rig
	guests []*guest
	sets   [][]client
	// to is the set that each message goes to.
	to []int
}

// guest is one session of a crowd. In a phase it belongs to one goroutine.
type guest struct {
	client
	random *rand.Rand
	// absent: it does not read in the first phase.
	absent bool
	// want are the numbers of the messages for it, in order, and settled those that it has settled.
	want    []int
	settled map[int]bool
	// unread are those that its present reader has not returned.
	unread []int
	queue  persist.Queue
	page   persist.Page
	// high is the highest position that it has read.
	high persist.Position
}

func testVolume(r *rig) {
	sessions, sets, messages := 200, 20, 8000
	if testing.Short() {
		sessions, sets, messages = 60, 10, 1000
	}
	c := newCrowd(r, sessions, sets, messages)
	c.phase(0, messages/2)
	r.restart()
	c.phase(messages/2, messages)
	r.restart()
	for i, g := range c.guests {
		left := r.queueOf(g.id)
		n := 0
		for _, number := range g.want {
			if g.settled[number] {
				continue
			}
			if n >= len(left) || string(left[n].message.Payload[:7]) != fmt.Sprintf("%07d", number) {
				r.Fatalf("session %d: message %d of what is left is not number %d", i, n, number)
			}
			n++
		}
		if n != len(left) {
			r.Fatalf("session %d: %d messages are left, want %d", i, len(left), n)
		}
		r.append(g.says(persist.Batch{Settled: persist.Settled{Floor: g.high}}))
	}
	r.flush()
	r.restart()
	for i, g := range c.guests {
		if left := r.queueOf(g.id); len(left) != 0 {
			r.Fatalf("session %d: %d messages are left after all were settled", i, len(left))
		}
	}
	if n := r.store.Stats().Queued; n != 0 {
		r.Errorf("%d messages are queued after all were settled", n)
	}
}

func newCrowd(r *rig, sessions, sets, messages int) *crowd {
	random := r.seed()
	c := &crowd{rig: r, to: make([]int, messages)}
	members := make([]map[int]bool, sets)
	for i := range members {
		members[i] = make(map[int]bool)
	}
	for i, opened := range r.openMany(sessions) {
		g := &guest{client: opened, random: rand.New(rand.NewPCG(random.Uint64(), 0)), absent: i%10 == 3, settled: make(map[int]bool)}
		g.page.MaxMessages = 1 + g.random.IntN(100)
		c.guests = append(c.guests, g)
		for range max(1, sets/4) {
			members[random.IntN(sets)][i] = true
		}
	}
	c.sets = make([][]client, sets)
	for s, set := range members {
		for i, g := range c.guests {
			if set[i] {
				c.sets[s] = append(c.sets[s], g.client)
			}
		}
	}
	for number := range c.to {
		set := random.IntN(sets)
		c.to[number] = set
		for i, g := range c.guests {
			if members[set][i] {
				g.want = append(g.want, number)
			}
		}
	}
	return c
}

// phase sends the messages from one number up to another while the sessions that are present read and settle.
func (c *crowd) phase(from, to int) {
	c.Helper()
	const workers = 8
	var working sync.WaitGroup
	for w := range workers {
		woken := newSignal()
		var mine []*guest
		for i := w; i < len(c.guests); i += workers {
			g := c.guests[i]
			if g.absent && from == 0 {
				continue
			}
			c.seat(g, to, woken)
			mine = append(mine, g)
		}
		working.Go(func() {
			if err := c.work(mine, woken); err != nil {
				c.Error(err)
			}
		})
	}
	audiences := make([]*persist.Audience, len(c.sets))
	for i, set := range c.sets {
		audiences[i] = c.audience(set...)
	}
	pad := make([]byte, 200)
	for number := from; number < to; number++ {
		payload := fmt.Appendf(nil, "%07d%s", number, pad[:number%len(pad)])
		c.append(persist.Batch{Message: &persist.Message{Topic: []byte("t"), Payload: payload}, Audience: audiences[c.to[number]]})
	}
	c.flush()
	working.Wait()
	if c.Failed() {
		c.FailNow()
	}
	c.flush()
}

// seat attaches a guest: its reader starts at its floor, so what it has not settled comes again.
func (c *crowd) seat(g *guest, to int, woken signal) {
	c.Helper()
	queue, err := c.store.Attach(g.id, woken)
	if err != nil {
		c.Fatalf("attach to session %d: %v", g.id, err)
	}
	g.queue = queue
	g.unread = nil
	for _, number := range g.want {
		if number < to && !g.settled[number] {
			g.unread = append(g.unread, number)
		}
	}
}

// work reads for the guests in turn until each has read what it is to get.
func (c *crowd) work(guests []*guest, woken signal) error {
	for {
		unread, read := 0, 0
		for i, g := range guests {
			before := len(g.unread)
			if before == 0 {
				continue
			}
			if err := c.read(g); err != nil {
				return fmt.Errorf("guest %d of this worker, session %d: %w", i, g.id, err)
			}
			unread += len(g.unread)
			read += before - len(g.unread)
		}
		if unread == 0 {
			return nil
		}
		if read == 0 && !woken.wait() {
			return fmt.Errorf("%d messages did not come", unread)
		}
	}
}

// read takes one page and settles some of it: up to its end, a few out of order, or nothing.
func (c *crowd) read(g *guest) error {
	if err := g.queue.Next(&g.page); err != nil {
		return err
	}
	var done persist.Settled
	how := g.random.IntN(3)
	for _, d := range g.page.Deliveries {
		number, err := strconv.Atoi(string(d.Message.Payload[:7]))
		if err != nil {
			return err
		}
		if len(g.unread) == 0 || number != g.unread[0] {
			return fmt.Errorf("message %d came, the next was to be of %v", number, g.unread[:min(1, len(g.unread))])
		}
		g.unread = g.unread[1:]
		g.high = max(g.high, d.Position)
		if how == 1 && g.random.IntN(2) == 0 {
			done.Above = append(done.Above, d.Position)
			g.settled[number] = true
		}
	}
	if n := len(g.page.Deliveries); how == 0 && n > 0 {
		done.Floor = g.page.Deliveries[n-1].Position
		last, _ := strconv.Atoi(string(g.page.Deliveries[n-1].Message.Payload[:7]))
		for _, number := range g.want {
			if number > last {
				break
			}
			g.settled[number] = true
		}
	}
	b := g.says(persist.Batch{Settled: done})
	_, err := c.store.Append(&b)
	return err
}
