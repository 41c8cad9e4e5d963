package storetest

import (
	"fmt"
	"testing"

	"github.com/holdfast-mqtt/holdfast/persist"
)

func audienceBehaviours() []behaviour {
	return []behaviour{
		{name: "EqualSetsAreOne", test: testEqualSets},
		{name: "MembersComeBack", test: testAudienceMembers},
		{name: "NoMembersNoAudience", test: testNilAudience},
		{name: "TenThousandMembers", test: testLargeAudience},
		{name: "MembersThatEnded", test: testAudienceOfEnded},
		{name: "ManyAudiencesOfOneSession", test: testManyAudiences},
		{name: "HeldAcrossSettling", test: testAudienceHeld},
	}
}

func testEqualSets(r *rig) {
	a, b := r.open("a"), r.open("b")
	members := func() []persist.Member {
		return []persist.Member{
			{Session: a.id, QoS: 1, SubscriptionIDs: []uint32{1, 2}},
			{Session: b.id, QoS: 2, RetainAsPublished: true},
		}
	}
	set := r.store.Audience(members())
	if set == nil || set != r.store.Audience(members()) {
		r.Fatalf("equal sets give different audiences")
	}
	changes := map[string]func([]persist.Member) []persist.Member{
		"QoS":                    func(m []persist.Member) []persist.Member { m[0].QoS = 2; return m },
		"retain as published":    func(m []persist.Member) []persist.Member { m[0].RetainAsPublished = true; return m },
		"subscription ids":       func(m []persist.Member) []persist.Member { m[0].SubscriptionIDs = []uint32{1, 3}; return m },
		"no subscription ids":    func(m []persist.Member) []persist.Member { m[0].SubscriptionIDs = nil; return m },
		"fewer subscription ids": func(m []persist.Member) []persist.Member { m[0].SubscriptionIDs = []uint32{1}; return m },
		"other's ids":            func(m []persist.Member) []persist.Member { m[1].SubscriptionIDs = []uint32{1}; return m },
		"fewer members":          func(m []persist.Member) []persist.Member { return m[:1] },
		"the other member":       func(m []persist.Member) []persist.Member { return m[1:] },
		"one id moved to another": func(m []persist.Member) []persist.Member {
			m[0].SubscriptionIDs, m[1].SubscriptionIDs = []uint32{1}, []uint32{2}
			return m
		},
	}
	seen := map[*persist.Audience]string{set: "the set itself"}
	for name, change := range changes {
		other := r.store.Audience(change(members()))
		if was, twice := seen[other]; twice {
			r.Errorf("a set with other %s gives the audience of %s", name, was)
		}
		seen[other] = name
	}
	// Publishing to it changes nothing about that.
	r.commit(persist.Batch{Message: note("x"), Audience: set})
	if set != r.store.Audience(members()) {
		r.Errorf("equal sets give different audiences after a message")
	}
}

func testAudienceMembers(r *rig) {
	a, b := r.open("a"), r.open("b")
	want := []persist.Member{
		{Session: a.id, QoS: 1, RetainAsPublished: true, SubscriptionIDs: []uint32{5, 268435455}},
		{Session: b.id, QoS: 2},
	}
	got := r.store.Audience(want).Members()
	if len(got) != len(want) {
		r.Fatalf("%d members, want %d", len(got), len(want))
	}
	for i := range want {
		if diff := diffMember(got[i], want[i]); diff != "" {
			r.Errorf("member %d: %s", i, diff)
		}
	}
}

func testNilAudience(r *rig) {
	if set := r.store.Audience(nil); set != nil {
		r.Errorf("no members give the audience %+v", set)
	}
	if set := r.store.Audience([]persist.Member{}); set != nil {
		r.Errorf("an empty set gives the audience %+v", set)
	}
	a := r.open("a")
	r.commit(persist.Batch{Message: note("nobody"), Retain: persist.RetainSet})
	r.wantQueue(a)
	if _, err := r.store.Retained("notes"); err != nil {
		r.Errorf("a message without audience is not retained: %v", err)
	}
}

