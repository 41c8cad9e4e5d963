package seglog

import (
	"errors"
	"fmt"
	"testing"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/persist/disk"
)

func TestMissingSegmentBehindTheCheckpointIsDamage(t *testing.T) {
	build := func() *rig {
		r := newRig(t)
		for i := range 80 {
			r.commit(fmt.Sprint("message ", i))
		}
		return r
	}
	count := len(build().sealed())
	for i := range count {
		r := build()
		infos := r.log.Segments()
		if err := r.log.Close(); err != nil {
			t.Fatal(err)
		}
		if err := r.fs.Remove(r.log.fileName(infos[i].Base, segmentSuffix)); err != nil {
			t.Fatal(err)
		}
		if err := r.fs.SyncDir(testDir); err != nil {
			t.Fatal(err)
		}
		var want []entry
		for _, e := range r.model {
			if e.pos < infos[i].Base || e.pos > infos[i].End {
				want = append(want, e)
			}
		}
		l, got := recovered(t, "missing", r.fs, r.o)
		wantEntries(t, "missing", got, want)
		if len(l.Damage()) != 1 || l.Damage()[0].End != infos[i].End {
			t.Fatalf("segment %d [%d,%d) missing: %v", i, infos[i].Base, infos[i].End, l.Damage())
		}
		_ = l.Close()
		// Once a checkpoint covers it, a missing segment is one that was removed.
		r.o.Replay = infos[i].End
		l, got = recovered(t, "removed", r.fs, r.o)
		wantEntries(t, "removed", got, want)
		if len(l.Damage()) != 0 {
			t.Fatalf("segment %d removed: %v", i, l.Damage())
		}
		_ = l.Close()
	}
}

func TestLogThatEndsBeforeTheCheckpointGivesNoPositionTwice(t *testing.T) {
	r := newRig(t)
	r.commit("one")
	replay := r.log.End() + 100_000
	if err := r.log.Close(); err != nil {
		t.Fatal(err)
	}
	refusing := r.o
	refusing.Replay, refusing.Refuse = replay, true
	for range 2 {
		if _, err := Open(r.fs, testDir, refusing); err == nil {
			t.Fatal("opened although it refuses damage")
		}
	}
	r.o.Replay = replay
	l, got := recovered(t, "short", r.fs, r.o)
	wantEntries(t, "short", got, r.model)
	if len(l.Damage()) != 1 || l.End() < replay {
		t.Fatalf("end %d, checkpoint %d, damage %v", l.End(), replay, l.Damage())
	}
	writable(t, "short", r.fs, r.o, l, got)
}

func TestEmptyDirectoryWithACheckpointIsDamage(t *testing.T) {
	fs := disk.NewMemory()
	o := testOptions()
	o.Replay = 1_000_000
	l, got := recovered(t, "empty", fs, o)
	if len(got) != 0 || len(l.Damage()) != 1 || l.End() < o.Replay {
		t.Fatalf("%d entries, end %d, damage %v", len(got), l.End(), l.Damage())
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestDamagedSegmentHeaderLosesNothing(t *testing.T) {
	for i := range 3 {
		r := newRig(t)
		for i := range 80 {
			r.commit(fmt.Sprint("message ", i))
		}
		segs := r.log.Segments()
		which := []int{0, 1, len(segs) - 1}[i]
		if err := r.log.Close(); err != nil {
			t.Fatal(err)
		}
		alter(t, r.fs, r.log.fileName(segs[which].Base, segmentSuffix), func(b []byte) []byte { b[33] ^= 4; return b })
		l, got := recovered(t, "damaged header", r.fs, r.o)
		wantEntries(t, "damaged header", got, r.model)
		if len(l.Damage()) != 1 {
			t.Fatalf("damage: %v", l.Damage())
		}
		writable(t, "damaged header", r.fs, r.o, l, got)
	}
}

func TestReadsAnswerGoneAndNotYet(t *testing.T) {
	r := newRig(t)
	for i := range 60 {
		r.commit(fmt.Sprint("message ", i))
	}
	gone := r.model[0].pos
	if err := r.log.Remove(r.sealed()[0]); err != nil {
		t.Fatal(err)
	}
	for pos, want := range map[persist.Position]error{
		0: ErrGone, 1: ErrGone, gone: ErrGone, r.log.End(): ErrNotYet, r.log.End() + 100_000: ErrNotYet,
	} {
		if _, _, _, err := r.log.Read(pos, nil); !errors.Is(err, want) {
			t.Errorf("read %d: %v, want %v", pos, err, want)
		}
	}
	if err := r.log.Remove(r.log.Segments()[len(r.log.Segments())-1].Base); err == nil {
		t.Error("the open segment was removed")
	}
}
