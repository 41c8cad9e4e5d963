package statedb

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// stored returns the raw value of a key at the last checkpoint.
func stored(t *testing.T, d *DB, key []byte) []byte {
	t.Helper()
	txn := d.badger.NewTransactionAt(d.mu.version, false)
	defer txn.Discard()
	item, err := txn.Get(key)
	if err != nil {
		t.Fatalf("%s: %v", describeKey(key), err)
	}
	value, err := item.ValueCopy(nil)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// stateToDamage has three sessions, and of everything else one that is to stay whole.
func stateToDamage(long string) *state {
	retained := func(topic string, n int) persist.Retained {
		return persist.Retained{Position: 5, Message: persist.Message{Topic: []byte(topic), Payload: make([]byte, n)}}
	}
	full := newState()
	for id := persist.SessionID(1); id <= 3; id++ {
		full.sessions[id] = SessionRecord{
			SessionState: persist.SessionState{
				ID: id, ClientID: "c", Floor: 900, Received: []uint16{4},
				Subscriptions: []persist.Subscription{{Filter: "a"}, {Filter: long}},
			},
			Settled: []persist.Position{901},
		}
	}
	full.audiences[1] = []persist.Member{{Session: 1, QoS: 1}}
	full.audiences[2] = []persist.Member{{Session: 2, QoS: 1}}
	for _, topic := range []string{"t", "big", long} {
		full.retained[topic] = retained(topic, 10)
	}
	full.retained["big"] = retained("big", 3*partSize)
	return full
}

func TestDamagedValueCostsItsItemOnly(t *testing.T) {
	long := strings.Repeat("l", longestName+1)
	full := stateToDamage(long)
	without := func(change func(r *SessionRecord)) func(*state) {
		return func(s *state) {
			r := s.sessions[2]
			change(&r)
			s.sessions[2] = r
		}
	}
	tests := []struct {
		name   string
		key    []byte
		item   string
		change func(*state)
	}{
		{"identity", idKey(kindSession, 2), "session of 2", func(s *state) { delete(s.sessions, 2) }},
		{"cursor", idKey(kindCursor, 2), "cursor of 2", without(func(r *SessionRecord) { r.Floor, r.Settled = 2, nil })},
		{"received", idKey(kindReceived, 2), "received ids of 2", without(func(r *SessionRecord) { r.Received = nil })},
		{"subscription", subscriptionKey(2, "a"), `subscription "a" of session 2`,
			without(func(r *SessionRecord) { r.Subscriptions = r.Subscriptions[1:] })},
		{"long subscription", subscriptionKey(2, long), "of session 2",
			without(func(r *SessionRecord) { r.Subscriptions = r.Subscriptions[:1] })},
		{"audience", idKey(kindAudience, 2), "audience of 2", func(s *state) { delete(s.audiences, 2) }},
		{"topic", topicKey(kindRetained, "t"), `retained topic "t"`, func(s *state) { delete(s.retained, "t") }},
		{"long topic", topicKey(kindRetained, long), "retained topic (long", func(s *state) { delete(s.retained, long) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			d := openDB(t, dir)
			commit(t, d, Meta{}, func(c *Checkpoint) { putAll(c, full) })
			whole := stored(t, d, test.key)
			for _, bad := range damages(whole) {
				commit(t, d, Meta{}, func(c *Checkpoint) { c.set(test.key, slices.Clone(bad)) })
				want := full.clone()
				want.meta = fmt.Sprintf("%+v", Meta{})
				test.change(want)
				d.damage = damageList{}
				have := stateOf(t, d)
				if a, b := have.lines(), want.lines(); !slices.Equal(a, b) {
					t.Fatalf("with % x:\nhave %.3000q\nwant %.3000q", bad, a, b)
				}
				damage := d.Damage()
				if len(damage) != 1 || !strings.Contains(damage[0], test.item) || !strings.Contains(damage[0], ".mem") {
					t.Fatalf("with % x: damage %q", bad, damage)
				}
			}
			// What is written anew is whole again.
			commit(t, d, Meta{}, func(c *Checkpoint) { putAll(c, full) })
			d.damage = damageList{}
			want := full.clone()
			want.meta = fmt.Sprintf("%+v", Meta{})
			wantState(t, d, want, "written anew")
		})
	}
}

// damages returns damaged forms of a value: every byte flipped in one bit, every way cut short, and longer.
func damages(value []byte) (bad [][]byte) {
	for i := range value {
		b := bytes.Clone(value)
		b[i] ^= 1 << (i % 8)
		bad = append(bad, b)
	}
	for n := 0; n < len(value); n += 1 + len(value)/50 {
		bad = append(bad, append([]byte{}, value[:n]...))
	}
	bad = append(bad, append(bytes.Clone(value), 0))
	if len(bad) > 120 {
		step := len(bad)/120 + 1
		var some [][]byte
		for i := 0; i < len(bad); i += step {
			some = append(some, bad[i])
		}
		bad = some
	}
	return bad
}

func TestDamagedRetainedMessageIsAnError(t *testing.T) {
	d := openDB(t, t.TempDir())
	big := persist.Retained{Message: persist.Message{Payload: bytes.Repeat([]byte("x"), 3*partSize)}}
	small := persist.Retained{Message: persist.Message{Payload: []byte("y")}}
	put := func(c *Checkpoint) {
		c.PutRetained("big", big)
		c.PutRetained("small", small)
	}
	key, other := topicKey(kindValue, "big"), topicKey(kindValue, "small")
	commit(t, d, Meta{}, put)
	flip := func(key []byte) []byte {
		b := stored(t, d, key)
		b[len(b)/2] ^= 1
		return b
	}
	swapped := stored(t, d, other)
	tests := map[string]func(c *Checkpoint){
		"first part":          func(c *Checkpoint) { c.set(key, flip(key)) },
		"middle part":         func(c *Checkpoint) { c.set(partKey(key, 2), flip(partKey(key, 2))) },
		"missing part":        func(c *Checkpoint) { c.set(partKey(key, 1), nil) },
		"parts changed about": func(c *Checkpoint) { c.set(partKey(key, 1), stored(t, d, partKey(key, 2))) },
		"empty value":         func(c *Checkpoint) { c.set(key, []byte{}) },
		"value of another":    func(c *Checkpoint) { c.set(key, swapped) },
		"sealed nonsense": func(c *Checkpoint) {
			v, _ := seal(key, []byte{1, 2, 3})
			c.set(key, v)
		},
	}
	for name, change := range tests {
		commit(t, d, Meta{}, put)
		d.damage = damageList{}
		commit(t, d, Meta{}, change)
		for range 2 {
			_, err := d.Retained("big")
			var damage *DamageError
			if !errors.As(err, &damage) || damage.Item != `retained message "big"` {
				t.Errorf("%s: %v", name, err)
			}
		}
		if n := len(d.Damage()); n != 1 {
			t.Errorf("%s: damage %q", name, d.Damage())
		}
		if r, err := d.Retained("small"); err != nil || string(r.Message.Payload) != "y" {
			t.Errorf("%s: the other topic: %v", name, err)
		}
	}
}

func TestDamagedMetaRefuses(t *testing.T) {
	dir := t.TempDir()
	d := openDB(t, dir)
	commit(t, d, fullMeta(), func(c *Checkpoint) {})
	value := stored(t, d, metaKey())
	value[len(value)-1] ^= 1
	c := d.Begin()
	c.set(metaKey(), value)
	c.flush()
	c.Discard()
	closeDB(t, d)
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrDamaged) {
		t.Errorf("open: %v", err)
	}
}

