package topic

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// match returns what a name reaches, in a fresh scratch.
func match(x *Index[int, string], name string) *Matches[int, string] {
	m := new(Matches[int, string])
	x.Match([]byte(name), m)
	return m
}

func TestAddReplacesTheValueOfTheSameKey(t *testing.T) {
	x := NewIndex[int, string]()
	if x.Add("a/+", 1, "first") {
		t.Error("the first subscription replaced something")
	}
	if !x.Add("a/+", 1, "second") {
		t.Error("the second subscription replaced nothing")
	}
	if v, ok := x.Get("a/+", 1); !ok || v != "second" {
		t.Errorf("Get = %q, %v", v, ok)
	}
	if x.Len() != 1 {
		t.Errorf("Len = %d, want 1", x.Len())
	}
	want := []Entry[int, string]{{Key: 1, Value: "second", Filter: "a/+"}}
	if m := match(x, "a/b"); !slices.Equal(m.Plain, want) {
		t.Errorf("match: %v, want %v", m.Plain, want)
	}
}

func TestOverlappingFiltersGiveAnEntryEach(t *testing.T) {
	x := NewIndex[int, string]()
	x.Add("a/#", 1, "hash")
	x.Add("a/+", 1, "plus")
	x.Add("a/b", 1, "name")
	x.Add("a/c", 1, "other")
	got := plainText(match(x, "a/b").Plain)
	for _, want := range []string{"a/# for 1 is hash", "a/+ for 1 is plus", "a/b for 1 is name"} {
		if !got[want] {
			t.Errorf("%q is missing from %v", want, got)
		}
	}
	if len(got) != 3 {
		t.Errorf("%d entries, want 3: %v", len(got), got)
	}
}

func TestGetAndRemoveOfWhatIsNotThere(t *testing.T) {
	x := NewIndex[int, string]()
	x.Add("a/b/c", 1, "v")
	x.AddShared("g", "a/b/c", 2, "v")
	version := x.Version()
	for _, filter := range []string{"a", "a/b", "a/b/c/d", "a/+/c", "#", "", "a/b/"} {
		if x.Remove(filter, 1) || x.RemoveShared("g", filter, 2) {
			t.Errorf("removed from %q", filter)
		}
		if _, ok := x.Get(filter, 1); ok {
			t.Errorf("got from %q", filter)
		}
		if _, ok := x.GetShared("g", filter, 2); ok {
			t.Errorf("got shared from %q", filter)
		}
	}
	// The plain and the shared subscriptions of a filter are apart.
	if x.Remove("a/b/c", 2) || x.RemoveShared("g", "a/b/c", 1) || x.RemoveShared("h", "a/b/c", 2) {
		t.Error("removed a subscription of another kind, group or key")
	}
	if x.Version() != version || x.Len() != 2 {
		t.Errorf("version %d to %d, Len %d: nothing was removed", version, x.Version(), x.Len())
	}
}

func TestVersionRisesWithEveryChange(t *testing.T) {
	x := NewIndex[int, string]()
	last := x.Version()
	for i, change := range []func(){
		func() { x.Add("a", 1, "v") },
		func() { x.Add("a", 1, "w") },
		func() { x.AddShared("g", "a", 1, "v") },
		func() { x.AddShared("g", "a", 1, "w") },
		func() { x.Remove("a", 1) },
		func() { x.RemoveShared("g", "a", 1) },
	} {
		change()
		if x.Version() <= last {
			t.Errorf("change %d left version %d", i, last)
		}
		last = x.Version()
		if m := match(x, "a"); m.Version != last {
			t.Errorf("match after change %d is of version %d, want %d", i, m.Version, last)
		}
	}
}

