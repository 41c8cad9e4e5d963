package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// actor does to a store what clients do, at random. It knows the visible state only, as the engine does.
type actor struct {
	t     testing.TB
	s     *Store
	rnd   *rand.Rand
	names int
	size  int
	// sent counts the messages, so that each has another payload.
	sent int
}

func newActor(t testing.TB, s *Store, rnd *rand.Rand) *actor {
	return &actor{t: t, s: s, rnd: rnd, names: 8, size: 400}
}

// steps does n things, and waits until they are durable.
func (a *actor) steps(n int) {
	a.t.Helper()
	for range n {
		a.step()
	}
	flush(a.t, a.s)
}

// sessions are those that exist now.
func (a *actor) sessions() (all []persist.SessionState) {
	err := a.s.Sessions(func(st persist.SessionState) bool { all = append(all, st); return true })
	if err != nil {
		a.t.Fatal(err)
	}
	return all
}

func (a *actor) append(b persist.Batch) {
	a.t.Helper()
	if _, err := a.s.Append(&b); err != nil && !errors.Is(err, persist.ErrFull) {
		a.t.Fatalf("append: %v", err)
	}
}

func (a *actor) step() {
	a.t.Helper()
	all := a.sessions()
	if len(all) == 0 || a.rnd.IntN(30) == 0 {
		a.append(persist.Batch{Open: &persist.Open{
			ClientID: fmt.Sprint("client ", a.rnd.IntN(a.names)), Clean: a.rnd.IntN(4) == 0, ExpirySeconds: a.rnd.Uint32(), At: 1,
		}})
		return
	}
	st := all[a.rnd.IntN(len(all))]
	b := persist.Batch{Session: st.ID, Epoch: st.Epoch}
	if a.rnd.IntN(20) == 0 {
		b.Epoch-- // the word of an earlier connection
	}
	switch a.rnd.IntN(12) {
	case 0, 1, 2, 3, 4:
		a.publish(&b, all)
	case 5:
		b.Subscribe = []persist.Subscription{{Filter: fmt.Sprint("filter ", a.rnd.IntN(9)), QoS: 1, ID: a.rnd.Uint32()}}
	case 6:
		b.Unsubscribe = []string{fmt.Sprint("filter ", a.rnd.IntN(9))}
	case 7:
		if a.rnd.IntN(12) == 0 {
			b.End = true
		} else {
			b.Close = &persist.Close{At: a.rnd.Int64()}
		}
	case 8:
		b.ReleasedID = uint16(1 + a.rnd.IntN(5))
	default:
		a.read(&b)
	}
	a.append(b)
}

func (a *actor) publish(b *persist.Batch, all []persist.SessionState) {
	a.sent++
	b.Message = message(fmt.Sprint("topic ", a.rnd.IntN(20)), fmt.Sprint(a.sent, " ", string(make([]byte, a.rnd.IntN(a.size)))))
	var to []persist.Member
	for _, st := range all {
		if a.rnd.IntN(3) == 0 {
			to = append(to, persist.Member{Session: st.ID, QoS: 1})
		}
	}
	b.Audience = a.s.Audience(to)
	switch a.rnd.IntN(6) {
	case 0:
		b.Retain = persist.RetainSet
	case 1:
		b.Retain = persist.RetainClear
	case 2:
		b.ReceivedID = uint16(1 + a.rnd.IntN(5))
	}
}

// read takes a page of a session's queue, and sends, releases or settles some of it.
func (a *actor) read(b *persist.Batch) {
	q, err := a.s.Attach(b.Session, newSignal())
	if err != nil {
		return // it has ended meanwhile
	}
	defer q.Detach()
	page := persist.Page{MaxMessages: 1 + a.rnd.IntN(100)}
	if err := q.Next(&page); err != nil && !errors.Is(err, persist.ErrNoSession) {
		a.t.Fatalf("read: %v", err)
	}
	for i, d := range page.Deliveries {
		switch {
		case d.Damaged:
			a.t.Fatalf("message at %d is damaged", d.Position)
		case a.rnd.IntN(8) == 0:
			b.Sent = append(b.Sent, persist.Sent{Position: d.Position, PacketID: uint16(i + 1)})
		case a.rnd.IntN(8) == 0:
			b.Settled.Above = append(b.Settled.Above, d.Position)
		}
	}
	if n := len(page.Deliveries); n > 0 && a.rnd.IntN(2) == 0 {
		b.Settled.Floor = page.Deliveries[a.rnd.IntN(n)].Position
	}
	if a.rnd.IntN(4) == 0 {
		b.Released = []uint16{uint16(1 + a.rnd.IntN(20))}
	}
}

// settleAll has every session settle everything.
func settleAll(t testing.TB, s *Store) {
	t.Helper()
	end := s.Stats().Position
	var all []persist.SessionState
	if err := s.Sessions(func(st persist.SessionState) bool { all = append(all, st); return true }); err != nil {
		t.Fatal(err)
	}
	for _, st := range all {
		commit(t, s, persist.Batch{Session: st.ID, Epoch: st.Epoch, Settled: persist.Settled{Floor: end}})
	}
}

func TestRandomWorkSurvivesKillAtAnyMoment(t *testing.T) {
	rnd := randomSeed(t)
	s := open(t, t.TempDir(), small())
	a := newActor(t, s, rnd)
	for range 25 {
		a.steps(1 + rnd.IntN(400))
		before := check(t, s)
		dir := kill(t, s)
		s = open(t, dir, small())
		a.s = s
		wantSameDump(t, "after a kill", before, dump(t, s))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestCheckpointKilledBetweenItsTransactionsIsNotSeen(t *testing.T) {
	rnd := randomSeed(t)
	o := small()
	o.CheckpointInterval, o.CheckpointBytes = 1<<50, 1<<50 // the test says when
	fs := newTestFS()
	o.FS = fs
	s := open(t, t.TempDir(), o)
	a := newActor(t, s, rnd)
	for round := range 20 {
		a.steps(1 + rnd.IntN(300))
		if round == 5 || round == 10 {
			settleAll(t, s)
		}
		before := dump(t, s)
		// The state is asked for room before each of its transactions: the last one, with the word that all is there,
		// finds none.
		calls := 0
		free := func() uint64 {
			if calls++; calls > 1 {
				return 0
			}
			return 1 << 40
		}
		fs.free.Store(&free)
		s.trim()
		s.dropIdle(uint64(round))
		if err := s.checkpoint(); !errors.Is(err, persist.ErrFull) {
			t.Fatalf("checkpoint without room: %v", err)
		}
		fs.free.Store(nil)
		checkState(t, s)
		if rnd.IntN(2) == 0 {
			a.steps(rnd.IntN(50))
			before = dump(t, s)
		}
		if rnd.IntN(3) > 0 {
			if err := s.checkpoint(); err != nil {
				t.Fatalf("the next checkpoint: %v", err)
			}
			wantSameDump(t, "after a checkpoint", before, dump(t, s))
			s.freeSegments()
		}
		dir := kill(t, s)
		fs = newTestFS()
		o.FS = fs
		s = open(t, dir, o)
		a.s = s
		wantSameDump(t, "after a torn checkpoint", before, dump(t, s))
		checkState(t, s)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
