package seglog

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/persist/disk"
)

func TestWhatOpenFindsIsDurable(t *testing.T) {
	for seed := range uint64(50) {
		r := newRig(t)
		r.commit("durable")
		for i := range 5 {
			if err := r.tryCommit(false, r.add(typeControl, []byte(fmt.Sprint("only in the page cache ", i)))); err != nil {
				t.Fatal(err)
			}
		}
		killed := r.image()
		l, got := recovered(t, "killed", killed, r.o)
		wantEntries(t, "killed", got, r.model)
		left := killed.Crash(seed)
		_ = l.Close()
		l, got = recovered(t, "power cut", left, r.o)
		wantEntries(t, fmt.Sprintf("seed %d: power cut after the start", seed), got, r.model)
		_ = l.Close()
	}
}

func TestSegmentIsSealedOnlyWhenTheNextHasADurableGroup(t *testing.T) {
	faulty := disk.NewFaulty(newMemory(t), disk.Fault{})
	r := openRig(t, faulty, testOptions(), nil)
	if err := r.log.Prepare(); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, 900)
	var e entry
	for len(r.log.Segments()) == 1 {
		if room, _ := r.log.Room(); room < 1000 {
			faulty.Arm(disk.Fault{Kinds: disk.OnWrite, Call: 1, Sticky: true, Err: syscall.ENOSPC})
		}
		r.group.Reset()
		e = r.add(typeControl, body)
		if err := r.tryCommit(true, e); err != nil && !errors.Is(err, ErrNoSpace) {
			t.Fatal(err)
		}
	}
	r.log.durable(r.log.End()) // As a Sync that began before the rotation does when it ends.
	first := r.log.Segments()[0]
	if first.Sealed || r.log.Remove(first.Base) == nil {
		t.Fatal("a segment was given up while the log ends in it")
	}
	faulty.Arm(disk.Fault{})
	if err := r.tryCommit(false, e); err != nil {
		t.Fatal(err)
	}
	if r.log.Segments()[0].Sealed {
		t.Fatal("a segment was given up while the next has nothing durable")
	}
	if err := r.log.Sync(); err != nil {
		t.Fatal(err)
	}
	if !r.log.Segments()[0].Sealed {
		t.Fatal("not sealed although the next segment has a durable group")
	}
	r.check()
}

func TestIndexFromBeforeACompactionIsNotUsed(t *testing.T) {
	r := newRig(t)
	fill(r, 1)
	base := r.sealed()[0]
	if err := r.log.WriteIndex(base); err != nil {
		t.Fatal(err)
	}
	old := r.contents()
	r.o.Replay = r.log.End()
	none := func(persist.Position) bool { return false }
	if err := r.log.Compact(base, none); err != nil {
		t.Fatal(err)
	}
	r.compacted(base, r.log.Segments()[0].End, none)
	alter(t, r.fs, r.log.fileName(base, indexSuffix), func([]byte) []byte { return old[fmt.Sprintf("%020d.idx", base)] })
	r.reopen()
	if info := r.log.Segments()[0]; info.Indexed || !info.Compacted {
		t.Fatalf("%+v", info)
	}
	if err := r.log.LoadIndex(base, func(pos persist.Position, _ uint64, _ int64) { t.Errorf("%d is gone", pos) }); err != nil {
		t.Fatal(err)
	}
}

func TestCompactedSegmentReplacesTheOneItWasMadeFrom(t *testing.T) {
	r := newRig(t)
	fill(r, 1)
	info := r.log.Segments()[0]
	plain := r.contents()[fmt.Sprintf("%020d.seg", info.Base)]
	r.o.Replay = r.log.End()
	live := func(pos persist.Position) bool { return pos%2 == 1 }
	if err := r.log.Compact(info.Base, live); err != nil {
		t.Fatal(err)
	}
	r.compacted(info.Base, info.End, live)
	// As if the crash had come before the segment was removed.
	file := create(t, r.fs, r.log.fileName(info.Base, segmentSuffix))
	if _, err := file.WriteAt(plain, 0); err != nil {
		t.Fatal(err)
	}
	r.reopen()
	r.check()
	for _, name := range r.files(segmentSuffix) {
		if name == r.log.fileName(info.Base, segmentSuffix) {
			t.Fatal("both files are still there")
		}
	}
}

// renameHook calls after every rename.
type renameHook struct {
	disk.FS
	after func(newName string)
}

func (h *renameHook) Rename(oldName, newName string) error {
	err := h.FS.Rename(oldName, newName)
	if h.after != nil {
		h.after(newName)
	}
	return err
}

