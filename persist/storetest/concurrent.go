package storetest

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/holdfast-mqtt/holdfast/persist"
)

func concurrentBehaviours() []behaviour {
	return []behaviour{
		{name: "OrderOfEachAppender", test: testAppendersOrder},
		{name: "ReadersWhileAppending", test: testReadersWhileAppending},
		{name: "EqualSetsAreOne", test: testConcurrentAudiences},
		{name: "EverythingAtOnce", test: testEverythingAtOnce},
		{name: "CrashAmongAppenders", test: testCrashAmongAppenders, crashes: true},
	}
}

// submitted is a message that an appender handed in.
type submitted struct {
	payload string
	ticket  persist.Ticket
}

// appendAll has n appenders submit messages to the audience, each in order and some of them waiting for each of theirs.
// It returns what each submitted, once all have returned.
func (r *rig) appendAll(n, messages int, to *persist.Audience, wait bool) [][]submitted {
	r.Helper()
	all := make([][]submitted, n)
	var appenders sync.WaitGroup
	for i := range n {
		appenders.Go(func() {
			woken := newSignal()
			for j := range messages {
				b := persist.Batch{Message: note(fmt.Sprintf("%d/%06d", i, j)), Audience: to, Waiter: woken}
				ticket, err := r.store.Append(&b)
				if err != nil {
					r.Errorf("append %d of appender %d: %v", j, i, err)
					return
				}
				all[i] = append(all[i], submitted{string(b.Message.Payload), ticket})
				for wait && i%2 == 0 && r.store.Durable() < ticket {
					if !woken.wait() {
						r.Errorf("append %d of appender %d: not woken", j, i)
						return
					}
				}
			}
		})
	}
	appenders.Wait()
	if r.Failed() {
		r.FailNow()
	}
	for _, mine := range all {
		r.last = max(r.last, mine[len(mine)-1].ticket)
	}
	return all
}

func testAppendersOrder(r *rig) {
	const appenders, messages = 16, 400
	a, b := r.open("a"), r.open("b")
	all := slices.Concat(r.appendAll(appenders, messages, r.audience(a, b), true)...)
	r.flush()
	// Tickets are the order of submission, so the queue has the messages in the order of their tickets; that of each
	// appender is a part of it.
	slices.SortFunc(all, func(x, y submitted) int { return int(x.ticket) - int(y.ticket) })
	var want []string
	for i, each := range all {
		if i > 0 && each.ticket == all[i-1].ticket {
			r.Fatalf("%s and %s have the same ticket %d", each.payload, all[i-1].payload, each.ticket)
		}
		want = append(want, each.payload)
	}
	for range 2 {
		r.wantQueue(a, want...)
		r.wantQueue(b, want...)
		r.restart()
	}
}

func testReadersWhileAppending(r *rig) {
	const sessions, messages = 8, 1500
	clients := r.openMany(sessions)
	var readers sync.WaitGroup
	for i, c := range clients {
		woken := newSignal()
		queue, err := r.store.Attach(c.id, woken)
		if err != nil {
			r.Fatalf("attach: %v", err)
		}
		readers.Go(func() {
			if err := r.readInOrder(c, queue, woken, messages, i%2 == 0); err != nil {
				r.Errorf("session %d: %v", i, err)
			}
		})
	}
	for i := range messages {
		// Audiences alternate, and each session is in all of them.
		to := []*persist.Audience{r.audience(clients...), r.audienceAt(2, clients...)}[i/10%2]
		r.append(persist.Batch{Message: note(fmt.Sprint(i)), Audience: to})
	}
	r.flush()
	readers.Wait()
	for i, c := range clients {
		want := 0
		if i%2 == 1 {
			want = messages
		}
		if n := len(r.queueOf(c.id)); n != want {
			r.Errorf("session %d: %d messages are left, want %d", i, n, want)
		}
	}
}

// audienceAt interns the sessions, each at the QoS.
func (r *rig) audienceAt(qos byte, clients ...client) *persist.Audience {
	var members []persist.Member
	for _, c := range clients {
		members = append(members, persist.Member{Session: c.id, QoS: qos})
	}
	return r.store.Audience(members)
}

// readInOrder reads "0" and on, n messages, as they come, and settles them page by page if it is to.
func (r *rig) readInOrder(c client, queue persist.Queue, woken signal, n int, settle bool) error {
	page := persist.Page{MaxMessages: 50}
	for next := 0; next < n; {
		if err := queue.Next(&page); err != nil {
			return err
		}
		if len(page.Deliveries) == 0 && !woken.wait() {
			return fmt.Errorf("message %d of %d did not come", next, n)
		}
		for _, d := range page.Deliveries {
			if string(d.Message.Payload) != fmt.Sprint(next) {
				return fmt.Errorf("message %d is %q", next, d.Message.Payload)
			}
			next++
		}
		if k := len(page.Deliveries); settle && k > 0 {
			b := c.says(persist.Batch{Settled: persist.Settled{Floor: page.Deliveries[k-1].Position}})
			if _, err := r.store.Append(&b); err != nil {
				return err
			}
		}
	}
	// The last settle is behind all messages; whoever looks must find it done.
	b := c.says(persist.Batch{Waiter: woken})
	ticket, err := r.store.Append(&b)
	for err == nil && r.store.Durable() < ticket {
		if !woken.wait() {
			return fmt.Errorf("the settles of all messages did not become durable")
		}
	}
	return err
}

