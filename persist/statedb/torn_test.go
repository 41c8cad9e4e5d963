package statedb

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// small is a state of a few items, told apart by tag.
func small(tag string) *state {
	s := newState()
	for id := persist.SessionID(1); id <= 3; id++ {
		s.sessions[id] = SessionRecord{SessionState: persist.SessionState{
			ID: id, ClientID: tag, Floor: persist.Position(len(tag)) * 1000,
			Subscriptions: []persist.Subscription{{Filter: "f/" + tag}},
			Received:      []uint16{uint16(len(tag))},
		}}
	}
	s.audiences[9] = []persist.Member{{Session: persist.SessionID(len(tag))}}
	s.retained["t"] = persist.Retained{Position: 1, Message: persist.Message{
		Payload: []byte(strings.Repeat(tag, partSize)),
	}}
	s.meta = fmt.Sprintf("%+v", smallMeta(tag))
	return s
}

func smallMeta(tag string) Meta { return Meta{Applied: persist.Position(len(tag)), Extra: []byte(tag)} }

// replace turns the state of the database from one to another.
func replace(c *Checkpoint, from, to *state) {
	for id, r := range from.sessions {
		for _, s := range r.Subscriptions {
			c.DeleteSubscription(id, s.Filter)
		}
	}
	putAll(c, to)
}

// tear leaves an incomplete checkpoint in the database: all of to is written and synced, no meta.
func tear(d *DB, from, to *state) {
	c := d.Begin()
	replace(c, from, to)
	c.PutSession(&SessionRecord{SessionState: persist.SessionState{ID: 77, ClientID: "never was"}})
	c.PutRetained("never was", persist.Retained{Message: persist.Message{Payload: make([]byte, 3*partSize)}})
	c.PutAudience(77, nil)
	c.flush()
	c.Discard()
}

func TestTornCheckpointIsInvisible(t *testing.T) {
	one, two := small("one"), small("other")
	dir := t.TempDir()
	d := openDB(t, dir)
	tear(d, newState(), two)
	if _, ok := d.Meta(); ok {
		t.Fatal("the first checkpoint was torn, and there is a meta record")
	}
	wantState(t, d, newState(), "torn first checkpoint")
	wantState(t, openDB(t, image(t, dir)), newState(), "torn first checkpoint, crash")

	commit(t, d, smallMeta("one"), func(c *Checkpoint) { putAll(c, one) })
	wantState(t, d, one, "complete checkpoint over a torn one")
	tear(d, one, two)
	wantState(t, d, one, "torn second checkpoint")

	crashed := image(t, dir)
	d2 := openDB(t, crashed)
	wantState(t, d2, one, "torn second checkpoint, crash")
	if !d2.torn {
		t.Error("the torn checkpoint was not noticed")
	}
	if err := d2.flatten(0); err != nil {
		t.Fatal(err)
	}
	wantState(t, d2, one, "torn second checkpoint, crash, compaction")
	closeDB(t, d2)
	d2 = openDB(t, crashed)
	wantState(t, d2, one, "torn second checkpoint, crash, compaction, restart")
	// A checkpoint that has nothing to do with what the torn one wrote.
	commit(t, d2, smallMeta("one"), func(c *Checkpoint) {})
	wantState(t, d2, one, "the checkpoint after a torn one")
	commit(t, d2, smallMeta("other"), func(c *Checkpoint) { replace(c, one, two) })
	wantState(t, d2, two, "the checkpoint after that")
	if keys := d2.strays(); len(keys) != 0 {
		t.Errorf("versions above the checkpoint: %.1000q", keys)
	}
}

