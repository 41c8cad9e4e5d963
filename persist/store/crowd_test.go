package store

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// crowdSeconds names the environment variable that says for how long TestCrowd runs.
const crowdSeconds = "HOLDFAST_TEST_CROWD_SECONDS"

// crowd is many clients at once on one store: devices that open and end sessions, read, and settle in whatever order, and
// publishers to ever other sets of them.
type crowd struct {
	t         *testing.T
	s         *Store
	chronicle *chronicle
	stop      atomic.Bool
	// ids are the packet ids that each device chose last. None is chosen again while it may be in flight.
	ids [8]uint16

	mu sync.Mutex
	// handles are the sessions that somebody may publish to; some have ended.
	handles map[string]handleOfDeed
}

// handleOfDeed is a session as a client knows it.
type handleOfDeed struct {
	id          persist.SessionID
	at          persist.Epoch
	born, epoch *deed
}

// TestCrowd takes images of a running store, as a kill would leave them, and kills it again and again: what is found is the
// state after all deeds up to one, and that is none before the last that was durable.
func TestCrowd(t *testing.T) {
	length := 12 * time.Second
	if testing.Short() {
		length = 2 * time.Second
	}
	if n, err := strconv.Atoi(os.Getenv(crowdSeconds)); err == nil {
		length = time.Duration(n) * time.Second
	}
	rnd := randomSeed(t)
	o := small()
	o.SegmentSize, o.TailBytes = 5<<18, 300<<10
	c := &crowd{t: t, chronicle: newChronicle()}
	model := newCrowdModel()
	dir := t.TempDir()
	images, compacted, removed := 0, uint64(0), uint64(0)
	for end := time.Now().Add(length); time.Now().Before(end) && !t.Failed(); {
		o.FS = newTestFS()
		c.s = open(t, dir, o)
		c.resume(model)
		work := c.start(rnd)
		for range rnd.IntN(3) {
			time.Sleep(time.Duration(rnd.IntN(100)) * time.Millisecond) // the work itself is what takes the time
			model = c.compare(model, func() string { return image(t, c.s) }, o)
			images++
		}
		time.Sleep(time.Duration(rnd.IntN(300)) * time.Millisecond)
		st := c.s.Stats()
		compacted, removed = compacted+st.SegmentsCompacted, removed+st.SegmentsRemoved
		// The crowd goes on until it notices: what it submits meanwhile may be there or not.
		model = c.compare(model, func() string { dir = kill(t, c.s); c.stop.Store(true); work.Wait(); return dir }, o)
	}
	t.Logf("%d deeds, %d images, %d segments compacted, %d removed", len(c.chronicle.byUID), images, compacted, removed)
}

// resume tells the crowd where it stands after a start.
func (c *crowd) resume(m *crowdModel) {
	c.chronicle.base = m.done
	for number := range c.chronicle.byNumber {
		if number > m.done {
			delete(c.chronicle.byNumber, number) // undone
		}
	}
	c.handles = make(map[string]handleOfDeed)
	for id, s := range m.sessions {
		known := c.s.state.clients[id]
		c.handles[id] = handleOfDeed{id: known.id, at: known.epoch, born: s.born, epoch: s.epoch}
	}
	c.stop.Store(false)
}

func (c *crowd) start(rnd *rand.Rand) *sync.WaitGroup {
	var work sync.WaitGroup
	for i := range c.ids {
		d := &device{crowd: c, rnd: rand.New(rand.NewPCG(rnd.Uint64(), 0)), clientID: fmt.Sprint("device", i), lazy: i == 0, lastID: &c.ids[i]}
		work.Go(d.run)
	}
	for range 3 {
		rnd := rand.New(rand.NewPCG(rnd.Uint64(), 0))
		work.Go(func() {
			for n := 0; !c.stop.Load(); n++ {
				d := c.message(rnd, &deed{})
				if !c.submit(d, n%20 == 0) {
					return
				}
				if rnd.IntN(200) == 0 {
					time.Sleep(time.Duration(rnd.IntN(60)) * time.Millisecond) // so that queues run empty
				}
			}
		})
	}
	work.Go(func() {
		for !c.stop.Load() {
			_ = c.s.Entries(nil, newSignal())
			_ = c.s.Stats()
			runtime.GC()                     // lets audiences go, so that they are dropped and defined anew
			time.Sleep(5 * time.Millisecond) // else it would take all the time
		}
	})
	return &work
}

// submit appends a deed, and waits until it is durable if asked to; false if the store is gone.
func (c *crowd) submit(d *deed, wait bool) bool {
	w := newSignal()
	if wait {
		d.batch.Waiter = w
	}
	c.chronicle.begin(d)
	if d.batch.Open != nil {
		d.batch.Open.Username = fmt.Sprint(d.uid)
	}
	if m := d.batch.Message; m != nil {
		m.Payload = append(fmt.Append(nil, d.uid, " "), m.Payload...)
	}
	ticket, err := c.s.Append(&d.batch)
	if err != nil {
		if !c.s.options.FS.(*testFS).dead.Load() {
			c.t.Errorf("append: %v", err)
		}
		return false
	}
	c.chronicle.submitted(d, ticket)
	d.batch.Audience = nil // it is held by nobody else
	for wait && c.s.Durable() < ticket {
		<-w
		if c.s.Err() != nil || c.stop.Load() {
			return false
		}
	}
	return true
}

