package disk

import (
	"bytes"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

func TestFullMemoryAnswersNoSpace(t *testing.T) {
	m := NewMemory()
	must(t, m.MkdirAll("/dir"))
	m.SetCapacity(10)
	f := create(t, m, "/dir/a", "12345678")
	if n, err := f.WriteAt([]byte("abcd"), 8); n != 2 || !IsFull(err) {
		t.Fatalf("write: %d, %v", n, err)
	}
	if err := f.Allocate(0, 11); !IsFull(err) {
		t.Fatalf("allocate: %v", err)
	}
	if free, _ := m.Free("/dir"); free != 0 {
		t.Fatalf("free: %d", free)
	}
	must(t, f.Truncate(5))
	if free, _ := m.Free("/dir"); free != 5 {
		t.Fatalf("free after truncation: %d", free)
	}
	_, err := f.WriteAt([]byte("overwrite"), 0)
	must(t, err)
}

// outcomes collects what content a power cut leaves of a file, over many seeds; "-" for no file.
func outcomes(t *testing.T, m *Memory, name string) map[string]int {
	t.Helper()
	seen := map[string]int{}
	for seed := range uint64(500) {
		left := m.Crash(seed)
		if again := m.Crash(seed); !sameFiles(left, again) {
			t.Fatalf("seed %d gives two results", seed)
		}
		if _, err := left.OpenFile(name, os.O_RDONLY, 0); err != nil {
			seen["-"]++
			continue
		}
		seen[content(t, left, name)]++
	}
	return seen
}

func sameFiles(a, b *Memory) bool {
	for name, node := range a.names {
		if other, ok := b.names[name]; !ok || !bytes.Equal(node.data, other.data) {
			return false
		}
	}
	return len(a.names) == len(b.names)
}

func wantOutcomes(t *testing.T, m *Memory, name string, want ...string) {
	t.Helper()
	seen := outcomes(t, m, name)
	for _, w := range want {
		if seen[w] == 0 {
			t.Errorf("%s: never %q: %v", name, w, seen)
		}
		delete(seen, w)
	}
	if len(seen) != 0 {
		t.Errorf("%s: unexpected %v", name, seen)
	}
}

func TestPowerCutMayUndoWhatWasNotSynced(t *testing.T) {
	m := NewMemory()
	must(t, m.MkdirAll("/dir"))
	f := create(t, m, "/dir/a", "old")
	wantOutcomes(t, m, "/dir/a", "-", "", "old", "\x00\x00\x00")
	must(t, f.Sync())
	wantOutcomes(t, m, "/dir/a", "-", "old")
	must(t, m.SyncDir("/dir"))
	wantOutcomes(t, m, "/dir/a", "old")
	_, err := f.WriteAt([]byte("new"), 0)
	must(t, err)
	wantOutcomes(t, m, "/dir/a", "old", "new")
	must(t, f.Sync())
	wantOutcomes(t, m, "/dir/a", "new")
	must(t, f.Truncate(1))
	wantOutcomes(t, m, "/dir/a", "new", "n")
	must(t, f.Sync())
	must(t, m.Rename("/dir/a", "/dir/b"))
	wantOutcomes(t, m, "/dir/a", "-", "n")
	wantOutcomes(t, m, "/dir/b", "-", "n")
	must(t, m.SyncDir("/dir"))
	wantOutcomes(t, m, "/dir/b", "n")
	must(t, m.Remove("/dir/b"))
	wantOutcomes(t, m, "/dir/b", "-", "n")
	must(t, m.SyncDir("/dir"))
	wantOutcomes(t, m, "/dir/b", "-")
}

func TestPowerCutTearsWritesAtSectors(t *testing.T) {
	m := NewMemory()
	must(t, m.MkdirAll("/dir"))
	f := create(t, m, "/dir/a", strings.Repeat(".", 4*sector))
	must(t, f.Sync())
	must(t, m.SyncDir("/dir"))
	_, err := f.WriteAt([]byte(strings.Repeat("x", 2*sector)), sector/2)
	must(t, err)
	torn := 0
	for seen := range outcomes(t, m, "/dir/a") {
		parts := []string{seen[:sector/2], seen[sector/2 : sector], seen[sector : 2*sector], seen[2*sector : 5*sector/2], seen[5*sector/2:]}
		for i, part := range parts {
			if n := strings.Count(part, "x"); n != 0 && n != len(part) || n != 0 && (i == 0 || i == 4) {
				t.Fatalf("part %d: %d of %d bytes written", i, n, len(part))
			}
		}
		if n := strings.Count(seen, "x"); n != 0 && n != 2*sector {
			torn++
		}
	}
	if torn != 6 {
		t.Fatalf("%d torn outcomes, want all 6", torn)
	}
}

func TestImageIsExactAndApart(t *testing.T) {
	seed := uint64(1)
	rng := rand.New(rand.NewPCG(seed, 9))
	m := NewMemory()
	must(t, m.MkdirAll("/dir"))
	f := create(t, m, "/dir/a", "first")
	for range 50 {
		_, err := f.WriteAt([]byte{byte(rng.Uint32())}, int64(rng.IntN(3000)))
		must(t, err)
		if rng.IntN(5) == 0 {
			must(t, f.Sync())
		}
	}
	image := m.Image()
	if !sameFiles(m, image) {
		t.Fatalf("seed %d: the image differs", seed)
	}
	for cut := range uint64(50) {
		if !sameFiles(m.Crash(cut), image.Crash(cut)) {
			t.Fatalf("seed %d: a power cut leaves another state of the image", seed)
		}
	}
	_, err := f.WriteAt([]byte("later"), 0)
	must(t, err)
	if sameFiles(m, image) {
		t.Fatal("the image follows the original")
	}
}
