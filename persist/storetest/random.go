package storetest

import (
	"errors"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/holdfast-mqtt/holdfast/persist"
)

func randomBehaviours() []behaviour {
	return []behaviour{
		{name: "StepsAndRestarts", test: func(r *rig) { testRandom(r, 0) }},
		{name: "StepsAndCrashes", test: func(r *rig) { testRandom(r, 10) }, crashes: true},
	}
}

// trial is a run of the random test.
type trial struct {
	*rig
	random *rand.Rand
	// steps are all that were ever submitted, by number; those that a crash undid are referred to no more.
	steps []*step
	// known are the positions of steps, as far as the store has shown them. What it has shown is durable.
	known map[int]persist.Position
	// now is the state after all steps, safe that at the last sync point; unsure are the steps between.
	now, safe *model
	unsure    []*step
	verdicts  []verdict
	// former are handles of sessions that may have been taken over or ended.
	former  []handle
	readers map[int]*liveReader
	// crashes, and the steps that they undid.
	crashes, undone int
}

// handle is a session and epoch by number.
type handle struct{ session, epoch int }

// liveReader is a queue that stays attached while things happen.
type liveReader struct {
	*reader
	after int
}

// testRandom takes thousands of steps; crashes is how many of a thousand are crashes.
func testRandom(r *rig, crashes int) {
	steps := 5000
	if testing.Short() {
		steps = 1000
	}
	tr := &trial{
		rig: r, random: r.seed(), steps: make([]*step, 1), known: make(map[int]persist.Position),
		now: newModel(), safe: newModel(), readers: make(map[int]*liveReader),
	}
	for range steps {
		switch n := tr.random.IntN(1000); {
		case n < crashes:
			tr.crashAndCompare()
		case n < crashes+4:
			tr.restartAndCompare()
		case n < crashes+24:
			tr.sync()
			tr.compare()
		case n < 120:
			tr.read()
		default:
			tr.submit(tr.choose())
		}
	}
	tr.sync()
	tr.compare()
	tr.restartAndCompare()
	tr.Logf("%d steps, %d of them undone by %d crashes, %d positions learned", len(tr.steps)-1, tr.undone, tr.crashes, len(tr.known))
}

// submit appends a step and says what must come of it.
func (tr *trial) submit(st *step) {
	tr.Helper()
	st.number = len(tr.steps)
	tr.steps = append(tr.steps, st)
	st.ticket = tr.append(st.batch)
	tr.unsure = append(tr.unsure, st)
	tr.verdicts = append(tr.verdicts, tr.now.apply(st))
}

// sync waits until every step is durable, and compares the entries.
func (tr *trial) sync() {
	tr.Helper()
	tr.flush()
	for _, v := range tr.verdicts {
		if v.told {
			tr.wantVerdict(tr.entry(v.step.ticket), v)
		}
	}
	tr.pull(nil)
	for _, e := range tr.seen {
		if !e.Void {
			tr.Fatalf("an entry that no step stands for: %+v", e)
		}
	}
	clear(tr.seen)
	tr.certain()
}

// certain takes the state after all steps for the one that a crash cannot undo.
func (tr *trial) certain() {
	tr.safe = tr.now.clone()
	tr.unsure, tr.verdicts = nil, nil
}

// wantVerdict compares an entry with what the model says of it, and learns where the step stands.
func (tr *trial) wantVerdict(e persist.Entry, v verdict) {
	tr.Helper()
	m := tr.match()
	diff := ""
	learn := func(number int, p persist.Position) {
		if diff == "" && number != 0 {
			diff = m.place(number, p)
		}
	}
	learn(v.step.number, e.Position)
	learn(v.session, persist.Position(e.Session))
	learn(v.epoch, persist.Position(e.Epoch))
	learn(v.replaced, persist.Position(e.Replaced))
	if diff != "" || e.Void != v.void || !v.void && (e.Present != v.present || (e.Replaced != 0) != (v.replaced != 0) || e.Retain != v.retain) {
		tr.Fatalf("entry of step %d is %+v, want %+v %s", v.step.number, e, v, diff)
	}
	tr.learn(m)
	if v.step.batch.Open != nil {
		tr.former = append(tr.former, handle{v.session, v.epoch})
	}
}

func (tr *trial) match() *match {
	return &match{steps: tr.steps, known: tr.known, found: make(map[int]persist.Position)}
}

func (tr *trial) learn(m *match) { maps.Copy(tr.known, m.found) }

// compare compares the whole store with the model. All that was submitted is durable.
func (tr *trial) compare() {
	tr.Helper()
	m := tr.match()
	got := tr.dump()
	clear(tr.readers) // the dump has attached its own
	if diff := m.everything(tr.now, got); diff != "" {
		tr.Fatalf("after step %d: %s", len(tr.steps)-1, diff)
	}
	tr.learn(m)
}

func (tr *trial) restartAndCompare() {
	tr.Helper()
	tr.restart() // which makes everything durable
	clear(tr.readers)
	tr.certain()
	tr.compare()
}

// crashAndCompare crashes and finds out how many of the steps that were on their way have survived: all that were
// durable, and no step without those before it.
func (tr *trial) crashAndCompare() {
	tr.Helper()
	durable := tr.store.Durable()
	tr.crash()
	clear(tr.readers)
	got := tr.dump()
	left := tr.safe.clone()
	unsure := tr.unsure
	for len(unsure) > 0 && unsure[0].ticket <= durable {
		left.apply(unsure[0])
		unsure = unsure[1:]
	}
	first := ""
	for {
		m := tr.match()
		diff := m.everything(left, got)
		if diff == "" {
			tr.learn(m)
			break
		}
		if first == "" {
			first = diff
		}
		if len(unsure) == 0 {
			tr.Fatalf("after a crash at step %d, with tickets up to %d durable, no state of the last steps is there.\nAs of that ticket: %s\nAs of the last: %s",
				len(tr.steps)-1, durable, first, diff)
		}
		left.apply(unsure[0])
		unsure = unsure[1:]
	}
	tr.crashes++
	tr.undone += len(unsure)
	tr.now = left
	tr.certain()
	for _, s := range tr.now.sessions {
		tr.former = append(tr.former, handle{s.number, s.epoch})
	}
}

// read reads a page of one session, by a reader that may have been attached for long.
func (tr *trial) read() {
	tr.Helper()
	tr.sync()
	for number, in := range tr.readers {
		if tr.now.find(number) == nil {
			if err := in.queue.Next(&in.page); !errors.Is(err, persist.ErrNoSession) {
				tr.Fatalf("queue of a session that ended: %v, want ErrNoSession", err)
			}
			delete(tr.readers, number)
		}
	}
	s := tr.anySession()
	if s == nil {
		return
	}
	in := tr.readers[s.number]
	if in == nil || tr.random.IntN(8) == 0 {
		in = &liveReader{reader: tr.reader(client{id: persist.SessionID(tr.known[s.number])})}
		tr.readers[s.number] = in
	}
	in.page.MaxMessages = 1 + tr.random.IntN(40)
	want := s.readable(in.after)
	got := in.next()
	m := tr.match()
	diff := m.deliveries(want, got)
	if diff == "" && len(want) > 0 && len(got) == 0 {
		diff = "an empty page, though there is something to read"
	}
	if diff == "" {
		diff = m.order()
	}
	if diff != "" {
		tr.Fatalf("after step %d, queue of %q: %s", len(tr.steps)-1, s.state.ClientID, diff)
	}
	tr.learn(m)
	if len(got) > 0 {
		in.after = want[len(got)-1].message
	}
}
