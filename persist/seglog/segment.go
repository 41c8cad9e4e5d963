package seglog

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// Suffixes of the log's files; the name before is the base.
const (
	segmentSuffix = ".seg"
	compactSuffix = ".cseg"
	indexSuffix   = ".idx"
	tempSuffix    = ".tmp"
)

// segment is one segment of the log. Log.mu guards its fields, except those that never change: base and capacity.
type segment struct {
	base     persist.Position
	capacity int64
	// used bytes from base, header included. Until exact it is an upper bound.
	used  int64
	exact bool
	// sealed: a later segment has durable groups, so nothing more is written here.
	sealed bool
	// first is the link to the group before, if the header has it.
	first link
	// last is the link to the last group, when it is known.
	last      link
	src       *source
	fileBytes int64
	index     indexInfo
	// busy: WriteIndex, Compact or Remove is at work.
	busy bool
}

func (s *segment) end() persist.Position  { return s.base + persist.Position(s.used) }
func (s *segment) next() persist.Position { return s.base + persist.Position(s.capacity) }

func (s *segment) compacted() bool { return s.src.isCompact() }

// fileName is the path of one of a segment's files.
func (l *Log) fileName(base persist.Position, suffix string) string {
	return filepath.Join(l.dir, fmt.Sprintf("%020d%s", uint64(base), suffix))
}

// parseName undoes fileName. ok is false for files that are not the log's.
func parseName(name string) (base persist.Position, suffix string, ok bool) {
	digits, rest, found := strings.Cut(name, ".")
	if !found || len(digits) != 20 {
		return 0, "", false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return persist.Position(n), "." + rest, err == nil
}

// findLocked returns the segment with the base.
func (l *Log) findLocked(base persist.Position) (*segment, bool) {
	i, ok := slices.BinarySearchFunc(l.segments, base, compareBase)
	if !ok {
		return nil, false
	}
	return l.segments[i], true
}

// coveringLocked returns the segment whose range has pos.
func (l *Log) coveringLocked(pos persist.Position) (*segment, bool) {
	i, ok := slices.BinarySearchFunc(l.segments, pos, compareBase)
	if !ok {
		i--
	}
	if i < 0 || pos >= l.segments[i].next() {
		return nil, false
	}
	return l.segments[i], true
}

func compareBase(s *segment, pos persist.Position) int {
	switch {
	case s.base < pos:
		return -1
	case s.base > pos:
		return 1
	}
	return 0
}

// take marks a sealed segment as being worked on, so that only one of WriteIndex, Compact and Remove has it.
func (l *Log) take(base persist.Position) (*segment, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, ok := l.findLocked(base)
	switch {
	case !ok:
		return nil, fmt.Errorf("segment %d: %w", base, errUnknown)
	case !s.sealed:
		return nil, fmt.Errorf("segment %d: %w", base, errOpen)
	case s.busy:
		return nil, fmt.Errorf("segment %d: %w", base, errBusy)
	case l.failed != nil:
		return nil, l.failed
	case l.closed:
		return nil, ErrClosed
	}
	s.busy = true
	return s, nil
}

func (l *Log) give(s *segment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.busy = false
}

// Segments lists the segments in the order of their positions, without the one that is only made ready.
func (l *Log) Segments() []SegmentInfo {
	l.mu.RLock()
	defer l.mu.RUnlock()
	list := make([]SegmentInfo, 0, len(l.segments))
	for _, s := range l.segments {
		info := SegmentInfo{
			Base: s.base, End: s.end(), FileBytes: s.fileBytes, Sealed: s.sealed,
			Compacted: s.compacted(), Indexed: s.index.present,
		}
		if s.index.present {
			info.Entries, info.MaxExpires = s.index.entries, s.index.maxExpires
		}
		list = append(list, info)
	}
	return list
}

// Remove deletes a sealed segment. Nothing in it may be wanted after a restart: what it says must be in a checkpoint.
// Those who read it at the moment finish; later reads answer ErrGone.
func (l *Log) Remove(base persist.Position) error {
	s, err := l.take(base)
	if err != nil {
		return fmt.Errorf("remove: %w", err)
	}
	defer l.give(s)
	// Out of the table first: nobody may find a segment whose file is gone.
	l.mu.Lock()
	i, _ := slices.BinarySearchFunc(l.segments, base, compareBase)
	l.segments = slices.Delete(l.segments, i, i+1)
	l.covered = max(l.covered, s.end())
	indexed := s.index.present
	l.mu.Unlock()
	if s.compacted() {
		// In case Compact could not remove it.
		_ = l.fs.Remove(l.fileName(base, segmentSuffix))
	}
	if err := l.fs.Remove(s.src.name); err != nil {
		l.mu.Lock()
		i, _ := slices.BinarySearchFunc(l.segments, base, compareBase)
		l.segments = slices.Insert(l.segments, i, s)
		l.mu.Unlock()
		return fmt.Errorf("remove segment: %w", err)
	}
	l.handles.retire(s.src)
	if indexed {
		// An index without its segment is deleted by Open, so this one may also stay.
		_ = l.fs.Remove(l.fileName(base, indexSuffix))
	}
	return nil
}
