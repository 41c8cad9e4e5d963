package seglog

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// fill commits messages and control records until some segments are sealed.
func fill(r *rig, segments int) {
	r.t.Helper()
	for i := 0; len(r.sealed()) < segments; i++ {
		list := []entry{
			r.add(typeMessage, message(uint64(i%3), int64(i%2*(1000+i)), strings.Repeat("m", i*13%200))),
			r.add(typeControl, []byte(fmt.Sprint("control ", i))),
			r.add(typeMessage, message(7, 0, fmt.Sprint("message ", i))),
		}
		if err := r.tryCommit(true, list...); err != nil {
			r.t.Fatal(err)
		}
	}
}

// compacted removes from the model what compaction drops.
func (g *rig) compacted(base, end persist.Position, live func(persist.Position) bool) {
	var kept []entry
	for _, e := range g.model {
		if e.pos < base || e.pos >= end || e.typ == typeMessage && live(e.pos) {
			kept = append(kept, e)
		}
	}
	g.model = kept
}

func TestCompactKeepsLiveRecordsUnderTheirPositions(t *testing.T) {
	o := testOptions()
	o.SegmentSize = 64 << 10
	r := openRig(t, newMemory(t), o, nil)
	fill(r, 3)
	all := r.model
	for round, keep := range []int{3, 7, 1000} {
		for _, info := range r.log.Segments() {
			if !info.Sealed {
				continue
			}
			live := func(pos persist.Position) bool { return int(pos)/7%keep == 0 }
			if err := r.log.Compact(info.Base, live); err != nil {
				t.Fatal(err)
			}
			r.compacted(info.Base, info.End, live)
		}
		r.check()
		for _, e := range all {
			_, _, _, err := r.log.Read(e.pos, nil)
			if _, ok := findPosition(r.model, e.pos); !ok && !errors.Is(err, ErrGone) {
				t.Fatalf("round %d: read of dropped %v: %v", round, e, err)
			}
		}
		for _, info := range r.log.Segments() {
			if info.Sealed && (!info.Compacted || !info.Indexed || info.FileBytes > 64<<10) {
				t.Fatalf("round %d: %+v", round, info)
			}
		}
		if n := len(r.files(segmentSuffix)); n > 2 {
			t.Fatalf("round %d: %d plain segments are left", round, n)
		}
		r.reopen()
		r.check()
	}
}

func findPosition(list []entry, pos persist.Position) (entry, bool) {
	for _, e := range list {
		if e.pos == pos {
			return e, true
		}
	}
	return entry{}, false
}

func TestCompactLeavesADamagedSegmentAlone(t *testing.T) {
	r := newRig(t)
	fill(r, 1)
	info := r.log.Segments()[0]
	hit := r.model[2]
	r.trimmed()
	alter(t, r.fs, r.log.fileName(info.Base, segmentSuffix), func(b []byte) []byte {
		b[hit.pos-info.Base+recordHeader] ^= 1
		return b
	})
	var damage *Damage
	err := r.log.Compact(info.Base, func(persist.Position) bool { return true })
	if !errors.As(err, &damage) || damage.Position != hit.pos {
		t.Fatalf("compact: %v", err)
	}
	if _, _, _, err := r.log.Read(hit.pos, nil); !errors.As(err, &damage) {
		t.Fatalf("read: %v", err)
	}
	if info := r.log.Segments()[0]; info.Compacted || len(r.files(compactSuffix)) != 0 || len(r.files(tempSuffix)) != 0 {
		t.Fatalf("something changed: %+v", info)
	}
}

func TestDamageInACompactedSegmentCostsOnlyTheRecordsTouched(t *testing.T) {
	r := newRig(t)
	fill(r, 1)
	info := r.log.Segments()[0]
	live := func(pos persist.Position) bool { return pos%2 == 0 }
	if err := r.log.Compact(info.Base, live); err != nil {
		t.Fatal(err)
	}
	r.compacted(info.Base, info.End, live)
	name := r.files(compactSuffix)[0]
	r.o.Replay = info.End
	l, _ := recovered(t, "places", r.image(), r.o)
	var places []int64 // where the entries are in the file
	seg := l.segments[0]
	file, err := l.handles.acquire(seg.src)
	if err != nil {
		t.Fatal(err)
	}
	b, err := readUpTo(file, -1)
	if err != nil {
		t.Fatal(err)
	}
	for at := int64(compactHeader); at < seg.src.compact.end; {
		_, size, ok := entryAt(b[at:])
		if !ok {
			t.Fatal("no entry")
		}
		places = append(places, at)
		at += size
	}
	places = append(places, seg.src.compact.end)
	for at := places[0]; at < seg.src.compact.end; at++ {
		fs := r.image()
		alter(t, fs, name, func(b []byte) []byte { b[at] ^= 0x10; return b })
		l, got := recovered(t, "compacted", fs, r.o)
		hit := 0
		for places[hit+1] <= at {
			hit++
		}
		want := append(append([]entry(nil), r.model[:hit]...), r.model[hit+1:]...)
		wantEntries(t, fmt.Sprintf("byte %d", at), got, want)
		var damage *Damage
		if len(l.Damage()) != 1 {
			t.Fatalf("byte %d: damage %v", at, l.Damage())
		}
		if _, _, _, err := l.Read(r.model[hit].pos, nil); !errors.As(err, &damage) {
			t.Fatalf("byte %d: read: %v", at, err)
		}
		if hit+1 < len(places)-1 {
			typ, body, _, err := l.Read(r.model[hit+1].pos, nil)
			wantRecord(t, fmt.Sprintf("byte %d: the next record", at), r.model[hit+1], typ, body, err)
		}
		_ = l.Close()
	}
}

