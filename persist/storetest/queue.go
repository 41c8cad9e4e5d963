package storetest

import (
	"fmt"

	"github.com/holdfast-mqtt/holdfast/persist"
)

func queueBehaviours() []behaviour {
	return []behaviour{
		{name: "LogOrderAcrossAudiences", test: testQueueOrder},
		{name: "EachMemberTakesItItsWay", test: testQueueMembers},
		{name: "SettledIsSkipped", test: testQueueSkipsSettled},
		{name: "SettledAboveTheFloor", test: testSettleAbove},
		{name: "FloorNeverGoesBack", test: testFloorNeverBack},
		{name: "SettleWhileReading", test: testSettleWhileReading},
		{name: "NothingFromBeforeTheSession", test: testNothingFromBefore},
		{name: "SettlingOneLeavesTheOthers", test: testSettleIsOnesOwn},
		{name: "ExpiredIsReturned", test: testExpiredIsReturned},
		{name: "ReaderThatLags", test: testReaderLags},
		{name: "BacklogCountedOnce", test: testQueuedCounted},
	}
}

func testQueueOrder(r *rig) {
	a, b, c := r.open("a"), r.open("b"), r.open("c")
	sets := [][]client{{a}, {a, b}, {b}, {a, b, c}, {c}, {b, c}, {a, c}}
	want := make(map[client][]string)
	for i := range 200 {
		payload := fmt.Sprint(i)
		to := sets[(i*i+i/7)%len(sets)]
		r.append(persist.Batch{Message: note(payload), Audience: r.audience(to...)})
		for _, c := range to {
			want[c] = append(want[c], payload)
		}
	}
	r.flush()
	for c, payloads := range want {
		all := r.wantQueue(c, payloads...)
		for i := range all[1:] {
			if all[i].position >= all[i+1].position {
				r.Fatalf("%s comes before %s", all[i], all[i+1])
			}
		}
	}
	r.restart()
	for c, payloads := range want {
		r.wantQueue(c, payloads...)
	}
}

func testQueueMembers(r *rig) {
	a, b := r.open("a"), r.open("b")
	first := []persist.Member{
		{Session: a.id, QoS: 1, RetainAsPublished: true, SubscriptionIDs: []uint32{1, 268435455}},
		{Session: b.id, QoS: 2},
	}
	second := []persist.Member{{Session: a.id, QoS: 2, SubscriptionIDs: []uint32{7}}}
	r.commit(persist.Batch{Message: note("first"), Audience: r.store.Audience(first)})
	r.commit(persist.Batch{Message: note("second"), Audience: r.store.Audience(second)})
	for range 2 {
		ina, inb := r.wantQueue(a, "first", "second"), r.wantQueue(b, "first")
		for _, each := range []struct{ got, want persist.Member }{
			{ina[0].member, first[0]}, {ina[1].member, second[0]}, {inb[0].member, first[1]},
		} {
			if diff := diffMember(each.got, each.want); diff != "" {
				r.Error(diff)
			}
		}
		if ina[0].position != inb[0].position {
			r.Errorf("one message stands at %d and at %d", ina[0].position, inb[0].position)
		}
		r.restart()
	}
}

// backlog gives the sessions n messages, "0" and on, and returns their positions.
func (r *rig) backlog(n int, to ...client) []persist.Position {
	r.Helper()
	audience := r.audience(to...)
	for i := range n {
		r.append(persist.Batch{Message: note(fmt.Sprint(i)), Audience: audience})
	}
	r.flush()
	var positions []persist.Position
	for _, d := range r.queueOf(to[0].id) {
		positions = append(positions, d.position)
	}
	if len(positions) != n {
		r.Fatalf("%d messages are queued, want %d", len(positions), n)
	}
	return positions
}

func testQueueSkipsSettled(r *rig) {
	a := r.open("a")
	p := r.backlog(6, a)
	r.commit(a.says(persist.Batch{Settled: persist.Settled{Floor: p[1]}}))
	r.wantQueue(a, "2", "3", "4", "5")
	if floor := r.session(a.id).Floor; floor < p[1] || floor >= p[2] {
		r.Errorf("floor is %d, want %d", floor, p[1])
	}
	r.commit(a.says(persist.Batch{Settled: persist.Settled{Floor: p[5]}}))
	r.wantQueue(a)
	r.publish("next", a)
	r.wantQueue(a, "next")
	r.restart()
	r.wantQueue(a, "next")
}

func testSettleAbove(r *rig) {
	a := r.open("a")
	p := r.backlog(10, a)
	r.commit(a.says(persist.Batch{Settled: persist.Settled{Above: []persist.Position{p[7], p[3]}}}))
	r.wantQueue(a, "0", "1", "2", "4", "5", "6", "8", "9")
	r.commit(a.says(persist.Batch{Settled: persist.Settled{Floor: p[1], Above: []persist.Position{p[5], p[0], p[7]}}}))
	r.wantQueue(a, "2", "4", "6", "8", "9")
	r.restart()
	r.wantQueue(a, "2", "4", "6", "8", "9")
	r.commit(a.says(persist.Batch{Settled: persist.Settled{Above: []persist.Position{p[2]}}}))
	r.wantQueue(a, "4", "6", "8", "9")
	r.commit(a.says(persist.Batch{Settled: persist.Settled{Floor: p[6], Above: []persist.Position{p[9]}}}))
	r.wantQueue(a, "8")
	r.restart()
	r.wantQueue(a, "8")
	r.publish("next", a)
	r.wantQueue(a, "8", "next")
}

