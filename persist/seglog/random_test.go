package seglog

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// TestRandomOperationsAgreeWithASlice compares the log with a slice of entries under random operations.
func TestRandomOperationsAgreeWithASlice(t *testing.T) {
	for seed := range uint64(150) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			r := newRig(t)
			rng := rand.New(rand.NewPCG(seed, 7))
			for range 150 {
				r.step(rng)
			}
			r.check()
			if err := r.log.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// step does one random operation to the log and to the model.
func (g *rig) step(rng *rand.Rand) {
	g.t.Helper()
	switch rng.IntN(12) {
	case 0:
		g.o.Replay = g.log.End()
		g.reopen()
	case 1:
		if err := g.log.Seal(); err != nil {
			g.t.Fatal(err)
		}
	case 2:
		from := persist.Position(rng.Uint64N(uint64(g.log.End() + 100)))
		var want []entry
		for _, e := range g.model {
			if e.pos >= from {
				want = append(want, e)
			}
		}
		wantEntries(g.t, fmt.Sprintf("scan from %d", from), g.scan(from), want)
	case 3:
		g.readSome(rng)
	case 4, 5:
		g.upkeep(rng)
	default:
		var list []entry
		for range 1 + rng.IntN(4) {
			body := message(uint64(rng.IntN(4)), int64(rng.IntN(2)*500), "")
			body = append(body, bytes.Repeat([]byte{byte(rng.Uint32())}, rng.IntN(1<<rng.IntN(13)))...)
			list = append(list, g.add(byte(1+rng.IntN(2)), body))
		}
		if err := g.tryCommit(rng.IntN(2) == 0, list...); err != nil {
			g.t.Fatal(err)
		}
	}
}

// readSome reads ascending positions with random gaps.
func (g *rig) readSome(rng *rand.Rand) {
	g.t.Helper()
	reader := g.log.NewReader()
	for i := rng.IntN(10); i < len(g.model); i += 1 + rng.IntN(10) {
		typ, body, err := reader.Read(g.model[i].pos)
		wantRecord(g.t, "read", g.model[i], typ, body, err)
	}
}

// upkeep indexes, compacts or removes a sealed segment.
func (g *rig) upkeep(rng *rand.Rand) {
	g.t.Helper()
	if err := g.log.Sync(); err != nil {
		g.t.Fatal(err)
	}
	g.o.Replay = g.log.End()
	list := slices.DeleteFunc(g.log.Segments(), func(s SegmentInfo) bool { return !s.Sealed })
	if len(list) == 0 {
		return
	}
	info := list[rng.IntN(len(list))]
	keep := func(persist.Position) bool { return false }
	var err error
	switch rng.IntN(3) {
	case 0:
		err = g.log.WriteIndex(info.Base)
		keep = nil
	case 1:
		salt := rng.Uint64N(7)
		keep = func(pos persist.Position) bool { return (uint64(pos)+salt)%3 != 0 }
		err = g.log.Compact(info.Base, keep)
	case 2:
		err = g.log.Remove(info.Base)
	}
	if err != nil {
		g.t.Fatal(err)
	}
	if keep == nil {
		return
	}
	old := g.model
	g.compacted(info.Base, info.End, keep)
	for _, e := range old {
		if _, ok := findPosition(g.model, e.pos); ok {
			continue
		}
		if _, _, _, err := g.log.Read(e.pos, nil); !errors.Is(err, ErrGone) {
			g.t.Fatalf("read of dropped %v: %v", e, err)
		}
	}
}
