package seglog

import (
	"fmt"
	"os"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/persist/disk"
)

// indexInfo is what an index file's header says.
type indexInfo struct {
	present bool
	// source is the checksum of the compacted segment that it was made from, 0 for a segment as written: the index of
	// what was there before a compaction has entries that are gone.
	source  uint32
	end     persist.Position
	entries int
	// maxExpires is the latest expiry; 0 if an entry never expires.
	maxExpires int64
}

// WriteIndex writes the index file of a sealed segment, so that the next start need not read the segment.
//
// If a record of the segment is damaged, WriteIndex writes nothing and returns a *Damage: with an index the next start
// would neither know of the record nor meet the damage.
func (l *Log) WriteIndex(base persist.Position) error {
	s, err := l.take(base)
	if err != nil {
		return fmt.Errorf("write index: %w", err)
	}
	defer l.give(s)
	if err := l.writeIndex(s); err != nil {
		return fmt.Errorf("write index: %w", err)
	}
	return nil
}

// writeIndex scans the segment, which the caller has taken, and writes its index.
func (l *Log) writeIndex(s *segment) error {
	b := newIndexBuilder()
	sc, err := l.scanIndexed(s.base, b.add)
	if err != nil {
		return err
	}
	if sc.first != nil {
		return sc.first
	}
	l.mu.Lock()
	if !s.exact && sc.link.known && sc.link.end > s.base {
		s.used, s.exact = int64(sc.link.end-s.base), true
	}
	info := indexInfo{
		present: true, source: s.src.sum(), end: s.end(), entries: b.entries, maxExpires: b.maxExpires(),
	}
	l.mu.Unlock()
	name := l.fileName(s.base, indexSuffix)
	if _, err := l.writeFile(name, func(file disk.File) error {
		_, err := file.WriteAt(b.encode(info, l.o.UUID, s.base), 0)
		return err
	}); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s.index = info
	return nil
}

// writeFile makes a file appear complete and durable under its name: written beside it, synced, renamed. renamed tells
// that the name already stands for the new file.
func (l *Log) writeFile(name string, write func(disk.File) error) (renamed bool, err error) {
	temp := name + tempSuffix
	file, err := l.fs.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return false, spaceError(err)
	}
	err = write(file)
	if err == nil {
		err = file.Sync()
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = l.fs.Rename(temp, name)
	}
	if err != nil {
		// Open deletes what stays.
		_ = l.fs.Remove(temp)
		return false, spaceError(err)
	}
	return true, l.syncDir()
}

// spaceError makes errors of a full disk match ErrNoSpace.
func spaceError(err error) error {
	if disk.IsFull(err) {
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	return err
}

// LoadIndex calls fn with every indexed record of a segment, in order: from its index file, or if that is missing or
// damaged, from the segment.
func (l *Log) LoadIndex(base persist.Position, fn func(pos persist.Position, key uint64, expires int64)) error {
	l.mu.RLock()
	s, ok := l.findLocked(base)
	present := ok && s.index.present
	var source uint32
	if ok {
		source = s.src.sum()
	}
	l.mu.RUnlock()
	if !ok {
		return fmt.Errorf("load index: segment %d: %w", base, errUnknown)
	}
	var done persist.Position
	if present {
		entries, err := l.readIndex(base)
		if err != nil {
			return fmt.Errorf("load index: %w", err)
		}
		if entries != nil && entries.info.source == source {
			var complete bool
			if done, complete = entries.each(fn); complete {
				return nil
			}
		}
		l.mu.Lock()
		s.index = indexInfo{}
		l.mu.Unlock()
	}
	_, err := l.scanIndexed(base, func(pos persist.Position, key uint64, expires int64) error {
		if pos > done {
			fn(pos, key, expires)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("load index: %w", err)
	}
	return nil
}

// scanIndexed calls fn with the records of a segment that are indexed.
func (l *Log) scanIndexed(base persist.Position, fn func(pos persist.Position, key uint64, expires int64) error) (*scanner, error) {
	sc := &scanner{log: l, fn: func(pos persist.Position, typ byte, body []byte) error {
		if l.o.Index == nil {
			return nil
		}
		key, expires, ok := l.o.Index(pos, typ, body)
		if !ok {
			return nil
		}
		return fn(pos, key, expires)
	}}
	return sc, sc.segment(base)
}
