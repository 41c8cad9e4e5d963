package topic

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
)

func TestNamesAreASet(t *testing.T) {
	s := NewNames()
	if !s.Add("a/b") || s.Add("a/b") || !s.Add("a") || !s.Add("/") || s.Len() != 3 {
		t.Errorf("adding: Len %d", s.Len())
	}
	if s.Remove("a/b/c") || s.Remove("b") || s.Remove("a/") || s.Remove("") {
		t.Error("removed what was not there")
	}
	if !s.Remove("a") || s.Remove("a") || s.Len() != 2 {
		t.Errorf("removing: Len %d", s.Len())
	}
	if got := s.Match("#", nil); !slices.Equal(got, []string{"/", "a/b"}) {
		t.Errorf("names %q", got)
	}
	if !s.Remove("a/b") || !s.Remove("/") || len(s.mu.chunks) != 0 {
		t.Error("an empty set has chunks")
	}
}

func TestNamesAreAppendedInOrder(t *testing.T) {
	s := NewNames()
	for _, name := range []string{"b/2", "a/10", "$SYS/a", "a", "a/9", "b", "a/1/x"} {
		s.Add(name)
	}
	for _, c := range []struct {
		filter string
		want   []string
	}{
		{"#", []string{"first", "a", "a/1/x", "a/10", "a/9", "b", "b/2"}},
		{"+", []string{"first", "a", "b"}},
		{"a/#", []string{"first", "a", "a/1/x", "a/10", "a/9"}},
		{"+/+", []string{"first", "a/10", "a/9", "b/2"}},
		{"$SYS/#", []string{"first", "$SYS/a"}},
		{"b/2", []string{"first", "b/2"}},
		{"c", []string{"first"}},
	} {
		if got := s.Match(c.filter, []string{"first"}); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.filter, got, c.want)
		}
	}
}

func TestNamesAgreeWithThePredicate(t *testing.T) {
	r := newRand(t)
	s := NewNames()
	model := map[string]bool{}
	for step := range 20000 {
		name := randomName(r)
		if r.IntN(5) < 3 {
			if s.Add(name) == model[name] {
				t.Fatalf("step %d: adding %q, was there: %v", step, name, model[name])
			}
			model[name] = true
		} else {
			if s.Remove(name) != model[name] {
				t.Fatalf("step %d: removing %q, was there: %v", step, name, model[name])
			}
			delete(model, name)
		}
		if s.Len() != len(model) {
			t.Fatalf("step %d: Len %d, want %d", step, s.Len(), len(model))
		}
		if step%20 != 0 {
			continue
		}
		filter := randomFilter(r)
		var want []string
		for name := range model {
			if FilterMatches(filter, name) {
				want = append(want, name)
			}
		}
		slices.Sort(want)
		if got := s.Match(filter, nil); !slices.Equal(got, want) {
			t.Fatalf("step %d: %q matches %q, want %q", step, filter, got, want)
		}
		s.check(t)
	}
}

// A crowd crosses the places where chunks split, join and vanish.
func TestNamesComeAndGoInAnyOrder(t *testing.T) {
	const crowd = 20 * maxChunk
	r := newRand(t)
	rising, falling := make([]int, crowd), make([]int, crowd)
	for i := range crowd {
		rising[i], falling[crowd-1-i] = i, i
	}
	s := NewNames()
	orders := [][]int{rising, falling, r.Perm(crowd), r.Perm(crowd), rising, falling}
	for round, order := range orders {
		for _, i := range order {
			if !s.Add(fmt.Sprintf("name/%05d", i)) {
				t.Fatalf("round %d: name %d was there", round, i)
			}
		}
		s.check(t)
		if got := s.Match("name/#", nil); len(got) != crowd || !slices.IsSorted(got) {
			t.Fatalf("round %d: %d names", round, len(got))
		}
		if fill := crowd / len(s.mu.chunks); fill < maxChunk/2-1 {
			t.Errorf("round %d: %d names to a chunk", round, fill)
		}
		for n, i := range orders[len(orders)-1-round] {
			if !s.Remove(fmt.Sprintf("name/%05d", i)) {
				t.Fatalf("round %d: name %d was not there", round, i)
			}
			// Small neighbours join, so chunks do not outlive their names.
			if left := crowd - n - 1; len(s.mu.chunks) > left/(maxChunk/8)+1 {
				t.Fatalf("round %d: %d chunks for %d names", round, len(s.mu.chunks), left)
			}
			if n%maxChunk == 0 {
				s.check(t)
			}
		}
		if s.Len() != 0 {
			t.Errorf("round %d: Len %d when all were removed", round, s.Len())
		}
	}
}

