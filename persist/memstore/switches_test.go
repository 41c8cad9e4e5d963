package memstore_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/persist/memstore"
)

// bell counts how often it was woken.
type bell struct{ count atomic.Int32 }

func (b *bell) Wake() { b.count.Add(1) }

func (b *bell) rung() int { return int(b.count.Load()) }

// desk is a store with one session and a note for it.
type desk struct {
	*testing.T
	*memstore.Store
	session persist.SessionID
	epoch   persist.Epoch
	to      *persist.Audience
}

func newDesk(t *testing.T, o memstore.Options) *desk {
	d := &desk{T: t, Store: memstore.New(o)}
	d.submit(persist.Batch{Open: &persist.Open{ClientID: "a"}})
	synctestWait(o)
	e := d.Entries(nil, nil)
	if len(e) != 1 {
		t.Fatalf("entries are %+v, want one", e)
	}
	d.session, d.epoch = e[0].Session, e[0].Epoch
	d.to = d.Audience([]persist.Member{{Session: d.session, QoS: 1}})
	return d
}

// synctestWait lets a delayed commit pass, in a bubble.
func synctestWait(o memstore.Options) {
	if o.Delay > 0 {
		time.Sleep(o.Delay)
		synctest.Wait()
	}
}

func (d *desk) submit(b persist.Batch) persist.Ticket {
	d.Helper()
	ticket, err := d.Append(&b)
	if err != nil {
		d.Fatalf("append: %v", err)
	}
	return ticket
}

func (d *desk) note(payload string, w persist.Waiter) persist.Ticket {
	d.Helper()
	return d.submit(persist.Batch{Message: &persist.Message{Payload: []byte(payload)}, Audience: d.to, Waiter: w})
}

// want compares the payloads in the session's queue of a store.
func (d *desk) want(s *memstore.Store, payloads string) {
	d.Helper()
	q, err := s.Attach(d.session, nil)
	if err != nil {
		d.Fatalf("attach: %v", err)
	}
	var page persist.Page
	if err := q.Next(&page); err != nil {
		d.Fatalf("read queue: %v", err)
	}
	var got []string
	for _, each := range page.Deliveries {
		got = append(got, string(each.Message.Payload))
	}
	if strings.Join(got, " ") != payloads {
		d.Fatalf("queue is %q, want %q", got, payloads)
	}
}

func TestDurableInsideAppend(t *testing.T) {
	d := newDesk(t, memstore.Options{})
	var b bell
	if ticket := d.note("x", &b); d.Durable() != ticket || b.rung() != 1 {
		t.Errorf("durable is %d, want %d; woken %d times", d.Durable(), ticket, b.rung())
	}
	d.want(d.Store, "x")
}

func TestHoldStepRelease(t *testing.T) {
	d := newDesk(t, memstore.Options{})
	d.Hold()
	var bells [4]bell
	for i := range bells {
		d.note(string(rune('0'+i)), &bells[i])
	}
	if d.Durable() != 1 || d.Pending() != 4 || bells[0].rung() != 0 {
		t.Fatalf("durable is %d with %d pending while held", d.Durable(), d.Pending())
	}
	d.want(d.Store, "")
	if n := d.Step(2); n != 2 || d.Durable() != 3 || bells[1].rung() != 1 || bells[2].rung() != 0 {
		t.Fatalf("after a step of %d durable is %d, woken %d and %d times", n, d.Durable(), bells[1].rung(), bells[2].rung())
	}
	d.want(d.Store, "0 1")
	d.Release()
	if d.Durable() != 5 || d.Pending() != 0 || bells[3].rung() != 1 {
		t.Fatalf("after release durable is %d, the last was woken %d times", d.Durable(), bells[3].rung())
	}
	if n := d.Step(1); n != 0 {
		t.Errorf("a step found %d batches where none are", n)
	}
	d.want(d.Store, "0 1 2 3")
}

