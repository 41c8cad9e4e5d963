package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/persist/disk"
)

// What does not show while all is well: failures that stay, and memory that does not come back.

func TestEntriesWakesWhoAsksAfterTheEnd(t *testing.T) {
	fs := newTestFS()
	s := open(t, t.TempDir(), manual(fs))
	openSession(t, s, "c")
	_ = s.Entries(nil, nil)
	fs.dead.Store(true)
	if _, err := s.Append(&persist.Batch{Open: &persist.Open{ClientID: "d"}, Waiter: newSignal()}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the store fails", func() bool { return s.Err() != nil })
	late := new(counter)
	if entries := s.Entries(nil, late); len(entries) != 0 || late.n != 1 {
		t.Errorf("after the failure: %d entries, woken %d times", len(entries), late.n)
	}
	_ = s.Close()
	if entries := s.Entries(nil, late); len(entries) != 0 || late.n != 2 {
		t.Errorf("after Close: %d entries, woken %d times", len(entries), late.n)
	}
}

func TestMemoryOfABurstOfEntriesComesBack(t *testing.T) {
	s := open(t, t.TempDir(), manual(newTestFS()))
	const n = 20_000
	for range n {
		if _, err := s.Append(&persist.Batch{Open: &persist.Open{ClientID: "c"}}); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, s)
	if got := len(s.Entries(nil, nil)); got != n {
		t.Errorf("%d entries", got)
	}
	s.mu.Lock()
	if kept, effects := cap(s.entries.list), cap(s.state.effects.entries); kept > 2000 || effects > 2000 {
		t.Errorf("room for %d and %d entries is kept", kept, effects)
	}
	s.mu.Unlock()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestStateSaysThatCheckpointsFail(t *testing.T) {
	fs := newTestFS()
	o := small()
	o.FS = fs
	s := open(t, t.TempDir(), o)
	none := func() uint64 { return 0 }
	fs.free.Store(&none)
	openSession(t, s, "c")
	eventually(t, "the state says so", func() bool {
		s.in.refuse(fullDisk, nil) // which would be said first
		return strings.HasPrefix(s.Stats().State, "running, checkpoints fail: ")
	})
	fs.free.Store(nil)
	openSession(t, s, "d")
	eventually(t, "the state says that they succeed", func() bool { return s.Stats().State == "running" })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFailingCheckpointIsNotTriedWithEveryGroup(t *testing.T) {
	fs := newTestFS()
	o := manual(fs)
	o.CheckpointBytes = 64 << 10
	s := open(t, t.TempDir(), o)
	ses := openSession(t, s, "c")
	none := func() uint64 { return 0 }
	fs.free.Store(&none)
	const groups, size = 300, 2000
	for range groups {
		commit(t, s, persist.Batch{Session: ses.ID, Epoch: ses.Epoch, Unsubscribe: []string{string(make([]byte, size))}})
	}
	if n := s.Stats().CheckpointErrors; n == 0 || n > 2*groups*size/uint64(o.CheckpointBytes) {
		t.Errorf("%d checkpoints failed", n)
	}
	fs.free.Store(nil)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestReserveIsEnoughToStart fills the disk to the last byte behind the store's back.
func TestReserveIsEnoughToStart(t *testing.T) {
	dir := t.TempDir()
	o := small()
	o.Reserve = 0
	reserve := filepath.Join(dir, reserveFile)
	s := open(t, dir, o)
	eventually(t, "a reserve is made", func() bool { _, err := os.Stat(reserve); return err == nil })
	openSession(t, s, "c")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(reserve)
	if err != nil {
		t.Fatal(err)
	}
	fs := newTestFS()
	full := func() uint64 {
		if _, err := os.Stat(reserve); err == nil {
			return 0
		}
		return uint64(info.Size())
	}
	fs.free.Store(&full)
	o.FS = fs
	s = open(t, dir, o)
	openSession(t, s, "d")
	n := s.Stats().Checkpoints
	eventually(t, "checkpoints go on", func() bool { return s.Stats().Checkpoints > n })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestMessageLargerThanTheDiskIsRefused: it would wait for room for good, and everything that makes room behind it.
func TestMessageLargerThanTheDiskIsRefused(t *testing.T) {
	fs := newTestFS()
	o := small()
	o.FS, o.MinFree = fs, 1
	s := open(t, t.TempDir(), o)
	ses := openSession(t, s, "c")
	free := func() uint64 { return startBytes + 1<<20 }
	fs.free.Store(&free)
	to := s.Audience(members(ses))
	big := persist.Batch{Message: message("t", string(make([]byte, 2<<20))), Audience: to}
	eventually(t, "it is refused", func() bool { _, err := s.Append(&big); return errors.Is(err, persist.ErrFull) })
	commit(t, s, persist.Batch{Message: message("t", string(make([]byte, 1<<19))), Audience: to})
	fs.free.Store(nil)
	eventually(t, "it is taken", func() bool { _, err := s.Append(&big); return err == nil })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestVoidMessagesOfCompactedSegmentsAreForgotten(t *testing.T) {
	o := manual(newTestFS())
	o.SegmentSize = 2 << 20
	s := open(t, t.TempDir(), o)
	ses, slow := openSession(t, s, "c"), openSession(t, s, "slow")
	both := s.Audience(members(ses, slow))
	commit(t, s, persist.Batch{Message: message("t", "stays"), Audience: both})
	to := s.Audience(members(ses))
	for range 1000 { // of a connection that was taken over
		b := persist.Batch{Session: ses.ID, Epoch: ses.Epoch + 1, Message: message("t", string(make([]byte, 1000))), Audience: to}
		if _, err := s.Append(&b); err != nil {
			t.Fatal(err)
		}
	}
	fill(t, s, to, 4000, 1000)
	commit(t, s, persist.Batch{Session: ses.ID, Epoch: ses.Epoch, Settled: persist.Settled{Floor: s.Stats().Position}})
	if n := s.countVoids(); n != 1000 {
		t.Fatalf("%d void messages", n)
	}
	for range indexTicks + 2 {
		s.trim()
		if err := s.checkpoint(); err != nil {
			t.Fatal(err)
		}
		s.checks.tick++
		s.freeSegments()
	}
	if st, n := s.Stats(), s.countVoids(); n != 0 || st.SegmentsCompacted != 1 {
		t.Errorf("%d void messages are remembered, %d segments were compacted", n, st.SegmentsCompacted)
	}
	check(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestIndexDoesNotHideDamage damages a segment before its index is written: the next start must name it.
func TestIndexDoesNotHideDamage(t *testing.T) {
	dir := t.TempDir()
	var said atomic.Int32
	o := manual(newTestFS())
	o.Log = func(_, msg string) {
		if strings.Contains(msg, "damage") {
			said.Add(1)
		}
	}
	s := open(t, dir, o)
	ses := openSession(t, s, "c")
	fill(t, s, s.Audience(members(ses)), 600, 1000)
	positions, _ := readAll(t, s, ses.ID)
	flip(t, filepath.Join(dir, logDir), s.log.Segments()[0].Base, positions[100], 500)
	if err := s.checkpoint(); err != nil {
		t.Fatal(err)
	}
	for range indexTicks + 6 {
		s.checks.tick++
		s.freeSegments()
	}
	if n := said.Load(); n != 1 {
		t.Errorf("the damage was named %d times", n)
	}
	if list := s.log.Segments(); list[0].Indexed || !list[1].Indexed {
		t.Errorf("segments are %+v", list)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, manual(newTestFS()))
	if r := s.Stats().Recovery; len(r.Damage) != 1 || r.Queued != 599 {
		t.Errorf("%d are queued, damage %q", r.Queued, r.Damage)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestSegmentsThatAreDeadSoonAreNotIndexed(t *testing.T) {
	s := open(t, t.TempDir(), manual(newTestFS()))
	ses := openSession(t, s, "c")
	fill(t, s, s.Audience(members(ses)), 600, 1000)
	round := func() {
		t.Helper()
		s.checks.tick++
		s.trim()
		if err := s.checkpoint(); err != nil {
			t.Fatal(err)
		}
		s.freeSegments()
	}
	round()
	round()
	if info := s.log.Segments()[0]; !info.Sealed || info.Indexed {
		t.Errorf("the first segment is %+v", info)
	}
	round()
	if info := s.log.Segments()[0]; !info.Indexed {
		t.Errorf("after a while the first segment is %+v", info)
	}
	settleAll(t, s)
	round()
	if n := len(s.log.Segments()); n != 1 {
		t.Errorf("%d segments are left", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// badSectors is a disk that does not give what it holds in some places.
type badSectors struct {
	*testFS
	from, to atomic.Int64 // offsets in the first segment
}

func (f *badSectors) OpenFile(name string, flag int, perm os.FileMode) (disk.File, error) {
	file, err := f.testFS.OpenFile(name, flag, perm)
	if err != nil || filepath.Base(name) != "00000000000000004096.seg" {
		return file, err
	}
	return &badFile{File: file, fs: f}, nil
}

type badFile struct {
	disk.File
	fs *badSectors
}

func (f *badFile) ReadAt(b []byte, off int64) (int, error) {
	if off < f.fs.to.Load() && off+int64(len(b)) > f.fs.from.Load() {
		return 0, &os.PathError{Op: "read", Path: "the first segment", Err: syscall.EIO}
	}
	return f.File.ReadAt(b, off)
}

// TestBadSectorCostsOneMessage: the reader is told to try again for a while, then the message counts as damaged, and those
// around it are there all the time.
func TestBadSectorCostsOneMessage(t *testing.T) {
	fs := &badSectors{testFS: newTestFS()}
	o := manual(fs)
	var clock atomic.Int64
	o.Now = func() time.Time { return time.Unix(1e9+clock.Load(), 0) }
	s := open(t, t.TempDir(), o)
	ses := openSession(t, s, "c")
	fill(t, s, s.Audience(members(ses)), 200, 1000)
	positions, _ := readAll(t, s, ses.ID)
	at := int64(positions[50] - s.log.Segments()[0].Base)
	fs.from.Store(at + 300)
	fs.to.Store(at + 301)
	var page persist.Page
	var q persist.Queue
	seen, failed, damaged := 0, 0, []persist.Position(nil)
	attach := func() {
		var err error
		if q, err = s.Attach(ses.ID, newSignal()); err != nil {
			t.Fatal(err)
		}
		seen = 0
	}
	attach()
	for {
		err := q.Next(&page)
		if err != nil {
			if !errors.Is(err, syscall.EIO) || seen != 50 {
				t.Fatalf("after %d messages: %v", seen, err)
			}
			failed++
			clock.Add(20)
			attach() // a client that comes back
			continue
		}
		if len(page.Deliveries) == 0 {
			break
		}
		for _, d := range page.Deliveries {
			seen++
			if d.Damaged {
				damaged = append(damaged, d.Position)
			}
		}
	}
	if seen != 200 || failed != 3 || len(damaged) != 1 || damaged[0] != positions[50] {
		t.Errorf("%d messages after %d failures, damaged %v, want %d", seen, failed, damaged, positions[50])
	}
	q.Detach()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
