package storetest

import (
	"errors"

	"github.com/holdfast-mqtt/holdfast/persist"
)

func voidBehaviours() []behaviour {
	return []behaviour{
		{name: "FormerConnectionChangesNothing", test: testFormerConnection},
		{name: "FormerConnectionAfterCleanStart", test: testFormerConnectionAfterClean},
		{name: "StepsOnTheWayWhenTakenOver", test: testTakeoverRace},
		{name: "TwoHandlesTakeTurns", test: testTwoHandles},
		{name: "EndedSessionSaysNothing", test: testEndedSessionSaysNothing},
		{name: "CountedAndDurable", test: testVoidIsDurable},
	}
}

// everything is one batch of each kind that a session can say, with whether its entry is told.
func everything(p persist.Position, to *persist.Audience) map[string]persist.Batch {
	return map[string]persist.Batch{
		"subscribe":   {Subscribe: []persist.Subscription{{Filter: "new"}}},
		"unsubscribe": {Unsubscribe: []string{"kept"}},
		"publish":     {Message: note("void"), Audience: to},
		"retain":      {Message: &persist.Message{Topic: []byte("void")}, Retain: persist.RetainSet},
		"clear":       {Message: &persist.Message{Topic: []byte("kept")}, Retain: persist.RetainClear},
		"receive":     {Message: note("void"), Audience: to, ReceivedID: 8},
		"release in":  {ReleasedID: 7},
		"send":        {Sent: []persist.Sent{{Position: p, PacketID: 6}}},
		"release out": {Released: []uint16{5}},
		"settle":      {Settled: persist.Settled{Floor: p}},
		"settle one":  {Settled: persist.Settled{Above: []persist.Position{p}}},
		"close":       {Close: &persist.Close{At: 9, DiscardWill: true, SetExpiry: true}},
		"will":        {WillOf: true, Message: note("void"), Audience: to},
		"end":         {End: true},
	}
}

// furnish gives a session something of everything and returns the position of its second message.
func (r *rig) furnish(a client) persist.Position {
	r.Helper()
	r.publish("one", a)
	r.publish("two", a)
	r.publish("three", a)
	queue := r.wantQueue(a, "one", "two", "three")
	kept := &persist.Message{Topic: []byte("kept"), Payload: []byte("kept")}
	r.takes("retain", persist.Batch{Message: kept, Retain: persist.RetainSet})
	r.takes("furnish", a.says(persist.Batch{
		Subscribe:  []persist.Subscription{{Filter: "kept", QoS: 2}},
		ReceivedID: 7,
		Sent:       []persist.Sent{{Position: queue[0].position, PacketID: 5}},
	}))
	return queue[1].position
}

// wantVoid has a former handle say everything, and compares the store before and after.
func (r *rig) wantVoid(former client, p persist.Position) {
	r.Helper()
	to := r.audience(former)
	before := r.dump()
	voids := r.store.Stats().Void
	steps := everything(p, to)
	for name, b := range steps {
		ticket := r.commit(former.says(b))
		control := len(b.Subscribe)+len(b.Unsubscribe) > 0 || b.Close != nil || b.WillOf || b.End
		if !control {
			continue
		}
		if e := r.entry(ticket); !e.Void || e.Session != former.id || e.Epoch != former.epoch {
			r.Errorf("%s: entry is %+v, want it void", name, e)
		}
	}
	if got := r.store.Stats().Void - voids; got != uint64(len(steps)) {
		r.Errorf("%d entries are counted as void, want %d", got, len(steps))
	}
	r.wantSame(before)
	r.restart()
	r.wantSame(before)
}

func testFormerConnection(r *rig) {
	will := &persist.Will{Message: *note("will")}
	former := r.openWith(persist.Open{ClientID: "a", ExpirySeconds: 10, Will: will})
	p := r.furnish(former)
	now := r.openWith(persist.Open{ClientID: "a", ExpirySeconds: 10, Will: will})
	if now.id != former.id || now.epoch <= former.epoch {
		r.Fatalf("resumed as %+v after %+v", now, former)
	}
	r.wantVoid(former, p)
	r.takes("the present connection", now.says(persist.Batch{Close: &persist.Close{At: 3}}))
	r.wantVoid(former, p) // also when nobody is connected
}