func TestRemovingTheLastSubscriberPrunes(t *testing.T) {
	x := NewIndex[int, string]()
	x.Add("a/b/c/d", 1, "")
	x.Add("a/b", 2, "")
	x.AddShared("g", "a/b", 3, "")
	x.Add("a/+/#", 4, "")
	if got := countNodes(t, x); got != 6 {
		t.Errorf("%d nodes, want 6: a, b, c, d, +, #", got)
	}
	for _, step := range []struct {
		remove func() bool
		nodes  int
	}{
		{func() bool { return x.Remove("a/b", 2) }, 6}, // the group is still there
		{func() bool { return x.RemoveShared("g", "a/b", 3) }, 6},
		{func() bool { return x.Remove("a/b/c/d", 1) }, 3},
		{func() bool { return x.Remove("a/+/#", 4) }, 0},
	} {
		if !step.remove() {
			t.Fatal("nothing was removed")
		}
		if got := countNodes(t, x); got != step.nodes {
			t.Errorf("%d nodes, want %d", got, step.nodes)
		}
	}
	if x.mu.root.children != nil || x.Len() != 0 {
		t.Errorf("an empty index has children, or Len %d", x.Len())
	}
}

// Crowds cross the places where a slice becomes a map and back: subscribers of
// one filter, and levels under one node.
func TestCrowdsComeAndGo(t *testing.T) {
	const crowd = 5 * maxScanned
	r := newRand(t)
	x := NewIndex[int, string]()
	for round := range 3 {
		for _, key := range r.Perm(crowd) {
			if x.Add("one/filter", key, fmt.Sprint(key)) || x.Add(fmt.Sprintf("many/%d", key), key, fmt.Sprint(key)) {
				t.Fatalf("round %d: key %d was there", round, key)
			}
		}
		if got := len(match(x, "one/filter").Plain); got != crowd {
			t.Fatalf("%d subscribers, want %d", got, crowd)
		}
		for gone, key := range r.Perm(crowd) {
			filter := fmt.Sprintf("many/%d", key)
			if m := match(x, filter); len(m.Plain) != 1 || m.Plain[0].Key != key {
				t.Fatalf("%s reaches %v", filter, m.Plain)
			}
			if !x.Remove("one/filter", key) || !x.Remove(filter, key) || x.Remove("one/filter", key) {
				t.Fatalf("key %d was not there, or twice", key)
			}
			left := plainText(match(x, "one/filter").Plain)
			if len(left) != crowd-gone-1 || left[fmt.Sprintf("one/filter for %d is %d", key, key)] {
				t.Fatalf("%d subscribers after %d left, the last of them %d", len(left), gone+1, key)
			}
			if gone%10 == 0 {
				countNodes(t, x)
			}
		}
	}
	if x.Len() != 0 || x.mu.root.children != nil {
		t.Errorf("Len %d after all have left", x.Len())
	}
}

func TestSubscribersThatLeftAreNotHeld(t *testing.T) {
	x := NewIndex[int, string]()
	const crowd = 1000
	for key := range crowd {
		x.Add("a", key, "v")
	}
	for key := range crowd - 1 {
		x.Remove("a", key)
		plain := x.mu.root.find("a").subscribers.plain
		if cap(plain) > 4*(len(plain)+1) && len(plain) < crowd/2 {
			t.Fatalf("room for %d subscribers with %d left", cap(plain), len(plain))
		}
		for _, s := range plain[len(plain):cap(plain)] {
			if s.value != "" {
				t.Fatalf("subscriber %d left and is held", s.key)
			}
		}
	}
}

// A level that stays must not hold the memory of a long filter that is gone.
func TestRemovedFiltersGiveTheirMemoryBack(t *testing.T) {
	const roots, levels = 20, 100
	level := "/" + strings.Repeat("x", 600)
	x := NewIndex[int, string]()
	before := heap()
	for i := range roots {
		// A level that was created on the way to a long filter.
		gone := fmt.Sprintf("short%d%s", i, strings.Repeat(level, levels))
		x.Add(gone, 1, "")
		x.Add(fmt.Sprintf("short%d/y", i), 1, "")
		x.Remove(gone, 1)
		// Levels at which filters ended, on the way to one that stays.
		for n := range levels + 1 {
			x.Add(fmt.Sprintf("long%d%s", i, strings.Repeat(level, n)), 1, "")
		}
		for n := range levels {
			x.Remove(fmt.Sprintf("long%d%s", i, strings.Repeat(level, n)), 1)
		}
	}
	// The filters that stay, and once more their levels.
	want := int64(2 * roots * levels * len(level))
	if held := heap() - before; x.Len() != 2*roots || held > want*3/2 {
		t.Errorf("%d bytes held by %d filters, want about %d", held, x.Len(), want)
	}
	runtime.KeepAlive(x)
}

