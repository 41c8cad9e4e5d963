package store

import (
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// check verifies a store that nobody uses at the moment: its state holds together, and what is on the disk, opened as
// after a kill, is the same state. It returns the dump.
func check(t testing.TB, s *Store) string {
	t.Helper()
	eventually(t, "everything appended is durable", func() bool {
		s.in.mu.Lock()
		defer s.in.mu.Unlock()
		return s.Durable() == s.in.last
	})
	checkState(t, s)
	live := dump(t, s)
	o := s.options
	o.FS, o.Log = newTestFS(), nil
	again := open(t, image(t, s), o)
	defer func() {
		if err := again.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}()
	checkState(t, again)
	wantSameDump(t, "after a kill", live, dump(t, again))
	return live
}

func wantSameDump(t testing.TB, when, before, after string) {
	t.Helper()
	if before == after {
		return
	}
	a, b := strings.Split(before, "\n"), strings.Split(after, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			t.Fatalf("the state differs %s:\nbefore: %.400s\nafter:  %.400s", when, a[i], b[i])
		}
	}
	t.Fatalf("the state differs %s: %d lines before, %d after", when, len(a), len(b))
}

// checkState verifies that the parts of the state fit each other.
func checkState(t testing.TB, s *Store) {
	t.Helper()
	s.trim()
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.state
	queued := 0
	bySegment := make(map[persist.Position]int)
	for id, a := range st.audiences {
		if a.id != id || a.gone {
			t.Fatalf("audience %d stands under %d, gone %v", a.id, id, a.gone)
		}
		checkAudience(t, st, a)
		queued += a.pending.count
		a.pending.each(0, ^persist.Position(0), func(pos persist.Position) {
			bySegment[st.segments.list[st.segments.of(pos)].base]++
		})
	}
	if queued != st.queued {
		t.Fatalf("%d messages are pending, %d are counted", queued, st.queued)
	}
	for _, seg := range st.segments.list {
		if bySegment[seg.base] != seg.pending || seg.pending > seg.messages {
			t.Fatalf("segment %d has %d pending messages, counted are %d of %d", seg.base, bySegment[seg.base], seg.pending, seg.messages)
		}
	}
	for id, ses := range st.sessions {
		if ses.id != id || ses.gone || st.clients[ses.clientID] != ses {
			t.Fatalf("session %d stands under %d, gone %v", ses.id, id, ses.gone)
		}
		checkSession(t, ses)
	}
	if len(st.clients) != len(st.sessions) {
		t.Fatalf("%d client ids, %d sessions", len(st.clients), len(st.sessions))
	}
}

func checkAudience(t testing.TB, st *state, a *audience) {
	t.Helper()
	live := 0
	for i, ses := range a.sessions {
		if ses == nil || ses.gone {
			continue
		}
		live++
		if ses.id != a.members[i].Session || !slices.Contains(ses.audiences, a) {
			t.Fatalf("audience %d has session %d for member %d, who knows it: %v", a.id, ses.id, a.members[i].Session, slices.Contains(ses.audiences, a))
		}
	}
	if live != a.live {
		t.Fatalf("audience %d has %d living members, counted are %d", a.id, live, a.live)
	}
	count, last := 0, persist.Position(0)
	floor, _ := a.lowestFloor()
	a.pending.each(0, ^persist.Position(0), func(pos persist.Position) {
		if pos <= last || pos <= floor && live > 0 {
			t.Fatalf("audience %d: position %d comes after %d, the lowest floor is %d", a.id, pos, last, floor)
		}
		if count == 0 && pos != a.pending.first {
			t.Fatalf("audience %d: the first position is %d, noted is %d", a.id, pos, a.pending.first)
		}
		count, last = count+1, pos
	})
	if count != a.pending.count {
		t.Fatalf("audience %d: %d positions, counted are %d", a.id, count, a.pending.count)
	}
	for i, src := range a.readers {
		if src.readerSlot != i || src.audience != a || src.queue.session.queue != src.queue {
			t.Fatalf("audience %d: reader %d is not in its place", a.id, i)
		}
	}
}

func checkSession(t testing.TB, ses *session) {
	t.Helper()
	ascending := func(what string, at []persist.Position) {
		last := ses.floor
		for _, pos := range at {
			if pos <= last {
				t.Fatalf("session %d: %s position %d comes after %d, floor %d", ses.id, what, pos, last, ses.floor)
			}
			last = pos
		}
	}
	ascending("settled", ses.settled)
	var flying []persist.Position
	for _, f := range ses.inFlight {
		flying = append(flying, f.Position)
		if ses.isSettled(f.Position) {
			t.Fatalf("session %d: %d is settled and in flight", ses.id, f.Position)
		}
	}
	ascending("in flight", flying)
	if !slices.IsSorted(ses.received) {
		t.Fatalf("session %d: received ids are %v", ses.id, ses.received)
	}
}

// dump writes the state in words, so that two stores can be compared: what is the same for everybody who uses the store
// is the same here.
func dump(t testing.TB, s *Store) string {
	t.Helper()
	s.trim()
	var lines []string
	s.mu.RLock()
	for _, id := range slices.Sorted(maps.Keys(s.state.sessions)) {
		ses := s.state.sessions[id]
		state := ses.snapshot()
		will := "none"
		if state.Will != nil {
			will = fmt.Sprintf("%+v", *state.Will)
		}
		state.Will = nil
		lines = append(lines, fmt.Sprintf("session %+v will %s settled %v queue %v", state, will, ses.settled, s.state.queueOf(ses)))
	}
	lines = append(lines, fmt.Sprintf("queued %d retained %d", s.state.queued, len(s.state.retained.known)))
	s.mu.RUnlock()
	var topics []string
	if err := s.RetainedTopics(func(topic string) bool { topics = append(topics, topic); return true }); err != nil {
		t.Fatalf("list retained topics: %v", err)
	}
	sort.Strings(topics)
	for _, topic := range topics {
		r, err := s.Retained(topic)
		if err != nil {
			t.Fatalf("retained message of %.40q: %v", topic, err)
		}
		sum := crc32.ChecksumIEEE(fmt.Appendf(nil, "%+v", r))
		lines = append(lines, fmt.Sprintf("retained %.40q at %d sum %x", topic, r.Position, sum))
	}
	return strings.Join(lines, "\n")
}

// queueOf lists what waits for a session: position and member.
func (s *state) queueOf(ses *session) (queue []string) {
	type item struct {
		pos    persist.Position
		member persist.Member
	}
	var items []item
	for _, a := range s.audiences {
		i, found := a.memberOf(ses.id)
		if !found || a.sessions[i] != ses {
			continue
		}
		a.pending.each(0, ^persist.Position(0), func(pos persist.Position) {
			if ses.wants(pos) && pos > persist.Position(ses.id) {
				items = append(items, item{pos, a.members[i]})
			}
		})
	}
	slices.SortFunc(items, func(a, b item) int { return int(int64(a.pos) - int64(b.pos)) })
	for _, it := range items {
		queue = append(queue, fmt.Sprintf("%d %v", it.pos, it.member))
	}
	return queue
}
