package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/persist/disk"
)

// fill publishes n messages of size bytes to an audience.
func fill(t testing.TB, s *Store, to *persist.Audience, n, size int) {
	t.Helper()
	b := persist.Batch{Message: message("fill", string(make([]byte, size))), Audience: to}
	for range n {
		if _, err := s.Append(&b); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, s)
}

// manual are options under which nothing happens by itself, so that a test can look between the steps.
func manual(fs disk.FS) Options {
	o := small()
	o.CheckpointInterval, o.CheckpointBytes, o.TailBytes, o.FS = 1<<50, 1<<50, 1, fs
	return o
}

func TestSegmentsGoOnlyBehindTheirCheckpoint(t *testing.T) {
	s := open(t, t.TempDir(), manual(newTestFS()))
	ses := openSession(t, s, "c")
	other := openSession(t, s, "other")
	commit(t, s, persist.Batch{Session: other.ID, Epoch: other.Epoch, Subscribe: []persist.Subscription{{Filter: "kept in the first segment"}}})
	commit(t, s, persist.Batch{Message: message("retained", "also"), Retain: persist.RetainSet})
	fill(t, s, s.Audience(members(ses)), 1000, 1000)
	settleAll(t, s)
	before := len(s.log.Segments())
	if before < 3 {
		t.Fatalf("%d segments", before)
	}
	s.trim()
	s.freeSegments()
	if n := len(s.log.Segments()); n != before {
		t.Fatalf("%d segments went before any checkpoint", before-n)
	}
	want := dump(t, s)
	s = open(t, kill(t, s), manual(newTestFS()))
	wantSameDump(t, "with all segments", want, dump(t, s))
	s.trim()
	if err := s.checkpoint(); err != nil {
		t.Fatal(err)
	}
	s.freeSegments()
	if n := len(s.log.Segments()); n != 1 {
		t.Fatalf("%d segments are left of %d, want the open one", n, before)
	}
	s = open(t, kill(t, s), manual(newTestFS()))
	wantSameDump(t, "without the segments", want, dump(t, s))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestSpaceReturnsAfterEverythingIsSettled(t *testing.T) {
	o := small()
	o.SegmentSize, o.IdleSeal = 4<<20, 50*time.Millisecond
	dir := t.TempDir()
	s := open(t, dir, o)
	a, b := openSession(t, s, "a"), openSession(t, s, "b")
	fill(t, s, s.Audience(members(a, b)), 20_000, 1000)
	full := s.Stats()
	if full.LogBytes < 20_000_000 || full.Queued != 20_000 {
		t.Fatalf("%d bytes, %d queued", full.LogBytes, full.Queued)
	}
	settleAll(t, s)
	eventually(t, "the log is empty", func() bool {
		st := s.Stats()
		open := s.log.Segments()[0]
		return st.Segments == 1 && open.End-open.Base < worthSealing && st.Queued == 0
	})
	check(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if used := diskUsage(t, filepath.Join(dir, logDir)); used > 3*o.SegmentSize {
		t.Errorf("%d bytes are left of %d", used, full.LogBytes)
	}
}

// diskUsage is what the files of a directory occupy.
func diskUsage(t testing.TB, dir string) (bytes int64) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			bytes += info.Sys().(*syscall.Stat_t).Blocks * 512
		}
	}
	return bytes
}

