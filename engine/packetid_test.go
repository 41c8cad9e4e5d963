package engine

import (
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"
)

// newTestRand returns a random source whose seed the test prints.
func newTestRand(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// wantNext fails unless the next identifier is id.
func (p *packetIDs) wantNext(t *testing.T, id uint16) {
	t.Helper()
	if got, ok := p.next(); !ok || got != id {
		t.Fatalf("next gave %d, %v, want %d", got, ok, id)
	}
}

func TestPacketIDsGoRound(t *testing.T) {
	var p packetIDs
	for id := 1; id <= maxInFlightIDs; id++ {
		p.wantNext(t, uint16(id))
		if id%3 != 0 {
			p.free(uint16(id))
		}
	}
	// Only now do freed ones come again, around those in use.
	for _, id := range []uint16{1, 2, 4, 5, 7} {
		p.wantNext(t, id)
	}
}

func TestFreedPacketIDComesLast(t *testing.T) {
	var p packetIDs
	p.wantNext(t, 1)
	p.free(1)
	for id := 2; id <= maxInFlightIDs; id++ {
		p.wantNext(t, uint16(id))
		p.free(uint16(id))
	}
	p.wantNext(t, 1)
}

func TestPacketIDsRunOut(t *testing.T) {
	var p packetIDs
	for range maxInFlightIDs {
		if _, ok := p.next(); !ok {
			t.Fatalf("ran out at %d", p.len())
		}
	}
	if id, ok := p.next(); ok {
		t.Fatalf("gave %d when all were in use", id)
	}
	for _, id := range []uint16{40_000, 1, 65535, 511, 512} {
		p.free(id)
		p.wantNext(t, id)
		if id, ok := p.next(); ok {
			t.Fatalf("gave %d when all were in use", id)
		}
	}
}

func TestTakenPacketIDsAreNotGiven(t *testing.T) {
	var p packetIDs
	for _, id := range []uint16{7, 9, 8, 511, 65535, 512, 5} {
		if !p.take(id) {
			t.Errorf("could not take %d", id)
		}
	}
	for _, id := range []uint16{7, 65535, 0} {
		if p.take(id) {
			t.Errorf("took %d, which is in use or none at all", id)
		}
	}
	// New ones go on behind the one taken last.
	for _, id := range []uint16{6, 10, 11} {
		p.wantNext(t, id)
	}
	for p.last < 510 {
		p.next()
	}
	p.wantNext(t, 513)
	if p.free(0) || p.free(1000) || !p.free(65535) || p.free(65535) {
		t.Error("freed what was not in use, or not what was")
	}
}

func TestPacketIDsAreSmall(t *testing.T) {
	var p packetIDs
	var window [20]uint16
	for n := range 200_000 {
		p.free(window[n%len(window)])
		window[n%len(window)], _ = p.next()
		if len(p.pages) > 3 {
			t.Fatalf("%d pages for %d identifiers in flight", len(p.pages), p.len())
		}
	}
	if size := uintptr(cap(p.pages)) * unsafe.Sizeof(idPage{}); size > 512 {
		t.Errorf("%d bytes for %d identifiers in flight", size, p.len())
	}
	for _, id := range window {
		p.free(id)
	}
	if p.len() != 0 || cap(p.pages) > keepIDPages {
		t.Errorf("%d in use, room for %d pages, when all were freed", p.len(), cap(p.pages))
	}
}

func TestOneMessageAtATimeAllocatesNoPacketIDMemory(t *testing.T) {
	var p packetIDs
	id, _ := p.next()
	p.free(id)
	if allocs := testing.AllocsPerRun(2000, func() {
		id, _ := p.next()
		p.free(id)
	}); allocs != 0 {
		t.Errorf("%v allocations for each identifier", allocs)
	}
}

func TestPacketIDsAgreeWithASimpleSet(t *testing.T) {
	r := newTestRand(t)
	var p packetIDs
	inUse := map[uint16]bool{}
	last := uint16(0)
	for step := range 50_000 {
		id := uint16(r.IntN(1200)) // a few pages
		if r.IntN(50) == 0 {
			id = uint16(65535 - r.IntN(600))
		}
		switch r.IntN(4) {
		case 0:
			if got, want := p.take(id), id != 0 && !inUse[id]; got != want {
				t.Fatalf("step %d: take(%d) = %v", step, id, got)
			} else if got {
				inUse[id], last = true, id
			}
		case 1:
			for last++; last == 0 || inUse[last]; last++ {
			}
			p.wantNext(t, last)
			inUse[last] = true
		default:
			if got := p.free(id); got != inUse[id] {
				t.Fatalf("step %d: free(%d) = %v", step, id, got)
			}
			delete(inUse, id)
		}
		if p.len() != len(inUse) {
			t.Fatalf("step %d: len %d, want %d", step, p.len(), len(inUse))
		}
	}
}