// message makes a deed one that publishes to some of the sessions.
func (c *crowd) message(rnd *rand.Rand, d *deed) *deed {
	size := rnd.IntN(600)
	if rnd.IntN(40) == 0 {
		size = 30_000
	}
	d.batch.Message = message(fmt.Sprint("topic", rnd.IntN(12)), string(make([]byte, size)))
	if rnd.IntN(3) == 0 {
		d.batch.Retain = persist.RetainAction(rnd.IntN(3))
	}
	var to []handleOfDeed
	c.mu.Lock()
	for id, h := range c.handles {
		if often := id != "device0"; often && rnd.IntN(3) == 0 || rnd.IntN(60) == 0 {
			to = append(to, h)
		}
	}
	c.mu.Unlock()
	slices.SortFunc(to, func(a, b handleOfDeed) int { return cmp.Compare(a.id, b.id) })
	var members []persist.Member
	for _, h := range to {
		d.to = append(d.to, h.born)
		members = append(members, persist.Member{Session: h.id, QoS: 1})
	}
	d.batch.Audience = c.s.Audience(members)
	return d
}

// compare takes an image, and finds the deed up to which it is the state. It returns the model there, or for an image of
// a store that goes on, at the last deed that was durable before.
func (c *crowd) compare(m *crowdModel, take func() string, o Options) *crowdModel {
	c.t.Helper()
	durable := c.chronicle.base + int(c.s.Durable())
	dir := take()
	c.s.in.mu.Lock()
	last := c.chronicle.base + int(c.s.in.last)
	c.s.in.mu.Unlock()
	step := func() {
		eventually(c.t, "the next deed is noted", func() bool { return c.chronicle.at(m.done+1) != nil })
		m.apply(c.chronicle.at(m.done + 1))
	}
	for m.done < durable {
		step()
	}
	safe := m.clone()
	o.FS = newTestFS()
	s := open(c.t, copyDir(c.t, dir), o)
	checkState(c.t, s)
	got := shown(c.t, s)
	for nearest, fewest := "", 1<<30; ; step() {
		diff, lines := difference(m.String(), got)
		if lines == 0 {
			break
		}
		if lines < fewest {
			nearest, fewest = fmt.Sprintf("after deed %d:\n%s", m.done, diff), lines
		}
		if m.done == last {
			c.t.Fatalf("what is there is no state of the deeds from %d to %d; nearest is that %.6000s", durable, last, nearest)
		}
	}
	if err := s.Close(); err != nil {
		c.t.Fatal(err)
	}
	_ = os.RemoveAll(s.dir)
	if c.s.options.FS.(*testFS).dead.Load() {
		return m
	}
	return safe
}

// difference lists the lines that only one of two states has.
func difference(want, got string) (diff string, lines int) {
	if want == got {
		return "", 0
	}
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	for _, line := range a {
		if _, both := slices.BinarySearch(b, line); !both {
			diff, lines = diff+"want "+line+"\n", lines+1
		}
	}
	for _, line := range b {
		if _, both := slices.BinarySearch(a, line); !both {
			diff, lines = diff+"is   "+line+"\n", lines+1
		}
	}
	return diff, lines
}

// shown writes the state of a store in the words of the model.
func shown(t *testing.T, s *Store) string {
	t.Helper()
	var lines []string
	var all []persist.SessionState
	if err := s.Sessions(func(st persist.SessionState) bool { all = append(all, st); return true }); err != nil {
		t.Fatal(err)
	}
	for _, st := range all {
		var subscriptions, queue, flying []string
		for _, sub := range st.Subscriptions {
			subscriptions = append(subscriptions, sub.Filter)
		}
		_, payloads := readAll(t, s, st.ID)
		for _, p := range payloads {
			queue = append(queue, strings.Fields(p)[0])
		}
		for _, f := range st.InFlight {
			r, err := s.loggedRetained(f.Position)
			if err != nil {
				t.Fatalf("message in flight: %v", err)
			}
			flying = append(flying, fmt.Sprint(uidOf(t, r.Message.Payload), "=", f.PacketID, f.Released))
		}
		epoch, _ := strconv.Atoi(st.Username)
		lines = append(lines, sessionLine(st.ClientID, epoch, st.Connected, subscriptions, st.Received, flying, queue))
	}
	err := s.RetainedTopics(func(topic string) bool {
		r, err := s.Retained(topic)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("retained %s: %d", topic, uidOf(t, r.Message.Payload)))
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func uidOf(t *testing.T, payload []byte) int {
	t.Helper()
	word, _, _ := bytes.Cut(payload, []byte(" "))
	uid, err := strconv.Atoi(string(word))
	if err != nil {
		t.Fatalf("payload %.40q: %v", payload, err)
	}
	return uid
}
