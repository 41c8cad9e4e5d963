package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/persist/disk"
	"github.com/holdfast-mqtt/holdfast/persist/seglog"
	"github.com/holdfast-mqtt/holdfast/persist/statedb"
)

// Sync says when what was appended is made durable. Above 0 it is an interval: batches count as durable when they are
// written, and a power cut may lose what was written within the interval.
type Sync time.Duration

const (
	// SyncAlways makes every group durable before it counts.
	SyncAlways Sync = 0
	// SyncNever leaves it to the operating system, apart from checkpoints.
	SyncNever Sync = -1
)

// String says what is done and what it risks.
func (s Sync) String() string {
	switch {
	case s == SyncAlways:
		return "always: an acknowledged message survives a power cut"
	case s < 0:
		return "never: a power cut may lose every message that was acknowledged since the last checkpoint"
	}
	return fmt.Sprintf("every %v: a power cut may lose the messages that were acknowledged in the last %v", time.Duration(s), time.Duration(s))
}

// OnDamage says what the start does when it finds that stored bytes are damaged.
type OnDamage byte

const (
	// Serve goes on with everything that is intact, and names the damage in Recovery.
	Serve OnDamage = iota
	// Refuse does not start.
	Refuse
)

// Options shape a store. The zero value is good.
type Options struct {
	Sync Sync
	// SegmentSize is the size of the log's files in bytes; 0 is 64 MiB.
	SegmentSize int64
	// CheckpointInterval is how often what has changed is written to the state database; 0 is a second.
	CheckpointInterval time.Duration
	// CheckpointBytes of log are followed by a checkpoint, whatever the interval; 0 is 16 MiB.
	CheckpointBytes int64
	OnDamage        OnDamage
	// LargestEntry is the largest message in bytes (topic, properties and payload); 0 is 256 MiB.
	LargestEntry int
	// TailBytes is how much of the log's end is kept in memory; 0 is 16 MiB.
	TailBytes int
	// MinFree is how many bytes must be free on the disk for messages to be taken; 0 is four segments and 64 MiB. What
	// is below is for settling and checkpoints, which free space.
	MinFree uint64
	// Reserve is how many bytes of the disk are occupied, to be given up when something else fills it; 0 is what a start
	// and checkpoints need, 64 MiB, below 0 none.
	Reserve int64
	// IdleSeal is for how long nothing must have been appended before an open segment that nobody needs is given up;
	// 0 is five seconds.
	IdleSeal time.Duration
	// Log gets a line about what an operator should know; level is "error", "warning", "info" or "debug". It may be
	// called from any goroutine. Nil is for none.
	Log func(level, msg string)
	// FS is the file system of the log; nil is the real one. The state database is always on the real one.
	FS disk.FS
	// Now is the time by which whole segments expire; nil is time.Now.
	Now func() time.Time
}

