package statedb

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// openDB opens dir and closes it with the test.
func openDB(t testing.TB, dir string) *DB {
	t.Helper()
	d, err := Open(dir, Options{})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { closeDB(t, d) })
	return d
}

func closeDB(t testing.TB, d *DB) {
	t.Helper()
	if err := d.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func commit(t testing.TB, d *DB, m Meta, fn func(*Checkpoint)) {
	t.Helper()
	c := d.Begin()
	fn(c)
	if err := c.Commit(m); err != nil {
		t.Fatalf("commit: %v", err)
	}
}

// listing is what tells whether Badger has changed files meanwhile.
func listing(t testing.TB, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			fmt.Fprintln(&b, e.Name(), info.Size(), info.ModTime())
		}
	}
	return b.String()
}

// image copies the folder of an open database as kill -9 would leave it: what Badger has written through its maps is
// in the page cache, where the copy reads it. A copy during which Badger made or removed files is no moment of any
// run, and taken again.
func image(t testing.TB, dir string) string {
	t.Helper()
	for range 1000 {
		to := t.TempDir()
		before := listing(t, dir)
		if err := copyDir(dir, to); err == nil && listing(t, dir) == before {
			return to
		}
		time.Sleep(5 * time.Millisecond) // Badger is at work, in goroutines that tell nobody
	}
	t.Fatal("the folder does not come to rest")
	return ""
}

func copyDir(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == "LOCK" {
			continue
		}
		if err := copyFile(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// copyFile keeps holes, of which Badger's files have many.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer out.Close()
	block, zero := make([]byte, 64<<10), make([]byte, 64<<10)
	size := int64(0)
	for {
		n, err := io.ReadFull(in, block)
		if n > 0 && !bytes.Equal(block[:n], zero[:n]) {
			if _, err := out.WriteAt(block[:n], size); err != nil {
				return err
			}
		}
		size += int64(n)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return out.Truncate(size)
		}
		if err != nil {
			return err
		}
	}
}

// state is a plain copy of everything a database says, for comparison.
type state struct {
	meta      string
	sessions  map[persist.SessionID]SessionRecord
	audiences map[uint64][]persist.Member
	retained  map[string]persist.Retained
}

func newState() *state {
	return &state{
		sessions:  make(map[persist.SessionID]SessionRecord),
		audiences: make(map[uint64][]persist.Member),
		retained:  make(map[string]persist.Retained),
	}
}

// clone is deep enough for a model that replaces slices and never writes into them.
func (s *state) clone() *state {
	return &state{s.meta, maps.Clone(s.sessions), maps.Clone(s.audiences), maps.Clone(s.retained)}
}

// stateOf reads the whole database.
func stateOf(t testing.TB, d *DB) *state {
	t.Helper()
	s := newState()
	if m, ok := d.Meta(); ok {
		s.meta = fmt.Sprintf("%+v", m)
	}
	var last persist.SessionID
	if err := d.Sessions(func(r *SessionRecord) error {
		if r.ID <= last {
			t.Errorf("session %d comes after %d", r.ID, last)
		}
		last = r.ID
		s.sessions[r.ID] = *r
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := d.Audiences(func(id uint64, members []persist.Member) error {
		s.audiences[id] = members
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := d.RetainedTopics(func(topic string, pos persist.Position) error {
		r, err := d.Retained(topic)
		if err != nil {
			return fmt.Errorf("retained %.40q: %w", topic, err)
		}
		if r.Position != pos {
			t.Errorf("retained %.40q: list says position %d, message %d", topic, pos, r.Position)
		}
		s.retained[topic] = r
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return s
}

// lines prints a state, one item a line.
func (s *state) lines() []string {
	lines := []string{"meta " + s.meta}
	for id, r := range s.sessions {
		will := "none"
		if r.Will != nil {
			w := *r.Will
			will = printed(w.Message) + fmt.Sprint(w.DelaySeconds, w.MessageExpirySeconds)
			r.Will = nil
		}
		subs := slices.Clone(r.Subscriptions)
		slices.SortFunc(subs, func(a, b persist.Subscription) int { return strings.Compare(a.Filter, b.Filter) })
		r.Subscriptions = subs
		lines = append(lines, fmt.Sprintf("session %d %+v will %s", id, r, will))
	}
	for id, members := range s.audiences {
		lines = append(lines, fmt.Sprintf("audience %d %+v", id, members))
	}
	for topic, r := range s.retained {
		lines = append(lines, fmt.Sprintf("retained %q %d %s", topic, r.Position, printed(r.Message)))
	}
	slices.Sort(lines)
	return lines
}

// printed prints a message, its payload as a checksum.
func printed(m persist.Message) string {
	payload := sha256.Sum256(m.Payload)
	m.Payload = nil
	return fmt.Sprintf("%+v %x", m, payload)
}

// wantState compares what the database says with what it should, and that it met no damage.
func wantState(t testing.TB, d *DB, want *state, when string) {
	t.Helper()
	have := stateOf(t, d).lines()
	for _, line := range want.lines() {
		i, found := slices.BinarySearch(have, line)
		if !found {
			t.Errorf("%s: missing: %.200s", when, line)
			continue
		}
		have = slices.Delete(have, i, i+1)
	}
	for _, line := range have {
		t.Errorf("%s: unexpected: %.200s", when, line)
	}
	if damage := d.Damage(); len(damage) != 0 {
		t.Errorf("%s: damage: %.2000v", when, damage)
	}
	wantValueLogEmpty(t, d)
	if t.Failed() {
		t.FailNow()
	}
}

// wantValueLogEmpty asserts that no value went to Badger's value log: behind its header of 20 bytes there is nothing.
func wantValueLogEmpty(t testing.TB, d *DB) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(d.dir, "*.vlog"))
	if err != nil || len(logs) == 0 {
		t.Fatalf("no value log in %s: %v", d.dir, err)
	}
	for _, name := range logs {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if rest := b[min(len(b), 20):]; len(bytes.Trim(rest, "\x00")) != 0 {
			t.Errorf("%s holds values", name)
		}
	}
}

// newRand prints its seed, so that a failure can be repeated.
func newRand(t testing.TB, seed uint64) *rand.Rand {
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}
