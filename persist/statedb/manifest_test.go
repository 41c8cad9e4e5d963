package statedb

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// TestTablesThatACrashKeptAreNotMissed: the process dies when MANIFEST says that a compaction's inputs are gone, and
// before they are unlinked. They hold deletions whose marks the compaction dropped.
func TestTablesThatACrashKeptAreNotMissed(t *testing.T) {
	dir, aside := t.TempDir(), t.TempDir()
	fill(t, dir, func(c *Checkpoint) {
		for id := range uint64(100) {
			c.PutAudience(id+1, []persist.Member{{Session: 7, QoS: 1}})
		}
	})
	tables, _ := filepath.Glob(filepath.Join(dir, "*.sst"))
	for _, table := range tables {
		if err := copyFile(table, filepath.Join(aside, filepath.Base(table))); err != nil {
			t.Fatal(err)
		}
	}
	want := fill(t, dir, func(c *Checkpoint) {
		for id := range uint64(100) {
			c.DeleteAudience(id + 1)
		}
	})
	left := 0
	for _, table := range tables {
		if _, err := os.Stat(table); errors.Is(err, fs.ErrNotExist) {
			left++
			if err := copyFile(filepath.Join(aside, filepath.Base(table)), table); err != nil {
				t.Fatal(err)
			}
		}
	}
	if left == 0 {
		t.Fatal("no table was compacted away")
	}
	wantState(t, openDB(t, dir), want, "opened")
}

// fill commits one checkpoint, closes, which leaves tables and compacts those that were there, and returns the state.
func fill(t *testing.T, dir string, fn func(*Checkpoint)) *state {
	t.Helper()
	d := openDB(t, dir)
	commit(t, d, Meta{}, fn)
	want := stateOf(t, d)
	closeDB(t, d)
	return want
}
