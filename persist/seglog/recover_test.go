package seglog

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/persist/disk"
)

// image copies the file system and opens nothing.
func (g *rig) image() *disk.Memory { return g.fs.(*disk.Memory).Image() }

// reader opens the log of an image, which must work, and returns what it holds.
func recovered(t *testing.T, what string, fs disk.FS, o Options) (*Log, []entry) {
	t.Helper()
	l, err := Open(fs, testDir, o)
	if err != nil {
		t.Fatalf("%s: open: %v", what, err)
	}
	list, err := scanLog(l, 0)
	if err != nil {
		t.Fatalf("%s: scan: %v", what, err)
	}
	return l, list
}

// twoGroups is a log with three groups in its open segment; it returns where the last two begin in their file.
func twoGroups(t *testing.T) (r *rig, name string, second, third int64) {
	r = newRig(t)
	r.commit("intact", "as well")
	second = int64(r.log.End() - firstBase)
	r.commit("first of the second group", "second of the second group, a bit longer", "third")
	third = int64(r.log.End() - firstBase)
	r.commit("first of the third group", strings.Repeat("x", 70), "the very last record")
	return r, r.files(segmentSuffix)[0], second, third
}

// writable checks that a recovered log goes on: what is committed now is found by the next start, behind the rest.
func writable(t *testing.T, what string, fs disk.FS, o Options, l *Log, had []entry) {
	t.Helper()
	r := &rig{t: t, fs: fs, o: o, log: l, model: had}
	r.commit("written after recovery")
	wantEntries(t, what+": scan after a commit", r.scan(0), r.model)
	r.reopen()
	wantEntries(t, what+": scan after the next start", r.scan(0), r.model)
	if torn, _ := r.log.Report(); torn != 0 {
		t.Fatalf("%s: the next start finds %d torn bytes", what, torn)
	}
	if err := r.log.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestEveryCutOfTheLastTwoGroupsIsRecovered(t *testing.T) {
	r, name, second, third := twoGroups(t)
	end := int64(r.log.End() - firstBase)
	for cut := second; cut < end; cut++ {
		for _, rest := range []string{"missing", "zero"} {
			what := fmt.Sprintf("cut at %d, rest %s", cut, rest)
			fs := r.image()
			var touched int64 // behind the last byte that is lost, if it was not zero
			alter(t, fs, name, func(b []byte) []byte {
				behind := b[cut:]
				if cut < third {
					behind = b[cut:third]
				}
				touched = cut + int64(trimZeros(behind))
				if rest == "missing" {
					return b[:cut]
				}
				clear(b[cut:])
				return b
			})
			want := len(r.model)
			switch {
			case cut < third && touched > cut:
				want = 2
			case cut <= third || touched > cut:
				want = 5
			}
			l, got := recovered(t, what, fs, r.o)
			wantEntries(t, what, got, r.model[:want])
			torn, damage := l.Report()
			if damage != nil {
				t.Fatalf("%s: a torn tail was taken for damage: %v", what, damage)
			}
			if whole := cut == second || cut == third || want == len(r.model) || cut < third && want == 5; (torn == 0) != whole {
				t.Fatalf("%s: %d torn bytes reported", what, torn)
			}
			writable(t, what, fs, r.o, l, got)
		}
	}
}

func TestEveryFlippedByteOfTheLastTwoGroupsIsRecovered(t *testing.T) {
	r, name, second, third := twoGroups(t)
	end := int64(r.log.End() - firstBase)
	for at := second; at < end; at++ {
		for _, bits := range []byte{0x01, 0x80, 0xff} {
			what := fmt.Sprintf("byte %d ^ %#x", at, bits)
			fs := r.image()
			alter(t, fs, name, func(b []byte) []byte { b[at] ^= bits; return b })
			l, got := recovered(t, what, fs, r.o)
			if err := subset(got, r.model); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			torn, damage := l.Report()
			switch {
			case at >= third:
				// No group behind it: a torn tail. A flip in the padding harms nothing.
				if padding := at >= end-groupAlign && len(got) == len(r.model); !padding {
					wantEntries(t, what, got, r.model[:5])
					if torn == 0 {
						t.Fatalf("%s: no torn bytes reported", what)
					}
				}
				if damage != nil {
					t.Fatalf("%s: damage reported: %v", what, damage)
				}
			default:
				// Damage before an intact group: at most the record that was touched is lost, and it is named.
				if len(got) < len(r.model)-1 || torn != 0 {
					t.Fatalf("%s: %d of %d records left, %d torn bytes", what, len(got), len(r.model), torn)
				}
				wantEntries(t, what+": the group before", got[:2], r.model[:2])
				wantEntries(t, what+": the group behind", got[len(got)-3:], r.model[5:])
				if len(got) < len(r.model) && damage == nil {
					t.Fatalf("%s: a record is lost in silence", what)
				}
			}
			writable(t, what, fs, r.o, l, got)
		}
	}
}

func TestDamageIsReadAsDamage(t *testing.T) {
	r, name, _, _ := twoGroups(t)
	e := r.model[3]
	alter(t, r.fs, name, func(b []byte) []byte { b[e.pos-firstBase+recordHeader] ^= 1; return b })
	var damage *Damage
	_, _, _, err := r.log.Read(e.pos, nil)
	if !errors.As(err, &damage) || damage.Position != e.pos || damage.File != name || damage.Offset != int64(e.pos-firstBase) {
		t.Fatalf("read: %v", err)
	}
	if _, list := r.log.Report(); len(list) != 1 {
		t.Fatalf("report: %v", list)
	}
}

func TestDamageInASealedSegmentCostsOnlyTheRecordsTouched(t *testing.T) {
	r := newRig(t)
	r.commit(many(30, 100)...)
	r.commit(many(30, 100)...)
	r.commit("last")
	name := r.files(segmentSuffix)[0]
	r.o.Replay = r.log.End()
	if err := r.log.Close(); err != nil {
		t.Fatal(err)
	}
	for at := int64(segmentHeader); at < int64(r.model[29].pos-firstBase)+100; at += 7 {
		for _, length := range []int64{1, 512} {
			what := fmt.Sprintf("%d bytes at %d", length, at)
			fs := r.image()
			alter(t, fs, name, func(b []byte) []byte {
				for i := range b[at:min(at+length, int64(len(b)))] {
					b[at+int64(i)] ^= byte(i)*31 | 1
				}
				return b
			})
			l, got := recovered(t, what, fs, r.o)
			var want []entry
			for _, e := range r.model {
				start := int64(e.pos - firstBase)
				if e.pos > firstBase+4096 || start >= at+length || start+recordHeader+int64(len(e.body)) <= at {
					want = append(want, e)
				}
			}
			wantEntries(t, what, got, want)
			if len(want) < len(r.model) && len(l.Damage()) == 0 {
				t.Fatalf("%s: no damage reported", what)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func many(n, size int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprint(i, strings.Repeat("x", size))
	}
	return list
}

func TestRefuseMakesDamageAnError(t *testing.T) {
	r, name, second, _ := twoGroups(t)
	alter(t, r.fs, name, func(b []byte) []byte { b[second+70] ^= 1; return b })
	if err := r.log.Close(); err != nil {
		t.Fatal(err)
	}
	r.o.Refuse = true
	for range 2 {
		var damage *Damage
		if _, err := Open(r.fs, testDir, r.o); !errors.As(err, &damage) || damage.File != name {
			t.Fatalf("open: %v", err)
		}
	}
}

func TestForeignAndNewerSegmentsAreRefused(t *testing.T) {
	r := newRig(t)
	r.commit("one")
	if err := r.log.Close(); err != nil {
		t.Fatal(err)
	}
	other := r.o
	other.UUID[3] ^= 1
	if _, err := Open(r.fs, testDir, other); !errors.Is(err, ErrForeign) {
		t.Fatalf("another store's log: %v", err)
	}
	alter(t, r.fs, r.files(segmentSuffix)[0], func(b []byte) []byte {
		b[4]++
		putChecksum(b[:segmentHeader])
		return b
	})
	if _, err := Open(r.fs, testDir, r.o); !errors.Is(err, ErrNewer) {
		t.Fatalf("a newer log: %v", err)
	}
}

// putChecksum makes a header valid again; its checksum is in the last four bytes.
func putChecksum(b []byte) {
	n := len(b) - 4
	sum := checksum(b[:n])
	b[n], b[n+1], b[n+2], b[n+3] = byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24)
}

func TestGroupOfAnotherStoreIsNoGroup(t *testing.T) {
	r, name, second, third := twoGroups(t)
	end := int64(r.log.End() - firstBase)
	foreign := newRig(t)
	foreign.o.UUID[0]++
	alter(t, foreign.fs, foreign.files(segmentSuffix)[0], func(b []byte) []byte { return b[:0] })
	_ = foreign.log.Close()
	l, _ := recovered(t, "foreign", foreign.fs, foreign.o)
	foreign.log = l
	foreign.commit("intact", "as well")
	foreign.commit("first of the second group", "second of the second group, a bit longer", "third")
	var stolen []byte
	alter(t, foreign.fs, name, func(b []byte) []byte { stolen = bytes.Clone(b[second:third]); return b })
	alter(t, r.fs, name, func(b []byte) []byte {
		clear(b[second:end])
		copy(b[second:], stolen)
		return b
	})
	if err := r.log.Close(); err != nil {
		t.Fatal(err)
	}
	_, got := recovered(t, "stolen group", r.fs, r.o)
	wantEntries(t, "stolen group", got, r.model[:2])
}

func TestHalfMadeNextSegmentIsMadeAgain(t *testing.T) {
	states := map[string]func(b []byte) []byte{
		"empty":          func([]byte) []byte { return nil },
		"zero":           func(b []byte) []byte { clear(b); return b },
		"torn header":    func(b []byte) []byte { clear(b[30:]); return b },
		"stale bytes":    func(b []byte) []byte { copy(b[200:], "left over"); return b },
		"header only":    func(b []byte) []byte { return b[:segmentHeader] },
		"part of header": func(b []byte) []byte { return b[:20] },
	}
	for state, change := range states {
		t.Run(state, func(t *testing.T) {
			r := newRig(t)
			r.commit("one")
			if err := r.log.Prepare(); err != nil {
				t.Fatal(err)
			}
			names := r.files(segmentSuffix)
			if len(names) != 2 {
				t.Fatalf("segments: %v", names)
			}
			if err := r.log.Close(); err != nil {
				t.Fatal(err)
			}
			alter(t, r.fs, names[1], change)
			l, got := recovered(t, state, r.fs, r.o)
			wantEntries(t, state, got, r.model)
			r.log = l
			r.check()
			for range 60 {
				r.commit("fill it")
			}
			r.check()
			r.reopen()
			r.check()
		})
	}
}