func testFormerConnectionAfterClean(r *rig) {
	former := r.open("a")
	p := r.furnish(former)
	now := r.openWith(persist.Open{ClientID: "a", Clean: true, ExpirySeconds: 5})
	if now.id == former.id {
		r.Fatalf("a clean start kept session %d", now.id)
	}
	r.wantVoid(former, p)
	r.wantQueue(now)
	// The old id with the new epoch is nobody either, nor the other way round.
	r.wantVoid(client{former.id, now.epoch}, p)
	r.wantVoid(client{now.id, former.epoch}, p)
}

func testTakeoverRace(r *rig) {
	former := r.open("a")
	b := r.open("b")
	to := r.audience(b)
	r.append(former.says(persist.Batch{Message: note("before"), Audience: to, ReceivedID: 1}))
	opened := r.append(persist.Batch{Open: &persist.Open{ClientID: "a", ExpirySeconds: 10}})
	// The former connection has not heard of it and speaks on.
	subscribed := r.append(former.says(persist.Batch{Subscribe: []persist.Subscription{{Filter: "late"}}}))
	r.append(former.says(persist.Batch{Message: note("late"), Audience: to, ReceivedID: 2}))
	closed := r.append(former.says(persist.Batch{Close: &persist.Close{At: 4}}))
	r.flush()
	e := r.entry(opened)
	now := client{e.Session, e.Epoch}
	if e.Void || !e.Present || now.id != former.id {
		r.Errorf("takeover is %+v", e)
	}
	if e := r.entry(subscribed); !e.Void {
		r.Errorf("late subscribe is %+v, want it void", e)
	}
	if e := r.entry(closed); !e.Void {
		r.Errorf("late close is %+v, want it void", e)
	}
	r.wantQueue(b, "before")
	state := r.session(now.id)
	if !state.Connected || len(state.Subscriptions) != 0 || len(state.Received) != 1 || state.Received[0] != 1 {
		r.Errorf("session after the takeover is %+v", state)
	}
}

func testTwoHandles(r *rig) {
	first := r.open("a")
	for round := range 5 {
		second := r.open("a")
		r.void("the first handle", first.says(persist.Batch{Unsubscribe: []string{"x"}}))
		r.takes("the second handle", second.says(persist.Batch{Subscribe: []persist.Subscription{{Filter: "x"}}}))
		if second.epoch <= first.epoch {
			r.Fatalf("round %d: epoch %d after %d", round, second.epoch, first.epoch)
		}
		first = second
	}
	if s := r.session(first.id); s.Epoch != first.epoch || len(s.Subscriptions) != 1 {
		r.Errorf("session is %+v", s)
	}
}

func testEndedSessionSaysNothing(r *rig) {
	a, b := r.open("a"), r.open("b")
	p := r.furnish(a)
	r.takes("end", a.says(persist.Batch{End: true}))
	r.void("a second end", a.says(persist.Batch{End: true}))
	r.commit(a.says(persist.Batch{Message: note("from the dead"), Audience: r.audience(b)}))
	r.wantQueue(b)
	r.wantVoid(a, p)
}

func testVoidIsDurable(r *rig) {
	a := r.open("a")
	r.open("a")
	woken := newSignal()
	ticket := r.append(a.says(persist.Batch{End: true, Waiter: woken}))
	for r.store.Durable() < ticket {
		if !woken.wait() {
			r.Fatalf("the waiter of a void batch was not woken")
		}
	}
	if _, err := r.store.Session(a.id); errors.Is(err, persist.ErrNoSession) {
		r.Errorf("a void end ended the session")
	}
	if v := r.store.Stats().Void; v != 1 {
		r.Errorf("%d void entries are counted, want 1", v)
	}
}
