package engine

import (
	"maps"
	"slices"
	"testing"
)

func TestReceivedIDTwiceIsARepeat(t *testing.T) {
	var r receivedIDs
	if !r.add(7) || r.add(7) || !r.has(7) || r.has(8) || r.len() != 1 {
		t.Errorf("after adding 7 twice: %v", r.all())
	}
	if !r.remove(7) || r.remove(7) || r.has(7) || r.len() != 0 {
		t.Errorf("after removing 7 twice: %v", r.all())
	}
	if !r.add(7) {
		t.Error("a released identifier is taken for a repeat")
	}
}

func TestReceivedIDsAgreeWithASimpleSet(t *testing.T) {
	random := newTestRand(t)
	var r receivedIDs
	model := map[uint16]bool{}
	for step := range 20_000 {
		id := uint16(1 + random.IntN(300))
		if step/2000%2 == 0 == (random.IntN(4) > 0) { // grow and shrink by turns
			if r.add(id) == model[id] {
				t.Fatalf("step %d: add(%d), was there: %v", step, id, model[id])
			}
			model[id] = true
		} else {
			if r.remove(id) != model[id] {
				t.Fatalf("step %d: remove(%d), was there: %v", step, id, model[id])
			}
			delete(model, id)
		}
		if r.has(id) != model[id] || r.len() != len(model) {
			t.Fatalf("step %d: has(%d) = %v, len %d, want %d", step, id, r.has(id), r.len(), len(model))
		}
		if step%50 == 0 && !slices.Equal(r.all(), slices.Sorted(maps.Keys(model))) {
			t.Fatalf("step %d: %v", step, r.all())
		}
	}
}

func TestReceivedIDsGiveTheirMemoryBack(t *testing.T) {
	var r receivedIDs
	for id := 65535; id > 0; id-- {
		r.add(uint16(id))
	}
	all := r.all()
	if len(all) != 65535 || all[0] != 1 || all[65534] != 65535 {
		t.Fatalf("%d identifiers", len(all))
	}
	for id := 1; id <= 65535; id++ {
		r.remove(uint16(id))
		if cap(r.ids) > keepReceived && cap(r.ids) > 8*(len(r.ids)+1) {
			t.Fatalf("room for %d with %d in use", cap(r.ids), len(r.ids))
		}
	}
	if cap(r.ids) > keepReceived {
		t.Errorf("room for %d in an empty set", cap(r.ids))
	}
	all[0] = 9
	if r.has(9) {
		t.Error("all shares its memory with the set")
	}
}

func TestOneMessageAtATimeAllocatesNoReceivedMemory(t *testing.T) {
	var r receivedIDs
	r.add(1)
	r.remove(1)
	if allocs := testing.AllocsPerRun(1000, func() {
		r.add(9)
		r.remove(9)
	}); allocs != 0 {
		t.Errorf("%v allocations for each message", allocs)
	}
}
