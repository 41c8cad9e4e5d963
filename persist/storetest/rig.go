package storetest

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// patience is how long the suite waits for what must come soon.
const patience = 30 * time.Second

// rig is one store under test with the words to speak to it. It belongs to the test's goroutine.
type rig struct {
	testing.TB
	backend Backend
	dir     string
	store   persist.Store
	// seen are the entries that were pulled and not yet asked for, by ticket.
	seen map[persist.Ticket]persist.Entry
	// order are the entries as they came, since the store was opened.
	order []persist.Entry
	last  persist.Ticket
}

func newRig(t testing.TB, b Backend) *rig {
	r := &rig{TB: t, backend: b, dir: t.TempDir()}
	r.start()
	t.Cleanup(func() {
		if r.store != nil { // the test failed half way
			_ = r.store.Close()
		}
	})
	return r
}

// start opens the store in the rig's directory.
func (r *rig) start() {
	r.Helper()
	r.store = r.backend.Open(r, r.dir)
	r.seen = make(map[persist.Ticket]persist.Entry)
	r.order = nil
	r.last = 0
}

// finish closes the store and checks what it leaves behind.
func (r *rig) finish() {
	r.Helper()
	r.close()
	if r.backend.Check != nil {
		r.backend.Check(r, r.dir)
	}
}

func (r *rig) close() {
	r.Helper()
	s := r.store
	r.store = nil
	if err := s.Close(); err != nil {
		r.Fatalf("close: %v", err)
	}
}

// restart closes the store, checks it, and opens it again.
func (r *rig) restart() {
	r.Helper()
	r.finish()
	r.start()
}

// crash kills the store and opens what is left.
func (r *rig) crash() {
	r.Helper()
	s := r.store
	r.store = nil
	r.dir = r.backend.Crash(r, s, r.dir)
	r.start()
}

// signal is a waiter that remembers that it was woken.
type signal chan struct{}

func newSignal() signal { return make(signal, 1) }

// Wake implements persist.Waiter.
func (s signal) Wake() {
	select {
	case s <- struct{}{}:
	default:
	}
}

// wait returns once the signal was woken; not ok when that took too long.
func (s signal) wait() (ok bool) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-s:
		return true
	case <-timer.C:
		return false
	}
}

// append submits a batch that must be taken.
func (r *rig) append(b persist.Batch) persist.Ticket {
	r.Helper()
	ticket, err := r.store.Append(&b)
	if err != nil {
		r.Fatalf("append: %v", err)
	}
	if ticket <= r.last {
		r.Fatalf("append: ticket %d came after ticket %d", ticket, r.last)
	}
	r.last = ticket
	return ticket
}

// commit submits a batch and waits until it is durable.
func (r *rig) commit(b persist.Batch) persist.Ticket {
	r.Helper()
	woken := newSignal()
	b.Waiter = woken
	ticket := r.append(b)
	for r.store.Durable() < ticket {
		if !woken.wait() {
			r.Fatalf("ticket %d: nobody was woken, durable is %d, error %v", ticket, r.store.Durable(), r.store.Err())
		}
		if err := r.store.Err(); err != nil {
			r.Fatalf("ticket %d: %v", ticket, err)
		}
	}
	return ticket
}

// flush waits until everything that was appended is durable.
func (r *rig) flush() { r.Helper(); r.commit(persist.Batch{}) }

// entry waits for the entry of a ticket. Its order and place were checked when it came.
func (r *rig) entry(ticket persist.Ticket) persist.Entry {
	r.Helper()
	for {
		if e, ok := r.seen[ticket]; ok {
			delete(r.seen, ticket)
			return e
		}
		woken := newSignal()
		if !r.pull(woken) && !woken.wait() {
			r.Fatalf("no entry of ticket %d came", ticket)
		}
	}
}

// pull takes the entries that are there and tells whether there were any.
func (r *rig) pull(w persist.Waiter) bool {
	r.Helper()
	entries := r.store.Entries(nil, w)
	for _, e := range entries {
		if n := len(r.order); n > 0 && (e.Ticket <= r.order[n-1].Ticket || e.Position <= r.order[n-1].Position) {
			r.Fatalf("entry of ticket %d at %d came after ticket %d at %d",
				e.Ticket, e.Position, r.order[n-1].Ticket, r.order[n-1].Position)
		}
		if d := r.store.Durable(); e.Ticket > d {
			r.Fatalf("entry of ticket %d is visible, durable is %d", e.Ticket, d)
		}
		r.seen[e.Ticket] = e
		r.order = append(r.order, e)
	}
	return len(entries) > 0
}

// client is the rig's side of an open session.
type client struct {
	id    persist.SessionID
	epoch persist.Epoch
}

// says is a batch that speaks for the session.
func (c client) says(b persist.Batch) persist.Batch {
	b.Session, b.Epoch = c.id, c.epoch
	return b
}

// open opens or resumes the session of a client id, to be kept for good.
func (r *rig) open(clientID string) client {
	r.Helper()
	return r.openWith(persist.Open{ClientID: clientID, ExpirySeconds: persist.NeverExpires, At: 1})
}

func (r *rig) openWith(o persist.Open) client {
	r.Helper()
	e := r.entry(r.commit(persist.Batch{Open: &o}))
	if e.Void || e.Session == 0 || e.ClientID != o.ClientID || persist.Position(e.Epoch) != e.Position {
		r.Fatalf("open %q: unexpected entry %+v", o.ClientID, e)
	}
	return client{e.Session, e.Epoch}
}

// void commits a batch whose entry must be void.
func (r *rig) void(why string, b persist.Batch) {
	r.Helper()
	if e := r.entry(r.commit(b)); !e.Void {
		r.Fatalf("%s: the entry is not void: %+v", why, e)
	}
}

// takes commits a batch whose entry must count.
func (r *rig) takes(why string, b persist.Batch) persist.Entry {
	r.Helper()
	e := r.entry(r.commit(b))
	if e.Void {
		r.Fatalf("%s: the entry is void: %+v", why, e)
	}
	return e
}

// session returns the state of a session that must exist.
func (r *rig) session(id persist.SessionID) persist.SessionState {
	r.Helper()
	s, err := r.store.Session(id)
	if err != nil {
		r.Fatalf("session %d: %v", id, err)
	}
	return s
}

func (r *rig) wantNoSession(id persist.SessionID) {
	r.Helper()
	if s, err := r.store.Session(id); !errors.Is(err, persist.ErrNoSession) {
		r.Fatalf("session %d: got %+v and error %v, want ErrNoSession", id, s, err)
	}
}

// audience interns the sessions, each at QoS 1.
func (r *rig) audience(clients ...client) *persist.Audience {
	var members []persist.Member
	for _, c := range clients {
		members = append(members, persist.Member{Session: c.id, QoS: 1})
	}
	return r.store.Audience(members)
}

// publish commits a message for the sessions, from nobody in particular.
func (r *rig) publish(payload string, to ...client) {
	r.Helper()
	r.commit(persist.Batch{Message: note(payload), Audience: r.audience(to...)})
}

// note is a message like any other, known by its payload.
func note(payload string) *persist.Message {
	return &persist.Message{Topic: []byte("notes"), Payload: []byte(payload), QoS: 1}
}

// seed returns the seed of a random test and prints it.
func (r *rig) seed() *rand.Rand {
	seed := r.backend.Seed
	if seed == 0 {
		seed = rand.Uint64()
	}
	r.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}
