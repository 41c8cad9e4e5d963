package seglog

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/persist/disk"
)

// Log is the write-ahead message log. Its methods are safe for concurrent use, except that there is one caller of
// Commit, Seal and Close at a time. Lock order: writing → preparing → mu.
type Log struct {
	fs      disk.FS
	dir     string
	o       Options
	id      identity
	handles *handles

	// writing is held while the log's end is written; it guards chain, the link to the last group.
	writing sync.Mutex
	chain   link

	// preparing is held while a segment is made; it guards next, the segment that follows the open one.
	preparing sync.Mutex
	next      *segment
	ready     atomic.Bool // next != nil, without the lock

	mu       sync.RWMutex // guards the fields of every segment and what follows
	segments []*segment
	open     *segment
	// leaving were open before; they are sealed when the open one has a durable group.
	leaving []*segment
	// trim are sealed segments whose unused rest is to be given back.
	trim []*segment
	// covered is how far a checkpoint is known to reach: a segment missing before is no damage.
	covered persist.Position
	failed  error
	closed  bool

	// end is behind the last committed group, synced behind the last durable one.
	end, synced atomic.Uint64
	counters    counters
	report      report
	tidy        tidier
}

// counters count since the start.
type counters struct {
	groups, records, bytes, syncs atomic.Uint64
}

// End is the position behind the last committed group.
func (l *Log) End() persist.Position { return persist.Position(l.end.Load()) }

// Counters tells what was written since the start.
func (l *Log) Counters() (groups, records, bytes, syncs uint64) {
	c := &l.counters
	return c.groups.Load(), c.records.Load(), c.bytes.Load(), c.syncs.Load()
}

// Err is why the log has failed, nil while it has not.
func (l *Log) Err() error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.failed == nil && l.closed {
		return ErrClosed
	}
	return l.failed
}

// poison stops all writing for good, and returns the error that every later call gets as well.
func (l *Log) poison(what string, err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed == nil {
		l.failed = fmt.Errorf("%w: %s: %w", ErrPoisoned, what, err)
	}
	return l.failed
}

// syncFile makes a file durable. It poisons the log: after a failed sync the kernel may have dropped the pages, so a
// second one would report success for what is lost.
func (l *Log) syncFile(file disk.File, what string) error {
	l.counters.syncs.Add(1)
	if err := file.Sync(); err != nil {
		return l.poison(what, err)
	}
	return nil
}

// syncDir makes the names durable, and poisons like syncFile.
func (l *Log) syncDir() error {
	if err := l.fs.SyncDir(l.dir); err != nil {
		return l.poison("sync the log's directory", err)
	}
	return nil
}

// Close syncs what was committed and closes all files. Readers get ErrGone.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return ErrClosed
	}
	l.mu.Unlock()
	err := l.Sync()
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.tidy.end()
	l.writing.Lock()
	defer l.writing.Unlock()
	l.preparing.Lock()
	defer l.preparing.Unlock()
	if l.next != nil {
		l.handles.release(l.next.src)
		l.next = nil
	}
	l.mu.Lock()
	held := append(l.leaving, l.open)
	l.leaving = nil
	l.mu.Unlock()
	for _, s := range held {
		l.handles.release(s.src)
	}
	l.handles.closeAll(false)
	if err != nil {
		return fmt.Errorf("close log: %w", err)
	}
	return nil
}
