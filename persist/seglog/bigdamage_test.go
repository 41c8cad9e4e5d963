package seglog

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// TestSearchFindsGroupsAcrossItsWindows damages the header of a group whose end is near the place where the search for
// the next group reads on.
func TestSearchFindsGroupsAcrossItsWindows(t *testing.T) {
	for size := windowStep - 96; size <= windowStep+96; size += groupAlign {
		o := testOptions()
		o.SegmentSize = 1 << 20
		r := openRig(t, newMemory(t), o, nil)
		r.commit("before")
		start := r.log.End() - firstBase
		if err := r.tryCommit(true, r.add(typeControl, make([]byte, size-groupHeader-recordHeader))); err != nil {
			t.Fatal(err)
		}
		r.commit("behind")
		alter(t, r.fs, r.files(segmentSuffix)[0], func(b []byte) []byte { b[start+20] ^= 1; return b })
		l, got := recovered(t, "search", r.image(), r.o)
		wantEntries(t, fmt.Sprintf("group of %d bytes", size), got, r.model)
		if len(l.Damage()) != 1 {
			t.Fatalf("group of %d bytes: %v", size, l.Damage())
		}
		_ = l.Close()
	}
}

// TestHostileBytesDoNotMakeTheSearchSlow damages a group whose payload looks like the lengths of records everywhere.
func TestHostileBytesDoNotMakeTheSearchSlow(t *testing.T) {
	o := testOptions()
	o.SegmentSize = 4 << 20
	r := openRig(t, newMemory(t), o, nil)
	const size = 2 << 20
	body := make([]byte, size)
	for i := 0; i+4 <= size; i += 4 {
		binary.LittleEndian.PutUint32(body[i:], uint32(size-i)/2)
	}
	if err := r.tryCommit(true, r.add(typeControl, body), r.add(typeControl, []byte("lost with it"))); err != nil {
		t.Fatal(err)
	}
	r.commit("behind")
	name := r.files(segmentSuffix)[0]
	alter(t, r.fs, name, func(b []byte) []byte { b[r.model[0].pos-firstBase+6] ^= 0xff; return b })
	began := time.Now()
	l, got := recovered(t, "hostile", r.image(), r.o)
	if took := time.Since(began); took > 20*time.Second {
		t.Fatalf("took %v", took)
	}
	if err := subset(got, r.model); err != nil || len(got) == 0 || got[len(got)-1].pos != r.model[2].pos {
		t.Fatalf("%d entries, %v", len(got), err)
	}
	if len(l.Damage()) == 0 {
		t.Fatal("no damage reported")
	}
}

// TestForgedRecordInAPayloadIsNotFound puts valid records, as another store would write them, into a payload and then
// makes the log search there.
func TestForgedRecordInAPayloadIsNotFound(t *testing.T) {
	r := newRig(t)
	var forged Group
	for range 5 {
		forged.End(append(forged.Begin(typeControl), "forged"...))
	}
	body := append([]byte("payload"), forged.Bytes()[groupHeader:]...)
	if err := r.tryCommit(true, r.add(typeControl, body), r.add(typeControl, []byte("intact"))); err != nil {
		t.Fatal(err)
	}
	r.commit("behind")
	alter(t, r.fs, r.files(segmentSuffix)[0], func(b []byte) []byte { b[r.model[0].pos-firstBase+7] ^= 0xff; return b })
	_, got := recovered(t, "forged", r.image(), r.o)
	wantEntries(t, "forged", got, r.model[1:])
}

func TestStrayEmptySegmentIsRemoved(t *testing.T) {
	r := newRig(t)
	r.commit("one")
	if err := r.log.Close(); err != nil {
		t.Fatal(err)
	}
	stray := r.log.fileName(400*4096, segmentSuffix)
	info := segmentInfo{base: 400 * 4096, capacity: 4096}
	if _, err := create(t, r.fs, stray).WriteAt(info.encode(r.o.UUID), 0); err != nil {
		t.Fatal(err)
	}
	l, got := recovered(t, "stray", r.fs, r.o)
	wantEntries(t, "stray", got, r.model)
	r.log = l
	for range 50 {
		r.commit("goes on where it was")
	}
	if r.log.End() > 399*4096 {
		t.Fatalf("the log jumped to %d", r.log.End())
	}
	r.check()
	for _, name := range r.files(segmentSuffix) {
		if name == stray {
			t.Fatal("the stray segment is still there")
		}
	}
}

func TestOverlappingSegmentsAreDamage(t *testing.T) {
	r := newRig(t)
	r.commit(strings.Repeat("x", 3500))
	r.commit(strings.Repeat("x", 3500))
	if err := r.log.Close(); err != nil {
		t.Fatal(err)
	}
	alter(t, r.fs, r.files(segmentSuffix)[0], func(b []byte) []byte {
		binary.LittleEndian.PutUint64(b[32:], 8192)
		putChecksum(b[:segmentHeader])
		return b
	})
	l, got := recovered(t, "overlap", r.fs, r.o)
	wantEntries(t, "overlap", got, r.model)
	if len(l.Damage()) != 1 {
		t.Fatalf("damage: %v", l.Damage())
	}
	_ = l.Close()
}

// TestRecordsThatEndInZerosSurviveTheirGroupsHeader: without a header, zeros do not tell where the last record ends.
func TestRecordsThatEndInZerosSurviveTheirGroupsHeader(t *testing.T) {
	r := newRig(t)
	start := r.log.End() - firstBase
	if err := r.tryCommit(true, r.add(typeControl, []byte("one")), r.add(typeControl, make([]byte, 2000))); err != nil {
		t.Fatal(err)
	}
	if err := r.log.Seal(); err != nil {
		t.Fatal(err)
	}
	r.commit("in the next segment")
	name := r.files(segmentSuffix)[0]
	for at := range persist.Position(groupHeader) {
		fs := r.image()
		alter(t, fs, name, func(b []byte) []byte { b[start+at] ^= 1; return b })
		l, got := recovered(t, "header", fs, r.o)
		wantEntries(t, fmt.Sprintf("byte %d of the header", at), got, r.model)
		if len(l.Damage()) == 0 {
			t.Fatalf("byte %d of the header: no damage reported", at)
		}
		_ = l.Close()
	}
	// A group whose end was overwritten with zeros has lost records, not fewer.
	alter(t, r.fs, name, func(b []byte) []byte { clear(b[r.model[1].pos-firstBase : 2000]); return b })
	l, got := recovered(t, "zeros", r.fs, r.o)
	wantEntries(t, "zeros", got, []entry{r.model[0], r.model[2]})
	if len(l.Damage()) == 0 {
		t.Fatal("zeros: no damage reported")
	}
}