func TestCrashKeepsExactlyWhatWasDurable(t *testing.T) {
	d := newDesk(t, memstore.Options{})
	d.note("durable", nil)
	d.Hold()
	var waits, entries bell
	d.note("stepped", nil)
	d.note("lost", &waits)
	d.Step(1)
	d.Entries(nil, &entries)
	next := d.Crash()
	d.want(next, "durable stepped")
	if waits.rung() != 1 || entries.rung() != 1 {
		t.Errorf("the crash woke the batch %d times and the entries %d times, want 1", waits.rung(), entries.rung())
	}
	if err := d.Err(); !errors.Is(err, persist.ErrClosed) {
		t.Errorf("error of the dead store is %v, want ErrClosed", err)
	}
	if _, err := d.Append(&persist.Batch{}); !errors.Is(err, persist.ErrClosed) {
		t.Errorf("append to the dead store: %v, want ErrClosed", err)
	}
	if _, err := d.Session(d.session); !errors.Is(err, persist.ErrClosed) {
		t.Errorf("session of the dead store: %v, want ErrClosed", err)
	}
	if _, err := d.Retained("t"); !errors.Is(err, persist.ErrClosed) {
		t.Errorf("retained of the dead store: %v, want ErrClosed", err)
	}
	if err := d.Sessions(nil); !errors.Is(err, persist.ErrClosed) {
		t.Errorf("sessions of the dead store: %v, want ErrClosed", err)
	}
	if err := d.RetainedTopics(nil); !errors.Is(err, persist.ErrClosed) {
		t.Errorf("topics of the dead store: %v, want ErrClosed", err)
	}
	if err := next.Err(); err != nil {
		t.Errorf("error of the next store is %v", err)
	}
	// The switches were the dead store's.
	if ticket, err := next.Append(&persist.Batch{}); err != nil || next.Durable() != ticket || ticket != 1 {
		t.Errorf("the next store gives ticket %d and error %v, durable %d", ticket, err, next.Durable())
	}
	d.Release()
	if n := d.Step(1); n != 0 || d.Stats().State != persist.ErrClosed.Error() {
		t.Errorf("the dead store stepped %d, its state is %q", n, d.Stats().State)
	}
}

