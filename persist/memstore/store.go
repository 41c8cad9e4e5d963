package memstore

import (
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// Options shape a store. The zero value is a store that makes every batch durable inside Append.
type Options struct {
	// Stride is the distance between positions; 0 is 16.
	Stride int
	// LargestEntry is the largest message in bytes; 0 is 256 MiB.
	LargestEntry int
	// MaxPending bounds the message bytes that are appended and not yet durable; more waits in Append. 0 is 8 MiB.
	MaxPending int
	// Delay is the time a group commit takes; see Store.Delay.
	Delay time.Duration
}

// Store implements persist.Store in memory.
type Store struct {
	options Options

	// mu guards everything below. Nobody is woken while it is held.
	mu sync.Mutex
	// room is signalled when pending batches became durable, or never will.
	room sync.Cond
	// state is nil once a crash or restart handed it to the next store.
	state *state
	// dead is why every call is refused: the store was closed, or it crashed. Nil while it serves.
	dead    error
	crashed bool
	failure error

	// appended is the last ticket given, durable the last that is durable.
	appended, durable persist.Ticket
	pending           pending
	readers           map[persist.SessionID]*queue
	audiences         map[string]*persist.Audience
	entries           []persist.Entry
	entriesWaiter     persist.Waiter

	switches switches
	stats    persist.Stats
}

var _ persist.Store = (*Store)(nil)

// New returns an empty store.
func New(o Options) *Store {
	if o.Stride <= 0 {
		o.Stride = 16
	}
	if o.LargestEntry <= 0 {
		o.LargestEntry = 256 << 20
	}
	if o.MaxPending <= 0 {
		o.MaxPending = 8 << 20
	}
	return serve(o, newState(persist.Position(o.Stride)))
}

// serve is the start of a store at a state.
func serve(o Options, at *state) *Store {
	s := &Store{
		options:   o,
		state:     at,
		readers:   make(map[persist.SessionID]*queue),
		audiences: make(map[string]*persist.Audience),
		switches:  switches{delay: o.Delay},
	}
	s.room.L = &s.mu
	s.stats.Recovery = persist.Recovery{
		Sessions: len(at.sessions), Queued: at.queued, Retained: len(at.retained),
		Position: at.end, Checkpoint: at.end,
		SyncMode: "memory: nothing survives the process",
	}
	return s
}

// Append implements persist.Store.
func (s *Store) Append(b *persist.Batch) (persist.Ticket, error) {
	size := 0
	if b.Message != nil {
		size = messageBytes(b.Message)
	}
	s.mu.Lock()
	for s.pending.bytes >= s.options.MaxPending && s.dead == nil && s.failure == nil {
		s.room.Wait()
	}
	if err := s.refuseLocked(b, size); err != nil {
		s.mu.Unlock()
		return 0, err
	}
	s.appended++
	ticket := s.appended
	s.pending.add(submission{batch: cloneBatch(b), ticket: ticket, size: size})
	wakes := s.scheduleLocked()
	s.mu.Unlock()
	wakes.wake()
	return ticket, nil
}

// refuseLocked says why a batch is not taken.
func (s *Store) refuseLocked(b *persist.Batch, size int) error {
	switch {
	case s.dead != nil:
		return s.dead
	case s.failure != nil:
		return s.failure
	case size > s.options.LargestEntry:
		return fmt.Errorf("append message of %d bytes: %w", size, persist.ErrTooLarge)
	case s.switches.full && b.Message != nil:
		return persist.ErrFull
	}
	return nil
}

// Durable implements persist.Store.
func (s *Store) Durable() persist.Ticket {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.durable
}

// Err implements persist.Store. After a crash it says so, for those who still wait for a ticket.
func (s *Store) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.crashed {
		return s.dead
	}
	return s.failure
}

// Entries implements persist.Store. What became visible before a failure or Close can still be had.
func (s *Store) Entries(dst []persist.Entry, w persist.Waiter) []persist.Entry {
	s.mu.Lock()
	if len(s.entries) > 0 {
		dst = append(dst, s.entries...)
		s.entries = nil
		s.mu.Unlock()
		return dst
	}
	over := s.dead != nil || s.failure != nil
	if !over {
		s.entriesWaiter = w
	}
	s.mu.Unlock()
	if over && w != nil {
		w.Wake()
	}
	return dst
}

// Close implements persist.Store. It ends a hold, since everything appended becomes durable.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.dead != nil {
		s.mu.Unlock()
		return nil
	}
	var wakes wakes
	err := s.failure
	if err == nil {
		wakes = s.commitLocked(s.pending.len())
	}
	s.dieLocked(&wakes)
	s.mu.Unlock()
	wakes.wake()
	return err
}

// dieLocked refuses every further call and wakes whoever waits for something that will not come.
func (s *Store) dieLocked(wakes *wakes) {
	s.dead = persist.ErrClosed
	s.pending.stop()
	s.abandonLocked(wakes)
}

// abandonLocked wakes everybody who waits, because nothing more will become durable.
func (s *Store) abandonLocked(wakes *wakes) {
	for _, sub := range s.pending.take(s.pending.len()) {
		wakes.add(sub.batch.Waiter)
	}
	wakes.add(s.entriesWaiter)
	s.entriesWaiter = nil
	s.room.Broadcast()
}
