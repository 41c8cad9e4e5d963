package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/persist/disk"
)

// promises is what a store was told, and what it promised, in a run that a fault may end anywhere.
type promises struct {
	t testing.TB
	s *Store
	// session is the one that everything is for; opened is the ticket that made it.
	session persist.SessionState
	opened  bool
	// published and settled are by number, in order: message i, and the number of messages that are settled.
	published []persist.Ticket
	settles   []settleStep
}

type settleStep struct {
	ticket persist.Ticket
	upTo   int
}

// run publishes and settles until it is done or the store has failed. There are segments to fill, to remove and to
// compact on the way, and checkpoints.
func (p *promises) run(rounds int) {
	s := p.s
	if !p.open() {
		return
	}
	to := s.Audience(members(p.session))
	for round := range rounds {
		var last persist.Ticket
		w := newSignal()
		for range 12 {
			b := persist.Batch{Message: message("t", fmt.Sprint(len(p.published), " ", string(make([]byte, 900)))), Audience: to, Waiter: w}
			ticket, err := s.Append(&b)
			if err != nil {
				return
			}
			p.published = append(p.published, ticket)
			last = ticket
		}
		if !p.wait(last, w) {
			return
		}
		if round%4 == 3 && !p.settle(len(p.published)-20) {
			return
		}
		if round%5 == 4 {
			// As the checkpointer does on its own, but always at the same place.
			s.trim()
			_ = s.checkpoint()
			s.freeSegments()
		}
	}
}

func (p *promises) open() bool {
	w := newSignal()
	ticket, err := p.s.Append(&persist.Batch{Open: &persist.Open{ClientID: "c"}, Waiter: w})
	if err != nil || !p.wait(ticket, w) {
		return false
	}
	p.opened = true
	p.session = p.s.state.clients["c"].snapshot()
	return true
}

// settle settles all but the last messages.
func (p *promises) settle(upTo int) bool {
	positions, _ := readAll(p.t, p.s, p.session.ID)
	done := len(p.published) - len(positions)
	if upTo <= done {
		return true
	}
	w := newSignal()
	ticket, err := p.s.Append(&persist.Batch{
		Session: p.session.ID, Epoch: p.session.Epoch, Waiter: w, Settled: persist.Settled{Floor: positions[upTo-done-1]},
	})
	if err != nil {
		return false
	}
	p.settles = append(p.settles, settleStep{ticket, upTo})
	return p.wait(ticket, w)
}

// wait returns whether the ticket became durable, or the store failed.
func (p *promises) wait(ticket persist.Ticket, w signal) bool {
	p.t.Helper()
	for p.s.Durable() < ticket {
		if p.s.Err() != nil {
			return false
		}
		select {
		case <-w:
		case <-time.After(patience):
			p.t.Fatalf("nobody was woken for ticket %d, durable is %d, error %v", ticket, p.s.Durable(), p.s.Err())
		}
	}
	return true
}

// verify compares what is left with what was promised up to a ticket.
func (p *promises) verify(s *Store, durable persist.Ticket) {
	p.t.Helper()
	if !p.opened {
		return
	}
	mustBeGone, mayBeGone := 0, 0
	for _, st := range p.settles {
		if st.ticket <= durable {
			mustBeGone = st.upTo
		}
		mayBeGone = st.upTo
	}
	mustBeThere := 0
	for i, ticket := range p.published {
		if ticket <= durable {
			mustBeThere = i + 1
		}
	}
	_, payloads := readAll(p.t, s, p.session.ID)
	first := len(p.published)
	for i, payload := range payloads {
		number := -1
		if _, err := fmt.Sscan(payload, &number); err != nil || i > 0 && number != first+i {
			p.t.Fatalf("message %d of the queue is %.20q, the first is %d", i, payload, first)
		}
		if i == 0 {
			first = number
		}
	}
	end := first + len(payloads)
	if len(payloads) == 0 {
		first, end = mustBeGone, mustBeThere
	}
	if first < mustBeGone || first > mayBeGone {
		p.t.Fatalf("the queue begins with message %d: %d were settled durably, %d at all", first, mustBeGone, mayBeGone)
	}
	if end < mustBeThere || len(payloads) == 0 && mustBeThere > mayBeGone {
		p.t.Fatalf("messages %d to %d are left, %d were durable", first, end, mustBeThere)
	}
}

// faulty are options with segments so small that a short run fills some, and checkpoints when the test says so.
func faulty(fs disk.FS) Options {
	return Options{
		SegmentSize: 32 << 10, CheckpointInterval: time.Hour, CheckpointBytes: 1 << 50, TailBytes: 1, Reserve: -1, FS: fs, MinFree: 1,
	}
}

// TestFaultAtEachCall has the n-th call that changes the log's files fail, for each n: what was promised before is there
// after a power cut, the store says that it has failed, and does not recover by itself.
func TestFaultAtEachCall(t *testing.T) {
	rnd := randomSeed(t)
	rounds := 30
	if testing.Short() {
		rounds = 8
	}
	failed := 0
	for n := 1; ; n++ {
		memory := disk.NewMemory()
		fs := disk.NewFaulty(memory, disk.Fault{Kinds: disk.OnAny, Call: n, Err: syscall.EIO, Short: n%2 == 0})
		fired, poisoned := faultRun(t, rnd, memory, fs, rounds)
		if !fired {
			t.Logf("%d calls, %d of them end the store when they fail", n-1, failed)
			break
		}
		if poisoned {
			failed++
		}
	}
	if failed < 20 {
		t.Errorf("only %d faults ended the store", failed)
	}
}