func testConcurrentAudiences(r *rig) {
	clients := r.openMany(20)
	const callers = 8
	held := make([][]*persist.Audience, callers)
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			for n := range clients {
				to := r.audience(clients[n:]...)
				held[i] = append(held[i], to)
				if _, err := r.store.Append(&persist.Batch{Message: note("x"), Audience: to}); err != nil {
					r.Errorf("append: %v", err)
					return
				}
			}
		})
	}
	all.Wait()
	for i := range held {
		if !slices.Equal(held[i], held[0]) {
			r.Errorf("caller %d has other audiences than caller 0", i)
		}
	}
	r.flush()
	for i, c := range clients {
		if n := len(r.queueOf(c.id)); n != (i+1)*callers {
			r.Errorf("session %d has %d messages, want %d", i, n, (i+1)*callers)
		}
	}
}

// testEverythingAtOnce has callers of every method at once: it is for the race detector.
func testEverythingAtOnce(r *rig) {
	const rounds = 60
	clients := r.openMany(6)
	var all sync.WaitGroup
	try := func(what string, fn func(i int) error) {
		all.Go(func() {
			for i := range rounds {
				if err := fn(i); err != nil {
					r.Errorf("%s: %v", what, err)
					return
				}
			}
		})
	}
	submit := func(b persist.Batch) error {
		_, err := r.store.Append(&b)
		return err
	}
	try("publish", func(i int) error {
		return submit(persist.Batch{Message: note(fmt.Sprint(i)), Audience: r.audience(clients...), Retain: persist.RetainSet})
	})
	try("takeover", func(i int) error { return submit(persist.Batch{Open: &persist.Open{ClientID: "5"}}) })
	try("clean start", func(i int) error { return submit(persist.Batch{Open: &persist.Open{ClientID: "4", Clean: true}}) })
	try("subscribe", func(i int) error {
		return submit(clients[0].says(persist.Batch{Subscribe: []persist.Subscription{{Filter: fmt.Sprint(i)}}}))
	})
	try("receive", func(i int) error {
		return submit(clients[1].says(persist.Batch{Message: note("r"), Audience: r.audience(clients[0]), ReceivedID: uint16(i + 1)}))
	})
	try("session", func(i int) error { _, err := r.store.Session(clients[i%4].id); return err })
	try("list", func(i int) error { return r.store.Sessions(func(persist.SessionState) bool { return true }) })
	try("topics", func(i int) error { return r.store.RetainedTopics(func(string) bool { return true }) })
	try("stats", func(i int) error {
		if s := r.store.Stats(); s.Sessions > 6 {
			return fmt.Errorf("%d sessions", s.Sessions)
		}
		return r.store.Err()
	})
	try("entries", func(i int) error { r.store.Entries(nil, newSignal()); return nil })
	try("attach", func(i int) error {
		q, err := r.store.Attach(clients[2].id, newSignal())
		if err != nil {
			return err
		}
		defer q.Detach()
		return q.Next(&persist.Page{MaxMessages: 3})
	})
	all.Wait()
	r.flush()
	if got := payloadsOf(r.queueOf(clients[3].id)); len(got) != rounds || strings.Contains(strings.Join(got, ""), "r") {
		r.Errorf("queue is %q, want %d messages", got, rounds)
	}
	if n := len(r.session(clients[0].id).Subscriptions); n != rounds {
		r.Errorf("%d subscriptions, want %d", n, rounds)
	}
}

func testCrashAmongAppenders(r *rig) {
	const appenders, messages = 8, 150
	a := r.open("a")
	for round := range 5 {
		b := r.openWith(persist.Open{ClientID: "b", Clean: true, ExpirySeconds: 1})
		all := r.appendAll(appenders, messages, r.audience(a, b), true)
		durable := r.store.Durable()
		r.crash()
		left := make(map[string]bool)
		last := make(map[string]string)
		queue := r.queueOf(b.id)
		for _, d := range queue {
			payload := string(d.message.Payload)
			who, _, _ := strings.Cut(payload, "/")
			if payload <= last[who] {
				r.Fatalf("round %d: %s comes after %s", round, payload, last[who])
			}
			last[who] = payload
			left[payload] = true
		}
		for _, mine := range all {
			gone := false
			for _, each := range mine {
				there := left[each.payload]
				if !there && each.ticket <= durable {
					r.Fatalf("round %d: %s of ticket %d is lost, durable was %d", round, each.payload, each.ticket, durable)
				}
				if there && gone {
					r.Fatalf("round %d: %s is there though one before it is lost", round, each.payload)
				}
				gone = gone || !there
			}
		}
		r.commit(a.says(persist.Batch{Settled: persist.Settled{Floor: queue[len(queue)-1].position}}))
	}
}
