package storetest

import (
	"errors"
	"fmt"
	"strings"

	"github.com/holdfast-mqtt/holdfast/persist"
)

func sessionBehaviours() []behaviour {
	return []behaviour{
		{name: "OpenCreatesThenResumes", test: testOpenResumes},
		{name: "OpenReplacesWhatTheClientChose", test: testOpenReplaces},
		{name: "OpenWithMoreInOneBatch", test: testOpenWithMore},
		{name: "CleanStartsAnew", test: testCleanStart},
		{name: "IdsAreNeverReused", test: testIDsNeverReused},
		{name: "CloseKeepsTheSession", test: testCloseKeeps},
		{name: "CloseMayChangeTheExpiry", test: testCloseExpiry},
		{name: "EndRemovesEverything", test: testEndRemoves},
		{name: "SubscriptionsAddReplaceRemove", test: testSubscriptions},
		{name: "ClientIDsAreBytes", test: testClientIDs},
		{name: "SessionsListsEachOnce", test: testSessionsList},
		{name: "StepsWithoutSessionChangeNothing", test: testNoSpeaker},
		{name: "CountedInStats", test: testSessionsCounted},
	}
}

func testOpenResumes(r *rig) {
	open := persist.Open{ClientID: "a", ExpirySeconds: 60, At: 1}
	first := r.entry(r.commit(persist.Batch{Open: &open}))
	if first.Present || first.Replaced != 0 || first.Session != persist.SessionID(first.Position) {
		r.Errorf("first open is %+v", first)
	}
	a := client{first.Session, first.Epoch}
	r.furnish(a)
	before := r.session(a.id)
	second := r.entry(r.commit(persist.Batch{Open: &open}))
	if !second.Present || second.Replaced != 0 || second.Session != a.id || second.Epoch <= a.epoch {
		r.Errorf("second open is %+v", second)
	}
	before.Epoch = second.Epoch
	if diff := diffState(r.session(a.id), before); diff != "" {
		r.Errorf("resumed session: %s", diff)
	}
	r.wantQueue(a, "one", "two", "three")
}

func testOpenReplaces(r *rig) {
	will := &persist.Will{Message: *note("first will"), DelaySeconds: 1}
	a := r.openWith(persist.Open{ClientID: "a", Username: "anna", ExpirySeconds: 60, Will: will, At: 1})
	r.takes("close", a.says(persist.Batch{Close: &persist.Close{At: 2}}))
	second := &persist.Will{Message: *note("second will"), MessageExpirySeconds: 2}
	a = r.openWith(persist.Open{ClientID: "a", Username: "anna", ExpirySeconds: persist.NeverExpires, Will: second, At: 3})
	want := persist.SessionState{
		ID: a.id, Epoch: a.epoch, ClientID: "a", Username: "anna", ExpirySeconds: persist.NeverExpires,
		Connected: true, Will: second,
	}
	if diff := diffState(r.session(a.id), want); diff != "" {
		r.Error(diff)
	}
	a = r.openWith(persist.Open{ClientID: "a", Username: "anna", At: 4})
	want.Epoch, want.ExpirySeconds, want.Will = a.epoch, 0, nil
	if diff := diffState(r.session(a.id), want); diff != "" {
		r.Error(diff)
	}
}

// testOpenWithMore opens and says more in the same step: the session that results says it.
func testOpenWithMore(r *rig) {
	b := r.open("b")
	open := &persist.Open{ClientID: "a", ExpirySeconds: 60, At: 1}
	for i, present := range []bool{false, true} {
		filter := fmt.Sprint("filter ", i)
		e := r.entry(r.commit(persist.Batch{
			Open: open, Subscribe: []persist.Subscription{{Filter: filter}}, Message: note(filter), Audience: r.audience(b),
			ReceivedID: uint16(i + 1), Close: &persist.Close{At: 7},
		}))
		if e.Void || e.Present != present || e.Open == nil || e.Close == nil || len(e.Subscribe) != 1 {
			r.Errorf("entry is %+v", e)
		}
		s := r.session(e.Session)
		if len(s.Subscriptions) != i+1 || len(s.Received) != i+1 || s.Connected || s.ClosedAt != 7 {
			r.Errorf("session is %+v", s)
		}
	}
	r.wantQueue(b, "filter 0", "filter 1")
}