func TestRestartLosesNothing(t *testing.T) {
	d := newDesk(t, memstore.Options{})
	d.Hold()
	var waits bell
	d.note("held", &waits)
	next := d.Restart()
	d.want(next, "held")
	if waits.rung() != 1 || d.Durable() != 2 {
		t.Errorf("close woke %d times, durable is %d", waits.rung(), d.Durable())
	}
	if err := d.Err(); err != nil {
		t.Errorf("a closed store has failed: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Errorf("close again: %v", err)
	}
}

func TestFailIsFinal(t *testing.T) {
	d := newDesk(t, memstore.Options{})
	d.note("durable", nil)
	d.Hold()
	var waits, entries bell
	d.note("lost", &waits)
	d.Entries(nil, &entries)
	cause := errors.New("sync: input/output error")
	d.Fail(cause)
	d.Release()
	if waits.rung() != 1 || entries.rung() != 1 || d.Durable() != 2 {
		t.Errorf("failing woke %d and %d times, durable is %d", waits.rung(), entries.rung(), d.Durable())
	}
	if err := d.Err(); !errors.Is(err, persist.ErrFailed) || !errors.Is(err, cause) {
		t.Errorf("error is %v, want ErrFailed with its cause", err)
	}
	if _, err := d.Append(&persist.Batch{}); !errors.Is(err, persist.ErrFailed) || !errors.Is(err, cause) {
		t.Errorf("append: %v, want ErrFailed with its cause", err)
	}
	if state := d.Stats().State; !strings.HasPrefix(state, "failed: ") || !strings.Contains(state, cause.Error()) {
		t.Errorf("state is %q", state)
	}
	// Who asks only now is told as well.
	var late bell
	if d.Entries(nil, &late); late.rung() != 1 {
		t.Errorf("a late waiter for entries was woken %d times, want 1", late.rung())
	}
	d.want(d.Store, "durable") // reads go on
	if err := d.Close(); !errors.Is(err, persist.ErrFailed) {
		t.Errorf("close: %v, want ErrFailed", err)
	}
	d.want(d.Restart(), "durable")
}

func TestFullRefusesMessagesOnly(t *testing.T) {
	d := newDesk(t, memstore.Options{})
	d.note("x", nil)
	d.Full(true)
	if _, err := d.Append(&persist.Batch{Message: &persist.Message{}, Audience: d.to}); !errors.Is(err, persist.ErrFull) {
		t.Errorf("append of a message: %v, want ErrFull", err)
	}
	d.submit(persist.Batch{Session: d.session, Epoch: d.epoch, Settled: persist.Settled{Floor: d.Stats().Position}})
	d.want(d.Store, "")
	d.Full(false)
	d.note("y", nil)
	d.want(d.Store, "y")
}

func TestStallShows(t *testing.T) {
	d := newDesk(t, memstore.Options{})
	d.Stall("disk full")
	d.note("x", nil)
	if state := d.Stats().State; state != "stalled: disk full" || d.Durable() != 1 || d.Err() != nil {
		t.Errorf("state is %q, durable %d, error %v", state, d.Durable(), d.Err())
	}
	d.Release()
	if state := d.Stats().State; state != "running" || d.Durable() != 2 {
		t.Errorf("after release state is %q, durable %d", state, d.Durable())
	}
}

func TestDamageAndFailedReads(t *testing.T) {
	d := newDesk(t, memstore.Options{})
	d.note("x", nil)
	p := d.Stats().Position
	d.note("y", nil)
	q, err := d.Attach(d.session, nil)
	if err != nil {
		t.Fatalf("attach: %v", err)
	}
	cause := errors.New("read: input/output error")
	d.FailReads(cause)
	var page persist.Page
	if err := q.Next(&page); !errors.Is(err, cause) || errors.Is(err, persist.ErrNoSession) {
		t.Errorf("read: %v, want its cause", err)
	}
	if _, err := d.Retained("t"); !errors.Is(err, cause) {
		t.Errorf("retained: %v, want its cause", err)
	}
	d.FailReads(nil)
	if !d.Damage(p) || d.Damage(p+1) || d.Stats().Damaged != 1 {
		t.Errorf("damaged %d messages, want 1", d.Stats().Damaged)
	}
	if err := q.Next(&page); err != nil || len(page.Deliveries) != 2 {
		t.Fatalf("read %d messages, error %v", len(page.Deliveries), err)
	}
	first, second := page.Deliveries[0], page.Deliveries[1]
	if !first.Damaged || first.Position != p || first.Message.Payload != nil || second.Damaged || string(second.Message.Payload) != "y" {
		t.Errorf("deliveries are %+v", page.Deliveries)
	}
}

func TestDelayIsVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, memstore.Options{Delay: time.Second})
		var first, second bell
		d.note("one", &first)
		time.Sleep(500 * time.Millisecond)
		d.note("two", &second) // rides in the next group: the first is being written
		time.Sleep(499 * time.Millisecond)
		synctest.Wait()
		if d.Durable() != 1 {
			t.Fatalf("durable is %d before the first commit is over", d.Durable())
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if d.Durable() != 2 || first.rung() != 1 || second.rung() != 0 {
			t.Fatalf("durable is %d when the first commit is over", d.Durable())
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if d.Durable() != 3 || second.rung() != 1 {
			t.Fatalf("durable is %d when the second commit is over", d.Durable())
		}
		// A crash in the middle of a commit loses it, and its timer does no harm.
		d.note("lost", nil)
		time.Sleep(500 * time.Millisecond)
		next := d.Crash()
		time.Sleep(time.Hour)
		synctest.Wait()
		d.want(next, "one two")
	})
}

func TestAppendWaitsForRoom(t *testing.T) {
	tests := map[string]struct {
		end  func(*desk)
		want error
	}{
		"release": {func(d *desk) { d.Release() }, nil},
		"step":    {func(d *desk) { d.Step(1) }, nil},
		"fail":    {func(d *desk) { d.Fail(errors.New("broken")) }, persist.ErrFailed},
		"close":   {func(d *desk) { _ = d.Close() }, persist.ErrClosed},
		"crash":   {func(d *desk) { d.Crash() }, persist.ErrClosed},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t, memstore.Options{MaxPending: 10})
				d.Hold()
				d.note("ten bytes.", nil) // fills the bound
				returned := make(chan error, 1)
				go func() { // ends with Append
					_, err := d.Append(&persist.Batch{Message: &persist.Message{Payload: []byte("more")}, Audience: d.to})
					returned <- err
				}()
				synctest.Wait()
				select {
				case err := <-returned:
					t.Fatalf("append did not wait, error %v", err)
				default:
				}
				test.end(d)
				if err := <-returned; !errors.Is(err, test.want) || (err == nil) != (test.want == nil) {
					t.Errorf("append: %v, want %v", err, test.want)
				}
			})
		})
	}
}

func TestOneSuccessor(t *testing.T) {
	d := newDesk(t, memstore.Options{})
	d.Crash()
	defer func() {
		if recover() == nil {
			t.Errorf("a store has two successors")
		}
	}()
	d.Crash()
}