func TestReadsAreRightWhileACompactedFileIsReplaced(t *testing.T) {
	hook := &renameHook{FS: newMemory(t)}
	r := openRig(t, hook, testOptions(), nil)
	fill(r, 1)
	info := r.log.Segments()[0]
	all := func(persist.Position) bool { return true }
	if err := r.log.Compact(info.Base, all); err != nil {
		t.Fatal(err)
	}
	r.compacted(info.Base, info.End, all)
	hook.after = func(string) {
		r.log.handles.closeIdle()
		r.check()
	}
	var last persist.Position
	for _, e := range r.model {
		if e.pos < info.End {
			last = e.pos
		}
	}
	only := func(pos persist.Position) bool { return pos == last }
	reads := 0
	check := hook.after
	hook.after = func(name string) {
		// The index that is written afterwards is another rename, and then the others are gone.
		if reads++; reads == 1 {
			check(name)
		}
	}
	if err := r.log.Compact(info.Base, only); err != nil {
		t.Fatal(err)
	}
	r.compacted(info.Base, info.End, only)
	r.check()
	if reads != 2 {
		t.Fatalf("%d renames", reads)
	}
}

// closeIdle closes every file that is not in use, as if many others had been opened.
func (h *handles) closeIdle() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.open {
		if s.users == 0 {
			h.closeLocked(s)
		}
	}
}

func TestOpenFilesAreBoundedAndClosed(t *testing.T) {
	r := newRig(t)
	fill(r, maxHandles+20)
	r.check()
	h := r.log.handles
	if n := len(h.open); n > maxHandles {
		t.Fatalf("%d files are open", n)
	}
	base := r.sealed()[0]
	r.log.mu.RLock()
	seg, _ := r.log.findLocked(base)
	r.log.mu.RUnlock()
	file, err := h.acquire(seg.src)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.log.Remove(base); err != nil {
		t.Fatal(err)
	}
	if _, err := file.ReadAt(make([]byte, segmentHeader), 0); err != nil {
		t.Fatalf("read of a segment that is being read: %v", err)
	}
	h.release(seg.src)
	if _, ok := h.open[seg.src]; ok {
		t.Fatal("the removed segment's file is still open")
	}
	if err := r.log.Close(); err != nil {
		t.Fatal(err)
	}
	if len(h.open) != 0 {
		t.Fatalf("%d files are open after Close", len(h.open))
	}
	if _, _, _, err := r.log.Read(r.model[len(r.model)-1].pos, nil); !errors.Is(err, ErrClosed) {
		t.Fatalf("read after Close: %v", err)
	}
	if err := r.log.Close(); !errors.Is(err, ErrClosed) {
		t.Fatalf("second Close: %v", err)
	}
	if _, err := r.log.Commit(&r.group, true); !errors.Is(err, ErrClosed) {
		t.Fatalf("commit after Close: %v", err)
	}
}

func TestCallsThatDoNotFitTheSegmentAreRefused(t *testing.T) {
	r := newRig(t)
	r.commit("open")
	open := r.log.Segments()[0].Base
	for what, err := range map[string]error{
		"index of the open segment":      r.log.WriteIndex(open),
		"compaction of the open segment": r.log.Compact(open, nil),
		"removal of the open segment":    r.log.Remove(open),
		"index of no segment":            r.log.WriteIndex(77),
		"load of no segment":             r.log.LoadIndex(77, nil),
	} {
		if err == nil {
			t.Error(what)
		}
	}
	if _, err := Open(r.fs, testDir, Options{SegmentSize: MaxGroup + 1}); err == nil {
		t.Error("a segment size out of range")
	}
}

func TestDamageReportIsBounded(t *testing.T) {
	r := newRig(t)
	rep := &r.log.report
	for i := range maxDamage + 10 {
		rep.add(Damage{File: "a", Offset: int64(i)})
		rep.add(Damage{File: "a", Offset: int64(i)})
	}
	if _, list := r.log.Report(); len(rep.damage) != maxDamage || len(list) != maxDamage+1 {
		t.Fatalf("%d places, %d lines", len(rep.damage), len(list))
	}
}

func TestGroupBeyondTheLimitIsRefused(t *testing.T) {
	r := newRig(t)
	r.group.buf = make([]byte, MaxGroup+1)
	r.group.records = 1
	if _, err := r.log.Commit(&r.group, true); !errors.Is(err, ErrTooLarge) {
		t.Fatalf("commit: %v", err)
	}
	r.group = Group{}
	r.commit("the log goes on")
	r.check()
}