// openMany opens n sessions, named by number, ascending by id.
func (r *rig) openMany(n int) []client {
	r.Helper()
	tickets := make([]persist.Ticket, n)
	for i := range tickets {
		tickets[i] = r.append(persist.Batch{Open: &persist.Open{ClientID: fmt.Sprint(i), ExpirySeconds: persist.NeverExpires}})
	}
	r.flush()
	clients := make([]client, n)
	for i, ticket := range tickets {
		e := r.entry(ticket)
		clients[i] = client{e.Session, e.Epoch}
	}
	return clients
}

func testLargeAudience(r *rig) {
	const members, messages = 10_000, 10
	clients := r.openMany(members)
	p := r.backlog(messages, clients...)
	var want []string
	for i := range messages {
		want = append(want, fmt.Sprint(i))
	}
	for i, c := range clients {
		r.append(c.says(persist.Batch{Settled: persist.Settled{Floor: p[i%messages]}}))
	}
	r.flush()
	for range 2 {
		for i := 0; i < members; i += 97 {
			r.wantQueue(clients[i], want[i%messages+1:]...)
		}
		r.restart()
	}
	set := r.audience(clients...)
	if got := len(set.Members()); got != members {
		r.Errorf("the audience has %d members, want %d", got, members)
	}
	r.commit(persist.Batch{Message: note("after"), Audience: set})
	r.wantQueue(clients[members-1], append(want[(members-1)%messages+1:len(want):len(want)], "after")...)
}

func testAudienceOfEnded(r *rig) {
	a, b, c := r.open("a"), r.open("b"), r.open("c")
	to := r.audience(a, b, c)
	r.append(persist.Batch{Message: note("to all"), Audience: to})
	r.takes("end", b.says(persist.Batch{End: true}))
	r.commit(persist.Batch{Message: note("after b"), Audience: to})
	r.takes("end", a.says(persist.Batch{End: true}))
	r.wantQueue(c, "to all", "after b")
	again := r.open("b")
	r.commit(persist.Batch{Message: note("b is another"), Audience: to})
	for range 2 {
		r.wantQueue(c, "to all", "after b", "b is another")
		r.wantQueue(again)
		r.restart()
	}
	c2 := r.openWith(persist.Open{ClientID: "c", Clean: true})
	r.commit(persist.Batch{Message: note("nobody is left"), Audience: r.audience(a, b, c)})
	r.wantQueue(c2)
	r.restart()
	r.wantQueue(c2)
	if n := r.store.Stats().Queued; n != 0 {
		r.Errorf("%d messages are queued for nobody", n)
	}
}

func testManyAudiences(r *rig) {
	rounds := 3
	if testing.Short() {
		rounds = 1
	}
	clients := r.openMany(150)
	hub := clients[0]
	var want []string
	for round := range rounds {
		for i, other := range clients[1:] {
			payload := fmt.Sprintf("%d/%d", round, i)
			r.append(persist.Batch{Message: note(payload), Audience: r.audience(hub, other)})
			want = append(want, payload)
		}
	}
	r.flush()
	for range 2 {
		r.wantQueue(hub, want...)
		r.restart()
	}
	half := len(want) / 2
	p := r.queueOf(hub.id)[half].position
	r.commit(hub.says(persist.Batch{Settled: persist.Settled{Floor: p}}))
	r.wantQueue(hub, want[half+1:]...)
	if n := len(r.queueOf(clients[1].id)); n != rounds {
		r.Errorf("the first of the others has %d messages, want %d", n, rounds)
	}
}

func testAudienceHeld(r *rig) {
	a, b := r.open("a"), r.open("b")
	to := r.audience(a, b)
	var last persist.Position
	for i := range 50 {
		payload := fmt.Sprint(i)
		r.commit(persist.Batch{Message: note(payload), Audience: to})
		last = r.wantQueue(a, payload)[0].position
		r.wantQueue(b, payload)
		r.append(a.says(persist.Batch{Settled: persist.Settled{Floor: last}}))
		r.commit(b.says(persist.Batch{Settled: persist.Settled{Above: []persist.Position{last}}}))
	}
	r.wantQueue(a)
	r.wantQueue(b)
	r.restart()
	r.wantQueue(a)
	r.wantQueue(b)
}
