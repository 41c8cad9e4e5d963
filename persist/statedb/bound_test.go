package statedb

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// residentBytes is what the process occupies, 0 where that cannot be asked.
func residentBytes() int64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10
		}
	}
	return 0
}

// TestBusyCursorsStayBounded is the steady state of a busy broker: the same sessions settle on and on.
func TestBusyCursorsStayBounded(t *testing.T) {
	const sessions = 1000
	checkpoints := 1000
	if testing.Short() {
		checkpoints = 100
	}
	dir := t.TempDir()
	d := openDB(t, dir)
	commit(t, d, Meta{}, func(c *Checkpoint) { putSessions(c, 1, sessions) })
	var most Stats
	var resident int64
	start := time.Now()
	for n := range checkpoints {
		commit(t, d, Meta{Applied: persist.Position(n)}, func(c *Checkpoint) {
			for id := persist.SessionID(1); id <= sessions; id++ {
				floor := persist.Position(uint64(n)*1e6 + uint64(id)*997)
				c.PutCursor(id, Cursor{
					Floor:    floor,
					Settled:  []persist.Position{floor + 4000, floor + 9000, floor + 77_000},
					InFlight: []persist.InFlight{{Position: floor + 300, PacketID: uint16(n)}, {Position: floor + 600, PacketID: 9}},
				})
			}
		})
		if n%20 == 0 {
			s := d.Stats()
			most.DiskBytes, most.Tables = max(most.DiskBytes, s.DiskBytes), max(most.Tables, s.Tables)
			most.StaleBytes = max(most.StaleBytes, s.StaleBytes)
			resident = max(resident, residentBytes())
		}
	}
	t.Logf("%d checkpoints of %d cursors: %.1f ms each; at most %d MB on disk in %d tables, %d KB stale, %d MB resident",
		checkpoints, sessions, float64(time.Since(start).Milliseconds())/float64(checkpoints),
		most.DiskBytes>>20, most.Tables, most.StaleBytes>>10, resident>>20)
	if most.DiskBytes > 64<<20 || most.Tables > 30 {
		t.Errorf("%d MB in %d tables", most.DiskBytes>>20, most.Tables)
	}
	closeDB(t, d)
	if s := openDB(t, dir).Stats(); s.DiskBytes > 8<<20 {
		t.Errorf("%d KB on disk after a clean close", s.DiskBytes>>10)
	}
}

// putSessions writes n sessions, numbered from first.
func putSessions(c *Checkpoint, first, n int) {
	for i := first; i < first+n; i++ {
		id := persist.SessionID(i)
		client := fmt.Sprintf("device-%08d", i)
		c.PutSession(&SessionRecord{SessionState: persist.SessionState{
			ID: id, Epoch: persist.Epoch(i), ClientID: client, Username: "fleet", ExpirySeconds: 3600, ClosedAt: 1e12,
		}})
		c.PutCursor(id, Cursor{Floor: persist.Position(i) * 300})
		c.PutSubscription(id, persist.Subscription{Filter: "cmd/" + client + "/#", QoS: 1})
		c.PutSubscription(id, persist.Subscription{Filter: "broadcast/+/news", QoS: 1})
	}
}