func testFloorNeverBack(r *rig) {
	a := r.open("a")
	p := r.backlog(4, a)
	r.commit(a.says(persist.Batch{Settled: persist.Settled{Floor: p[2]}}))
	r.commit(a.says(persist.Batch{Settled: persist.Settled{Floor: p[0]}}))
	r.commit(a.says(persist.Batch{Settled: persist.Settled{}}))
	r.wantQueue(a, "3")
	if floor := r.session(a.id).Floor; floor < p[2] {
		r.Errorf("floor is %d after %d", floor, p[2])
	}
	r.restart()
	r.wantQueue(a, "3")
}

func testSettleWhileReading(r *rig) {
	a := r.open("a")
	p := r.backlog(8, a)
	in := r.reader(a)
	in.page.MaxMessages = 2
	if got := payloadsOf(in.next()); len(got) == 0 || got[0] != "0" {
		r.Fatalf("first page is %q", got)
	}
	// What lies ahead of the reader is settled by its session, as when messages expire or are dropped.
	r.commit(a.says(persist.Batch{Settled: persist.Settled{Floor: p[3], Above: []persist.Position{p[5]}}}))
	in.want("4", "6", "7")
	r.publish("next", a)
	in.want("next")
}

func testNothingFromBefore(r *rig) {
	a, b := r.open("a"), r.open("b")
	r.publish("before", a)
	to := r.audience(a, b)
	r.append(persist.Batch{Message: note("to both"), Audience: to})
	b2 := r.openWith(persist.Open{ClientID: "b", Clean: true})
	c := r.open("c")
	r.append(persist.Batch{Message: note("to the former set"), Audience: to})
	r.publish("to all", a, b2, c)
	r.wantQueue(a, "before", "to both", "to the former set", "to all")
	r.wantQueue(b2, "to all")
	r.wantQueue(c, "to all")
	r.restart()
	r.wantQueue(a, "before", "to both", "to the former set", "to all")
	r.wantQueue(b2, "to all")
	r.wantQueue(c, "to all")
}

func testSettleIsOnesOwn(r *rig) {
	a, b, c := r.open("a"), r.open("b"), r.open("c")
	p := r.backlog(5, a, b, c)
	r.commit(a.says(persist.Batch{Settled: persist.Settled{Floor: p[4]}}))
	r.commit(b.says(persist.Batch{Settled: persist.Settled{Above: []persist.Position{p[2]}}}))
	for range 2 {
		r.wantQueue(a)
		r.wantQueue(b, "0", "1", "3", "4")
		r.wantQueue(c, "0", "1", "2", "3", "4")
		r.restart()
	}
	r.takes("end", c.says(persist.Batch{End: true}))
	r.wantQueue(b, "0", "1", "3", "4")
}

func testExpiredIsReturned(r *rig) {
	a := r.open("a")
	m := note("worthless")
	m.Expires = 1
	r.commit(persist.Batch{Message: m, Audience: r.audience(a)})
	r.publish("good", a)
	all := r.wantQueue(a, "worthless", "good")
	if !all[0].message.Expired(1) || all[1].message.Expired(1<<60) {
		r.Errorf("expiry came back as %d and %d", all[0].message.Expires, all[1].message.Expires)
	}
}

func testReaderLags(r *rig) {
	const messages, filler = 4000, 2000
	a, b := r.open("a"), r.open("b")
	alone, both := r.audience(a), r.audience(a, b)
	pad := make([]byte, filler)
	in := r.reader(a)
	for i := range messages {
		to := alone
		if i%3 == 0 {
			to = both
		}
		payload := fmt.Appendf(nil, "%06d%s", i, pad)
		r.append(persist.Batch{Message: &persist.Message{Topic: []byte("t"), Payload: payload}, Audience: to})
	}
	r.flush()
	check := func(all []delivery) {
		r.Helper()
		for i, d := range all {
			if want := fmt.Sprintf("%06d", i); string(d.message.Payload[:6]) != want || len(d.message.Payload) != 6+filler {
				r.Fatalf("message %d is %s", i, d)
			}
		}
		if len(all) != messages {
			r.Fatalf("%d messages, want %d", len(all), messages)
		}
	}
	check(in.rest())
	r.restart()
	all := r.queueOf(a.id)
	check(all)
	r.commit(a.says(persist.Batch{Settled: persist.Settled{Floor: all[messages/2].position}}))
	if n := len(r.queueOf(a.id)); n != messages-messages/2-1 {
		r.Errorf("%d messages are left, want %d", n, messages-messages/2-1)
	}
	if n := len(r.queueOf(b.id)); n != (messages+2)/3 {
		r.Errorf("the other session has %d messages, want %d", n, (messages+2)/3)
	}
}

func testQueuedCounted(r *rig) {
	a, b := r.open("a"), r.open("b")
	p := r.backlog(10, a, b)
	for i := range 5 {
		r.publish(fmt.Sprint("only b ", i), b)
	}
	r.publish("nobody")
	if n := r.store.Stats().Queued; n != 15 {
		r.Errorf("%d messages are counted as queued, want 15", n)
	}
	r.restart()
	if s := r.store.Stats(); s.Queued != 15 || s.Recovery.Queued != 15 {
		r.Errorf("%d messages are counted after a restart, %d at its recovery, want 15", s.Queued, s.Recovery.Queued)
	}
	all := r.queueOf(b.id)
	r.commit(b.says(persist.Batch{Settled: persist.Settled{Floor: all[len(all)-1].position}}))
	r.commit(a.says(persist.Batch{Settled: persist.Settled{Floor: p[9]}}))
	r.restart()
	if n := r.store.Stats().Queued; n != 0 {
		r.Errorf("%d messages are counted though all are settled", n)
	}
}
