package store

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// benchStore opens a store with default sizes, and an audience of n offline sessions.
func benchStore(b *testing.B, o Options, n int) (*Store, *persist.Audience, []persist.SessionState) {
	b.Helper()
	s := open(b, b.TempDir(), o)
	b.Cleanup(func() { _ = s.Close() })
	var sessions []persist.SessionState
	for i := range n {
		sessions = append(sessions, openSession(b, s, fmt.Sprint("c", i)))
	}
	return s, s.Audience(members(sessions...)), sessions
}

func payload(n int) []byte { return make([]byte, n) }

// BenchmarkAppendSynced is what 64 publishers get who each wait for their message to be durable, 256 B each.
func BenchmarkAppendSynced(b *testing.B) {
	for _, waiters := range []int{1, 8, 64, 512} {
		b.Run(fmt.Sprint(waiters), func(b *testing.B) {
			s, to, _ := benchStore(b, Options{}, 1)
			var next atomic.Int64
			var all sync.WaitGroup
			b.ResetTimer()
			for range waiters {
				all.Go(func() {
					w := newSignal()
					batch := persist.Batch{Message: &persist.Message{Topic: []byte("plant/line/7/temperature/outside"), Payload: payload(256)}, Audience: to, Waiter: w}
					for next.Add(1) <= int64(b.N) {
						ticket, err := s.Append(&batch)
						if err != nil {
							b.Error(err)
							return
						}
						for s.Durable() < ticket {
							<-w
						}
					}
				})
			}
			all.Wait()
			b.StopTimer()
			st := s.Stats()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
			b.ReportMetric(float64(st.Records)/float64(st.Groups), "msg/group")
			b.ReportMetric(float64(st.Bytes)/float64(b.N), "logB/msg")
		})
	}
}

// BenchmarkAppend is the cost of one Append without waiting for the disk.
func BenchmarkAppend(b *testing.B) {
	s, to, _ := benchStore(b, Options{Sync: SyncNever}, 1)
	batch := persist.Batch{Message: &persist.Message{Topic: []byte("plant/line/7/temperature/outside"), Payload: payload(256)}, Audience: to}
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if _, err := s.Append(&batch); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFold folds messages for an audience of 1,000 sessions that nobody reads.
func BenchmarkFold(b *testing.B) {
	st := newState()
	var ids []persist.Member
	var r record
	for i := range 1000 {
		if err := r.decode(appendBatch(nil, &persist.Batch{Open: &persist.Open{ClientID: fmt.Sprint(i)}}, 0)); err != nil {
			b.Fatal(err)
		}
		st.batch(persist.Position(i+1), &r, 0)
		ids = append(ids, persist.Member{Session: persist.SessionID(i + 1), QoS: 1})
	}
	st.segments.start(1)
	st.define(7, ids)
	body := appendBatch(nil, &persist.Batch{Message: &persist.Message{Topic: []byte("plant/line/7"), Payload: payload(256)}}, 7)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if err := st.fold(persist.Position(2000+300*i), typeBatch, body, 0); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	if st.queued != b.N {
		b.Fatalf("%d queued", st.queued)
	}
}

// BenchmarkNext reads a backlog: from the tail in memory, or from the log on the disk (in the page cache).
func BenchmarkNext(b *testing.B) {
	for _, from := range []struct {
		name string
		tail int
	}{{"tail", 1 << 30}, {"log", 1}} {
		b.Run(from.name, func(b *testing.B) {
			s, to, sessions := benchStore(b, Options{Sync: SyncNever, TailBytes: from.tail}, 1)
			const backlog = 200_000
			batch := persist.Batch{Message: &persist.Message{Topic: []byte("plant/line/7"), Payload: payload(256)}, Audience: to}
			for range backlog {
				if _, err := s.Append(&batch); err != nil {
					b.Fatal(err)
				}
			}
			flush(b, s)
			var page persist.Page
			b.ReportAllocs()
			b.ResetTimer()
			for read := 0; read < b.N; {
				q, err := s.Attach(sessions[0].ID, newSignal())
				if err != nil {
					b.Fatal(err)
				}
				for read < b.N {
					if err := q.Next(&page); err != nil {
						b.Fatal(err)
					}
					if len(page.Deliveries) == 0 {
						break
					}
					read += len(page.Deliveries)
				}
				q.Detach()
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
		})
	}
}

// BenchmarkLive is the way of a message to a reader that keeps up: append, group, fold, wake, read, settle.
func BenchmarkLive(b *testing.B) {
	s, to, sessions := benchStore(b, Options{}, 1)
	q, err := s.Attach(sessions[0].ID, newSignal())
	if err != nil {
		b.Fatal(err)
	}
	w := newSignal()
	q.(*queue).waiter = w
	var page persist.Page
	batch := persist.Batch{Message: &persist.Message{Topic: []byte("plant/line/7"), Payload: payload(256)}, Audience: to}
	b.ResetTimer()
	go func() {
		for range b.N {
			_, _ = s.Append(&batch)
		}
	}()
	settle := persist.Batch{Session: sessions[0].ID, Epoch: sessions[0].Epoch}
	for read := 0; read < b.N; {
		if err := q.Next(&page); err != nil {
			b.Fatal(err)
		}
		if len(page.Deliveries) == 0 {
			select {
			case <-w:
			case <-time.After(patience):
				b.Fatal("the reader was not woken")
			}
			continue
		}
		read += len(page.Deliveries)
		settle.Settled.Floor = page.Deliveries[len(page.Deliveries)-1].Position
		if _, err := s.Append(&settle); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}

// BenchmarkStart opens a store with a million queued messages for 100 sessions.
func BenchmarkStart(b *testing.B) {
	const n = 1_000_000
	o := Options{Sync: SyncNever, Reserve: -1}
	dir := b.TempDir()
	s := open(b, dir, o)
	batch := persist.Batch{Message: &persist.Message{Topic: []byte("plant/line/7/temperature/outside"), Payload: payload(256)}}
	var to []*persist.Audience
	for i := range 100 {
		to = append(to, s.Audience(members(openSession(b, s, fmt.Sprint("c", i)))))
	}
	for i := range n {
		batch.Audience = to[i%len(to)]
		if _, err := s.Append(&batch); err != nil {
			b.Fatal(err)
		}
	}
	flush(b, s)
	eventually(b, "sealed segments are indexed", func() bool { return !slices.ContainsFunc(s.log.Segments(), indexMissing) })
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for range b.N {
		s := open(b, dir, o)
		b.StopTimer()
		if q := s.Stats().Queued; q != n {
			b.Fatalf("%d queued", q)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
