package storetest

import (
	"slices"

	"github.com/holdfast-mqtt/holdfast/persist"
)

func inFlightBehaviours() []behaviour {
	return []behaviour{
		{name: "PacketIDsSurvive", test: testPacketIDsSurvive},
		{name: "ReleasedIsNotReturned", test: testReleased},
		{name: "SettledIsNotInFlight", test: testSettledNotInFlight},
		{name: "SentAndSettledInOneBatch", test: testSentAndSettled},
		{name: "UnknownIDsChangeNothing", test: testUnknownPacketIDs},
		{name: "AllPacketIDsAtOnce", test: testFullWindow},
		{name: "ReceivedIDPublishesOnce", test: testReceivedOnce},
		{name: "ReleasedIDMayBeUsedAgain", test: testReleasedIDAgain},
		{name: "ReceivedIDsAreTheSessionsOwn", test: testReceivedIsOnesOwn},
		{name: "ReceivedIDsSurvive", test: testReceivedSurvives},
		{name: "RepeatStillDoesTheRest", test: testRepeatDoesTheRest},
	}
}

// wantInFlight compares the outbound messages that have a packet id.
func (r *rig) wantInFlight(c client, want ...persist.InFlight) {
	r.Helper()
	if got := r.session(c.id).InFlight; !slices.Equal(got, want) {
		r.Fatalf("in flight is %v, want %v", got, want)
	}
}

func testPacketIDsSurvive(r *rig) {
	a := r.open("a")
	p := r.backlog(5, a)
	// Ids are the engine's choice: any order, and not all at once.
	r.commit(a.says(persist.Batch{Sent: []persist.Sent{{Position: p[2], PacketID: 65535}, {Position: p[0], PacketID: 9}}}))
	r.commit(a.says(persist.Batch{Sent: []persist.Sent{{Position: p[1], PacketID: 1}}}))
	want := []persist.InFlight{
		{Position: p[0], PacketID: 9}, {Position: p[1], PacketID: 1}, {Position: p[2], PacketID: 65535},
	}
	for range 2 {
		r.wantInFlight(a, want...)
		// They come again, to be sent again under the same id.
		r.wantQueue(a, "0", "1", "2", "3", "4")
		r.restart()
	}
	a = r.open("a")
	r.wantInFlight(a, want...)
}

func testReleased(r *rig) {
	a := r.open("a")
	p := r.backlog(4, a)
	r.commit(a.says(persist.Batch{Sent: []persist.Sent{
		{Position: p[0], PacketID: 1}, {Position: p[1], PacketID: 2}, {Position: p[2], PacketID: 3},
	}}))
	r.commit(a.says(persist.Batch{Released: []uint16{1, 3}}))
	for range 2 {
		r.wantInFlight(a,
			persist.InFlight{Position: p[0], PacketID: 1, Released: true},
			persist.InFlight{Position: p[1], PacketID: 2},
			persist.InFlight{Position: p[2], PacketID: 3, Released: true})
		r.wantQueue(a, "1", "3")
		r.restart()
	}
	r.commit(a.says(persist.Batch{Settled: persist.Settled{Above: []persist.Position{p[2]}}}))
	r.commit(a.says(persist.Batch{Settled: persist.Settled{Floor: p[0]}}))
	r.wantInFlight(a, persist.InFlight{Position: p[1], PacketID: 2})
	r.wantQueue(a, "1", "3")
}

