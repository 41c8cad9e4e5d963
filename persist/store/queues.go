package store

import (
	"errors"
	"fmt"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/persist/seglog"
)

// queue reads one session's messages: the merge, by position, of the pending lists of its audiences. It knows positions
// only; messages are read from the tail or from the log, without the store's lock.
type queue struct {
	store   *Store
	session *session
	waiter  persist.Waiter

	// Owned by the reading goroutine while it holds the store's lock shared, and by the fold, which holds it alone.
	//
	// sources are all audiences of the session. heap holds those whose next position is known, the lowest first. fresh
	// are those that got messages after they were found empty.
	sources []*source
	heap    []*source
	fresh   []*source
	// idle: the reader has been told of everything, so it must be woken.
	idle     bool
	detached bool

	// Owned by the reading goroutine. planned are positions that are still to be read.
	planned []planned
}

// source is one audience that a queue reads.
type source struct {
	queue    *queue
	audience *audience
	// member is the session's index in the audience, slot the source's own in its readers and in queue.sources.
	member                  int
	readerSlot, sourcesSlot int
	// place is behind next; next is the position that is to be read next. waiting: there is none.
	place   place
	next    persist.Position
	waiting bool
}

// planned is a message that is to be read.
type planned struct {
	position persist.Position
	member   *persist.Member
}

// Attach implements persist.Store.
func (s *Store) Attach(id persist.SessionID, w persist.Waiter) (persist.Queue, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ses, err := s.sessionLocked(id)
	if err != nil {
		return nil, fmt.Errorf("attach to session %d: %w", id, err)
	}
	if ses.queue != nil {
		ses.queue.detachLocked()
	}
	q := &queue{store: s, session: ses, waiter: w, idle: true}
	ses.queue = q
	for _, a := range ses.audiences {
		if a.gone {
			continue
		}
		if i, found := a.memberOf(ses.id); found {
			q.joinLocked(a, i)
		}
	}
	return q, nil
}

// joinLocked has the queue read an audience too. New messages of it lie behind everything that was read.
func (q *queue) joinLocked(a *audience, member int) {
	// A member that was made up before its session existed gets nothing from before.
	from := max(q.session.floor, persist.Position(q.session.id))
	src := &source{queue: q, audience: a, member: member, place: a.pending.seek(from)}
	src.readerSlot, src.sourcesSlot = len(a.readers), len(q.sources)
	a.readers = append(a.readers, src)
	q.sources = append(q.sources, src)
	q.fresh = append(q.fresh, src)
}

// leaveLocked has the queue not read an audience any more. The audience forgets its readers itself.
func (q *queue) leaveLocked(src *source) {
	last := q.sources[len(q.sources)-1]
	q.sources[src.sourcesSlot] = last
	last.sourcesSlot = src.sourcesSlot
	q.sources = q.sources[:len(q.sources)-1]
}

func (q *queue) detachLocked() {
	q.detached = true
	for _, src := range q.sources {
		readers := src.audience.readers
		last := readers[len(readers)-1]
		readers[src.readerSlot] = last
		last.readerSlot = src.readerSlot
		readers[len(readers)-1] = nil
		src.audience.readers = readers[:len(readers)-1]
	}
	q.sources, q.heap, q.fresh = nil, nil, nil
	if q.session.queue == q {
		q.session.queue = nil
	}
}

// Detach implements persist.Queue.
func (q *queue) Detach() {
	q.store.mu.Lock()
	defer q.store.mu.Unlock()
	if !q.detached {
		q.detachLocked()
	}
}

// announceLocked notes that an audience got messages, and tells whether the reader must be woken.
func (q *queue) announceLocked(src *source) bool {
	if src.waiting {
		src.waiting = false
		q.fresh = append(q.fresh, src)
	}
	idle := q.idle
	q.idle = false
	return idle
}

// Next implements persist.Queue. A queue that was detached stays empty.
func (q *queue) Next(page *persist.Page) error {
	page.Deliveries, page.Buffer = page.Deliveries[:0], page.Buffer[:0]
	messages, bytes := page.Limits()
	for {
		if err := q.plan(messages); err != nil {
			return fmt.Errorf("read queue of session %d: %w", q.session.id, err)
		}
		if len(q.planned) == 0 {
			return nil
		}
		if err := q.read(page, messages, bytes); err != nil && len(page.Deliveries) == 0 {
			return fmt.Errorf("read queue of session %d: %w", q.session.id, err)
		}
		if len(page.Deliveries) > 0 {
			return nil
		}
	}
}

