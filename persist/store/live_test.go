package store

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/persist/seglog"
)

// TestNoWakeUpIsMissed has readers wait after each empty page, while publishers go on: a reader that is not woken hangs.
func TestNoWakeUpIsMissed(t *testing.T) {
	o := small()
	o.SegmentSize = 1 << 20
	s := open(t, t.TempDir(), o)
	const readers, publishers, each = 6, 4, 400
	var sessions []persist.SessionState
	for i := range readers {
		sessions = append(sessions, openSession(t, s, fmt.Sprint("reader ", i)))
	}
	var all sync.WaitGroup
	for i, ses := range sessions {
		all.Go(func() { readAndSettle(t, s, ses, publishers*each, i%2 == 0) })
	}
	for p := range publishers {
		all.Go(func() {
			w := newSignal()
			for n := range each {
				// Each publisher sends everything to everybody, through ever other audiences: all sessions at once, or each
				// half for itself.
				batches := [][]persist.SessionState{sessions}
				if n%3 == p%3 {
					batches = [][]persist.SessionState{sessions[:readers/2], sessions[readers/2:]}
				}
				for _, to := range batches {
					ticket, err := s.Append(&persist.Batch{
						Message: message("t", fmt.Sprintf("%d %d", p, n)), Audience: s.Audience(members(to...)), Waiter: w,
					})
					if err != nil {
						t.Error(err)
						return
					}
					if n%7 == 0 {
						await(t, s, ticket, w)
					}
				}
			}
		})
	}
	all.Wait()
	eventually(t, "nothing is queued", func() bool { return s.Stats().Queued == 0 })
	check(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// readAndSettle reads n messages, each publisher's in order, and settles them: by the floor, or one by one first.
func readAndSettle(t *testing.T, s *Store, ses persist.SessionState, n int, above bool) {
	w := newSignal()
	q, err := s.Attach(ses.ID, w)
	if err != nil {
		t.Error(err)
		return
	}
	defer q.Detach()
	next := make(map[int]int)
	page := persist.Page{MaxMessages: 16}
	for read := 0; read < n; {
		if err := q.Next(&page); err != nil {
			t.Error(err)
			return
		}
		if len(page.Deliveries) == 0 {
			select {
			case <-w:
				continue
			case <-time.After(patience):
				t.Errorf("session %d waits since it has read %d of %d messages", ses.ID, read, n)
				return
			}
		}
		b := persist.Batch{Session: ses.ID, Epoch: ses.Epoch}
		for _, d := range page.Deliveries {
			var publisher, number int
			if _, err := fmt.Sscan(string(d.Message.Payload), &publisher, &number); err != nil || next[publisher] != number {
				t.Errorf("publisher %d's message %d came, want %d (%v)", publisher, number, next[publisher], err)
				return
			}
			next[publisher]++
			read++
			b.Settled.Above = append(b.Settled.Above, d.Position)
		}
		last := page.Deliveries[len(page.Deliveries)-1].Position
		if above {
			if _, err := s.Append(&b); err != nil {
				t.Error(err)
			}
		}
		b.Settled = persist.Settled{Floor: last}
		if _, err := s.Append(&b); err != nil {
			t.Error(err)
		}
	}
}

// TestEverythingAtOnce lets actors, readers, listings, statistics and checkpoints run into each other; the race detector
// and the check at the end are the judges.
func TestEverythingAtOnce(t *testing.T) {
	rnd := randomSeed(t)
	s := open(t, t.TempDir(), small())
	var all sync.WaitGroup
	var stop atomic.Bool
	for range 4 {
		a := newActor(t, s, randomSeed(t))
		all.Go(func() {
			for !stop.Load() {
				a.step()
			}
		})
	}
	all.Go(func() {
		for !stop.Load() {
			_ = s.Entries(nil, newSignal())
			_ = s.Stats()
			_, _ = s.Retained(fmt.Sprint("topic ", rnd.IntN(20)))
			_ = s.RetainedTopics(func(string) bool { return true })
		}
	})
	time.Sleep(time.Second) // the work itself is what takes the time
	stop.Store(true)
	all.Wait()
	check(t, s)
	s = open(t, kill(t, s), small())
	check(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestWaiterIsWokenOnceAGroup(t *testing.T) {
	s := open(t, t.TempDir(), small())
	defer s.Close()
	c := &committer{store: s, waiters: make(map[persist.Waiter]struct{})}
	one, two := new(counter), new(counter)
	c.wakeAll([]persist.Waiter{one, two, one, one, two, waiterFunc(func() { one.Wake() })})
	if one.n != 2 || two.n != 1 { // one of them through a waiter that cannot be compared
		t.Errorf("woken %d and %d times", one.n, two.n)
	}
}

type counter struct{ n int }

func (c *counter) Wake() { c.n++ }

type waiterFunc func()

func (f waiterFunc) Wake() { f() }

func TestAudiencesThatNobodyUsesAreDropped(t *testing.T) {
	o := small()
	o.CheckpointInterval = 2 * time.Millisecond
	s := open(t, t.TempDir(), o)
	ses := openSession(t, s, "c")
	known := func() int {
		s.mu.RLock()
		defer s.mu.RUnlock()
		return len(s.state.audiences)
	}
	handles := func() int {
		s.interns.mu.Lock()
		defer s.interns.mu.Unlock()
		return len(s.interns.byHash)
	}
	held := s.Audience(members(ses))
	if s.Audience(members(ses)) != held {
		t.Error("equal sets are two audiences")
	}
	commit(t, s, persist.Batch{Message: message("t", "stays"), Audience: held})
	for i := range 50 { // the engine lets these go at once
		to := []persist.Member{{Session: ses.ID, QoS: 1, SubscriptionIDs: []uint32{uint32(i + 1)}}}
		commit(t, s, persist.Batch{Message: message("t", "goes"), Audience: s.Audience(to)})
	}
	if n := known(); n != 51 {
		t.Errorf("%d audiences, want 51", n)
	}
	positions, _ := readAll(t, s, ses.ID)
	settleAll(t, s)
	eventually(t, "all audiences are dropped", func() bool { runtime.GC(); return known() == 0 && handles() <= 1 })
	// The one that is held is defined anew, and so is an equal one.
	commit(t, s, persist.Batch{Message: message("t", "new"), Audience: held})
	if got, payloads := readAll(t, s, ses.ID); len(got) != 1 || payloads[0] != "new" || got[0] <= positions[50] {
		t.Errorf("after that: %v %q", got, payloads)
	}
	runtime.KeepAlive(held)
	check(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestSyncModes(t *testing.T) {
	for _, mode := range []Sync{SyncAlways, SyncNever, Sync(20 * time.Millisecond)} {
		t.Run(strings.SplitN(mode.String(), ":", 2)[0], func(t *testing.T) {
			o := manual(newTestFS())
			o.Sync = mode
			o.SegmentSize = 16 << 20
			s := open(t, t.TempDir(), o)
			ses := openSession(t, s, "c")
			to := s.Audience(members(ses))
			before := s.Stats()
			for range 50 {
				commit(t, s, persist.Batch{Message: message("t", "m"), Audience: to})
			}
			st := s.Stats()
			groups, syncs := st.Groups-before.Groups, st.Syncs-before.Syncs
			switch {
			case mode == SyncAlways && syncs < groups:
				t.Errorf("%d syncs for %d groups", syncs, groups)
			case mode == SyncNever && syncs > 0:
				t.Errorf("%d syncs", syncs)
			case mode > 0:
				eventually(t, "the log is synced in the background", func() bool { return s.Stats().Syncs > before.Syncs })
				// Also while there is always another group.
				busy := publishAlways(s, to)
				seen := s.Stats().Syncs
				eventually(t, "the log is synced under load", func() bool { return s.Stats().Syncs > seen+2 })
				busy()
				flush(t, s)
			}
			if st.Recovery.SyncMode != mode.String() || mode != SyncAlways && !strings.Contains(st.Recovery.SyncMode, "power cut may lose") {
				t.Errorf("sync mode is %q", st.Recovery.SyncMode)
			}
			want := dump(t, s)
			s = open(t, kill(t, s), manual(newTestFS()))
			wantSameDump(t, "after a kill", want, dump(t, s))
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// publishAlways publishes from several goroutines until the function that it returns is called.
func publishAlways(s *Store, to *persist.Audience) (stop func()) {
	var all sync.WaitGroup
	var stopped atomic.Bool
	for range 4 {
		all.Go(func() {
			w := newSignal()
			for !stopped.Load() {
				if _, err := s.Append(&persist.Batch{Message: message("t", "busy"), Audience: to, Waiter: w}); err != nil {
					return
				}
				<-w
			}
		})
	}
	return func() { stopped.Store(true); all.Wait() }
}

// TestMillionQueued measures the start with a million messages queued.
func TestMillionQueued(t *testing.T) {
	n := 1_000_000
	if testing.Short() {
		n = 100_000
	}
	o := Options{Sync: SyncNever, Reserve: -1}
	dir := t.TempDir()
	s := open(t, dir, o)
	var sessions []persist.SessionState
	var to []*persist.Audience
	for i := range 100 {
		sessions = append(sessions, openSession(t, s, fmt.Sprint("c", i)))
		to = append(to, s.Audience(members(sessions[i])))
	}
	empty := heap()
	b := persist.Batch{Message: message("plant/line/7/temperature/outside", string(make([]byte, 256)))}
	began := time.Now()
	for i := range n {
		b.Audience = to[i%len(to)]
		if _, err := s.Append(&b); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, s)
	t.Logf("filled in %v, heap %.1f bytes a message, log %d bytes a message", time.Since(began), float64(heap()-empty)/float64(n), s.Stats().LogBytes/int64(n))
	eventually(t, "sealed segments are indexed", func() bool {
		return !slices.ContainsFunc(s.log.Segments(), indexMissing)
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before := heap()
	s = open(t, dir, o)
	st := s.Stats()
	t.Logf("start %v, heap %.1f bytes a message, %d segments", st.Recovery.Duration, float64(heap()-before)/float64(n), st.Segments)
	if st.Queued != n || st.Recovery.Queued != n {
		t.Errorf("%d queued, want %d", st.Queued, n)
	}
	if perMessage := float64(heap()-before) / float64(n); perMessage > 40 && !testing.Short() {
		t.Errorf("%.1f bytes of heap for each queued message", perMessage)
	}
	if positions, _ := readAll(t, s, sessions[17].ID); len(positions) != n/100 {
		t.Errorf("%d messages for one session, want %d", len(positions), n/100)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_ = os.RemoveAll(dir)
}

func indexMissing(info seglog.SegmentInfo) bool { return info.Sealed && !info.Indexed }

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
