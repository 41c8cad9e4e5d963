package topic

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestMembersAreSortedAndStaySoForWhoHoldsThem(t *testing.T) {
	x := NewIndex[int, string]()
	for _, key := range []int{5, 1, 9, 3, 7} {
		x.AddShared("g", "a", key, "v")
	}
	var held, copies [][]Entry[int, string]
	for _, step := range []struct {
		change func() bool
		want   []int
	}{
		{func() bool { return true }, []int{1, 3, 5, 7, 9}},
		{func() bool { return !x.AddShared("g", "a", 10, "v") }, []int{1, 3, 5, 7, 9, 10}}, // behind the last
		{func() bool { return !x.AddShared("g", "a", 11, "v") }, []int{1, 3, 5, 7, 9, 10, 11}},
		{func() bool { return !x.AddShared("g", "a", 4, "v") }, []int{1, 3, 4, 5, 7, 9, 10, 11}}, // between
		{func() bool { return x.AddShared("g", "a", 5, "other") }, []int{1, 3, 4, 5, 7, 9, 10, 11}},
		{func() bool { return x.RemoveShared("g", "a", 11) }, []int{1, 3, 4, 5, 7, 9, 10}}, // the last
		{func() bool { return !x.AddShared("g", "a", 12, "v") }, []int{1, 3, 4, 5, 7, 9, 10, 12}},
		{func() bool { return x.RemoveShared("g", "a", 12) }, []int{1, 3, 4, 5, 7, 9, 10}},
		{func() bool { return x.RemoveShared("g", "a", 1) }, []int{3, 4, 5, 7, 9, 10}}, // the first
		{func() bool { return !x.AddShared("g", "a", 2, "v") }, []int{2, 3, 4, 5, 7, 9, 10}},
		{func() bool { return x.RemoveShared("g", "a", 7) }, []int{2, 3, 4, 5, 9, 10}},
	} {
		if !step.change() {
			t.Fatalf("the change that leads to %v found another state", step.want)
		}
		members := match(x, "a").Shared[0].Members
		if keys := keysOf(members); !slices.Equal(keys, step.want) {
			t.Errorf("members %v, want %v", keys, step.want)
		}
		held, copies = append(held, members), append(copies, slices.Clone(members))
		for i := range held {
			if !slices.Equal(held[i], copies[i]) {
				t.Errorf("after the change to %v: members held changed from %v to %v", step.want, copies[i], held[i])
			}
		}
	}
}

// keysOf returns the keys of entries in their order.
func keysOf(entries []Entry[int, string]) []int {
	var keys []int
	for _, e := range entries {
		keys = append(keys, e.Key)
	}
	return keys
}

func TestGroupsOfOneFilterAreApart(t *testing.T) {
	x := NewIndex[int, string]()
	x.AddShared("red", "a/+", 1, "r1")
	x.AddShared("blue", "a/+", 1, "b1")
	x.AddShared("blue", "a/+", 2, "b2")
	x.AddShared("red", "a/#", 3, "r3")
	x.Add("a/+", 4, "plain")
	m := match(x, "a/b")
	var got []string
	for _, g := range m.Shared {
		got = append(got, fmt.Sprintf("%s %s %v", g.Name, g.Filter, keysOf(g.Members)))
	}
	slices.Sort(got)
	want := []string{"blue a/+ [1 2]", "red a/# [3]", "red a/+ [1]"}
	if !slices.Equal(got, want) {
		t.Errorf("groups %q, want %q", got, want)
	}
	if len(m.Plain) != 1 || x.Len() != 5 {
		t.Errorf("%d plain entries, Len %d", len(m.Plain), x.Len())
	}
}