func TestLostKeysAreNoticed(t *testing.T) {
	full := fullState()
	for name, key := range map[string][]byte{
		"session":        idKey(kindSession, 7),
		"audience":       idKey(kindAudience, 12),
		"retained topic": topicKey(kindRetained, "r/1"),
	} {
		d := openDB(t, t.TempDir())
		commit(t, d, Meta{}, func(c *Checkpoint) { putAll(c, full) })
		commit(t, d, Meta{}, func(c *Checkpoint) { c.set(key, nil) })
		stateOf(t, d)
		damage := strings.Join(d.Damage(), "\n")
		if !strings.Contains(damage, "keys for each "+name) {
			t.Errorf("%s: damage %q", name, damage)
		}
		if name == "session" && !strings.Contains(damage, "its session is missing") {
			t.Errorf("what the session had is not named: %q", damage)
		}
	}
}

func TestOnlyTheFirstThousandDamagesAreNamed(t *testing.T) {
	var l damageList
	for i := range 3 * mostDamage {
		l.add(fmt.Sprint(i % (2 * mostDamage)))
	}
	d := &DB{}
	for i := range 2 * mostDamage {
		d.damage.add(fmt.Sprint(i))
	}
	lines := d.Damage()
	if len(lines) != mostDamage+1 || lines[mostDamage] != fmt.Sprintf("and %d more", mostDamage) {
		t.Errorf("%d lines, the last %q", len(lines), lines[len(lines)-1])
	}
}