// TestChurnLeavesNothingBehind makes and ends sessions and retained topics under ever new names.
func TestChurnLeavesNothingBehind(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	const each = 500
	d := openDB(t, t.TempDir())
	var most int64
	for n := range rounds {
		commit(t, d, Meta{}, func(c *Checkpoint) {
			for i := range each {
				id := persist.SessionID(n*each + i + 1)
				name := fmt.Sprintf("churn/%d", id)
				c.PutSession(&SessionRecord{SessionState: persist.SessionState{ID: id, ClientID: name}})
				c.PutCursor(id, Cursor{})
				c.PutSubscription(id, persist.Subscription{Filter: name})
				c.PutAudience(uint64(id), []persist.Member{{Session: id}})
				c.PutRetained(name, persist.Retained{Message: persist.Message{Topic: []byte(name), Payload: make([]byte, 200)}})
				if old := id - each; n > 0 {
					c.DeleteSession(old)
					c.DeleteAudience(uint64(old))
					c.DeleteRetained(fmt.Sprintf("churn/%d", old))
				}
			}
		})
		if err := d.Compact(); err != nil {
			t.Fatal(err)
		}
		most = max(most, d.Stats().DiskBytes)
	}
	s := d.Stats()
	t.Logf("%d rounds: at most %d KB on disk, %d keys in %d tables, %d KB stale",
		rounds, most>>10, s.Keys, s.Tables, s.StaleBytes>>10)
	if s.Sessions != each || s.Audiences != each || s.Retained != each {
		t.Errorf("left: %+v", s)
	}
	if most > 48<<20 {
		t.Errorf("%d MB on disk", most>>20)
	}
	if err := d.flatten(0); err != nil {
		t.Fatal(err)
	}
	if damage := d.Damage(); len(damage) != 0 {
		t.Errorf("damage %q", damage)
	}
}

func BenchmarkLoadSessions(b *testing.B) {
	const sessions = 100_000
	dir := b.TempDir()
	d := openDB(b, dir)
	start := time.Now()
	commit(b, d, Meta{}, func(c *Checkpoint) { putSessions(c, 1, sessions) })
	b.Logf("wrote %d sessions in %v", sessions, time.Since(start))
	closeDB(b, d)
	for b.Loop() {
		d, err := Open(dir, Options{})
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		if err := d.Sessions(func(*SessionRecord) error { n++; return nil }); err != nil || n != sessions {
			b.Fatalf("%d sessions, %v, %v", n, err, d.Damage())
		}
		d.Close()
	}
}

func BenchmarkCheckpoint(b *testing.B) {
	d := openDB(b, b.TempDir())
	commit(b, d, Meta{}, func(c *Checkpoint) { putSessions(c, 1, 1000) })
	for b.Loop() {
		commit(b, d, Meta{}, func(c *Checkpoint) {
			for id := persist.SessionID(1); id <= 1000; id++ {
				c.PutCursor(id, Cursor{Floor: persist.Position(b.N) + persist.Position(id)*1000})
			}
		})
	}
}

// TestEndedSessionsGiveTheirSpaceBack ends a hundred thousand sessions at once, and then lets others come and go.
func TestEndedSessionsGiveTheirSpaceBack(t *testing.T) {
	sessions, rounds := 100_000, 100
	if testing.Short() {
		sessions, rounds = 20_000, 50
	}
	d := openDB(t, t.TempDir())
	commit(t, d, Meta{}, func(c *Checkpoint) { putSessions(c, 1, sessions) })
	full := d.Stats()
	start := time.Now()
	commit(t, d, Meta{}, func(c *Checkpoint) {
		for id := 1; id <= sessions; id++ {
			c.DeleteSession(persist.SessionID(id))
		}
	})
	took := time.Since(start)
	ended := d.Stats()
	for n := range rounds {
		commit(t, d, Meta{}, func(c *Checkpoint) {
			for id := range 1000 {
				c.DeleteSession(persist.SessionID(sessions + 1000*(n-1) + 1 + id))
			}
			putSessions(c, sessions+1000*n+1, 1000)
		})
		if err := d.Compact(); err != nil {
			t.Fatal(err)
		}
	}
	after := d.Stats()
	t.Logf("%d sessions: %d KB on disk; all ended in %v: %d KB, %d KB stale; %d came and went: %d KB, %d KB stale",
		sessions, full.DiskBytes>>10, took, ended.DiskBytes>>10, ended.StaleBytes>>10,
		rounds*1000, after.DiskBytes>>10, after.StaleBytes>>10)
	if after.Sessions != 1000 || after.DiskBytes > 32<<20 || after.StaleBytes > 8<<20 {
		t.Errorf("%+v", after)
	}
}