func testSettledNotInFlight(r *rig) {
	a := r.open("a")
	p := r.backlog(6, a)
	var sent []persist.Sent
	for i, position := range p {
		sent = append(sent, persist.Sent{Position: position, PacketID: uint16(i + 1)})
	}
	r.commit(a.says(persist.Batch{Sent: sent}))
	r.commit(a.says(persist.Batch{Settled: persist.Settled{Floor: p[1], Above: []persist.Position{p[4], p[3]}}}))
	for range 2 {
		r.wantInFlight(a, persist.InFlight{Position: p[2], PacketID: 3}, persist.InFlight{Position: p[5], PacketID: 6})
		r.wantQueue(a, "2", "5")
		r.restart()
	}
	r.publish("next", a)
	next := r.queueOf(a.id)[2].position
	// The ids that are free again serve other messages.
	r.commit(a.says(persist.Batch{Sent: []persist.Sent{{Position: next, PacketID: 4}}}))
	r.wantInFlight(a, persist.InFlight{Position: p[2], PacketID: 3}, persist.InFlight{Position: p[5], PacketID: 6},
		persist.InFlight{Position: next, PacketID: 4})
	r.commit(a.says(persist.Batch{Settled: persist.Settled{Floor: next}}))
	r.wantInFlight(a)
}

func testSentAndSettled(r *rig) {
	a := r.open("a")
	p := r.backlog(3, a)
	// Packet id 1 passes from the first message to the second in one step; the third is sent and done at once.
	r.commit(a.says(persist.Batch{Sent: []persist.Sent{{Position: p[0], PacketID: 1}}}))
	r.commit(a.says(persist.Batch{
		Sent:    []persist.Sent{{Position: p[1], PacketID: 1}, {Position: p[2], PacketID: 2}},
		Settled: persist.Settled{Floor: p[0], Above: []persist.Position{p[2]}},
	}))
	r.wantInFlight(a, persist.InFlight{Position: p[1], PacketID: 1})
	r.wantQueue(a, "1")
	// What is settled stays so, whatever comes late.
	r.commit(a.says(persist.Batch{Sent: []persist.Sent{{Position: p[0], PacketID: 5}, {Position: p[2], PacketID: 6}}}))
	r.wantInFlight(a, persist.InFlight{Position: p[1], PacketID: 1})
	r.commit(a.says(persist.Batch{Sent: []persist.Sent{{Position: p[1], PacketID: 1}}, Released: []uint16{1}}))
	r.wantInFlight(a, persist.InFlight{Position: p[1], PacketID: 1, Released: true})
	r.wantQueue(a)
}

func testUnknownPacketIDs(r *rig) {
	a := r.open("a")
	p := r.backlog(2, a)
	r.commit(a.says(persist.Batch{Sent: []persist.Sent{{Position: p[0], PacketID: 1}}}))
	before := r.dump()
	r.commit(a.says(persist.Batch{Released: []uint16{2, 65535}, ReleasedID: 77}))
	// Where the session was opened stands no message.
	r.commit(a.says(persist.Batch{Settled: persist.Settled{Above: []persist.Position{persist.Position(a.epoch)}}}))
	r.wantSame(before)
	r.restart()
	r.wantSame(before)
}

func testFullWindow(r *rig) {
	const window = 65535
	a := r.open("a")
	to := r.audience(a)
	for range window {
		r.append(persist.Batch{Message: &persist.Message{Topic: []byte("t")}, Audience: to})
	}
	r.flush()
	var sent []persist.Sent
	var received []uint16
	for i, d := range r.queueOf(a.id) {
		sent = append(sent, persist.Sent{Position: d.position, PacketID: uint16(window - i)})
	}
	for id := range uint16(1000) {
		r.append(a.says(persist.Batch{ReceivedID: id + 1}))
		received = append(received, id+1)
	}
	r.commit(a.says(persist.Batch{Sent: sent}))
	for range 2 {
		s := r.session(a.id)
		if len(s.InFlight) != window || s.InFlight[0].PacketID != window || s.InFlight[window-1].PacketID != 1 {
			r.Fatalf("%d messages are in flight, want %d", len(s.InFlight), window)
		}
		slices.Sort(s.Received)
		if !slices.Equal(s.Received, received) {
			r.Fatalf("%d packet ids are received, want %d", len(s.Received), len(received))
		}
		r.restart()
	}
	r.commit(a.says(persist.Batch{Settled: persist.Settled{Floor: sent[window-2].Position}}))
	r.wantInFlight(a, persist.InFlight{Position: sent[window-1].Position, PacketID: 1})
}

