package statedb

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"github.com/holdfast-mqtt/holdfast/persist"
)

func TestOpenMakesTheFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "meta")
	d := openDB(t, dir)
	if m, ok := d.Meta(); ok {
		t.Errorf("meta of an empty database: %+v", m)
	}
	wantState(t, d, newState(), "empty")
	closeDB(t, d)
	closeDB(t, d)
	wantState(t, openDB(t, dir), newState(), "opened again")
}

func TestSecondOpenIsRefused(t *testing.T) {
	dir := t.TempDir()
	d := openDB(t, dir)
	empty := filepath.Join(dir, "00999.mem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrInUse) {
		t.Errorf("second open: %v", err)
	}
	if _, err := os.Stat(empty); err != nil {
		t.Errorf("a file was removed from a folder in use: %v", err)
	}
	commit(t, d, Meta{}, func(c *Checkpoint) {})
}

func TestEmptyLogFilesAreRemoved(t *testing.T) {
	dir := t.TempDir()
	d := openDB(t, dir)
	want := small("one")
	commit(t, d, smallMeta("one"), func(c *Checkpoint) { putAll(c, want) })
	crashed := image(t, dir)
	for _, name := range []string{"00077.mem", "000077.vlog"} {
		if err := os.WriteFile(filepath.Join(crashed, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	wantState(t, openDB(t, crashed), want, "with empty logs")
}

func TestForeignFoldersAreRefusedUntouched(t *testing.T) {
	file := func(name string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := map[string]struct {
		make func(t *testing.T, dir string)
		want error
	}{
		"somebody's notes":       {file("notes.txt"), ErrForeign},
		"tables, no MANIFEST":    {file("000001.sst"), ErrDamaged},
		"logs, no MANIFEST":      {file("00001.mem"), ErrDamaged},
		"registry, no MANIFEST":  {file("KEYREGISTRY"), ErrDamaged},
		"MANIFEST is not one":    {file("MANIFEST"), ErrDamaged},
		"another Badger":         {otherBadger, ErrForeign},
		"our own without tables": {ownWithoutManifest, ErrDamaged},
	}
	for name, test := range tests {
		dir := t.TempDir()
		test.make(t, dir)
		before := listing(t, dir)
		if _, err := Open(dir, Options{}); !errors.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
		}
		if after := listing(t, dir); after != before {
			t.Errorf("%s: before\n%s\nafter\n%s", name, before, after)
		}
	}
}

func otherBadger(t *testing.T, dir string) {
	b, err := badger.Open(badger.DefaultOptions(dir).WithLogger(nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

func ownWithoutManifest(t *testing.T, dir string) {
	d := openDB(t, dir)
	commit(t, d, Meta{}, func(c *Checkpoint) { putAll(c, small("one")) })
	closeDB(t, d)
	if err := os.Remove(filepath.Join(dir, badger.ManifestFilename)); err != nil {
		t.Fatal(err)
	}
}

func TestFileInPlaceOfTheFolder(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(name, Options{}); err == nil {
		t.Error("opened a file")
	}
}

// TestCutLogGivesAnEarlierCheckpoint is what a power cut leaves of the log that the state is written to first: it ends
// somewhere. Whatever the place, what opens is one of the complete checkpoints.
func TestCutLogGivesAnEarlierCheckpoint(t *testing.T) {
	dir := t.TempDir()
	_, ends, states := logWithCheckpoints(t, dir)
	rng := newRand(t, 8)
	whole := onlyLog(t, dir)
	seen := make(map[string]bool)
	for range 40 {
		i := rng.IntN(len(ends) - 1)
		cut := ends[i] + rng.IntN(ends[i+1]-ends[i])
		crashed := image(t, dir)
		b := append(bytes.Clone(whole[:cut]), make([]byte, len(whole)-cut)...)
		if err := os.WriteFile(filepath.Join(crashed, "00001.mem"), b, 0o600); err != nil {
			t.Fatal(err)
		}
		d := openDB(t, crashed)
		have := stateOf(t, d)
		want, known := states[have.meta]
		if !known {
			t.Fatalf("cut at %d: meta %s was never committed", cut, have.meta)
		}
		seen[have.meta] = true
		wantState(t, d, want, fmt.Sprintf("cut at %d", cut))
		next := Meta{Applied: 99}
		commit(t, d, next, func(c *Checkpoint) { c.PutAudience(5, nil) })
		after := want.clone()
		after.audiences[5], after.meta = []persist.Member{}, fmt.Sprintf("%+v", next)
		wantState(t, d, after, fmt.Sprintf("cut at %d, next checkpoint", cut))
		closeDB(t, d)
	}
	if len(seen) < 7 {
		t.Errorf("only %d checkpoints were met", len(seen))
	}
}

// onlyLog reads the first log of the folder, which must be its only one.
func onlyLog(t *testing.T, dir string) []byte {
	t.Helper()
	logs, _ := filepath.Glob(filepath.Join(dir, "*.mem"))
	if len(logs) != 1 || filepath.Base(logs[0]) != "00001.mem" {
		t.Fatalf("logs %q", logs)
	}
	b, err := os.ReadFile(logs[0])
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBadgersLinesReachTheLogger(t *testing.T) {
	var mu sync.Mutex
	levels := make(map[string]int)
	d, err := Open(t.TempDir(), Options{Logger: func(level, msg string) {
		mu.Lock()
		defer mu.Unlock()
		levels[level]++
		if msg == "" || strings.HasSuffix(msg, "\n") {
			levels["bad"]++
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	closeDB(t, d)
	if levels["info"] == 0 || levels["error"] != 0 {
		t.Errorf("lines by level: %v", levels)
	}
}

func TestReadsGoOnDuringCheckpoints(t *testing.T) {
	d := openDB(t, t.TempDir())
	put := func(n int) func(c *Checkpoint) {
		payload := bytes.Repeat([]byte{byte(n)}, 2*partSize)
		return func(c *Checkpoint) { c.PutRetained("t", persist.Retained{Message: persist.Message{Payload: payload}}) }
	}
	commit(t, d, Meta{}, put(0))
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for last := byte(0); ; {
				r, err := d.Retained("t")
				if err != nil {
					t.Errorf("read: %v", err)
					return
				}
				p := r.Message.Payload
				if p[0] < last || !bytes.Equal(p, bytes.Repeat(p[:1], 2*partSize)) {
					t.Errorf("read %d after %d, or mixed", p[0], last)
					return
				}
				last = p[0]
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for n := 1; n < 60; n++ {
		commit(t, d, Meta{}, put(n))
		if n%20 == 0 {
			if err := d.flatten(0); err != nil {
				t.Error(err)
			}
		}
	}
	close(done)
	readers.Wait()
}