// settled makes a closed database in two levels of tables, and returns the state in it.
func settled(t *testing.T, dir string) *state {
	t.Helper()
	rng := newRand(t, 3)
	m := newMutation(rng)
	model := newState()
	for range 3 {
		d := openDB(t, dir)
		for range 2 {
			commit(t, d, Meta{Applied: 3}, func(c *Checkpoint) {
				for range 40 {
					m.apply(model, c)
				}
			})
		}
		closeDB(t, d)
	}
	model.meta = fmt.Sprintf("%+v", Meta{Applied: 3})
	return model
}

// openDamaged opens a damaged folder: it must be refused with words, or be right, and never end the process.
func openDamaged(t *testing.T, dir string, want *state, when string) (refused bool) {
	t.Helper()
	d, err := Open(dir, Options{})
	if err != nil {
		if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrForeign) && !strings.Contains(err.Error(), restoreHint) {
			t.Errorf("%s: the error does not say what to do: %v", when, err)
		}
		return true
	}
	defer d.Close()
	if have := stateOf(t, d); !slices.Equal(have.lines(), want.lines()) && len(d.Damage()) == 0 {
		t.Errorf("%s: opens, says nothing, and the state is another", when)
	}
	return false
}

func TestDamagedFilesAreRefusedOrHarmless(t *testing.T) {
	dir := t.TempDir()
	want := settled(t, dir)
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("no tables: %v", err)
	}
	rng := newRand(t, 4)
	refusals := 0
	try := func(name, when string, change func(b []byte) []byte) {
		t.Helper()
		to := t.TempDir()
		if err := copyDir(dir, to); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(to, filepath.Base(name))
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, change(b), 0o600); err != nil {
			t.Fatal(err)
		}
		if openDamaged(t, to, want, filepath.Base(name)+" "+when) {
			refusals++
		}
		if _, err := os.Stat(path); err != nil {
			t.Errorf("%s %s: the file is gone", filepath.Base(name), when)
		}
	}
	flip := func(at int) func([]byte) []byte {
		return func(b []byte) []byte { b[at] ^= 1 << rng.IntN(8); return b }
	}
	for _, name := range append(tables, filepath.Join(dir, badger.ManifestFilename), filepath.Join(dir, "KEYREGISTRY")) {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		size := int(info.Size())
		for range 12 {
			at := rng.IntN(size)
			try(name, fmt.Sprintf("flip at %d of %d", at, size), flip(at))
		}
		for back := 1; back <= 8; back++ {
			try(name, fmt.Sprintf("flip %d before the end", back), flip(size-back))
		}
	}
	for _, name := range tables {
		try(name, "cut in half", func(b []byte) []byte { return b[:len(b)/2] })
		try(name, "cut by a byte", func(b []byte) []byte { return b[:len(b)-1] })
		try(name, "emptied", func([]byte) []byte { return nil })
	}
	for n := range 30 {
		try(badger.ManifestFilename, fmt.Sprintf("cut by %d", n+1), func(b []byte) []byte { return b[:max(0, len(b)-n-1)] })
	}
	if refusals < 40 {
		t.Errorf("%d refusals: the damage does not reach what is checked", refusals)
	}
}

func TestTableLostFromManifestIsKept(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	d := openDB(t, dir)
	for range 3 {
		commit(t, d, Meta{}, func(c *Checkpoint) { putAll(c, small("one")) })
	}
	closeDB(t, d)
	d = openDB(t, elsewhere)
	commit(t, d, Meta{}, func(c *Checkpoint) { c.PutAudience(1000, nil) })
	closeDB(t, d)
	tables, _ := filepath.Glob(filepath.Join(elsewhere, "*.sst"))
	if len(tables) != 1 {
		t.Fatalf("tables %q", tables)
	}
	lost := filepath.Join(dir, "000900.sst")
	if err := copyFile(tables[0], lost); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if d, err := Open(dir, Options{}); err == nil {
			d.Close()
			t.Fatal("a table with the only copy of an audience was let go")
		} else if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "000900.sst, in which 1 keys") {
			t.Errorf("open: %v", err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, orphanFolder, "000900.sst")); err != nil {
		t.Errorf("the table is gone: %v", err)
	}
}

func TestTableThatACrashLeftIsNotMissed(t *testing.T) {
	dir := t.TempDir()
	want := settled(t, dir)
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("no tables: %v", err)
	}
	whole, unfinished := filepath.Join(dir, "000900.sst"), filepath.Join(dir, "000901.sst")
	if err := copyFile(tables[0], whole); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(unfinished, make([]byte, 5000), 0o600); err != nil {
		t.Fatal(err)
	}
	wantState(t, openDB(t, dir), want, "opened")
	for _, pattern := range []string{"*/*.sst", "00090*"} {
		if left, _ := filepath.Glob(filepath.Join(dir, pattern)); len(left) != 0 {
			t.Errorf("still there: %q", left)
		}
	}
}