func testCleanStart(r *rig) {
	a := r.openWith(persist.Open{ClientID: "a", Will: &persist.Will{Message: *note("will")}})
	r.furnish(a)
	e := r.entry(r.commit(persist.Batch{Open: &persist.Open{ClientID: "a", Clean: true, Username: "new", ExpirySeconds: 9}}))
	if e.Present || e.Replaced != a.id || e.Session == a.id || e.Session != persist.SessionID(e.Position) {
		r.Errorf("clean start is %+v", e)
	}
	r.wantNoSession(a.id)
	want := persist.SessionState{
		ID: e.Session, Epoch: e.Epoch, ClientID: "a", Username: "new", ExpirySeconds: 9, Connected: true,
	}
	if diff := diffState(r.session(e.Session), want); diff != "" {
		r.Errorf("session after a clean start: %s", diff)
	}
	r.wantQueue(client{id: e.Session})
	other := r.entry(r.commit(persist.Batch{Open: &persist.Open{ClientID: "new", Clean: true}}))
	if other.Present || other.Replaced != 0 {
		r.Errorf("clean start of an unknown client is %+v", other)
	}
}

func testIDsNeverReused(r *rig) {
	seen := make(map[persist.SessionID]bool)
	note := func(c client) {
		if seen[c.id] {
			r.Fatalf("session id %d came twice", c.id)
		}
		seen[c.id] = true
	}
	for range 3 {
		for range 5 {
			a := r.openWith(persist.Open{ClientID: "a", Clean: true})
			note(a)
			b := r.open("b")
			note(b)
			r.takes("end", b.says(persist.Batch{End: true}))
		}
		r.restart()
	}
	a := r.open("a")
	if !seen[a.id] {
		r.Errorf("the last session was not resumed but is %d", a.id)
	}
}

func testCloseKeeps(r *rig) {
	will := &persist.Will{Message: *note("will"), DelaySeconds: 30}
	a := r.openWith(persist.Open{ClientID: "a", ExpirySeconds: 60, Will: will, At: 1})
	r.furnish(a)
	want := r.session(a.id)
	if !want.Connected || want.ClosedAt != 0 {
		r.Errorf("open session is %+v", want)
	}
	r.takes("close", a.says(persist.Batch{Close: &persist.Close{At: 1_700_000_000_123}}))
	want.Connected, want.ClosedAt = false, 1_700_000_000_123
	if diff := diffState(r.session(a.id), want); diff != "" {
		r.Errorf("closed session: %s", diff)
	}
	r.publish("while away", a)
	r.wantQueue(a, "one", "two", "three", "while away")
	// The epoch is still the last connection's: what it had on the way still counts, be it that it is gone.
	r.takes("close again", a.says(persist.Batch{Close: &persist.Close{At: 1_700_000_000_456}}))
	if at := r.session(a.id).ClosedAt; at != 1_700_000_000_456 {
		r.Errorf("closed at %d, want what the last close says", at)
	}
	r.takes("subscribe", a.says(persist.Batch{Subscribe: []persist.Subscription{{Filter: "late"}}}))
}

func testCloseExpiry(r *rig) {
	a := r.openWith(persist.Open{ClientID: "a", ExpirySeconds: 60})
	r.takes("close", a.says(persist.Batch{Close: &persist.Close{At: 5, ExpirySeconds: 1}}))
	if s := r.session(a.id); s.ExpirySeconds != 60 {
		r.Errorf("expiry is %d though it was not to be set, want 60", s.ExpirySeconds)
	}
	a = r.openWith(persist.Open{ClientID: "a", ExpirySeconds: 60})
	r.takes("close", a.says(persist.Batch{Close: &persist.Close{At: 5, SetExpiry: true, ExpirySeconds: 0}}))
	if s := r.session(a.id); s.ExpirySeconds != 0 {
		r.Errorf("expiry is %d, want 0", s.ExpirySeconds)
	}
}

func testEndRemoves(r *rig) {
	a, b := r.open("a"), r.open("b")
	r.furnish(a)
	r.publish("for both", a, b)
	// A session's last words are said before it goes.
	end := a.says(persist.Batch{Message: note("last words"), Audience: r.audience(a, b), End: true})
	if e := r.takes("end", end); e.ClientID != "a" || !e.End {
		r.Errorf("end is %+v", e)
	}
	r.wantNoSession(a.id)
	r.wantQueue(b, "for both", "last words")
	again := r.open("a")
	if again.id == a.id {
		r.Errorf("the ended session %d is back", a.id)
	}
	if s := r.session(again.id); len(s.Subscriptions)+len(s.Received)+len(s.InFlight) != 0 {
		r.Errorf("the new session starts as %+v", s)
	}
	r.publish("to the old id", a, b)
	r.wantQueue(again)
	r.wantQueue(b, "for both", "last words", "to the old id")
}

