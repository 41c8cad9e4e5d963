package storetest

import (
	"fmt"

	"github.com/holdfast-mqtt/holdfast/persist"
)

func restartBehaviours() []behaviour {
	return []behaviour{
		{name: "CloseKeepsEverything", test: testCloseKeepsEverything},
		{name: "CloseMakesAllDurable", test: testCloseMakesDurable},
		{name: "RestartWithoutWork", test: testIdleRestarts},
		{name: "PositionsGoOn", test: testPositionsGoOn},
		{name: "CrashKeepsWhatWasDurable", test: testCrashKeeps, crashes: true},
		{name: "CrashLosesOnlyTheEnd", test: testCrashLosesTheEnd, crashes: true},
		{name: "CrashLeavesClientsConnected", test: testCrashConnected, crashes: true},
		{name: "BatchIsThereOrNot", test: testCrashIsAtomic, crashes: true},
		{name: "CrashAfterCrash", test: testCrashAfterCrash, crashes: true},
	}
}

// furnishAll builds a store with something of everything in it.
func (r *rig) furnishAll() {
	r.Helper()
	will := &persist.Will{Message: *note("will"), DelaySeconds: 30}
	a := r.openWith(persist.Open{ClientID: "a", Clean: true, Username: "anna", ExpirySeconds: 60, Will: will, At: 1})
	r.furnish(a)
	b := r.openWith(persist.Open{ClientID: "b", ExpirySeconds: persist.NeverExpires, Will: will})
	r.publish("for both", a, b)
	r.takes("close", b.says(persist.Batch{Close: &persist.Close{At: 1_700_000_000_000, SetExpiry: true, ExpirySeconds: 70}}))
	c := r.open("ended")
	r.publish("for c too", a, b, c)
	r.takes("end", c.says(persist.Batch{End: true}))
	d := r.open("clean")
	r.publish("for d", b, d)
	r.openWith(persist.Open{ClientID: "clean", Clean: true})
	r.open("a") // a takeover
	r.retain("retained", "x")
	r.retain("cleared", "x")
	r.retain("cleared", "")
}

func testCloseKeepsEverything(r *rig) {
	r.furnishAll()
	before := r.dump()
	for range 3 {
		r.restart()
		r.wantSame(before)
	}
	// And again on top of what the restarts left.
	r.furnishAll()
	before = r.dump()
	r.restart()
	r.wantSame(before)
}

func testCloseMakesDurable(r *rig) {
	a := r.open("a")
	to := r.audience(a)
	const messages = 1000
	for i := range messages {
		r.append(persist.Batch{Message: note(fmt.Sprint(i)), Audience: to})
	}
	s, last := r.store, r.last
	r.restart() // nobody has waited
	if d := s.Durable(); d != last {
		r.Errorf("durable is %d after close, want %d", d, last)
	}
	queue := r.queueOf(a.id)
	if len(queue) != messages {
		r.Fatalf("%d messages, want %d", len(queue), messages)
	}
	for i, d := range queue {
		if string(d.message.Payload) != fmt.Sprint(i) {
			r.Fatalf("message %d is %s", i, d)
		}
	}
}

func testIdleRestarts(r *rig) {
	for range 5 {
		r.restart()
		if d := r.dump(); len(d.sessions)+len(d.retained) != 0 {
			r.Fatalf("an empty store has %+v", d)
		}
	}
	a := r.open("a")
	r.publish("kept", a)
	for range 5 {
		r.restart()
	}
	r.wantQueue(a, "kept")
}

func testPositionsGoOn(r *rig) {
	a := r.open("a")
	var last persist.Position
	for i := range 10 {
		r.publish(fmt.Sprint(i), a)
		queue := r.queueOf(a.id)
		if d := queue[len(queue)-1]; d.position <= last || len(queue) != i+1 {
			r.Fatalf("%s came after position %d, as number %d", d, last, len(queue))
		}
		last = r.queueOf(a.id)[i].position
		if i%2 == 0 {
			r.restart()
		}
		if p := r.store.Stats().Position; p < last {
			r.Errorf("the visible end is %d, a message stands at %d", p, last)
		}
	}
}

