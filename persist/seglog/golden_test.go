package seglog

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/persist/disk"
)

const goldenDir = "testdata/v1"

// golden writes the log that is kept as format version 1: a compacted segment with its index, a sealed one with its
// index, the open one, and the next.
func golden(t *testing.T) *rig {
	r := newRig(t)
	fill(r, 2)
	first, second := r.log.Segments()[0], r.log.Segments()[1]
	live := func(pos persist.Position) bool { return pos%5 == 0 }
	if err := r.log.Compact(first.Base, live); err != nil {
		t.Fatal(err)
	}
	r.compacted(first.Base, first.End, live)
	if err := r.log.WriteIndex(second.Base); err != nil {
		t.Fatal(err)
	}
	r.commit("the last group", "of the log")
	if err := r.log.Prepare(); err != nil {
		t.Fatal(err)
	}
	return r
}

// contents reads all files of the log.
func (g *rig) contents() map[string][]byte {
	g.trimmed()
	list, err := g.fs.ReadDir(testDir)
	if err != nil {
		g.t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, e := range list {
		alter(g.t, g.fs, filepath.Join(testDir, e.Name), func(b []byte) []byte {
			files[e.Name] = bytes.Clone(b)
			return b
		})
	}
	return files
}

// TestFormatVersion1IsWrittenAsItWas fails when the format changes: then the version must change as well, and this
// version must stay readable. HOLDFAST_WRITE_GOLDEN=1 writes the files of a new version.
func TestFormatVersion1IsWrittenAsItWas(t *testing.T) {
	got := golden(t).contents()
	if os.Getenv("HOLDFAST_WRITE_GOLDEN") != "" {
		for name, b := range got {
			if err := os.WriteFile(filepath.Join(goldenDir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	list, err := os.ReadDir(goldenDir)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != len(got) {
		t.Fatalf("%d files, want %d", len(got), len(list))
	}
	for _, e := range list {
		want, err := os.ReadFile(filepath.Join(goldenDir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got[e.Name()], want) {
			t.Errorf("%s is written differently", e.Name())
		}
	}
}

func TestFormatVersion1IsRead(t *testing.T) {
	dir := t.TempDir()
	list, err := os.ReadDir(goldenDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		b, err := os.ReadFile(filepath.Join(goldenDir, e.Name()))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, e.Name()), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	l, err := Open(disk.OS{}, dir, testOptions())
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, log: l, model: golden(t).model}
	r.check()
	infos := l.Segments()
	if len(infos) != 3 || !infos[0].Compacted || !infos[0].Indexed || !infos[1].Indexed || infos[1].Compacted || infos[2].Sealed {
		t.Fatalf("segments: %+v", infos)
	}
	for _, info := range infos {
		entries := 0
		if err := l.LoadIndex(info.Base, func(persist.Position, uint64, int64) { entries++ }); err != nil {
			t.Fatal(err)
		}
		if info.Indexed && entries != info.Entries || entries == 0 {
			t.Fatalf("%+v: %d entries", info, entries)
		}
	}
	r.commit("written by this version")
	r.check()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
