package seglog

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/holdfast-mqtt/holdfast/persist/disk"
)

func TestCommittedRecordsAreReadBack(t *testing.T) {
	r := newRig(t)
	r.commit("one")
	r.commit("two", "three", "")
	r.commit(strings.Repeat("x", 700))
	r.check()
	r.reopen()
	r.check()
	r.commit("four")
	r.check()
}

func TestGroupBytesGiveTheRecordsOfTheLog(t *testing.T) {
	r := newRig(t)
	want := []entry{r.add(typeMessage, []byte("one")), r.add(typeControl, nil), r.add(typeControl, []byte("three"))}
	base, err := r.log.Commit(&r.group, true)
	if err != nil {
		t.Fatal(err)
	}
	var got []entry
	for off := FirstRecord; ; {
		typ, body, next, ok := Record(r.group.Bytes(), off)
		if !ok {
			break
		}
		got = append(got, entry{pos: base + 0, typ: typ, body: body})
		got[len(got)-1].pos += want[len(got)-1].pos
		if int(want[len(got)-1].pos) != off {
			t.Fatalf("record %d is at offset %d, End said %d", len(got), off, want[len(got)-1].pos)
		}
		off = next
	}
	for i := range want {
		want[i].pos += base
	}
	wantEntries(t, "group bytes", got, want)
	wantEntries(t, "scan", r.scan(0), want)
}

func TestAbandonedRecordDoesNotExist(t *testing.T) {
	r := newRig(t)
	a := r.add(typeControl, []byte("a"))
	_ = append(r.group.Begin(typeControl), "never ended"...)
	b := r.add(typeControl, []byte("b"))
	if err := r.tryCommit(true, a, b); err != nil {
		t.Fatal(err)
	}
	r.check()
}

func TestEmptyGroupWritesNothing(t *testing.T) {
	r := newRig(t)
	before := r.log.End()
	base, err := r.log.Commit(&r.group, true)
	if groups, _, _, _ := r.log.Counters(); err != nil || base != before || groups != 0 {
		t.Fatalf("base %d, groups %d, error %v", base, groups, err)
	}
}

func TestLogRotatesThroughSegments(t *testing.T) {
	r := newRig(t)
	for i := range 60 {
		r.commit(fmt.Sprint("message ", i, strings.Repeat(".", i*7%300)))
	}
	if n := len(r.sealed()); n < 3 {
		t.Fatalf("%d sealed segments, want some", n)
	}
	r.check()
	r.reopen()
	r.check()
}

func TestOversizedGroupGetsASegmentThatFits(t *testing.T) {
	for _, size := range []int{4000, 4096, 5000, 50_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			r := newRig(t)
			r.commit(strings.Repeat("first", size/5))
			r.commit("small")
			r.commit(strings.Repeat("second", size/5), "with company")
			r.commit("small again")
			r.check()
			r.reopen()
			r.check()
			r.commit(strings.Repeat("third", size/5))
			r.check()
		})
	}
}