func (o Options) withDefaults() Options {
	def := func(v *int64, to int64) {
		if *v <= 0 {
			*v = to
		}
	}
	def(&o.SegmentSize, 64<<20)
	def(&o.CheckpointBytes, 16<<20)
	if o.Reserve == 0 {
		o.Reserve = startBytes
	}
	def((*int64)(&o.CheckpointInterval), int64(time.Second))
	def((*int64)(&o.IdleSeal), int64(5*time.Second))
	if o.LargestEntry <= 0 {
		o.LargestEntry = 256 << 20
	}
	if o.TailBytes <= 0 {
		o.TailBytes = 16 << 20
	}
	if o.MinFree == 0 {
		o.MinFree = uint64(4*o.SegmentSize) + 64<<20
	}
	if o.FS == nil {
		o.FS = disk.OS{}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Store implements persist.Store on a write-ahead log and a state database. Lock order: mu, in.mu, interns.mu; the
// tail's lock is a leaf. No lock is held across I/O.
type Store struct {
	options Options
	dir     string
	log     *seglog.Log
	db      *statedb.DB
	release func() error

	in      inbox
	interns *interns
	tail    tail
	readers readerPool
	// unreadable are the places that the disk does not give.
	unreadable unreadable

	// mu guards the state and what follows. The fold holds it alone, readers share it.
	mu    sync.RWMutex
	state *state
	// folded is the last ticket in the state, and visible the end of the log that is.
	folded  persist.Ticket
	visible persist.Position
	entries struct {
		list   []persist.Entry
		waiter persist.Waiter
	}
	closed bool

	durable atomic.Uint64
	failed  atomic.Pointer[error]
	counts  counts

	// recovery is how the start went; it does not change any more.
	recovery persist.Recovery
	checks   checkpointer

	// stop ends the committer, which running waits for; sealNow asks it for a new segment.
	stop    chan struct{}
	sealNow chan struct{}
	running sync.WaitGroup
	closing sync.Once
}

var _ persist.Store = (*Store)(nil)

// Open opens the store in dir, or makes one in a directory that is empty or missing. It returns once everything that was
// ever acknowledged is there again.
func Open(dir string, o Options) (*Store, error) {
	o = o.withDefaults()
	began := time.Now()
	id, err := claim(dir, o.FS)
	if err != nil {
		return nil, err
	}
	s := &Store{
		options: o,
		dir:     dir,
		release: id.release,
		interns: newInterns(),
		tail:    tail{limit: o.TailBytes},
		state:   newState(),
		stop:    make(chan struct{}),
		sealNow: make(chan struct{}, 1),
	}
	s.state.share = s.interns.share
	if err := s.open(id); err != nil {
		return nil, errors.Join(err, s.abandon())
	}
	s.recovery.Duration = time.Since(began)
	s.start()
	return s, nil
}

// open opens state and log, brings them together, and writes that this store has started once more.
func (s *Store) open(id identity) error {
	if err := s.makeRoom(); err != nil {
		return err
	}
	db, err := statedb.Open(filepath.Join(s.dir, metaDir), statedb.Options{
		Logger:    s.sayOfState,
		FreeBytes: s.options.FS.Free,
	})
	if err != nil {
		return fmt.Errorf("open state: %w", err)
	}
	s.db = db
	meta, found := db.Meta()
	if err := id.matches(meta, found); err != nil {
		return err
	}
	s.checks.meta = statedb.Meta{
		UUID: id.uuid, Format: formatVersion, Applied: meta.Applied, Generation: meta.Generation + 1, Clock: meta.Clock, Extra: meta.Extra,
	}
	s.log, err = seglog.Open(s.options.FS, filepath.Join(s.dir, logDir), seglog.Options{
		UUID:        id.uuid,
		SegmentSize: s.options.SegmentSize,
		Incarnation: s.checks.meta.Generation,
		Replay:      meta.Applied,
		Index:       indexRecord,
		Refuse:      s.options.OnDamage == Refuse,
	})
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	s.readers = readerPool{log: s.log, permits: make(chan struct{}, mostReaders)}
	if err := s.recover(meta.Applied); err != nil {
		return err
	}
	// The start is written before anything else is, so that no two starts write under one number.
	if err := s.checkpoint(); err != nil {
		return fmt.Errorf("write the start of the store: %w", err)
	}
	return id.ready(s.dir, s.options.FS)
}

// start begins serving.
func (s *Store) start() {
	s.state.effects.live = true
	s.in.room.L = &s.in.mu
	s.in.group = &gathering{}
	s.in.defined = make(map[uint64]*handle)
	s.in.most = int(min(mostPending, s.options.SegmentSize/8))
	// Numbers of earlier starts are not used again, also those that a crash lost.
	s.in.nextAudience = max(s.state.nextAudience, s.checks.meta.Generation<<40)
	s.in.urgent, s.in.soon = make(chan struct{}, 1), make(chan struct{}, 1)
	s.checks.start()
	s.guard()
	c := &committer{store: s, spare: &gathering{}, waiters: make(map[persist.Waiter]struct{})}
	s.running.Go(c.run)                // ends with stop, or a failure; Close waits
	s.checks.running.Go(s.checkpoints) // ends with checks.stop; Close waits
	if s.options.Sync != SyncAlways {
		s.say("warning", "store.sync is "+s.options.Sync.String())
	}
}

// abandon gives up a store that did not open.
func (s *Store) abandon() error {
	var err error
	if s.log != nil {
		err = s.log.Close()
	}
	if s.db != nil {
		err = errors.Join(err, s.db.Close())
	}
	return errors.Join(err, s.release())
}

// Close implements persist.Store.
func (s *Store) Close() error {
	var err error
	s.closing.Do(func() { err = s.close() })
	return err
}

func (s *Store) close() error {
	s.in.mu.Lock()
	s.in.closed = true
	s.in.room.Broadcast()
	s.in.mu.Unlock()
	close(s.stop)
	s.running.Wait()
	close(s.checks.stop)
	s.checks.running.Wait()
	err := s.Err()
	if err == nil {
		err = s.checkpoint()
	}
	s.mu.Lock()
	s.closed = true
	waiter := s.entries.waiter
	s.entries.waiter = nil
	s.mu.Unlock()
	if waiter != nil {
		waiter.Wake()
	}
	// After a failure the log only says so again.
	if closeErr := s.log.Close(); err == nil {
		err = closeErr
	}
	return errors.Join(err, s.db.Close(), s.release())
}

// Durable implements persist.Store.
func (s *Store) Durable() persist.Ticket { return persist.Ticket(s.durable.Load()) }

// Err implements persist.Store.
func (s *Store) Err() error {
	if err := s.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// Entries implements persist.Store.
func (s *Store) Entries(dst []persist.Entry, w persist.Waiter) []persist.Entry {
	s.mu.Lock()
	if len(s.entries.list) > 0 {
		dst = append(dst, s.entries.list...)
		s.entries.list = emptied(s.entries.list)
		s.mu.Unlock()
		return dst
	}
	// Who asks after the end finds nobody else to be woken by.
	over := s.closed || s.Err() != nil
	if !over {
		s.entries.waiter = w
	}
	s.mu.Unlock()
	if over && w != nil {
		w.Wake()
	}
	return dst
}

// emptied empties a list for reuse. The memory of a burst, such as the start of a large fleet, is given back.
func emptied[T any](list []T) []T {
	const most = 1024
	if cap(list) > most {
		return nil
	}
	clear(list)
	return list[:0]
}

// sayOfState hands on what the state database says. What is information to it is a detail here.
func (s *Store) sayOfState(level, msg string) {
	if level == "info" {
		level = "debug"
	}
	s.say(level, "state: "+msg)
}

// say hands a line to the operator.
func (s *Store) say(level, msg string) {
	if s.options.Log != nil {
		s.options.Log(level, msg)
	}
}