func TestDamagedCompactedFileFallsBackToTheSegment(t *testing.T) {
	r := newRig(t)
	fill(r, 1)
	info := r.log.Segments()[0]
	before := r.image()
	if err := r.log.Compact(info.Base, func(persist.Position) bool { return false }); err != nil {
		t.Fatal(err)
	}
	// The crash came before the segment was removed, and the compacted file is not whole.
	name := r.files(compactSuffix)[0]
	var whole []byte
	alter(t, r.fs, name, func(b []byte) []byte { whole = bytes.Clone(b); return b })
	for cut := range whole {
		fs := before.Image()
		file, err := fs.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteAt(whole[:cut], 0); err != nil {
			t.Fatal(err)
		}
		l, got := recovered(t, "fallback", fs, r.o)
		wantEntries(t, fmt.Sprintf("cut at %d", cut), got, r.model)
		if _, err := fs.OpenFile(name, os.O_RDONLY, 0); !errors.Is(err, os.ErrNotExist) {
			t.Fatalf("cut at %d: the torn file is still there: %v", cut, err)
		}
		_ = l.Close()
	}
}

func TestReadersSeeRightRecordsWhileSegmentsGo(t *testing.T) {
	r := newRig(t)
	fill(r, 12)
	all := append([]entry(nil), r.model...)
	live := func(pos persist.Position) bool { return pos%3 == 0 }
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(worker), 3))
			reader := r.log.NewReader()
			for range 40 {
				for i := rng.IntN(5); i < len(all); i += 1 + rng.IntN(1+worker*4) {
					typ, body, err := reader.Read(all[i].pos)
					if errors.Is(err, ErrGone) {
						continue
					}
					if err != nil || typ != all[i].typ || !bytes.Equal(body, all[i].body) {
						t.Errorf("read of %v: type %d, %d bytes, error %v", all[i], typ, len(body), err)
						return
					}
				}
				reader.Release()
			}
		})
	}
	wg.Go(func() {
		for round := range 3 {
			for i, base := range r.sealed() {
				if round == 2 && i%2 == 0 {
					if err := r.log.Remove(base); err != nil {
						t.Error(err)
					}
					continue
				}
				if err := r.log.Compact(base, live); err != nil {
					t.Error(err)
				}
			}
		}
	})
	wg.Go(func() {
		var g Group
		for range 200 {
			g.Reset()
			g.End(append(g.Begin(typeControl), "meanwhile"...))
			if _, err := r.log.Commit(&g, false); err != nil {
				t.Error(err)
			}
			if err := r.log.Sync(); err != nil {
				t.Error(err)
			}
			r.log.Room()
			r.log.Segments()
		}
	})
	wg.Wait()
	r.noDamage()
}

func TestIndexFileGivesWhatTheSegmentGives(t *testing.T) {
	r := newRig(t)
	fill(r, 3)
	load := func() map[persist.Position][2]int64 {
		t.Helper()
		got := map[persist.Position][2]int64{}
		var last persist.Position
		for _, base := range r.sealed() {
			err := r.log.LoadIndex(base, func(pos persist.Position, key uint64, expires int64) {
				if pos <= last {
					t.Fatalf("position %d after %d", pos, last)
				}
				last = pos
				got[pos] = [2]int64{int64(key), expires}
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		return got
	}
	scanned := load()
	for _, base := range r.sealed() {
		if err := r.log.WriteIndex(base); err != nil {
			t.Fatal(err)
		}
	}
	compare := func(what string) {
		t.Helper()
		if got := load(); fmt.Sprint(got) != fmt.Sprint(scanned) {
			t.Fatalf("%s: %v, want %v", what, got, scanned)
		}
	}
	compare("index file")
	want := 0
	for _, e := range r.model {
		if _, _, ok := testIndex(e.pos, e.typ, e.body); ok && e.pos < r.log.Segments()[3].Base {
			want++
		}
	}
	if len(scanned) != want {
		t.Fatalf("%d entries, want %d", len(scanned), want)
	}
	r.reopen()
	for _, info := range r.log.Segments()[:3] {
		if !info.Indexed || info.Entries == 0 || info.MaxExpires != 0 {
			t.Fatalf("after a restart: %+v", info)
		}
	}
	compare("index file after a restart")
	names := r.files(indexSuffix)
	alter(t, r.fs, names[0], func(b []byte) []byte { b[len(b)-1] ^= 1; return b })
	alter(t, r.fs, names[1], func(b []byte) []byte { b[50] ^= 1; return b })
	if err := r.fs.Remove(names[2]); err != nil {
		t.Fatal(err)
	}
	compare("damaged index files")
	r.reopen()
	compare("damaged index files after a restart")
	r.check()
}

func TestIndexKnowsTheLatestExpiry(t *testing.T) {
	r := newRig(t)
	for _, expires := range []int64{5000, 9000, 7000} {
		if err := r.tryCommit(true, r.add(typeMessage, message(1, expires, "m"))); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.log.Seal(); err != nil {
		t.Fatal(err)
	}
	base := r.sealed()[0]
	if err := r.log.WriteIndex(base); err != nil {
		t.Fatal(err)
	}
	if info := r.log.Segments()[0]; info.MaxExpires != 9000 || info.Entries != 3 {
		t.Fatalf("%+v", info)
	}
}
