package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/holdfast-mqtt/holdfast/persist"
)

func pageBehaviours() []behaviour {
	return []behaviour{
		{name: "LimitsAreKept", test: testPageLimits},
		{name: "PageIsReused", test: testPageReuse},
		{name: "DeliveriesPointIntoThePage", test: testPageBuffer},
		{name: "EmptyPageThenWoken", test: testWokenAfterEmptyPage},
		{name: "AttachAgainStartsAtTheFloor", test: testAttachAgain},
		{name: "AttachToNobody", test: testAttachToNobody},
		{name: "EndedSessionHasNoQueue", test: testQueueOfEndedSession},
		{name: "NewAudienceWhileAttached", test: testNewAudienceWhileAttached},
		{name: "QueueOutlivesTakeover", test: testQueueOutlivesTakeover},
	}
}

// reader is an attached queue with its waiter and page.
type reader struct {
	*rig
	id    persist.SessionID
	queue persist.Queue
	woken signal
	page  persist.Page
}

// reader attaches to the session's queue.
func (r *rig) reader(c client) *reader {
	r.Helper()
	in := &reader{rig: r, id: c.id, woken: newSignal()}
	q, err := r.store.Attach(c.id, in.woken)
	if err != nil {
		r.Fatalf("attach to session %d: %v", c.id, err)
	}
	in.queue = q
	return in
}

// next reads one page; the deliveries own their bytes.
func (in *reader) next() []delivery {
	in.Helper()
	if err := in.queue.Next(&in.page); err != nil {
		in.Fatalf("read queue of session %d: %v", in.id, err)
	}
	return in.own()
}

// own copies the page out, after checking what holds for every page.
func (in *reader) own() []delivery {
	in.Helper()
	messages, size := in.page.Limits()
	var all []delivery
	bytesRead := 0
	for _, d := range in.page.Deliveries {
		if d.Damaged {
			in.Fatalf("message at %d is damaged", d.Position)
		}
		if d.Member == nil || d.Member.Session != in.id {
			in.Fatalf("message at %d for session %d has member %+v", d.Position, in.id, d.Member)
		}
		m := d.Message
		bytesRead += len(m.Topic) + len(m.Properties) + len(m.Payload)
		m.Topic, m.Properties, m.Payload = bytes.Clone(m.Topic), bytes.Clone(m.Properties), bytes.Clone(m.Payload)
		all = append(all, delivery{position: d.Position, message: m, member: *d.Member})
	}
	if len(all) > messages || len(all) > 1 && bytesRead > size {
		in.Fatalf("page of %d messages and %d bytes, asked for %d and %d", len(all), bytesRead, messages, size)
	}
	return all
}

// rest reads until a page is empty.
func (in *reader) rest() []delivery {
	in.Helper()
	var all []delivery
	for {
		page := in.next()
		if len(page) == 0 {
			return all
		}
		for _, d := range page {
			if n := len(all); n > 0 && d.position <= all[n-1].position {
				in.Fatalf("%s came after %s", d, all[n-1])
			}
			all = append(all, d)
		}
	}
}

// want reads exactly these payloads, waiting for each to come, and nothing behind them.
func (in *reader) want(payloads ...string) []delivery {
	in.Helper()
	var all []delivery
	for len(all) < len(payloads) {
		page := in.next()
		if len(page) == 0 && !in.woken.wait() {
			in.Fatalf("session %d: only %v of %q came", in.id, all, payloads)
		}
		all = append(all, page...)
	}
	all = append(all, in.rest()...)
	if got := payloadsOf(all); !slices.Equal(got, payloads) {
		in.Fatalf("session %d: read %q, want %q", in.id, got, payloads)
	}
	return all
}

func payloadsOf(all []delivery) []string {
	var payloads []string
	for _, d := range all {
		payloads = append(payloads, string(d.message.Payload))
	}
	return payloads
}

// queueOf reads what a new reader of the session gets. It becomes the session's reader and leaves.
func (r *rig) queueOf(id persist.SessionID) []delivery {
	r.Helper()
	in := r.reader(client{id: id})
	defer in.queue.Detach()
	return in.rest()
}

// wantQueue compares what a new reader of the session gets.
func (r *rig) wantQueue(c client, payloads ...string) []delivery {
	r.Helper()
	all := r.queueOf(c.id)
	if got := payloadsOf(all); !slices.Equal(got, payloads) {
		r.Fatalf("queue of session %d is %q, want %q", c.id, got, payloads)
	}
	return all
}

func testPageLimits(r *rig) {
	a := r.open("a")
	audience := r.audience(a)
	var want []string
	for i := range 300 {
		payload := fmt.Sprintf("%03d %s", i, bytes.Repeat([]byte("x"), i%50*20))
		want = append(want, payload)
		r.append(persist.Batch{Message: note(payload), Audience: audience})
	}
	r.flush()
	for _, limit := range []persist.Page{{MaxMessages: 1}, {MaxMessages: 7}, {MaxBytes: 1}, {MaxBytes: 3000}, {}} {
		in := r.reader(a)
		in.page.MaxMessages, in.page.MaxBytes = limit.MaxMessages, limit.MaxBytes
		in.want(want...) // every page is checked against its limits
	}
}

