package store

import (
	"errors"
	"sync"
	"syscall"
	"time"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/persist/seglog"
)

const (
	// mostReaders bounds the reads of the log that are under way at a time, and so the memory of their windows.
	mostReaders = 32
	// keptReaders is how many windows are kept between reads.
	keptReaders = 8
)

// readerPool lends readers of the log to queues that lag behind. A queue that comes back gets the reader that it had, if
// nobody else had it meanwhile, so that its window serves it page after page; ten thousand lagging queues share a few.
type readerPool struct {
	log *seglog.Log
	// permits holds one value for each read that may start.
	permits chan struct{}

	mu sync.Mutex
	// kept are free readers, the longest unused first.
	kept []*pooledReader
}

// pooledReader is a reader and who had it last.
type pooledReader struct {
	*seglog.Reader
	owner *queue
}

func (p *readerPool) get(owner *queue) *pooledReader {
	p.permits <- struct{}{}
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.kept)
	if n == 0 {
		return &pooledReader{Reader: p.log.NewReader(), owner: owner}
	}
	at := 0
	for i, r := range p.kept {
		if r.owner == owner {
			at = i
		}
	}
	r := p.kept[at]
	p.kept = append(p.kept[:at], p.kept[at+1:]...)
	r.owner = owner
	return r
}

func (p *readerPool) put(r *pooledReader) {
	p.mu.Lock()
	if len(p.kept) == keptReaders {
		p.kept[0].Release()
		p.kept = append(p.kept[:0], p.kept[1:]...)
	}
	p.kept = append(p.kept, r)
	p.mu.Unlock()
	<-p.permits
}

// release gives the memory of the windows back that nobody used since the last call but one.
func (p *readerPool) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.kept {
		if r.owner == nil {
			r.Release()
		}
		r.owner = nil
	}
}

const (
	// patienceWithDisk is for how long a record is asked for again that the disk does not give.
	patienceWithDisk = time.Minute
	// mostUnreadable bounds how many such records are remembered.
	mostUnreadable = 1000
)

// unreadable remembers the records that the disk answers with an I/O error. Such an error may pass, so the reader is told
// to try again; one that stays is damage, as a wrong checksum is.
type unreadable struct {
	mu    sync.Mutex
	since map[persist.Position]time.Time
}

// givenUp tells whether a failed read is of a record that could not be read for long enough.
func (u *unreadable) givenUp(pos persist.Position, err error, now time.Time) bool {
	if !errors.Is(err, syscall.EIO) {
		return false
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	first, known := u.since[pos]
	if known && now.Sub(first) >= patienceWithDisk {
		return true
	}
	if !known && len(u.since) < mostUnreadable {
		if u.since == nil {
			u.since = make(map[persist.Position]time.Time)
		}
		u.since[pos] = now
	}
	return false
}

// readerLease is a reader for the length of one page, taken when it is first needed.
type readerLease struct {
	pool  *readerPool
	owner *queue
	taken *pooledReader
}

func (l *readerLease) reader() *pooledReader {
	if l.taken == nil {
		l.taken = l.pool.get(l.owner)
	}
	return l.taken
}

func (l *readerLease) end() {
	if l.taken != nil {
		l.pool.put(l.taken)
	}
}