func testCrashKeeps(r *rig) {
	r.furnishAll()
	before := r.dump()
	r.crash()
	r.wantSame(before)
	r.furnishAll()
	before = r.dump()
	r.crash()
	r.wantSame(before)
	r.restart()
	r.wantSame(before)
}

func testCrashLosesTheEnd(r *rig) {
	a := r.open("a")
	written := 0
	for round := range 10 {
		to := r.audience(a)
		promised := written
		var tickets []persist.Ticket
		for range 300 {
			tickets = append(tickets, r.append(persist.Batch{Message: note(fmt.Sprint(written)), Audience: to}))
			written++
		}
		durable := r.store.Durable()
		for _, ticket := range tickets {
			if ticket <= durable {
				promised++
			}
		}
		r.crash()
		queue := r.queueOf(a.id)
		for i, d := range queue {
			if string(d.message.Payload) != fmt.Sprint(i) {
				r.Fatalf("round %d: message %d is %s: one was lost before it", round, i, d)
			}
		}
		if len(queue) < promised || len(queue) > written {
			r.Fatalf("round %d: %d messages are left, %d were durable of %d", round, len(queue), promised, written)
		}
		written = len(queue)
	}
}

func testCrashConnected(r *rig) {
	will := &persist.Will{Message: *note("will")}
	a := r.openWith(persist.Open{ClientID: "a", Will: will, ExpirySeconds: 60})
	b := r.openWith(persist.Open{ClientID: "b", ExpirySeconds: 60})
	r.takes("close", b.says(persist.Batch{Close: &persist.Close{At: 5}}))
	r.crash()
	if s := r.session(a.id); !s.Connected || s.Will == nil || s.Epoch != a.epoch {
		r.Errorf("the session of a connected client is %+v", s)
	}
	if s := r.session(b.id); s.Connected || s.ClosedAt != 5 {
		r.Errorf("the session of an absent client is %+v", s)
	}
	// The start says that the connection is gone, in its name; then the will is due.
	r.takes("close", a.says(persist.Batch{Close: &persist.Close{At: 9}}))
	r.takes("will", a.says(persist.Batch{WillOf: true, Message: note("will"), Audience: r.audience(b)}))
	r.wantQueue(b, "will")
}

// testCrashIsAtomic crashes with batches on their way that each change four things; they change all or none.
func testCrashIsAtomic(r *rig) {
	a, b := r.open("a"), r.open("b")
	for round := range 20 {
		to := r.audience(b)
		for i := range 20 {
			name := fmt.Sprintf("%d/%d", round, i)
			r.append(a.says(persist.Batch{
				Subscribe:  []persist.Subscription{{Filter: name}},
				Message:    &persist.Message{Topic: []byte(name), Payload: []byte(name)},
				Audience:   to,
				Retain:     persist.RetainSet,
				ReceivedID: uint16(round*20 + i + 1),
			}))
		}
		r.crash()
		state, queue := r.session(a.id), r.queueOf(b.id)
		n := len(queue)
		if got := len(state.Subscriptions); got != n {
			r.Fatalf("round %d: %d messages and %d subscriptions", round, n, got)
		}
		if got := len(state.Received); got != n {
			r.Fatalf("round %d: %d messages and %d packet ids", round, n, got)
		}
		if got := len(r.dump().retained); got != n {
			r.Fatalf("round %d: %d messages and %d retained", round, n, got)
		}
		for _, d := range queue {
			r.wantRetained(string(d.message.Topic), string(d.message.Payload))
		}
	}
}

func testCrashAfterCrash(r *rig) {
	a := r.open("a")
	for i := range 12 {
		r.publish(fmt.Sprint(i), a)
		queue := r.queueOf(a.id)
		if i >= 2 {
			r.commit(a.says(persist.Batch{Settled: persist.Settled{Floor: queue[0].position}}))
		}
		before := r.dump()
		r.crash()
		r.wantSame(before)
		if i%3 == 0 {
			r.restart()
			r.wantSame(before)
		}
	}
	r.wantQueue(a, "10", "11")
}
