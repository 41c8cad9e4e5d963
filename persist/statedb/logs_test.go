package statedb

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// logWithCheckpoints makes a database with eight small checkpoints, all in one log, and returns where each ended and
// the states by meta.
func logWithCheckpoints(t *testing.T, dir string) (d *DB, ends []int, states map[string]*state) {
	t.Helper()
	d = openDB(t, dir)
	m := newMutation(newRand(t, 6))
	model := newState()
	states = map[string]*state{"": newState()}
	ends = []int{logHeaderSize}
	for i := range 8 {
		c := d.Begin()
		for range 6 {
			m.apply(model, c)
			c.flush()
		}
		meta := Meta{Applied: persist.Position(i + 1)}
		if err := c.Commit(meta); err != nil {
			t.Fatal(err)
		}
		model.meta = fmt.Sprintf("%+v", meta)
		states[model.meta] = model.clone()
		ends = append(ends, scanLog(onlyLog(t, dir)).end)
	}
	return d, ends, states
}

// TestDamagedLogIsNoticed flips a byte: what opens is an earlier checkpoint, which is said, unless the byte is in the
// last transaction, which reads as torn.
func TestDamagedLogIsNoticed(t *testing.T) {
	dir := t.TempDir()
	d, ends, states := logWithCheckpoints(t, dir)
	whole := onlyLog(t, dir)
	last := scanLog(whole)
	if last.first != 1 || last.last != d.last || last.lost != 0 || last.end != ends[8] {
		t.Fatalf("a whole log: %+v of version %d", last, d.last)
	}
	rng := newRand(t, 7)
	noticed := 0
	for range 50 {
		i := rng.IntN(8)
		at := ends[i] + rng.IntN(ends[i+1]-ends[i])
		crashed := image(t, dir)
		b := bytes.Clone(whole)
		b[at] ^= 1 << rng.IntN(8)
		if err := os.WriteFile(filepath.Join(crashed, "00001.mem"), b, 0o600); err != nil {
			t.Fatal(err)
		}
		d := openDB(t, crashed)
		damage := strings.Join(d.Damage(), "\n")
		d.damage = damageList{}
		have := stateOf(t, d)
		want, known := states[have.meta]
		if !known {
			t.Fatalf("flip at %d: meta %s was never committed", at, have.meta)
		}
		wantState(t, d, want, fmt.Sprintf("flip at %d", at))
		if strings.Contains(damage, "00001.mem is damaged at offset") {
			noticed++
			if _, err := os.Stat(filepath.Join(crashed, orphanFolder, "00001.mem")); err != nil {
				t.Errorf("no copy was kept: %v", err)
			}
		} else if i < 7 {
			t.Errorf("flip at %d, in checkpoint %d of 8, opens as %s without a word", at, i+1, have.meta)
		}
		closeDB(t, d)
	}
	if noticed < 30 {
		t.Errorf("noticed %d times", noticed)
	}
}

func TestHoleBetweenLogsIsRefused(t *testing.T) {
	dir := t.TempDir()
	d, ends, states := logWithCheckpoints(t, dir)
	last := stateOf(t, d)
	crashed := image(t, dir)
	// The second half of the log becomes one of its own, as if the memory table had been full there.
	whole := onlyLog(t, dir)
	write := func(name string, b []byte) {
		t.Helper()
		b = append(bytes.Clone(b), make([]byte, 2*memTableSize-len(b))...)
		if err := os.WriteFile(filepath.Join(crashed, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	second := append(bytes.Clone(whole[:logHeaderSize]), whole[ends[4]:ends[8]]...)
	damaged := bytes.Clone(whole[:ends[4]])
	damaged[ends[3]+50] ^= 1
	for name, first := range map[string][]byte{
		"flip in the first": damaged,
		"first cut short":   whole[:ends[3]],
	} {
		write("00001.mem", first)
		write("00002.mem", second)
		if d, err := Open(crashed, Options{}); !errors.Is(err, ErrDamaged) {
			if err == nil {
				d.Close()
			}
			t.Errorf("%s: %v", name, err)
		}
	}
	write("00001.mem", whole[:ends[4]])
	wantState(t, openDB(t, crashed), states[last.meta], "both whole")
}
