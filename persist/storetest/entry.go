package storetest

import (
	"fmt"
	"reflect"

	"github.com/holdfast-mqtt/holdfast/persist"
)

func entryBehaviours() []behaviour {
	return []behaviour{
		{name: "ControlStepsComeInLogOrder", test: testEntriesInOrder},
		{name: "MessagesAreNoEntries", test: testMessagesAreNoEntries},
		{name: "FieldsAreThoseOfTheBatch", test: testEntryFields},
		{name: "RetainIsTold", test: testRetainEntries},
		{name: "WaiterIsWokenForEntries", test: testEntriesWaiter},
		{name: "NoOldEntriesAfterRestart", test: testNoOldEntries},
	}
}

func testEntriesInOrder(r *rig) {
	var tickets []persist.Ticket
	for i := range 100 {
		tickets = append(tickets, r.append(persist.Batch{Open: &persist.Open{ClientID: fmt.Sprint("client ", i%10), At: int64(i)}}))
	}
	r.flush()
	for i, ticket := range tickets {
		e := r.entry(ticket) // pull checks that positions rise with tickets
		if e.Open == nil || e.Open.At != int64(i) || e.Present != (i >= 10) {
			r.Errorf("entry %d is %+v", i, e)
		}
	}
	if len(r.order) != len(tickets) {
		r.Errorf("%d entries, want %d", len(r.order), len(tickets))
	}
}

func testMessagesAreNoEntries(r *rig) {
	a := r.open("a")
	to := r.audience(a)
	m := r.append(persist.Batch{Message: note("one"), Audience: to})
	r.append(persist.Batch{Message: note("two")})
	r.append(a.says(persist.Batch{Message: note("three"), Audience: to, ReceivedID: 3}))
	r.append(a.says(persist.Batch{ReleasedID: 3}))
	r.flush()
	queue := r.wantQueue(a, "one", "three")
	r.commit(a.says(persist.Batch{Sent: []persist.Sent{{Position: queue[0].position, PacketID: 1}}}))
	r.commit(a.says(persist.Batch{Released: []uint16{1}}))
	r.commit(a.says(persist.Batch{Settled: persist.Settled{Floor: queue[0].position}}))
	last := r.takes("close", a.says(persist.Batch{Close: &persist.Close{At: 2}}))
	if len(r.order) != 2 || last.Ticket <= m {
		r.Errorf("entries are %+v, want open and close", r.order)
	}
}

func testEntryFields(r *rig) {
	will := &persist.Will{
		Message:      persist.Message{Topic: []byte("w"), Properties: []byte{1, 2}, Payload: []byte("gone"), QoS: 1, Retain: true},
		DelaySeconds: 5, MessageExpirySeconds: 6,
	}
	open := persist.Open{ClientID: "a", Username: "anna", ExpirySeconds: 100, Will: will, At: 1_700_000_000_000}
	opened := r.entry(r.commit(persist.Batch{Open: &open}))
	a := client{opened.Session, opened.Epoch}
	want := persist.Entry{
		Position: opened.Position, Ticket: 1, Session: persist.SessionID(opened.Position),
		Epoch: persist.Epoch(opened.Position), ClientID: "a", Open: &open,
	}
	r.wantEntry(opened, want)

	batches := []persist.Batch{
		{Subscribe: []persist.Subscription{
			{Filter: "$share/g/a/#", QoS: 2, RetainAsPublished: true, RetainHandling: 2, ID: 268435455},
			{Filter: "b", QoS: 1, NoLocal: true},
		}},
		{Unsubscribe: []string{"b", "never subscribed"}},
		{Close: &persist.Close{At: 7, SetExpiry: true, ExpirySeconds: 50}},
		{WillOf: true, Message: note("will")},
		{End: true},
	}
	for _, b := range batches {
		e := r.takes("step", a.says(b))
		r.wantEntry(e, persist.Entry{
			Position: e.Position, Ticket: r.last, Session: a.id, Epoch: a.epoch, ClientID: "a",
			Close: b.Close, End: b.End, Subscribe: b.Subscribe, Unsubscribe: b.Unsubscribe, WillOf: b.WillOf,
		})
	}
}

// wantEntry compares whole entries. Empty lists may be nil or not.
func (r *rig) wantEntry(got, want persist.Entry) {
	r.Helper()
	plain := func(e persist.Entry) persist.Entry {
		if len(e.Subscribe) == 0 {
			e.Subscribe = nil
		}
		if len(e.Unsubscribe) == 0 {
			e.Unsubscribe = nil
		}
		return e
	}
	if got, want := plain(got), plain(want); !reflect.DeepEqual(got, want) {
		r.Errorf("entry is\n%+v, want\n%+v", got, want)
	}
}

func testRetainEntries(r *rig) {
	a := r.open("a")
	set := r.entry(r.commit(a.says(persist.Batch{Message: note("x"), Retain: persist.RetainSet})))
	r.wantEntry(set, persist.Entry{
		Position: set.Position, Ticket: r.last, Session: a.id, Epoch: a.epoch, ClientID: "a",
		Retain: persist.RetainSet, RetainTopic: "notes",
	})
	cleared := r.entry(r.commit(persist.Batch{Message: note(""), Retain: persist.RetainClear}))
	r.wantEntry(cleared, persist.Entry{
		Position: cleared.Position, Ticket: r.last, Retain: persist.RetainClear, RetainTopic: "notes",
	})
	// A repeat under the same packet id does nothing to the topic either.
	publish := a.says(persist.Batch{Message: note("y"), Retain: persist.RetainSet, ReceivedID: 9})
	r.entry(r.commit(publish))
	n := len(r.order)
	r.commit(publish)
	r.pull(nil)
	if len(r.order) != n {
		r.Errorf("the repeat of a message is told as %+v", r.order[n:])
	}
}

func testEntriesWaiter(r *rig) {
	a := r.open("a")
	for i := range 100 {
		woken := newSignal()
		if r.pull(woken) {
			r.Fatalf("round %d: entries of nothing: %+v", i, r.order)
		}
		// Nobody waits for the batch; its entry alone must wake.
		r.append(a.says(persist.Batch{Subscribe: []persist.Subscription{{Filter: fmt.Sprint(i)}}}))
		if !woken.wait() {
			r.Fatalf("round %d: the waiter for entries was not woken", i)
		}
		if e := r.entry(r.last); e.Subscribe[0].Filter != fmt.Sprint(i) {
			r.Fatalf("round %d: entry is %+v", i, e)
		}
	}
}

func testNoOldEntries(r *rig) {
	r.open("a")
	r.append(persist.Batch{Open: &persist.Open{ClientID: "not pulled"}})
	r.restart()
	r.pull(nil)
	if len(r.order) != 0 {
		r.Errorf("after a restart old entries come: %+v", r.order)
	}
	if e := r.entry(r.commit(persist.Batch{Open: &persist.Open{ClientID: "a"}})); e.Ticket != r.last || !e.Present {
		r.Errorf("entry after a restart is %+v", e)
	}
}