// TestCompactionUnderReaders settles most of a backlog so that its segments are rewritten, while readers go through what
// is left again and again.
func TestCompactionUnderReaders(t *testing.T) {
	o := small()
	o.SegmentSize = 2 << 20
	o.TailBytes = 1
	s := open(t, t.TempDir(), o)
	ses, slow := openSession(t, s, "fast"), openSession(t, s, "slow")
	both, one := s.Audience(members(ses, slow)), s.Audience(members(ses))
	const n, every = 8000, 50
	var want []string
	for i := range n {
		to, payload := one, fmt.Sprint(i, " ", string(make([]byte, 1000)))
		if i%every == 0 {
			to = both
			want = append(want, payload)
		}
		if _, err := s.Append(&persist.Batch{Message: message("t", payload), Audience: to}); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, s)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	readers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, got := readAll(t, s, slow.ID); !slices.Equal(got, want) {
				t.Errorf("%d messages, want %d", len(got), len(want))
				return
			}
		}
	})
	commit(t, s, persist.Batch{Session: ses.ID, Epoch: ses.Epoch, Settled: persist.Settled{Floor: s.Stats().Position}})
	eventually(t, "a segment is compacted", func() bool { return s.Stats().SegmentsCompacted >= 2 || t.Failed() })
	close(stop)
	readers.Wait()
	check(t, s)
	s = open(t, kill(t, s), o)
	if _, got := readAll(t, s, slow.ID); !slices.Equal(got, want) {
		t.Errorf("%d messages after a kill, want %d", len(got), len(want))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestStartReadsIndexesNotSegments(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, small())
	ses := openSession(t, s, "c")
	fill(t, s, s.Audience(members(ses)), 2000, 1000)
	eventually(t, "all sealed segments have an index", func() bool {
		return !slices.ContainsFunc(s.log.Segments(), indexMissing)
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// Whoever reads the sealed segments now finds nothing.
	names, err := filepath.Glob(filepath.Join(dir, logDir, "*.seg"))
	if err != nil || len(names) < 5 {
		t.Fatalf("%d segments, error %v", len(names), err)
	}
	slices.Sort(names)
	for _, name := range names[:len(names)-3] { // the last ones hold the log's end
		if err := os.WriteFile(name, append(mustRead(t, name)[:64], make([]byte, 1<<10)...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s = open(t, dir, small())
	if st := s.Stats(); st.Queued != 2000 || st.Recovery.Queued != 2000 || st.Recovery.Replayed != 0 {
		t.Errorf("%d queued, recovery %+v", st.Queued, st.Recovery)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func mustRead(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestExpiredSegmentsGo(t *testing.T) {
	now := time.UnixMilli(1_000_000)
	var clock sync.Mutex
	o := small()
	o.Now = func() time.Time { clock.Lock(); defer clock.Unlock(); return now }
	s := open(t, t.TempDir(), o)
	ses := openSession(t, s, "c")
	to := s.Audience(members(ses))
	for i := range 1000 {
		m := message("t", fmt.Sprint(i, string(make([]byte, 1000))))
		m.Expires = 2_000_000 + int64(i)
		if _, err := s.Append(&persist.Batch{Message: m, Audience: to}); err != nil {
			t.Fatal(err)
		}
	}
	q, err := s.Attach(ses.ID, newSignal())
	if err != nil {
		t.Fatal(err)
	}
	page := persist.Page{MaxMessages: 10}
	if err := q.Next(&page); err != nil || len(page.Deliveries) != 10 {
		t.Fatalf("%d messages, error %v", len(page.Deliveries), err)
	}
	last := page.Deliveries[9].Position
	flush(t, s)
	clock.Lock()
	now = time.UnixMilli(3_000_000)
	clock.Unlock()
	eventually(t, "only the open segment is left", func() bool { return s.Stats().Segments <= 2 })
	clock.Lock()
	now = time.UnixMilli(1_000_000) // nothing more goes while the state is compared
	clock.Unlock()
	flush(t, s)
	fill(t, s, to, 5, 10)
	check(t, s)
	positions, _ := drain(t, q)
	if n := len(positions); n < 5 || n > 500 || positions[0] <= last {
		t.Errorf("%d messages are left, the first at %d, read up to %d", n, positions[0], last)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFullDiskHoldsTheGroupUntilThereIsRoom(t *testing.T) {
	memory := disk.NewMemory()
	fs := disk.NewFaulty(memory, disk.Fault{})
	o := faulty(fs)
	o.SegmentSize = 1 << 20
	s := open(t, t.TempDir(), o)
	ses := openSession(t, s, "c")
	to := s.Audience(members(ses))
	fill(t, s, to, 10, 100)
	positions, _ := readAll(t, s, ses.ID)

	fs.Arm(disk.Fault{Kinds: disk.OnWrite | disk.OnAllocate, Call: 1, Err: syscall.ENOSPC, Sticky: true})
	w := newSignal()
	held, err := s.Append(&persist.Batch{Message: message("t", "held"), Audience: to, Waiter: w})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the store says that it is stalled", func() bool { return strings.HasPrefix(s.Stats().State, "stalled: disk full") })
	if _, err := s.Append(&persist.Batch{Message: message("t", "refused"), Audience: to}); !errors.Is(err, persist.ErrFull) {
		t.Fatalf("a message on a full disk: %v", err)
	}
	settled := newSignal()
	last, err := s.Append(&persist.Batch{Session: ses.ID, Epoch: ses.Epoch, Waiter: settled, Settled: persist.Settled{Floor: positions[4]}})
	if err != nil {
		t.Fatalf("settling on a full disk: %v", err)
	}
	if s.Durable() >= held || s.Err() != nil {
		t.Fatalf("durable is %d, held is %d, error %v", s.Durable(), held, s.Err())
	}
	if _, payloads := readAll(t, s, ses.ID); len(payloads) != 10 {
		t.Errorf("%d messages can be read while the disk is full", len(payloads))
	}
	fs.Arm(disk.Fault{})
	await(t, s, last, settled)
	eventually(t, "the store runs again", func() bool { return s.Stats().State == "running" })
	fill(t, s, to, 1, 10)
	if _, payloads := readAll(t, s, ses.ID); len(payloads) != 7 || payloads[5] != "held" {
		t.Errorf("after the stall: %q", payloads)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestCloseOnAFullDiskSaysSo(t *testing.T) {
	memory := disk.NewMemory()
	fs := disk.NewFaulty(memory, disk.Fault{})
	s := open(t, t.TempDir(), faulty(fs))
	ses := openSession(t, s, "c")
	fs.Arm(disk.Fault{Kinds: disk.OnWrite | disk.OnAllocate, Call: 1, Err: syscall.ENOSPC, Sticky: true})
	if _, err := s.Append(&persist.Batch{Message: message("t", "held"), Audience: s.Audience(members(ses))}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); !errors.Is(err, persist.ErrFailed) {
		t.Errorf("close: %v", err)
	}
}

// roomy is a file system whose room the state database does not share.
type roomy struct{ disk.FS }

func (roomy) Free(string) (uint64, error) { return 1 << 40, nil }

// TestMessagesAreRefusedBeforeTheLogIsFull has no room for another segment: the rest of this one is for settling, which
// frees segments.
func TestMessagesAreRefusedBeforeTheLogIsFull(t *testing.T) {
	memory := disk.NewMemory()
	o := faulty(roomy{memory})
	o.SegmentSize = 256 << 10
	s := open(t, t.TempDir(), o)
	ses := openSession(t, s, "c")
	to := s.Audience(members(ses))
	fill(t, s, to, 200, 1000)
	eventually(t, "the next segment is ready", func() bool { _, ready := s.log.Room(); return ready })
	memory.SetCapacity(memory.Used() + 1)
	b := persist.Batch{Message: message("fill", string(make([]byte, 1000))), Audience: to}
	var err error
	for range 1000 {
		if _, err = s.Append(&b); err != nil {
			break
		}
		flush(t, s)
	}
	if !errors.Is(err, persist.ErrFull) {
		t.Fatalf("filling the disk ended with %v", err)
	}
	if room, ready := s.log.Room(); ready || room == 0 {
		t.Errorf("%d bytes of room are left, next segment ready %v", room, ready)
	}
	settleAll(t, s) // there is room for that
	s.trim()
	if err := s.checkpoint(); err != nil {
		t.Fatal(err)
	}
	s.freeSegments()
	eventually(t, "messages are taken again", func() bool { _, err := s.Append(&b); return err == nil })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestGuardKeepsRoomForCheckpoints(t *testing.T) {
	fs := newTestFS()
	o := small()
	o.FS, o.MinFree = fs, 1<<30
	s := open(t, t.TempDir(), o)
	ses := openSession(t, s, "c")
	b := persist.Batch{Message: message("t", "m"), Audience: s.Audience(members(ses))}
	low := func() uint64 { return 1 << 29 }
	fs.free.Store(&low)
	eventually(t, "messages are refused", func() bool { _, err := s.Append(&b); return errors.Is(err, persist.ErrFull) })
	checkpoints := s.Stats().Checkpoints
	settleAll(t, s)
	if st := s.Stats(); !strings.HasPrefix(st.State, "stalled: ") {
		t.Errorf("state is %q", st.State)
	}
	eventually(t, "checkpoints go on", func() bool { return s.Stats().Checkpoints > checkpoints })
	fs.free.Store(nil)
	eventually(t, "messages are taken again", func() bool { _, err := s.Append(&b); return err == nil })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestReserveIsGivenUpForACheckpoint(t *testing.T) {
	fs := newTestFS()
	dir := t.TempDir()
	o := small()
	o.FS, o.Reserve = fs, 1<<20
	s := open(t, dir, o)
	reserved := func() bool { _, err := os.Stat(filepath.Join(dir, reserveFile)); return err == nil }
	eventually(t, "a reserve is made", reserved)
	none := func() uint64 { return 0 }
	fs.free.Store(&none)
	openSession(t, s, "c")
	eventually(t, "the reserve is given up", func() bool { return !reserved() })
	if st := s.Stats(); st.CheckpointErrors == 0 || s.Err() != nil {
		t.Errorf("%d checkpoints failed, error %v", st.CheckpointErrors, s.Err())
	}
	fs.free.Store(nil)
	eventually(t, "checkpoints succeed and the reserve is back", func() bool { return reserved() })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