func testSubscriptions(r *rig) {
	a := r.open("a")
	full := persist.Subscription{Filter: "a/+/#", QoS: 2, NoLocal: true, RetainAsPublished: true, RetainHandling: 2, ID: 268435455}
	shared := persist.Subscription{Filter: "$share/group/ä/#", QoS: 1}
	long := persist.Subscription{Filter: strings.Repeat("l", 65535)}
	r.takes("subscribe", a.says(persist.Batch{Subscribe: []persist.Subscription{full, shared, long, {Filter: "x"}}}))
	r.wantSubscriptions(a, full, shared, long, persist.Subscription{Filter: "x"})
	full.QoS, full.ID, full.NoLocal = 0, 0, false
	r.takes("replace", a.says(persist.Batch{Subscribe: []persist.Subscription{full}}))
	r.wantSubscriptions(a, full, shared, long, persist.Subscription{Filter: "x"})
	r.takes("unsubscribe", a.says(persist.Batch{Unsubscribe: []string{"x", "unknown", long.Filter}}))
	r.wantSubscriptions(a, full, shared)
	// Within one batch what is subscribed comes before what is unsubscribed, and the last of a filter counts.
	r.takes("both", a.says(persist.Batch{
		Subscribe:   []persist.Subscription{{Filter: "x"}, {Filter: "y", QoS: 1}, {Filter: "y", QoS: 2}},
		Unsubscribe: []string{"x"},
	}))
	r.wantSubscriptions(a, full, shared, persist.Subscription{Filter: "y", QoS: 2})
	r.restart()
	r.wantSubscriptions(a, full, shared, persist.Subscription{Filter: "y", QoS: 2})
}

func (r *rig) wantSubscriptions(c client, want ...persist.Subscription) {
	r.Helper()
	got := r.session(c.id)
	state := got
	state.Subscriptions = want
	if diff := diffState(got, state); diff != "" {
		r.Fatal(diff)
	}
}

func testClientIDs(r *rig) {
	ids := []string{"", "ä/#+ $", strings.Repeat("i", 65535), "a\x01b"}
	opened := make(map[string]client)
	for _, id := range ids {
		opened[id] = r.openWith(persist.Open{ClientID: id, Username: strings.Repeat("u", len(id)), ExpirySeconds: 1})
	}
	r.restart()
	for _, id := range ids {
		s := r.session(opened[id].id)
		if s.ClientID != id || len(s.Username) != len(id) {
			r.Errorf("client id of %d bytes came back as %d, user name as %d", len(id), len(s.ClientID), len(s.Username))
		}
		if again := r.open(id); again.id != opened[id].id {
			r.Errorf("client id of %d bytes was not resumed", len(id))
		}
	}
}

func testSessionsList(r *rig) {
	want := make(map[persist.SessionID]string)
	for i := range 300 {
		name := fmt.Sprint("client ", i)
		want[r.open(name).id] = name
	}
	for range 2 {
		got := make(map[persist.SessionID]string)
		err := r.store.Sessions(func(s persist.SessionState) bool {
			got[s.ID] = s.ClientID
			return true
		})
		if err != nil || len(got) != len(want) {
			r.Fatalf("%d sessions listed, error %v, want %d", len(got), err, len(want))
		}
		for id, name := range want {
			if got[id] != name {
				r.Errorf("session %d is of %q, want %q", id, got[id], name)
			}
		}
		n := 0
		err = r.store.Sessions(func(persist.SessionState) bool { n++; return n < 3 })
		if err != nil || n != 3 {
			r.Errorf("listing went on to %d sessions after it was told to stop at 3, error %v", n, err)
		}
		r.restart()
	}
}

func testNoSpeaker(r *rig) {
	a := r.open("a")
	r.furnish(a)
	before := r.dump()
	r.commit(persist.Batch{ReleasedID: 7, Released: []uint16{5}, Settled: persist.Settled{Floor: before.sessions[a.id].queue[2].position}})
	r.wantSame(before)
	if _, err := r.store.Session(0); !errors.Is(err, persist.ErrNoSession) {
		r.Errorf("session 0: %v, want ErrNoSession", err)
	}
}

func testSessionsCounted(r *rig) {
	for i := range 10 {
		r.open(fmt.Sprint(i))
	}
	a := r.openWith(persist.Open{ClientID: "0", Clean: true})
	r.takes("end", a.says(persist.Batch{End: true}))
	if n := r.store.Stats().Sessions; n != 9 {
		r.Errorf("%d sessions are counted, want 9", n)
	}
	r.restart()
	if s := r.store.Stats(); s.Sessions != 9 || s.Recovery.Sessions != 9 {
		r.Errorf("%d sessions are counted after a restart, %d at its recovery, want 9", s.Sessions, s.Recovery.Sessions)
	}
}