func testReceivedOnce(r *rig) {
	a, b := r.open("a"), r.open("b")
	publish := a.says(persist.Batch{Message: note("once"), Audience: r.audience(a, b), ReceivedID: 5, Retain: persist.RetainSet})
	r.commit(publish)
	first, err := r.store.Retained("notes")
	if err != nil {
		r.Fatalf("retained message: %v", err)
	}
	publish.Message = note("again")
	r.commit(publish)
	r.commit(publish)
	r.wantQueue(a, "once")
	r.wantQueue(b, "once")
	second, err := r.store.Retained("notes")
	if err != nil || diffRetained(second, first) != "" {
		r.Errorf("a repeat was retained: %+v, error %v", second, err)
	}
	publish.Retain = persist.RetainClear
	r.commit(publish)
	if _, err := r.store.Retained("notes"); err != nil {
		r.Errorf("a repeat cleared the topic: %v", err)
	}
	r.restart()
	publish.Audience = r.audience(a, b)
	r.commit(publish)
	r.wantQueue(b, "once")
}

func testReleasedIDAgain(r *rig) {
	a, b := r.open("a"), r.open("b")
	to := r.audience(b)
	for _, payload := range []string{"first", "second", "third"} {
		publish := a.says(persist.Batch{Message: note(payload), Audience: to, ReceivedID: 5})
		r.append(publish)
		r.append(publish)
		r.append(a.says(persist.Batch{ReleasedID: 5}))
	}
	r.flush()
	r.wantQueue(b, "first", "second", "third")
	if s := r.session(a.id); len(s.Received) != 0 {
		r.Errorf("received ids are %v, want none", s.Received)
	}
}

func testReceivedIsOnesOwn(r *rig) {
	a, b, c := r.open("a"), r.open("b"), r.open("c")
	to := r.audience(c)
	r.commit(a.says(persist.Batch{Message: note("from a"), Audience: to, ReceivedID: 5}))
	r.commit(b.says(persist.Batch{Message: note("from b"), Audience: to, ReceivedID: 5}))
	r.commit(b.says(persist.Batch{ReleasedID: 5}))
	r.commit(a.says(persist.Batch{Message: note("from a again"), Audience: to, ReceivedID: 5}))
	r.wantQueue(c, "from a", "from b")
	a = r.openWith(persist.Open{ClientID: "a", Clean: true})
	r.commit(a.says(persist.Batch{Message: note("from a anew"), Audience: to, ReceivedID: 5}))
	r.wantQueue(c, "from a", "from b", "from a anew")
}

func testReceivedSurvives(r *rig) {
	a, b := r.open("a"), r.open("b")
	for _, id := range []uint16{1, 65535, 300, 2} {
		r.append(a.says(persist.Batch{Message: note("x"), ReceivedID: id}))
	}
	r.commit(a.says(persist.Batch{ReleasedID: 300}))
	r.restart()
	a = r.open("a") // another connection of the same session
	for _, id := range []uint16{1, 2, 300, 65535} {
		r.append(a.says(persist.Batch{Message: note("y"), Audience: r.audience(b), ReceivedID: id}))
	}
	r.flush()
	r.wantQueue(b, "y") // only 300 is a new message
	if got := slices.Sorted(slices.Values(r.session(a.id).Received)); !slices.Equal(got, []uint16{1, 2, 300, 65535}) {
		r.Errorf("received ids are %v", got)
	}
}

func testRepeatDoesTheRest(r *rig) {
	a, b := r.open("a"), r.open("b")
	p := r.backlog(2, a)
	publish := a.says(persist.Batch{Message: note("once"), Audience: r.audience(b), ReceivedID: 5})
	r.commit(publish)
	publish.Settled = persist.Settled{Floor: p[0]}
	publish.Subscribe = []persist.Subscription{{Filter: "rest"}}
	if e := r.takes("repeat with more", publish); len(e.Subscribe) != 1 {
		r.Errorf("entry is %+v", e)
	}
	r.wantQueue(b, "once")
	r.wantQueue(a, "1")
	r.wantSubscriptions(a, persist.Subscription{Filter: "rest"})
}