func TestFullDiskRefusesBeforeAnythingIsWritten(t *testing.T) {
	dir := t.TempDir()
	free := uint64(1 << 40)
	d, err := Open(dir, Options{FreeFloor: 1 << 20, FreeBytes: func(string) (uint64, error) { return free, nil }})
	if err != nil {
		t.Fatal(err)
	}
	// The database is left open on purpose at the end; its Badger must not outlive the test all the same.
	defer d.badger.Close()
	one, two := small("one"), small("other")
	commit(t, d, smallMeta("one"), func(c *Checkpoint) { putAll(c, one) })

	free = 1<<20 - 1
	version := d.badger.MaxVersion()
	for range 2 {
		c := d.Begin()
		replace(c, one, two)
		if err := c.Commit(smallMeta("other")); !errors.Is(err, ErrNoRoom) || !errors.Is(err, persist.ErrFull) {
			t.Fatalf("commit on a full disk: %v", err)
		}
	}
	if now := d.badger.MaxVersion(); now != version {
		t.Errorf("something was written: version %d, was %d", now, version)
	}
	if err := d.flatten(0); !errors.Is(err, ErrNoRoom) {
		t.Errorf("compaction on a full disk: %v", err)
	}
	wantState(t, d, one, "full disk")

	// Room for the first transactions, none for the rest.
	big := func(c *Checkpoint) {
		for i := range 8 {
			c.PutRetained(fmt.Sprint(i), persist.Retained{Message: persist.Message{Payload: make([]byte, 1<<20)}})
			if i == 4 {
				free = 0
			}
		}
	}
	free = 1 << 40
	c := d.Begin()
	big(c)
	if err := c.Commit(smallMeta("other")); !errors.Is(err, ErrNoRoom) {
		t.Fatalf("commit on a disk that fills: %v", err)
	}
	wantState(t, d, one, "disk that filled")
	wantState(t, openDB(t, image(t, dir)), one, "disk that filled, crash")

	free = 1 << 40
	commit(t, d, smallMeta("other"), func(c *Checkpoint) { replace(c, one, two) })
	wantState(t, d, two, "room again")

	free = 0
	if _, err := Open(image(t, dir), d.options); !errors.Is(err, ErrNoRoom) {
		t.Errorf("open on a full disk: %v", err)
	}
	if err := d.Close(); !errors.Is(err, ErrNoRoom) {
		t.Errorf("close on a full disk: %v", err)
	}
	wantState(t, openDB(t, image(t, dir)), two, "left without closing")
}

func TestNothingIsWrittenAfterAFailure(t *testing.T) {
	dir := t.TempDir()
	d := openDB(t, dir)
	one := small("one")
	commit(t, d, smallMeta("one"), func(c *Checkpoint) { putAll(c, one) })
	c := d.Begin()
	c.PutAudience(1, nil)
	c.fail(errors.New("input/output error"))
	if err := c.Commit(Meta{}); !errors.Is(err, ErrFailed) {
		t.Errorf("the checkpoint that failed: %v", err)
	}
	c = d.Begin()
	c.PutAudience(2, nil)
	c.DeleteSession(1)
	if err := c.Commit(Meta{}); !errors.Is(err, ErrFailed) {
		t.Errorf("the checkpoint after: %v", err)
	}
	wantState(t, d, one, "failed")
	closeDB(t, d)
	if err := d.Begin().Commit(Meta{}); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	d = openDB(t, dir)
	wantState(t, d, one, "opened anew")
	commit(t, d, Meta{}, func(c *Checkpoint) {})
}

// mutation is one random change, to the model and to a checkpoint alike.
type mutation struct {
	rng   *rand.Rand
	names []string
}

func newMutation(rng *rand.Rand) *mutation {
	return &mutation{rng: rng, names: []string{
		"a", "b/#", "", strings.Repeat("x", longestName), strings.Repeat("y", longestName+1), strings.Repeat("z", 65535),
	}}
}

func (m *mutation) name() string { return m.names[m.rng.IntN(len(m.names))] }

func (m *mutation) payload() []byte {
	n := []int{1, 40, 3000, partSize + 7, 600_000}[m.rng.IntN(5)]
	b := make([]byte, n)
	for i := 0; i+8 <= n; i += 8 {
		v := m.rng.Uint64()
		for j := range 8 {
			b[i+j] = byte(v >> (8 * j))
		}
	}
	return b
}

func (m *mutation) positions(from persist.Position) (ps []persist.Position) {
	for range m.rng.IntN(4) {
		from += persist.Position(1 + m.rng.IntN(1000))
		ps = append(ps, from)
	}
	return ps
}

