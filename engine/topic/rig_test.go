package topic

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"
)

// newRand returns a random source whose seed the test prints.
func newRand(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// randomName returns a topic name of a few levels from an alphabet so small that
// names and filters meet often.
func randomName(r *rand.Rand) string {
	alphabet := []string{"", "a", "b", "$x", "$y", "a!", "a0"}
	for {
		levels := make([]string, 1+r.IntN(5))
		for i := range levels {
			levels[i] = alphabet[r.IntN(len(alphabet))]
		}
		if name := strings.Join(levels, "/"); name != "" {
			return name
		}
	}
}

// randomFilter returns a random name with some of its levels made wildcards.
func randomFilter(r *rand.Rand) string {
	levels := strings.Split(randomName(r), "/")
	for i := range levels {
		if r.IntN(3) == 0 {
			levels[i] = "+"
		}
	}
	if r.IntN(3) == 0 {
		levels[len(levels)-1] = "#"
	}
	return strings.Join(levels, "/")
}

// countNodes returns how many nodes the tree of an index has besides its root,
// and fails the test where the tree is not as it should be.
func countNodes[K cmp.Ordered, V any](t *testing.T, x *Index[K, V]) int {
	t.Helper()
	count := 0
	for stack := []*node[K, V]{&x.mu.root}; len(stack) > 0; {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		kids := n.appendChildren(nil)
		if n.parent != nil {
			count++
			if n.subscribers == nil && len(kids) == 0 {
				t.Errorf("node %q leads nowhere", n.level)
			}
		}
		if n.children != nil && len(kids) == 0 {
			t.Errorf("node %q keeps an empty set of children", n.level)
		}
		for _, k := range kids {
			if k.parent != n || n.child(k.level) != k {
				t.Errorf("node %q is not where its parent looks for it", k.level)
			}
		}
		stack = append(stack, kids...)
	}
	return count
}

// appendChildren appends all children to dst, in no promised order.
func (n *node[K, V]) appendChildren(dst []*node[K, V]) []*node[K, V] {
	c := n.children
	if c == nil {
		return dst
	}
	if c.plus != nil {
		dst = append(dst, c.plus)
	}
	if c.hash != nil {
		dst = append(dst, c.hash)
	}
	dst = append(dst, c.few...)
	for _, k := range c.many {
		dst = append(dst, k)
	}
	return dst
}

// check fails the test where the chunks are not as they should be.
func (s *Names) check(t *testing.T) {
	t.Helper()
	size, last := 0, ""
	for i, chunk := range s.mu.chunks {
		if len(chunk) == 0 || len(chunk) > maxChunk {
			t.Errorf("chunk %d has %d names", i, len(chunk))
		}
		if i > 0 && len(chunk) <= maxChunk/4 && len(s.mu.chunks[i-1]) <= maxChunk/4 {
			t.Errorf("neighbouring chunks with %d and %d names", len(s.mu.chunks[i-1]), len(chunk))
		}
		for _, name := range chunk {
			if size > 0 && name <= last {
				t.Errorf("%q stands behind %q", name, last)
			}
			last = name
			size++
		}
		for _, gone := range chunk[len(chunk):cap(chunk)] {
			if gone != "" {
				t.Errorf("chunk %d holds %q, which is gone", i, gone)
			}
		}
	}
	if size != s.mu.size {
		t.Errorf("%d names, counted %d", size, s.mu.size)
	}
}

// plainText shows plain entries in a form that compares as a set.
func plainText[K int, V any](entries []Entry[K, V]) map[string]bool {
	set := make(map[string]bool, len(entries))
	for _, e := range entries {
		set[fmt.Sprintf("%s for %d is %v", e.Filter, e.Key, e.Value)] = true
	}
	return set
}

// heap returns the bytes of the heap that are in use.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
