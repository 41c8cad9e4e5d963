package seglog

import (
	"testing"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/persist/disk"
)

// FuzzRecover overwrites part of any file of a log: it must open, and hold nothing that was not written.
func FuzzRecover(f *testing.F) {
	f.Add(uint16(0), uint16(0), []byte{})
	f.Add(uint16(1), uint16(100), []byte("overwritten"))
	f.Add(uint16(2), uint16(64), make([]byte, 300))
	f.Fuzz(func(t *testing.T, which, at uint16, with []byte) {
		r := golden(t)
		all := r.model
		if err := r.log.Close(); err != nil {
			t.Fatal(err)
		}
		names := append(append(r.files(segmentSuffix), r.files(compactSuffix)...), r.files(indexSuffix)...)
		fs := r.fs.(*disk.Memory)
		alter(t, fs, names[int(which)%len(names)], func(b []byte) []byte {
			copy(b[int(at)%len(b):], with)
			return b
		})
		l, err := Open(fs, testDir, r.o)
		if err != nil {
			return // A header that says it is foreign or newer.
		}
		got, err := scanLog(l, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := subset(got, all); err != nil {
			t.Fatal(err)
		}
		for _, info := range l.Segments() {
			if err := l.LoadIndex(info.Base, func(persist.Position, uint64, int64) {}); err != nil {
				t.Fatal(err)
			}
		}
		for _, e := range all {
			typ, body, _, err := l.Read(e.pos, nil)
			if err == nil {
				wantRecord(t, "read", e, typ, body, err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
