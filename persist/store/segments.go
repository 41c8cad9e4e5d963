package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/persist/seglog"
)

const (
	// indexTicks is for how many ticks of the checkpointer a sealed segment waits for its index. Where readers keep up it
	// is dead by then, and reading it again would be a fifth of all the work.
	indexTicks = 2
	// compactPause is the least time between two compactions, so that they leave the disk to the messages.
	compactPause = time.Second
	// worthCompacting and worthSealing are the least sizes of segments for which that pays.
	worthCompacting = 1 << 20
	worthSealing    = 1 << 20
)

// freeSegments removes the segments that the log need not keep, and rewrites one that is nearly dead. Everything else
// that a segment holds, such as settling and retained messages, is in the state database once a checkpoint has passed
// its end: before that nothing is touched.
func (s *Store) freeSegments() {
	now := s.options.Now().UnixMilli()
	indexed := false
	var gone []span
	for _, info := range s.log.Segments() {
		if !info.Sealed || info.End > s.checks.meta.Applied {
			continue
		}
		s.mu.RLock()
		count, _ := s.state.segments.get(info.Base)
		s.mu.RUnlock()
		switch {
		case count.pending == 0, info.Indexed && info.MaxExpires != 0 && info.MaxExpires <= now:
			gone = s.removeSegment(info, gone)
		case !info.Indexed:
			// One at a time: each reads a whole segment.
			indexed = indexed || s.indexSegment(info.Base)
		case count.pending < count.messages/4 && info.FileBytes >= worthCompacting && time.Since(s.checks.compacted) >= compactPause:
			s.checks.compacted = time.Now()
			gone = s.compactSegment(info, gone)
		}
	}
	s.forgetVoids(gone)
}

// indexSegment writes the index of a segment, if that is due, and tells whether it tried.
func (s *Store) indexSegment(base persist.Position) bool {
	s.mu.Lock()
	due := s.state.segments.indexDue(base, s.checks.tick+1)
	s.mu.Unlock()
	if !due {
		return false
	}
	err := s.log.WriteIndex(base)
	var damage *seglog.Damage
	if !errors.As(err, &damage) {
		s.complain(err)
		return true
	}
	s.say("error", fmt.Sprintf("segment of the log is damaged: %v", damage))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.segments.setDamaged(base)
	return true
}

// span is the positions from base up to but not with end.
type span struct{ base, end persist.Position }

// removeSegment removes a segment and appends its span to gone. Messages in it that somebody waits for have expired.
func (s *Store) removeSegment(info seglog.SegmentInfo, gone []span) []span {
	s.mu.Lock()
	next := s.state.segments.after(info.Base)
	if count, _ := s.state.segments.get(info.Base); count.pending > 0 {
		s.state.cut(info.Base, next)
	}
	s.mu.Unlock()
	if err := s.log.Remove(info.Base); err != nil {
		s.complain(err)
		return gone
	}
	s.mu.Lock()
	s.state.segments.remove(info.Base)
	s.mu.Unlock()
	s.counts.removed.Add(1)
	return append(gone, span{info.Base, next})
}

// forgetVoids forgets the void messages of segments that are gone or compacted, once the files are so for good: after a
// power cut a segment may be back, and its messages with it.
func (s *Store) forgetVoids(gone []span) {
	if len(gone) == 0 || s.countVoids() == 0 {
		return
	}
	if err := s.options.FS.SyncDir(filepath.Join(s.dir, logDir)); err != nil {
		s.complain(err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.voids = slices.DeleteFunc(s.state.voids, func(pos persist.Position) bool {
		return slices.ContainsFunc(gone, func(r span) bool { return r.base <= pos && pos < r.end })
	})
}

func (s *Store) countVoids() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.state.voids)
}

// cut forgets the messages from base up to but not with end.
func (s *state) cut(base, end persist.Position) {
	for _, a := range s.audiences {
		n := a.pending.cut(base, end)
		if n == 0 {
			continue
		}
		s.queued -= n
		s.segments.drop(base, n)
		s.recheck(a)
	}
}

// compactSegment rewrites a segment with the messages that somebody waits for, and then appends its span to gone.
func (s *Store) compactSegment(info seglog.SegmentInfo, gone []span) []span {
	live := s.livePositions(info.Base)
	err := s.log.Compact(info.Base, func(pos persist.Position) bool {
		_, found := slices.BinarySearch(live, pos)
		return found
	})
	var damage *seglog.Damage
	if err != nil && !errors.As(err, &damage) {
		s.complain(err)
		return gone
	}
	// A damaged segment stays as it is until all of it is settled. Either way it is not worth another try before three
	// quarters of what is left are settled.
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.segments.compacted(info.Base)
	if err != nil {
		return gone
	}
	s.counts.compacted.Add(1)
	return append(gone, span{info.Base, s.state.segments.after(info.Base)})
}

// livePositions lists the messages of a segment that somebody waits for, ascending.
func (s *Store) livePositions(base persist.Position) []persist.Position {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var live []persist.Position
	end := s.state.segments.after(base)
	for _, a := range s.state.audiences {
		a.pending.each(base, end, func(pos persist.Position) { live = append(live, pos) })
	}
	slices.Sort(live)
	return live
}

// sealIfDead asks for a new segment if nobody waits for anything in the open one, so that its space can go.
func (s *Store) sealIfDead() {
	list := s.log.Segments()
	if len(list) == 0 {
		return
	}
	open := list[len(list)-1]
	s.mu.RLock()
	count, known := s.state.segments.get(open.Base)
	s.mu.RUnlock()
	if !known || count.pending > 0 || open.End-open.Base < worthSealing {
		return
	}
	select {
	case s.sealNow <- struct{}{}:
	default:
	}
}

// complain tells the operator about something that costs no message and is tried again.
func (s *Store) complain(err error) {
	if err != nil {
		s.say("warning", fmt.Sprintf("segment could not be freed, trying again: %v", err))
	}
}
