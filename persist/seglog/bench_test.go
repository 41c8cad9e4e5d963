package seglog

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/persist/disk"
)

// benchLog is a log on the real disk.
func benchLog(b *testing.B, segment int64) *Log {
	b.Helper()
	o := testOptions()
	o.SegmentSize = segment
	l, err := Open(disk.OS{}, b.TempDir(), o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	return l
}

func gather(g *Group, records int, body []byte) {
	g.Reset()
	for range records {
		g.End(append(g.Begin(typeMessage), body...))
	}
}

func BenchmarkGatherRecord(b *testing.B) {
	var g Group
	body := make([]byte, 300)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%1000 == 0 {
			g.Reset()
		}
		g.End(append(g.Begin(typeMessage), body...))
	}
}

func BenchmarkCommit(b *testing.B) {
	for _, sync := range []bool{false, true} {
		b.Run(fmt.Sprintf("50 records of 300 B, sync %t", sync), func(b *testing.B) {
			l := benchLog(b, 64<<20)
			var g Group
			body := make([]byte, 300)
			b.ReportAllocs()
			for b.Loop() {
				gather(&g, 50, body)
				if _, err := l.Commit(&g, sync); err != nil {
					b.Fatal(err)
				}
				if list := l.Segments(); len(list) > 4 {
					if err := l.Remove(list[0].Base); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.SetBytes(int64(g.Len()))
		})
	}
}

func BenchmarkRead(b *testing.B) {
	l := benchLog(b, 16<<20)
	var g Group
	var list []persist.Position
	body := make([]byte, 300)
	for range 4000 {
		g.Reset()
		first := len(list)
		for range 50 {
			list = append(list, persist.Position(g.End(append(g.Begin(typeMessage), body...))))
		}
		base, err := l.Commit(&g, false)
		if err != nil {
			b.Fatal(err)
		}
		for i := first; i < len(list); i++ {
			list[i] += base
		}
	}
	for _, step := range []int{1, 100} {
		b.Run(fmt.Sprintf("every %d", step), func(b *testing.B) {
			r := l.NewReader()
			b.ReportAllocs()
			for i := 0; b.Loop(); i += step {
				if _, _, err := r.Read(list[i%len(list)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkLoadIndex(b *testing.B) {
	l := benchLog(b, 64<<20)
	var g Group
	for n := 0; len(l.Segments()) < 2; {
		g.Reset()
		for range 500 {
			buf := g.Begin(typeMessage)
			buf = binary.LittleEndian.AppendUint64(buf, uint64(n/10%50))
			g.End(append(buf, make([]byte, 292)...))
			n++
		}
		if _, err := l.Commit(&g, true); err != nil {
			b.Fatal(err)
		}
	}
	base := l.Segments()[0].Base
	if err := l.WriteIndex(base); err != nil {
		b.Fatal(err)
	}
	entries := 0
	b.ReportAllocs()
	for b.Loop() {
		if err := l.LoadIndex(base, func(persist.Position, uint64, int64) { entries++ }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(entries), "ns/entry")
	b.ReportMetric(float64(l.Segments()[0].Entries), "entries")
}

// BenchmarkOpen opens a log whose open segment is nearly full of small messages.
func BenchmarkOpen(b *testing.B) {
	dir, o := b.TempDir(), testOptions()
	o.SegmentSize = 64 << 20
	l, err := Open(disk.OS{}, dir, o)
	if err != nil {
		b.Fatal(err)
	}
	var g Group
	body := make([]byte, 300)
	for room, _ := l.Room(); room > 1<<20; room, _ = l.Room() {
		gather(&g, 50, body)
		if _, err := l.Commit(&g, false); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if err := l.Close(); err != nil {
			b.Fatal(err)
		}
		if l, err = Open(disk.OS{}, dir, o); err != nil {
			b.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
}