func TestSealStartsASegmentAndSurvivesRemovalOfAllOthers(t *testing.T) {
	r := newRig(t)
	for i := range 40 {
		r.commit(fmt.Sprint("message ", i))
	}
	if err := r.log.Seal(); err != nil {
		t.Fatal(err)
	}
	end := r.log.End()
	for _, base := range r.sealed() {
		if err := r.log.Remove(base); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.log.Seal(); err != nil || len(r.log.Segments()) != 1 {
		t.Fatalf("sealing an empty segment: %v, %d segments", err, len(r.log.Segments()))
	}
	old := r.model
	r.model = nil
	r.o.Replay = end
	r.reopen()
	r.check()
	if r.log.End() < end {
		t.Fatalf("positions went back from %d to %d", end, r.log.End())
	}
	r.commit("after")
	if r.model[0].pos <= old[len(old)-1].pos {
		t.Fatal("a position was given out twice")
	}
	r.reopen()
	r.check()
}

func TestFullDiskKeepsTheGroupForLater(t *testing.T) {
	for _, kind := range []disk.Kind{disk.OnWrite, disk.OnAllocate, disk.OnCreate} {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			fs := disk.NewMemory()
			if err := fs.MkdirAll("/data"); err != nil {
				t.Fatal(err)
			}
			faulty := disk.NewFaulty(fs, disk.Fault{})
			r := openRig(t, faulty, testOptions(), nil)
			r.commit("before")
			faulty.Arm(disk.Fault{Kinds: kind, Call: 1, Sticky: true, Short: true, Err: syscall.ENOSPC})
			var err error
			for i := 0; err == nil && i < 100; i++ {
				e := r.add(typeMessage, message(1, 0, strings.Repeat("m", 300)))
				if err = r.tryCommit(true, e); err == nil {
					continue
				}
				for range 3 {
					if _, err := r.log.Commit(&r.group, true); !errors.Is(err, ErrNoSpace) {
						t.Fatalf("commit on a full disk: %v", err)
					}
				}
				// More rides in the same group, more than a segment takes.
				more := r.add(typeControl, []byte(strings.Repeat("n", 6000)))
				faulty.Arm(disk.Fault{})
				if err := r.tryCommit(true, e, more); err != nil {
					t.Fatalf("commit after room was made: %v", err)
				}
			}
			if !errors.Is(err, ErrNoSpace) {
				t.Fatalf("no full disk: %v", err)
			}
			r.commit("after")
			r.check()
			r.reopen()
			r.check()
		})
	}
}

func TestRoomTellsThatTheNextSegmentIsMissing(t *testing.T) {
	fs := disk.NewMemory()
	if err := fs.MkdirAll("/data"); err != nil {
		t.Fatal(err)
	}
	r := openRig(t, fs, testOptions(), nil)
	if err := r.log.Prepare(); err != nil {
		t.Fatal(err)
	}
	fs.SetCapacity(fs.Used())
	for len(r.sealed()) == 0 {
		r.commit("fill the segment with small messages")
	}
	if err := r.log.Prepare(); !errors.Is(err, ErrNoSpace) {
		t.Fatalf("prepare: %v", err)
	}
	if room, ready := r.log.Room(); ready || room <= 0 || room >= 4096 {
		t.Fatalf("room %d, ready %t", room, ready)
	}
	r.commit("the open segment still takes messages")
	fs.SetCapacity(0)
	if err := r.log.Prepare(); err != nil {
		t.Fatal(err)
	}
	if _, ready := r.log.Room(); !ready {
		t.Fatal("next segment is not ready after room was made")
	}
	r.check()
}

func TestFailedSyncPoisonsForGood(t *testing.T) {
	for _, kind := range []disk.Kind{disk.OnWrite, disk.OnSync} {
		fs := disk.NewMemory()
		if err := fs.MkdirAll("/data"); err != nil {
			t.Fatal(err)
		}
		faulty := disk.NewFaulty(fs, disk.Fault{})
		r := openRig(t, faulty, testOptions(), nil)
		r.commit("before")
		if err := r.log.Prepare(); err != nil {
			t.Fatal(err)
		}
		faulty.Arm(disk.Fault{Kinds: kind, Call: 1, Err: syscall.EIO})
		e := r.add(typeMessage, message(1, 0, "lost"))
		err := r.tryCommit(true, e)
		if !errors.Is(err, ErrPoisoned) || !errors.Is(err, syscall.EIO) {
			t.Fatalf("commit: %v", err)
		}
		for _, again := range []error{r.tryCommit(true, e), r.tryCommit(false, e), r.log.Sync(), r.log.Seal(), r.log.Prepare(), r.log.Err()} {
			if again == nil || again.Error() != err.Error() {
				t.Fatalf("after %v: %v", err, again)
			}
		}
		r.check() // Reads go on.
	}
}

func TestGroupIsGatheredWithoutAllocation(t *testing.T) {
	var g Group
	body := make([]byte, 300)
	gather := func() {
		g.Reset()
		for range 50 {
			g.End(append(g.Begin(typeMessage), body...))
		}
	}
	gather()
	if n := testing.AllocsPerRun(100, gather); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}
