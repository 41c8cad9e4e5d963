package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/persist/disk"
)

func TestDamagedMessageIsDeliveredAsDamaged(t *testing.T) {
	o := small()
	o.TailBytes = 1
	dir := t.TempDir()
	s := open(t, dir, o)
	ses := openSession(t, s, "c")
	fill(t, s, s.Audience(members(ses)), 600, 1000)
	positions, _ := readAll(t, s, ses.ID)
	hit := positions[100]
	if info := s.log.Segments()[0]; !info.Sealed || hit >= info.End {
		t.Fatalf("position %d is not in the first segment, %+v", hit, info)
	}
	flip(t, filepath.Join(dir, logDir), s.log.Segments()[0].Base, hit, 500)

	q, err := s.Attach(ses.ID, newSignal())
	if err != nil {
		t.Fatal(err)
	}
	var page persist.Page
	var damaged []persist.Position
	seen := 0
	for {
		if err := q.Next(&page); err != nil {
			t.Fatal(err)
		}
		if len(page.Deliveries) == 0 {
			break
		}
		for _, d := range page.Deliveries {
			seen++
			if d.Damaged {
				damaged = append(damaged, d.Position)
			} else if len(d.Message.Payload) != 1000 {
				t.Errorf("message at %d has %d bytes", d.Position, len(d.Message.Payload))
			}
		}
	}
	if seen != 600 || len(damaged) != 1 || damaged[0] != hit {
		t.Errorf("%d messages, damaged %v, want %d", seen, damaged, hit)
	}
	if n := s.Stats().Damaged; n != 1 {
		t.Errorf("%d damaged messages are counted", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// flip changes one byte of the record at pos.
func flip(t testing.TB, dir string, base, pos persist.Position, into int64) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, fmt.Sprintf("%020d.seg", base)), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	at := int64(pos-base) + into
	if _, err := f.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x55
	if _, err := f.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
}

func TestDamageBehindTheCheckpointIsServedAroundOrRefused(t *testing.T) {
	o := manual(newTestFS())
	s := open(t, t.TempDir(), o)
	ses := openSession(t, s, "c")
	fill(t, s, s.Audience(members(ses)), 600, 1000)
	positions, _ := readAll(t, s, ses.ID)
	dir := kill(t, s)
	hit := positions[300]
	base := s.state.segments.list[s.state.segments.of(hit)].base
	flip(t, filepath.Join(dir, logDir), base, hit, 500)

	o.FS, o.OnDamage = newTestFS(), Refuse
	if refused, err := Open(dir, o); err == nil {
		t.Errorf("the store opened: %+v", refused.Stats().Recovery)
		_ = refused.Close()
	}
	var said []string
	o.OnDamage = Serve
	o.Log = func(level, msg string) {
		if level == "error" {
			said = append(said, msg)
		}
	}
	s = open(t, dir, o)
	left, _ := readAll(t, s, ses.ID)
	if len(left) != 599 {
		t.Errorf("%d messages are left, want 599", len(left))
	}
	if r := s.Stats().Recovery; len(r.Damage) == 0 || !strings.Contains(r.Damage[0], ".seg") || len(said) == 0 {
		t.Errorf("recovery says %q, the log %q", r.Damage, said)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestLostDefinitionIsNamed(t *testing.T) {
	o := manual(newTestFS())
	s := open(t, t.TempDir(), o)
	ses := openSession(t, s, "c")
	to := s.Audience(members(ses))
	fill(t, s, to, 3, 10)
	positions, _ := readAll(t, s, ses.ID)
	fill(t, s, to, 1, 10) // or the damage would be the log's torn end
	dir := kill(t, s)
	// The definition stands right before the first message: its last byte is the one before.
	flip(t, filepath.Join(dir, logDir), s.state.segments.list[0].base, positions[0], -1)
	o.FS = newTestFS()
	s = open(t, dir, o)
	if r := s.Stats().Recovery; !strings.Contains(strings.Join(r.Damage, "\n"), "audiences whose definition is lost") {
		t.Errorf("recovery says %q", r.Damage)
	}
	fill(t, s, s.Audience(members(ses)), 3, 10)
	if left, _ := readAll(t, s, ses.ID); len(left) != 3 {
		t.Errorf("%d messages, want the three new ones", len(left))
	}
	check(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// usedDir is a directory that was served from.
func usedDir(t *testing.T) string {
	dir := t.TempDir()
	s := open(t, dir, small())
	openSession(t, s, "c")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// without is a used directory that has lost something.
func without(name string) func(*testing.T) string {
	return func(t *testing.T) string {
		dir := usedDir(t)
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		return dir
	}
}

// with is a used directory that has something from another one.
func with(name string) func(*testing.T) string {
	return func(t *testing.T) string {
		dir, other := without(name)(t), usedDir(t)
		if err := os.Rename(filepath.Join(other, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		return dir
	}
}

// rewritten is a used directory in which a file was changed.
func rewritten(name string, change func([]byte) []byte) func(*testing.T) string {
	return func(t *testing.T) string {
		dir := usedDir(t)
		if err := os.WriteFile(filepath.Join(dir, name), change(mustRead(t, filepath.Join(dir, name))), 0o600); err != nil {
			t.Fatal(err)
		}
		return dir
	}
}

func foreignDir(t *testing.T) string {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "letters"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestDirectoryThatIsNotWholeIsRefused(t *testing.T) {
	for _, each := range []struct {
		name, says string
		dir        func(*testing.T) string
	}{
		{"somebody else's", "is not a data directory of this broker (it holds letters)", foreignDir},
		{"without identity", "has lost its IDENT file", without(identFile)},
		{"without log", "the message log of", without(logDir)},
		{"without state", "the state of", without(metaDir)},
		{"state of another store", "belongs to another store", with(metaDir)},
		{"log of another store", "another store", with(logDir)},
		{"damaged identity", "IDENT is damaged", rewritten(identFile, func(b []byte) []byte { b[20] ^= 1; return b })},
		{"short identity", "IDENT", rewritten(identFile, func(b []byte) []byte { return b[:10] })},
	} {
		t.Run(each.name, func(t *testing.T) {
			dir := each.dir(t)
			before := names(t, dir)
			s, err := Open(dir, small())
			if err == nil {
				_ = s.Close()
				t.Fatal("it opened")
			}
			if !strings.Contains(err.Error(), each.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error is %q, want one line with %q", err, each.says)
			}
			if after := names(t, dir); after != before {
				t.Errorf("the directory had %s and has %s", before, after)
			}
		})
	}
}

func names(t testing.TB, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}

func TestSecondOpenIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, small())
	if _, err := Open(dir, small()); !errors.Is(err, disk.ErrInUse) {
		t.Errorf("second open: %v", err)
	}
	openSession(t, s, "c") // the first is not disturbed
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
	if err := open(t, dir, small()).Close(); err != nil {
		t.Error(err)
	}
}

// TestFirstOpenKilledAnywhere has the very first start end at each of its calls: the next one starts.
func TestFirstOpenKilledAnywhere(t *testing.T) {
	for n := 1; ; n++ {
		dir := t.TempDir()
		fs := disk.NewFaulty(disk.OS{}, disk.Fault{Kinds: disk.OnAny, Call: n, Err: errFrozen, Sticky: true})
		s, err := Open(dir, Options{FS: fs, SegmentSize: 64 << 10, Reserve: -1})
		if err == nil {
			t.Logf("%d calls", n-1)
			_ = s.Close()
			return
		}
		s = open(t, dir, small())
		openSession(t, s, "c")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDirectoryIsTheOwnersAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := open(t, dir, small())
	defer s.Close()
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().Perm()&0o077 != 0 && !strings.HasPrefix(path, filepath.Join(dir, metaDir)+"/") {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