func TestScratchHoldsNothingOfEarlierMatches(t *testing.T) {
	x := NewIndex[int, string]()
	x.Add("a/#", 1, "v")
	x.AddShared("g", "a/#", 2, "v")
	m := match(x, "a/b/c")
	x.Match([]byte("b"), m)
	if len(m.Plain) != 0 || len(m.Shared) != 0 {
		t.Errorf("a name that reaches nothing: %v, %v", m.Plain, m.Shared)
	}
	if left := m.Plain[:1][0]; left != (Entry[int, string]{}) {
		t.Errorf("the scratch holds %v", left)
	}
	if left := m.Shared[:1][0]; left.Members != nil {
		t.Errorf("the scratch holds %v", left)
	}
	for _, n := range append(m.here[:cap(m.here)], m.next[:cap(m.next)]...) {
		if n != nil {
			t.Errorf("the scratch holds a node of the tree")
		}
	}
	x.Match([]byte("a"), m)
	if m.Reset(); m.Version != 0 || len(m.Plain) != 0 || len(m.Shared) != 0 {
		t.Errorf("after Reset: %+v", m)
	}
}

func TestMatchAllocatesNothingOnceGrown(t *testing.T) {
	x := fleet(1000)
	m := new(Matches[uint64, uint64])
	name := []byte("site/7/device/707/telemetry/temperature")
	x.Match(name, m)
	if len(m.Plain) < 3 || len(m.Shared) < 1 {
		t.Fatalf("the name reaches %d plain and %d groups: too few to tell", len(m.Plain), len(m.Shared))
	}
	if allocs := testing.AllocsPerRun(100, func() { x.Match(name, m) }); allocs != 0 {
		t.Errorf("%v allocations a match", allocs)
	}
}

// fleet is an index as a fleet of devices makes it: each device listens to its
// commands, a few dashboards and workers to many devices.
func fleet(filters int) *Index[uint64, uint64] {
	x := NewIndex[uint64, uint64]()
	for i := range uint64(filters) {
		x.Add(fmt.Sprintf("site/%d/device/%d/command/+", i%100, i), i, i)
	}
	for i := range uint64(10) {
		x.Add(fmt.Sprintf("site/%d/device/+/telemetry/#", i), 1<<40+i, i)
		x.Add(fmt.Sprintf("site/+/device/%d/#", 700+i), 1<<41+i, i)
		x.Add("site/+/+/+/telemetry/temperature", 1<<42+i, i)
		x.AddShared("workers", "site/#", 1<<43+i, i)
	}
	return x
}

func TestDeepTopicsMatchInALoop(t *testing.T) {
	const levels = 20_000
	deep := strings.Repeat("a/", levels-1) + "a"
	plus := strings.Repeat("+/", levels-1) + "+"
	x := NewIndex[int, string]()
	for key, filter := range []string{deep, plus, deep + "/#", plus + "/#", strings.Repeat("+/", levels-1) + "#", "#", deep + "/+", "a/" + plus} {
		x.Add(filter, key, "v")
	}
	keys := keysOf(match(x, deep).Plain)
	slices.Sort(keys)
	if !slices.Equal(keys, []int{0, 1, 2, 3, 4, 5}) {
		t.Errorf("a topic of %d levels reaches %v", levels, keys)
	}
	if !FilterMatches(plus+"/#", deep) || FilterMatches(plus, deep+"/a") {
		t.Error("the predicate disagrees")
	}
	names := NewNames()
	names.Add(deep)
	if got := names.Match(plus, nil); len(got) != 1 || got[0] != deep {
		t.Errorf("%d names match", len(got))
	}
	if got := names.Match("#", nil); len(got) != 1 {
		t.Errorf("%d names match #", len(got))
	}
	if !names.Remove(deep) || len(names.mu.chunks) != 0 {
		t.Error("the deep name left something behind")
	}
	for key, filter := range []string{deep, plus} {
		x.Remove(filter, key)
	}
	countNodes(t, x)
}

// Filters that differ in where their wildcards stand are the worst case: all of
// them match, and each is visited once.
func TestWildcardsDoNotMultiply(t *testing.T) {
	const depth = 12
	x := NewIndex[int, string]()
	for key := range 1 << depth {
		levels := make([]string, depth)
		for i := range levels {
			levels[i] = "a"
			if key>>i&1 == 1 {
				levels[i] = "+"
			}
		}
		x.Add(strings.Join(levels, "/"), key, "v")
	}
	m := match(x, strings.Repeat("a/", depth-1)+"a")
	if len(m.Plain) != 1<<depth {
		t.Errorf("%d entries, want %d", len(m.Plain), 1<<depth)
	}
	if widest := max(cap(m.here), cap(m.next)); widest > 4<<depth {
		t.Errorf("the scratch grew to %d nodes for %d filters", widest, 1<<depth)
	}
	if far := match(x, strings.Repeat("a/", 20_000)+"a"); len(far.Plain) != 0 {
		t.Errorf("a name of other depth reaches %d", len(far.Plain))
	}
}

