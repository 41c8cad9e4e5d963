package store

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// pendingModel is a pending list with a plain slice beside it that says the same.
type pendingModel struct {
	t     *testing.T
	rnd   *rand.Rand
	p     pending
	table segmentTable
	want  []persist.Position
	// last was pushed last; trimmed is up to where was trimmed.
	last, trimmed persist.Position
}

// pendingReader is a reader of a pending list and what it must still see.
type pendingReader struct {
	place place
	after persist.Position
}

// TestPendingAgainstSlice does what fold, checkpointer and readers do, in any order, and compares with a plain slice.
func TestPendingAgainstSlice(t *testing.T) {
	rnd := randomSeed(t)
	for range 200 {
		m := &pendingModel{t: t, rnd: rnd, last: persist.Position(rnd.IntN(1000))}
		m.table.start(1)
		readers := make([]pendingReader, 5)
		for range 400 {
			r := &readers[rnd.IntN(len(readers))]
			switch rnd.IntN(12) {
			case 0, 1, 2, 3:
				m.push()
			case 4:
				m.trim()
			case 5:
				if rnd.IntN(3) == 0 {
					m.cut()
				}
			case 6:
				r.after = persist.Position(rnd.Uint64N(uint64(m.last) + 2))
				r.place = m.p.seek(r.after)
			default:
				m.read(r)
			}
			comparePending(t, &m.p, &m.table, m.want)
		}
	}
}

func (m *pendingModel) push() {
	for range m.rnd.IntN(300) {
		m.last += persist.Position(1 + m.rnd.IntN(1<<m.rnd.IntN(20)))
		if m.rnd.IntN(500) == 0 {
			m.table.start(m.last)
		}
		m.p.push(m.last)
		m.table.add(m.last)
		m.want = append(m.want, m.last)
	}
}

func (m *pendingModel) trim() {
	floor := m.last
	if len(m.want) > 0 {
		floor = m.want[0] + persist.Position(m.rnd.Uint64N(uint64(m.last-m.want[0])+1))
	}
	m.trimmed = max(m.trimmed, floor)
	n, _ := slices.BinarySearch(m.want, floor+1)
	if got := m.p.trim(floor, &m.table); got != n {
		m.t.Fatalf("trim to %d dropped %d, want %d", floor, got, n)
	}
	m.want = m.want[n:]
}

func (m *pendingModel) cut() {
	if len(m.want) == 0 {
		return
	}
	base := m.want[m.rnd.IntN(len(m.want))]
	end := base + persist.Position(m.rnd.IntN(1<<18))
	var kept []persist.Position
	for _, pos := range m.want {
		if base <= pos && pos < end {
			m.table.drop(pos, 1)
		} else {
			kept = append(kept, pos)
		}
	}
	if got := m.p.cut(base, end); got != len(m.want)-len(kept) {
		m.t.Fatalf("cut dropped %d, want %d", got, len(m.want)-len(kept))
	}
	m.want = kept
}

func (m *pendingModel) read(r *pendingReader) {
	for range m.rnd.IntN(400) {
		i, _ := slices.BinarySearch(m.want, r.after+1)
		pos, ok := m.p.next(&r.place)
		if ok && pos <= m.trimmed {
			continue // a place within a chunk stays: the reader's own floor is above what was trimmed
		}
		if ok != (i < len(m.want)) || ok && pos != m.want[i] {
			m.t.Fatalf("behind %d comes %d (%v), want index %d of %d", r.after, pos, ok, i, len(m.want))
		}
		if !ok {
			return
		}
		r.after = pos
	}
}

func comparePending(t *testing.T, p *pending, table *segmentTable, want []persist.Position) {
	t.Helper()
	if p.count != len(want) || len(want) > 0 && p.first != want[0] {
		t.Fatalf("%d positions from %d, want %d", p.count, p.first, len(want))
	}
	i := 0
	p.each(0, ^persist.Position(0), func(pos persist.Position) {
		if pos != want[i] {
			t.Fatalf("position %d is %d, want %d", i, pos, want[i])
		}
		i++
	})
	sum := 0
	for _, seg := range table.list {
		sum += seg.pending
		if seg.pending < 0 {
			t.Fatalf("segment %d has %d pending", seg.base, seg.pending)
		}
	}
	if sum != len(want) {
		t.Fatalf("%d are counted by segment, want %d", sum, len(want))
	}
}

func TestPendingIsSmall(t *testing.T) {
	var p pending
	const n = 100_000
	for i := range n {
		p.push(persist.Position(1000 + 330*i))
	}
	bytes := 0
	for _, c := range p.chunks {
		bytes += cap(c.deltas) + 48
	}
	if perMessage := float64(bytes) / n; perMessage > 3 {
		t.Errorf("%.1f bytes for each message, want at most 3", perMessage)
	}
}
