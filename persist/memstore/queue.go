package memstore

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// queue reads one session's messages. The store's lock guards it.
type queue struct {
	store   *Store
	session persist.SessionID
	waiter  persist.Waiter
	// read is the position of the last message returned.
	read persist.Position
}

// Attach implements persist.Store.
func (s *Store) Attach(id persist.SessionID, w persist.Waiter) (persist.Queue, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.sessionLocked(id); err != nil {
		return nil, fmt.Errorf("attach to session %d: %w", id, err)
	}
	q := &queue{store: s, session: id, waiter: w}
	s.readers[id] = q
	return q, nil
}

// Next implements persist.Queue. A queue that was detached stays empty.
func (q *queue) Next(page *persist.Page) error {
	page.Deliveries, page.Buffer = page.Deliveries[:0], page.Buffer[:0]
	s := q.store
	s.mu.Lock()
	defer s.mu.Unlock()
	ses, err := s.sessionLocked(q.session)
	if err != nil {
		return fmt.Errorf("read queue of session %d: %w", q.session, err)
	}
	if s.switches.readFailure != nil {
		return fmt.Errorf("read queue of session %d: %w", q.session, s.switches.readFailure)
	}
	if s.readers[q.session] != q {
		return nil
	}
	for _, item := range q.collect(ses, page) {
		page.Deliveries = append(page.Deliveries, deliver(item, page))
		q.read = item.position
	}
	return nil
}

// collect chooses what fits into the page and makes room for its bytes, so that no later one moves the earlier.
func (q *queue) collect(ses *session, page *persist.Page) []queued {
	maxMessages, maxBytes := page.Limits()
	var items []queued
	size := 0
	after := func(item queued, p persist.Position) int { return cmp.Compare(item.position, p) }
	first, _ := slices.BinarySearchFunc(ses.queue, max(q.read, ses.floor)+1, after)
	for _, item := range ses.queue[first:] {
		if item.settled || ses.released(item.position) {
			continue
		}
		n := messageBytes(&item.content)
		if len(items) == maxMessages || len(items) > 0 && size+n > maxBytes {
			break
		}
		items = append(items, item)
		size += n
	}
	page.Buffer = slices.Grow(page.Buffer, size)
	return items
}

// deliver copies a message into the page.
func deliver(item queued, page *persist.Page) persist.Delivery {
	d := persist.Delivery{Position: item.position, Member: item.member, Damaged: item.damaged}
	if item.damaged {
		return d
	}
	d.Message = item.content
	for _, field := range []*[]byte{&d.Message.Topic, &d.Message.Properties, &d.Message.Payload} {
		start := len(page.Buffer)
		page.Buffer = append(page.Buffer, *field...)
		*field = page.Buffer[start:len(page.Buffer):len(page.Buffer)]
	}
	return d
}

// Detach implements persist.Queue.
func (q *queue) Detach() {
	q.store.mu.Lock()
	defer q.store.mu.Unlock()
	if q.store.readers[q.session] == q {
		delete(q.store.readers, q.session)
	}
}