// A filter must leap over what it cannot match: each leap is one call of judge.
func TestMatchingNamesLeaps(t *testing.T) {
	const sites, devices = 50, 200
	s := NewNames()
	for site := range sites {
		for device := range devices {
			s.Add(fmt.Sprintf("site/%02d/device/%03d/state", site, device))
			s.Add(fmt.Sprintf("site/%02d/device/%03d/state/detail", site, device))
		}
	}
	for _, c := range []struct {
		filter      string
		want, looks int // names matched, and looked at, at most
	}{
		{"site/07/device/100/state", 1, 8},
		{"site/07/device/#", 2 * devices, 2*devices + 4},
		{"site/07/device/+/state", devices, 2*devices + 4},
		{"site/+/device/100/+", sites, 5 * sites},
		{"site/+/device/999/state", 0, 4 * sites},
		{"site/+", 0, 2 * sites},
		{"+", 0, 2},
		{"zzz/#", 0, 2},
		{"aaa", 0, 2},
	} {
		if got := s.Match(c.filter, nil); len(got) != c.want {
			t.Errorf("%q: %d names, want %d", c.filter, len(got), c.want)
		}
		if looks := s.looks(c.filter); looks > c.looks {
			t.Errorf("%q: looked at %d names, want %d at most", c.filter, looks, c.looks)
		}
	}
}

// looks returns how many names Match looks at.
func (s *Names) looks(filter string) (count int) {
	var target []byte
	for p := (place{}); p.chunk < len(s.mu.chunks); count++ {
		var v verdict
		switch v, target = judge(filter, s.mu.chunks[p.chunk][p.at], target); v {
		case matched, missed:
			p = s.afterLocked(p)
		case leap:
			p, _ = s.seekLocked(p, target)
		case finished:
			return count + 1
		}
	}
	return count
}

func TestNamesWhileTheyChange(t *testing.T) {
	s := NewNames()
	for i := range 50 {
		s.Add(fmt.Sprintf("stay/%02d", i))
	}
	var writers, readers sync.WaitGroup
	done := make(chan struct{})
	for w := range 3 {
		writers.Go(func() {
			for i := range 2000 {
				name := fmt.Sprintf("stay/%d/%d", i%50, w)
				s.Add(name)
				s.Remove(name)
			}
		})
	}
	readers.Go(func() {
		var names []string
		for running := true; running; {
			select {
			case <-done:
				running = false // once more, when all is at rest
			default:
			}
			if names = s.Match("stay/+", names[:0]); len(names) != 50 || !slices.IsSorted(names) {
				t.Errorf("%d names", len(names))
				return
			}
		}
	})
	writers.Wait()
	close(done)
	readers.Wait()
	if s.Len() != 50 {
		t.Errorf("Len %d, want 50", s.Len())
	}
	s.check(t)
}

// BenchmarkNamesMillion reports what a million retained names cost in memory
// besides the names themselves, and how long it takes to list them all.
func BenchmarkNamesMillion(b *testing.B) {
	for _, shape := range []struct{ name, format string }{
		{"flat", "device/%07d"},
		{"deep", "site/1/device/%07d/temperature"},
	} {
		b.Run(shape.name, func(b *testing.B) {
			const names = 1_000_000
			list := make([]string, names)
			for i := range list {
				list[i] = fmt.Sprintf(shape.format, i)
			}
			before := heap()
			s := NewNames()
			for _, name := range list {
				s.Add(name)
			}
			perName := float64(heap()-before) / names
			var got []string
			b.ReportAllocs()
			for b.Loop() {
				got = s.Match("#", got[:0])
			}
			if len(got) != names {
				b.Fatalf("%d names", len(got))
			}
			b.ReportMetric(perName, "bytes/name")
			runtime.KeepAlive(list)
		})
	}
}

// BenchmarkNamesAddRemove enters a name among a million and takes it out again.
func BenchmarkNamesAddRemove(b *testing.B) {
	const names = 1_000_000
	list := make([]string, names)
	for n, i := range rand.New(rand.NewPCG(1, 1)).Perm(names) {
		list[n] = fmt.Sprintf("site/1/device/%07d/temperature", i)
	}
	before := heap()
	s := NewNames()
	for _, name := range list {
		s.Add(name)
	}
	perName := float64(heap()-before) / names
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		s.Remove(list[n%names])
		s.Add(list[n%names])
		n += 7919
	}
	b.ReportMetric(perName, "bytes/name")
	runtime.KeepAlive(list)
}

// BenchmarkSubscriptionsMillion reports what a subscription costs in memory
// besides its filter.
func BenchmarkSubscriptionsMillion(b *testing.B) {
	const filters = 1_000_000
	list := make([]string, filters)
	for i := range list {
		list[i] = fmt.Sprintf("device/%07d/command", i)
	}
	before := heap()
	x := NewIndex[uint64, uint64]()
	for i, filter := range list {
		x.Add(filter, uint64(i), 1)
	}
	perFilter := float64(heap()-before) / filters
	m := new(Matches[uint64, uint64])
	for b.Loop() {
		x.Match([]byte("device/0707070/command"), m)
	}
	b.ReportMetric(perFilter, "bytes/filter")
	runtime.KeepAlive(list)
}