// apply makes one change. A session exists in the model if and only if its identity does.
func (m *mutation) apply(s *state, c *Checkpoint) {
	id := persist.SessionID(1 + m.rng.IntN(8))
	r, exists := s.sessions[id]
	switch n := m.rng.IntN(12); {
	case n < 3 || n < 7 && !exists:
		r.ID, r.ClientID, r.Epoch = id, fmt.Sprint(m.rng.Uint32()), persist.Epoch(m.rng.Uint64())
		if !exists {
			r.Floor = persist.Position(id)
		}
		s.sessions[id] = r
		c.PutSession(&r)
	case n == 3:
		r.Floor = persist.Position(m.rng.Uint64N(1 << 40))
		r.Settled, r.Received = m.positions(r.Floor), nil
		if m.rng.IntN(2) == 0 {
			r.Received = []uint16{uint16(m.rng.Uint32())}
		}
		s.sessions[id] = r
		c.PutCursor(id, r.Cursor())
		c.PutReceived(id, r.Received)
	case n == 4:
		sub := persist.Subscription{Filter: m.name(), QoS: byte(m.rng.IntN(3)), ID: m.rng.Uint32N(1000)}
		r.Subscriptions = append(without(r.Subscriptions, sub.Filter), sub)
		s.sessions[id] = r
		c.PutSubscription(id, sub)
	case n == 5:
		filter := m.name()
		r.Subscriptions = without(r.Subscriptions, filter)
		s.sessions[id] = r
		c.DeleteSubscription(id, filter)
	case n == 6:
		delete(s.sessions, id)
		c.DeleteSession(id)
	case n == 7:
		members := []persist.Member{{Session: id, QoS: byte(m.rng.IntN(3))}}
		s.audiences[uint64(id)] = members
		c.PutAudience(uint64(id), members)
	case n == 8:
		delete(s.audiences, uint64(id))
		c.DeleteAudience(uint64(id))
	case n < 11:
		topic := m.name()
		v := persist.Retained{Position: persist.Position(m.rng.Uint64()), Message: persist.Message{Payload: m.payload()}}
		s.retained[topic] = v
		c.PutRetained(topic, v)
	default:
		topic := m.name()
		delete(s.retained, topic)
		c.DeleteRetained(topic)
	}
}

// without keeps its argument as it is: the model shares slices with its earlier states.
func without(subs []persist.Subscription, filter string) (kept []persist.Subscription) {
	for _, s := range subs {
		if s.Filter != filter {
			kept = append(kept, s)
		}
	}
	return slices.Clip(kept)
}

func TestRandomCheckpointsAgainstModel(t *testing.T) {
	seeds, steps := uint64(4), 40
	if testing.Short() {
		seeds = 3
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { randomCheckpoints(t, newRand(t, seed), steps) })
	}
}

func randomCheckpoints(t *testing.T, rng *rand.Rand, steps int) {
	dir := t.TempDir()
	d := openDB(t, dir)
	m := newMutation(rng)
	model := newState()
	for step := range steps {
		when := fmt.Sprintf("step %d", step)
		next := model.clone()
		c := d.Begin()
		for range rng.IntN(30) {
			m.apply(next, c)
			if rng.IntN(4) == 0 {
				c.flush()
			}
		}
		meta := Meta{Applied: persist.Position(step), Generation: rng.Uint64()}
		switch rng.IntN(4) {
		case 0:
			c.Discard()
		case 1:
			// Killed in the middle: what goes on is the image of that moment.
			c.flush()
			dir = image(t, dir)
			c.Discard()
			closeDB(t, d)
			d = openDB(t, dir)
		default:
			if err := c.Commit(meta); err != nil {
				t.Fatalf("%s: %v", when, err)
			}
			next.meta = fmt.Sprintf("%+v", meta)
			model = next
		}
		wantState(t, d, model, when)
		switch rng.IntN(8) {
		case 0:
			if err := d.flatten(0); err != nil {
				t.Fatalf("%s: %v", when, err)
			}
			wantState(t, d, model, when+", compacted")
		case 1:
			closeDB(t, d)
			d = openDB(t, dir)
			wantState(t, d, model, when+", opened again")
		case 2:
			dir = image(t, dir)
			closeDB(t, d)
			d = openDB(t, dir)
			wantState(t, d, model, when+", killed")
		}
	}
}