func faultRun(t *testing.T, rnd *rand.Rand, memory *disk.Memory, fs *disk.Faulty, rounds int) (fired, poisoned bool) {
	dir := t.TempDir()
	s, err := Open(dir, faulty(fs))
	p := &promises{t: t, s: s}
	var durable persist.Ticket
	if err == nil {
		p.run(rounds)
		durable = s.Durable()
		poisoned = s.Err() != nil
		if poisoned {
			finallyFailed(t, s)
		}
	} else if !fs.Fired() {
		t.Fatalf("open: %v", err)
	}
	// The power goes. The state database is on another disk, which keeps what it has.
	seed := rnd.Uint64()
	after := memory.Crash(seed)
	copied := copyDir(t, dir)
	if s != nil {
		_ = s.Close()
	}
	again, err := Open(copied, faultyIn(after, dir, copied))
	if err != nil {
		t.Fatalf("call %d, crash seed %d: open: %v", fs.Calls(), seed, err)
	}
	p.verify(again, durable)
	checkState(t, again)
	// It goes on from there.
	p.s = again
	if p.opened {
		commit(t, again, persist.Batch{Message: message("t", "after"), Audience: again.Audience(members(p.session))})
	}
	if err := again.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	return fs.Fired(), poisoned
}

// faultyIn are the options for a directory that was copied: the log's files in memory keep their old names.
func faultyIn(fs disk.FS, from, to string) Options { return faulty(&movedFS{fs, from, to}) }

// movedFS answers for one directory with the files of another.
type movedFS struct {
	disk.FS
	from, to string
}

func (m *movedFS) path(name string) string {
	rel, err := filepath.Rel(m.to, name)
	if err != nil || len(rel) > 1 && rel[:2] == ".." {
		return name
	}
	return filepath.Join(m.from, rel)
}

func (m *movedFS) OpenFile(name string, flag int, perm os.FileMode) (disk.File, error) {
	return m.FS.OpenFile(m.path(name), flag, perm)
}
func (m *movedFS) Rename(from, to string) error             { return m.FS.Rename(m.path(from), m.path(to)) }
func (m *movedFS) Remove(name string) error                 { return m.FS.Remove(m.path(name)) }
func (m *movedFS) ReadDir(dir string) ([]disk.Entry, error) { return m.FS.ReadDir(m.path(dir)) }
func (m *movedFS) MkdirAll(dir string) error                { return m.FS.MkdirAll(m.path(dir)) }
func (m *movedFS) SyncDir(dir string) error                 { return m.FS.SyncDir(m.path(dir)) }
func (m *movedFS) Free(dir string) (uint64, error)          { return m.FS.Free(m.path(dir)) }

// finallyFailed checks that a failed store stays as it is.
func finallyFailed(t *testing.T, s *Store) {
	t.Helper()
	durable := s.Durable()
	w := newSignal()
	for range 3 {
		if _, err := s.Append(&persist.Batch{Waiter: w}); !errors.Is(err, persist.ErrFailed) {
			t.Fatalf("append to a failed store: %v", err)
		}
	}
	if s.Durable() != durable || !errors.Is(s.Err(), persist.ErrFailed) || s.Stats().State[:6] != "failed" {
		t.Fatalf("durable went from %d to %d, error %v, state %q", durable, s.Durable(), s.Err(), s.Stats().State)
	}
}

// TestDiskFullAtEachCall has each call find the disk full, once: nothing fails for good, and nothing is lost.
func TestDiskFullAtEachCall(t *testing.T) {
	rnd := randomSeed(t)
	rounds := 12
	if testing.Short() {
		rounds = 6
	}
	for n := 1; ; n++ {
		memory := disk.NewMemory()
		fs := disk.NewFaulty(memory, disk.Fault{Kinds: disk.OnWrite | disk.OnAllocate | disk.OnCreate, Call: n, Err: syscall.ENOSPC})
		fired, poisoned := faultRun(t, rnd, memory, fs, rounds)
		if poisoned {
			t.Fatalf("call %s: a full disk ended the store", strconv.Itoa(n))
		}
		if !fired {
			t.Logf("%d calls", n-1)
			return
		}
	}
}

// TestPowerCut cuts the power at the end of runs of any length. With every group synced nothing is lost; without, what was
// not synced may be, from the middle too, and then the start says so; what is left is whole, and the state is never ahead
// of the log.
func TestPowerCut(t *testing.T) {
	rnd := randomSeed(t)
	cuts := 15
	if testing.Short() {
		cuts = 4
	}
	for _, mode := range []Sync{SyncAlways, SyncNever, Sync(time.Millisecond)} {
		t.Run(strings.SplitN(mode.String(), ":", 2)[0], func(t *testing.T) {
			for range cuts {
				powerCut(t, rnd, mode)
			}
		})
	}
}

func powerCut(t *testing.T, rnd *rand.Rand, mode Sync) {
	memory := disk.NewMemory()
	dir := t.TempDir()
	o := faulty(memory)
	o.Sync = mode
	s := open(t, dir, o)
	p := &promises{t: t, s: s}
	p.run(rnd.IntN(25))
	durable := s.Durable()
	seed := rnd.Uint64()
	after, copied := memory.Crash(seed), copyDir(t, dir)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(copied, faultyIn(after, dir, copied))
	if err != nil {
		t.Fatalf("crash seed %d: open: %v", seed, err)
	}
	checkState(t, again)
	damage := again.Stats().Recovery.Damage
	switch {
	case mode == SyncAlways && len(damage) > 0:
		t.Errorf("crash seed %d: damage %q", seed, damage)
	case mode == SyncAlways:
		p.verify(again, durable)
	case len(damage) == 0 && again.state.clients["c"] != nil:
		p.verify(again, 0) // nothing is missing but the end
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}
