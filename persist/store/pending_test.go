package store

import (
	"slices"
	"testing"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// pendingReader is a reader of a pending list and what it must still see.
type pendingReader struct {
	place place
	after persist.Position
}

// TestPendingAgainstSlice does what fold, checkpointer and readers do, in any order, and compares with a plain slice.
func TestPendingAgainstSlice(t *testing.T) {
	rnd := randomSeed(t)
	for range 200 {
		var p pending
		var table segmentTable
		var want []persist.Position
		var trimmed persist.Position
		last := persist.Position(rnd.IntN(1000))
		table.start(1)
		readers := make([]pendingReader, 5)
		for range 400 {
			switch rnd.IntN(10) {
			case 0, 1, 2, 3:
				for range rnd.IntN(300) {
					last += persist.Position(1 + rnd.IntN(1<<rnd.IntN(20)))
					if rnd.IntN(500) == 0 {
						table.start(last)
					}
					p.push(last)
					table.add(last)
					want = append(want, last)
				}
			case 4:
				floor := last
				if len(want) > 0 {
					floor = want[0] + persist.Position(rnd.Uint64N(uint64(last-want[0])+1))
				}
				trimmed = max(trimmed, floor)
				n, _ := slices.BinarySearch(want, floor+1)
				if got := p.trim(floor, &table); got != n {
					t.Fatalf("trim to %d dropped %d, want %d", floor, got, n)
				}
				want = want[n:]
			case 5:
				if len(want) == 0 || rnd.IntN(3) > 0 {
					continue
				}
				base := want[rnd.IntN(len(want))]
				end := base + persist.Position(rnd.IntN(1<<18))
				kept := slices.DeleteFunc(slices.Clone(want), func(pos persist.Position) bool { return base <= pos && pos < end })
				for _, pos := range want {
					if base <= pos && pos < end {
						table.drop(pos, 1)
					}
				}
				if got := p.cut(base, end); got != len(want)-len(kept) {
					t.Fatalf("cut dropped %d, want %d", got, len(want)-len(kept))
				}
				want = kept
			case 6:
				r := &readers[rnd.IntN(len(readers))]
				r.after = persist.Position(rnd.Uint64N(uint64(last) + 2))
				r.place = p.seek(r.after)
			default:
				r := &readers[rnd.IntN(len(readers))]
				for range rnd.IntN(400) {
					i, _ := slices.BinarySearch(want, r.after+1)
					pos, ok := p.next(&r.place)
					if ok && pos <= trimmed {
						continue // a place within a chunk stays: the reader's own floor is above what was trimmed
					}
					if ok != (i < len(want)) || ok && pos != want[i] {
						t.Fatalf("behind %d comes %d (%v), want index %d of %d", r.after, pos, ok, i, len(want))
					}
					if !ok {
						break
					}
					r.after = pos
				}
			}
			comparePending(t, &p, &table, want)
		}
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