// model is an index without an index: every subscription, searched one by one.
type model struct {
	plain  map[[2]string]string // filter, key → value
	shared map[[3]string]string // group, filter, key → value
}

func TestIndexAgreesWithThePredicate(t *testing.T) {
	r := newRand(t)
	x := NewIndex[int, string]()
	m := model{map[[2]string]string{}, map[[3]string]string{}}
	for step := range 20000 {
		m.change(t, x, step, r.IntN(100), randomFilter(r), fmt.Sprint("g", r.IntN(3)), r.IntN(6))
		if x.Len() != len(m.plain)+len(m.shared) {
			t.Fatalf("step %d: Len %d, want %d", step, x.Len(), len(m.plain)+len(m.shared))
		}
		if step%7 == 0 {
			m.compare(t, x, step, randomName(r))
		}
		if step%500 == 0 {
			countNodes(t, x)
		}
		if t.Failed() {
			t.FailNow()
		}
	}
}

// change does the same random thing to the index and to the model.
func (m *model) change(t *testing.T, x *Index[int, string], step, dice int, filter, group string, key int) {
	t.Helper()
	name, value := fmt.Sprint(key), fmt.Sprint("v", step)
	plain, shared := [2]string{filter, name}, [3]string{group, filter, name}
	var got, want bool
	switch {
	case dice < 30:
		_, want = m.plain[plain]
		m.plain[plain] = value
		got = x.Add(filter, key, value)
	case dice < 50:
		_, want = m.plain[plain]
		delete(m.plain, plain)
		got = x.Remove(filter, key)
	case dice < 75:
		_, want = m.shared[shared]
		m.shared[shared] = value
		got = x.AddShared(group, filter, key, value)
	case dice < 90:
		_, want = m.shared[shared]
		delete(m.shared, shared)
		got = x.RemoveShared(group, filter, key)
	default:
		var v string
		value, want = m.plain[plain]
		if v, got = x.Get(filter, key); v != value {
			t.Errorf("step %d: Get(%q, %d) = %q, want %q", step, filter, key, v, value)
		}
		value, ok := m.shared[shared]
		if v, there := x.GetShared(group, filter, key); v != value || there != ok {
			t.Errorf("step %d: GetShared(%q, %q, %d) = %q, %v, want %q, %v", step, group, filter, key, v, there, value, ok)
		}
	}
	if got != want {
		t.Errorf("step %d, %d: %q, key %d, group %s: got %v, want %v", step, dice, filter, key, group, got, want)
	}
}

// compare asks both what a name reaches.
func (m *model) compare(t *testing.T, x *Index[int, string], step int, name string) {
	t.Helper()
	want := map[string]bool{}
	for k, value := range m.plain {
		if FilterMatches(k[0], name) {
			want[fmt.Sprintf("%s for %s is %s", k[0], k[1], value)] = true
		}
	}
	for k, value := range m.shared {
		if FilterMatches(k[1], name) {
			want[fmt.Sprintf("%s in %s: %s for %s is %s", k[1], k[0], k[1], k[2], value)] = true
		}
	}
	found := match(x, name)
	got := plainText(found.Plain)
	count := len(found.Plain)
	for _, g := range found.Shared {
		count += len(g.Members)
		for text := range plainText(g.Members) {
			got[fmt.Sprintf("%s in %s: %s", g.Filter, g.Name, text)] = true
		}
		if !slices.IsSortedFunc(g.Members, func(a, b Entry[int, string]) int { return a.Key - b.Key }) || len(g.Members) == 0 {
			t.Errorf("step %d: members of %s are empty or not sorted: %v", step, g.Name, g.Members)
		}
	}
	if count != len(want) || len(got) != len(want) {
		t.Errorf("step %d: %q reaches %d subscriptions, want %d", step, name, count, len(want))
	}
	for text := range want {
		if !got[text] {
			t.Errorf("step %d: %q does not reach %s", step, name, text)
		}
	}
}