// plan fills up what is to be read next.
func (q *queue) plan(most int) error {
	s := q.store
	s.mu.RLock()
	defer s.mu.RUnlock()
	switch {
	case s.closed:
		return persist.ErrClosed
	case q.session.gone:
		return persist.ErrNoSession
	case q.detached:
		q.planned = nil
		return nil
	}
	kept := q.planned[:0]
	for _, p := range q.planned {
		if q.session.wants(p.position) {
			kept = append(kept, p)
		}
	}
	q.planned = kept
	for _, src := range q.fresh {
		q.advance(src)
	}
	q.fresh = q.fresh[:0]
	for len(q.planned) < most && len(q.heap) > 0 {
		src := q.pop()
		if src.audience.gone {
			continue // what was left in it has expired
		}
		if q.session.wants(src.next) {
			q.planned = append(q.planned, planned{src.next, &src.audience.members[src.member]})
		}
		q.advance(src)
	}
	q.idle = len(q.heap) == 0
	if len(q.planned) == 0 {
		q.planned = nil // most queues are empty most of the time
	}
	return nil
}

// advance finds the next position of a source that is not in the heap.
func (q *queue) advance(src *source) {
	floor := q.session.floor
	if src.place.at < floor && src.audience.pending.first <= floor {
		src.place = src.audience.pending.seek(floor)
	}
	pos, ok := src.audience.pending.next(&src.place)
	if !ok {
		src.waiting = true
		return
	}
	src.next = pos
	q.push(src)
}

// read reads what is planned into the page, until it is full.
func (q *queue) read(page *persist.Page, messages, bytes int) error {
	lease := readerLease{pool: &q.store.readers, owner: q}
	defer lease.end()
	used, done := 0, 0
	var failure error
	for done < len(q.planned) && len(page.Deliveries) < messages {
		d := persist.Delivery{Position: q.planned[done].position, Member: q.planned[done].member}
		start := len(page.Buffer)
		gone := false
		if err := q.readOne(&d, page, &lease); err != nil {
			page.Buffer = page.Buffer[:start]
			if gone, failure = q.explain(&d, err); failure != nil {
				break
			}
		}
		if gone {
			done++
			continue
		}
		size := len(d.Message.Topic) + len(d.Message.Properties) + len(d.Message.Payload)
		if len(page.Deliveries) > 0 && used+size > bytes {
			page.Buffer = page.Buffer[:start]
			break
		}
		used += size
		page.Deliveries = append(page.Deliveries, d)
		done++
	}
	q.planned = q.planned[:copy(q.planned, q.planned[done:])]
	return failure
}

// explain says what a failed read means: the message is gone, or damaged, which is a delivery too, or the read failed
// and may be tried again.
func (q *queue) explain(d *persist.Delivery, err error) (gone bool, failure error) {
	var damage *seglog.Damage
	switch {
	case errors.Is(err, seglog.ErrGone):
		if q.store.isClosed() {
			return false, persist.ErrClosed // all of the log is gone then
		}
		return true, nil // it expired with its segment, or was settled and freed since it was planned
	case errors.As(err, &damage) || errors.Is(err, errRecord):
		d.Damaged, d.Message = true, persist.Message{}
		q.store.damaged(d.Position, err)
		return false, nil
	case q.store.unreadable.givenUp(d.Position, err, q.store.options.Now()):
		// As above: else one bad sector would hold back all that stands behind it, for good.
		d.Damaged, d.Message = true, persist.Message{}
		q.store.damaged(d.Position, err)
		return false, nil
	}
	return false, err
}

// readOne reads one message behind the page's buffer.
func (q *queue) readOne(d *persist.Delivery, page *persist.Page, lease *readerLease) error {
	start := len(page.Buffer)
	grown, ok := q.store.tail.read(d.Position, page.Buffer)
	if !ok {
		_, body, err := lease.reader().Read(d.Position)
		if err != nil {
			return err
		}
		grown = append(page.Buffer, body...)
	}
	page.Buffer = grown
	return decodeMessage(grown[start:], &d.Message)
}

// push puts a source with a known next position into the heap.
func (q *queue) push(src *source) {
	q.heap = append(q.heap, src)
	for i := len(q.heap) - 1; i > 0; {
		parent := (i - 1) / 2
		if q.heap[parent].next <= q.heap[i].next {
			return
		}
		q.heap[parent], q.heap[i] = q.heap[i], q.heap[parent]
		i = parent
	}
}

// pop takes the source with the lowest next position out of the heap.
func (q *queue) pop() *source {
	top := q.heap[0]
	n := len(q.heap) - 1
	q.heap[0] = q.heap[n]
	q.heap[n] = nil
	q.heap = q.heap[:n]
	for i := 0; ; {
		child := 2*i + 1
		if child >= n {
			return top
		}
		if child+1 < n && q.heap[child+1].next < q.heap[child].next {
			child++
		}
		if q.heap[i].next <= q.heap[child].next {
			return top
		}
		q.heap[i], q.heap[child] = q.heap[child], q.heap[i]
		i = child
	}
}