// The subscriptions change in pairs under one lock each, so a match must see what
// some moment held: a key of the first filter is never missing.
func TestMatchWhileSubscriptionsChange(t *testing.T) {
	x := NewIndex[int, string]()
	const keys, rounds = 40, 300
	for key := range keys {
		x.Add("a/stay", key, "v")
		x.AddShared("g", "a/+", key, "v")
	}
	var writers, readers sync.WaitGroup
	done := make(chan struct{})
	for w := range 3 {
		writers.Go(func() {
			for round := range rounds {
				key := w*1000 + round%17
				x.Add("a/#", key, "v")
				x.AddShared("g", "a/+", key+100, "v")
				x.Add(fmt.Sprintf("a/%d", key), key, "v")
				x.Remove("a/#", key)
				x.RemoveShared("g", "a/+", key+100)
				x.Remove(fmt.Sprintf("a/%d", key), key)
			}
		})
	}
	for range 2 {
		readers.Go(func() { checkWhileChanging(t, x, keys, done) })
	}
	writers.Wait()
	close(done)
	readers.Wait()
	if x.Len() != 2*keys {
		t.Errorf("Len %d, want %d", x.Len(), 2*keys)
	}
	countNodes(t, x)
}

// checkWhileChanging matches until done and looks for what may never be missing.
func checkWhileChanging(t *testing.T, x *Index[int, string], keys int, done <-chan struct{}) {
	var m Matches[int, string]
	last := uint64(0)
	for running := true; running; {
		select {
		case <-done:
			running = false // once more, when all is at rest
		default:
		}
		x.Match([]byte("a/stay"), &m)
		stay := 0
		for _, e := range m.Plain {
			if e.Filter == "a/stay" {
				stay++
			}
		}
		if stay != keys || len(m.Shared) != 1 || len(m.Shared[0].Members) < keys {
			t.Errorf("%d of %d subscribers, %d groups", stay, keys, len(m.Shared))
			return
		}
		for i, e := range m.Shared[0].Members[:keys] {
			if e.Key != i {
				t.Errorf("member %d is %d", i, e.Key)
				return
			}
		}
		if m.Version < last {
			t.Errorf("version went from %d to %d", last, m.Version)
			return
		}
		last = m.Version
		_, _ = x.Version(), x.Len()
	}
}

func BenchmarkMatch(b *testing.B) {
	x := fleet(100_000)
	for _, c := range []struct{ name, topic string }{
		{"telemetry", "site/7/device/90707/telemetry/temperature"},
		{"command", "site/7/device/90707/command/reboot"},
		{"nobody", "other/7"},
	} {
		b.Run(c.name, func(b *testing.B) {
			m := new(Matches[uint64, uint64])
			name := []byte(c.topic)
			b.ReportAllocs()
			for b.Loop() {
				x.Match(name, m)
			}
			b.ReportMetric(float64(len(m.Plain)+len(m.Shared)), "entries/op")
		})
	}
}

func BenchmarkFanOut(b *testing.B) {
	x := NewIndex[uint64, uint64]()
	for key := range uint64(10_000) {
		x.Add("news", key, key)
	}
	m := new(Matches[uint64, uint64])
	b.ReportAllocs()
	for b.Loop() {
		x.Match([]byte("news"), m)
	}
}

func BenchmarkAddRemove(b *testing.B) {
	x := fleet(100_000)
	b.ReportAllocs()
	for b.Loop() {
		x.Add("site/7/device/x/command/+", 1, 1)
		x.Remove("site/7/device/x/command/+", 1)
	}
}