func testPageReuse(r *rig) {
	a, b := r.open("a"), r.open("b")
	for i := range 20 {
		r.publish(fmt.Sprintf("a%d", i), a)
		r.publish(fmt.Sprintf("b%d", i), b)
	}
	// One page serves two queues in turn, as a connection's page serves its sessions.
	ina, inb := r.reader(a), r.reader(b)
	ina.page.MaxMessages = 3
	var gota, gotb []delivery
	for len(gota)+len(gotb) <= 40 {
		first := ina.next()
		inb.page = ina.page
		second := inb.next()
		ina.page = inb.page
		gota, gotb = append(gota, first...), append(gotb, second...)
		if len(first)+len(second) == 0 {
			break
		}
	}
	if len(gota) != 20 || len(gotb) != 20 || string(gota[19].message.Payload) != "a19" || string(gotb[19].message.Payload) != "b19" {
		r.Errorf("read %v and %v", gota, gotb)
	}
}

func testPageBuffer(r *rig) {
	a := r.open("a")
	r.publish("kept", a)
	in := r.reader(a)
	in.next()
	in.queue.Detach()
	// The page is the caller's: writing to it does not reach the store.
	scribble(in.page.Buffer, in.page.Deliveries[0].Message.Payload, in.page.Deliveries[0].Message.Topic)
	if d := r.wantQueue(a, "kept")[0]; string(d.message.Topic) != "notes" {
		r.Errorf("topic is %q after the page was overwritten", d.message.Topic)
	}
}

func testWokenAfterEmptyPage(r *rig) {
	a, b := r.open("a"), r.open("b")
	in := r.reader(a)
	for i := range 200 {
		in.want()
		payload := fmt.Sprint(i)
		// Nobody waits for the batch, so the reader hears of it only by being woken.
		r.append(persist.Batch{Message: note(payload), Audience: r.audience(a, b)})
		in.want(payload)
	}
}

func testAttachAgain(r *rig) {
	a := r.open("a")
	r.publish("one", a)
	r.publish("two", a)
	old := r.reader(a)
	read := old.want("one", "two")
	next := r.reader(a)
	next.want("one", "two")
	r.publish("three", a)
	if page := old.next(); len(page) != 0 {
		r.Errorf("a detached reader still reads %v", page)
	}
	old.queue.Detach() // late, and not the attached one: it must not take the other's place away
	next.want("three")
	r.publish("four", a)
	next.want("four")
	next.queue.Detach()
	r.commit(a.says(persist.Batch{Settled: persist.Settled{Floor: read[0].position}}))
	r.reader(a).want("two", "three", "four")
}

func testAttachToNobody(r *rig) {
	a := r.open("a")
	if _, err := r.store.Attach(a.id+1, newSignal()); !errors.Is(err, persist.ErrNoSession) {
		r.Errorf("attach to no session: %v, want ErrNoSession", err)
	}
	if _, err := r.store.Attach(0, newSignal()); !errors.Is(err, persist.ErrNoSession) {
		r.Errorf("attach to session 0: %v, want ErrNoSession", err)
	}
}

func testQueueOfEndedSession(r *rig) {
	a, b := r.open("a"), r.open("b")
	r.publish("for both", a, b)
	in := r.reader(a)
	r.takes("end", a.says(persist.Batch{End: true}))
	if err := in.queue.Next(&in.page); !errors.Is(err, persist.ErrNoSession) {
		r.Errorf("read queue of an ended session: %v, want ErrNoSession", err)
	}
	if _, err := r.store.Attach(a.id, newSignal()); !errors.Is(err, persist.ErrNoSession) {
		r.Errorf("attach to an ended session: %v, want ErrNoSession", err)
	}
	in.queue.Detach()
	r.wantQueue(b, "for both")
}

func testNewAudienceWhileAttached(r *rig) {
	a, b, c := r.open("a"), r.open("b"), r.open("c")
	r.publish("before", a)
	in := r.reader(a)
	in.want("before")
	r.publish("with b", a, b)
	in.want("with b")
	r.publish("with c", a, c)
	r.publish("with all", a, b, c)
	r.publish("not for a", b, c)
	r.publish("alone again", a)
	in.want("with c", "with all", "alone again")
}

func testQueueOutlivesTakeover(r *rig) {
	a := r.open("a")
	in := r.reader(a)
	r.publish("one", a)
	in.want("one")
	a = r.open("a")
	r.publish("two", a)
	in.want("two")
	r.wantQueue(a, "one", "two")
}
