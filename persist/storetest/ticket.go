package storetest

import (
	"errors"

	"github.com/holdfast-mqtt/holdfast/persist"
)

func ticketBehaviours() []behaviour {
	return []behaviour{
		{name: "StartAtOneAndRise", test: testTicketsRise},
		{name: "DurableOnlyRisesUpToTheLastTicket", test: testDurableRises},
		{name: "WaiterIsWokenWhenDurable", test: testWaiterWoken},
		{name: "BatchWithoutWaiterBecomesDurableSoon", test: testNobodyWaits},
		{name: "BatchMayBeReusedAfterAppend", test: testBatchReused},
		{name: "EmptyBatchIsABatch", test: testEmptyBatch},
		{name: "ClosedStoreRefuses", test: testClosedStore},
	}
}

func testTicketsRise(r *rig) {
	if first := r.append(persist.Batch{Message: note("first")}); first != 1 {
		r.Errorf("first ticket is %d, want 1", first)
	}
	for range 100 {
		r.append(persist.Batch{Message: note("more")}) // append checks the order
	}
	r.flush()
	r.restart()
	if first := r.commit(persist.Batch{Message: note("again")}); first != 1 {
		r.Errorf("first ticket after a restart is %d, want 1", first)
	}
}

func testDurableRises(r *rig) {
	if d := r.store.Durable(); d != 0 {
		r.Errorf("durable is %d before any batch", d)
	}
	before := r.store.Durable()
	for range 500 {
		ticket := r.append(persist.Batch{Message: note("x")})
		d := r.store.Durable()
		if d < before || d > ticket {
			r.Fatalf("durable is %d after %d, the last ticket is %d", d, before, ticket)
		}
		before = d
	}
	r.flush()
	if d := r.store.Durable(); d != r.last {
		r.Errorf("durable is %d when all is done, want %d", d, r.last)
	}
	if err := r.store.Err(); err != nil {
		r.Errorf("a sound store has the error %v", err)
	}
}

func testWaiterWoken(r *rig) {
	const batches = 200
	var woken [batches]signal
	var tickets [batches]persist.Ticket
	for i := range woken {
		woken[i] = newSignal()
		tickets[i] = r.append(persist.Batch{Message: note("x"), Waiter: woken[i]})
	}
	for i, w := range woken {
		if !w.wait() {
			r.Fatalf("batch %d of %d: its waiter was not woken", i, batches)
		}
		for r.store.Durable() < tickets[i] { // a wake may come too often, but the one that counts comes
			if !w.wait() {
				r.Fatalf("batch %d of %d: its waiter was woken only before it was durable", i, batches)
			}
		}
	}
	// One waiter for several batches is woken for the last of them.
	shared := newSignal()
	for range 10 {
		r.append(persist.Batch{Message: note("x"), Waiter: shared})
	}
	for r.store.Durable() < r.last {
		if !shared.wait() {
			r.Fatalf("a shared waiter was not woken for the last batch")
		}
	}
}

func testNobodyWaits(r *rig) {
	a := r.open("a")
	in := r.reader(a)
	r.append(persist.Batch{Message: note("nobody waits"), Audience: r.audience(a)})
	in.want("nobody waits")
	ticket := r.append(a.says(persist.Batch{Subscribe: []persist.Subscription{{Filter: "a"}}}))
	if e := r.entry(ticket); e.Void {
		r.Errorf("the entry is void: %+v", e)
	}
}

func testBatchReused(r *rig) {
	a := r.open("a")
	topic, properties, payload := []byte("topic"), []byte("properties"), []byte("payload")
	will := &persist.Will{Message: persist.Message{Topic: []byte("will"), Payload: []byte("gone")}, DelaySeconds: 3}
	message := &persist.Message{Topic: topic, Properties: properties, Payload: payload, QoS: 2}
	publish := persist.Batch{Message: message, Audience: r.audience(a), Retain: persist.RetainSet}
	open := persist.Batch{Open: &persist.Open{ClientID: "b", Will: will, ExpirySeconds: 7}}
	subs := persist.Batch{Session: a.id, Epoch: a.epoch, Subscribe: []persist.Subscription{{Filter: "f", QoS: 1}}}
	r.append(publish)
	opened := r.append(open)
	subscribed := r.append(subs)
	scribble(topic, properties, payload, will.Message.Topic, will.Message.Payload)
	*message = persist.Message{Topic: []byte("other")}
	*will = persist.Will{DelaySeconds: 9}
	*open.Open = persist.Open{ClientID: "c"}
	subs.Subscribe[0] = persist.Subscription{Filter: "g"}
	r.flush()

	want := persist.Message{Topic: []byte("topic"), Properties: []byte("properties"), Payload: []byte("payload"), QoS: 2}
	queue := r.queueOf(a.id)
	if len(queue) != 1 || diffMessage(queue[0].message, want) != "" {
		r.Errorf("queue is %v, want one message %q", queue, "payload")
	}
	if kept, err := r.store.Retained("topic"); err != nil || diffMessage(kept.Message, want) != "" {
		r.Errorf("retained message is %+v, error %v", kept, err)
	}
	e := r.entry(opened)
	if e.ClientID != "b" || e.Open == nil || e.Open.ClientID != "b" || e.Open.Will == nil || e.Open.Will.DelaySeconds != 3 {
		r.Errorf("entry of open is %+v", e)
	}
	kept := r.session(e.Session).Will
	diff := diffWill(kept, &persist.Will{Message: persist.Message{Topic: []byte("will"), Payload: []byte("gone")}, DelaySeconds: 3})
	if diff != "" {
		r.Error(diff)
	}
	if e := r.entry(subscribed); len(e.Subscribe) != 1 || e.Subscribe[0].Filter != "f" {
		r.Errorf("entry of subscribe is %+v", e)
	}
}

func scribble(all ...[]byte) {
	for _, b := range all {
		for i := range b {
			b[i] = '#'
		}
	}
}

func testEmptyBatch(r *rig) {
	first := r.commit(persist.Batch{})
	if second := r.commit(persist.Batch{}); second <= first {
		r.Errorf("ticket %d after %d", second, first)
	}
	r.pull(nil)
	if len(r.order) != 0 {
		r.Errorf("an empty batch is an entry: %+v", r.order)
	}
}

func testClosedStore(r *rig) {
	a := r.open("a")
	s := r.store
	r.close()
	if _, err := s.Append(&persist.Batch{Message: note("late")}); !errors.Is(err, persist.ErrClosed) {
		r.Errorf("append to a closed store: %v, want ErrClosed", err)
	}
	if _, err := s.Session(a.id); err == nil {
		r.Errorf("a closed store shows a session")
	}
	if _, err := s.Attach(a.id, newSignal()); err == nil {
		r.Errorf("a closed store opens a queue")
	}
	r.start()
}
