package statedb

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// fullState has every field of every record set, and the extremes of what MQTT allows.
func fullState() *state {
	s := newState()
	longFilter := strings.Repeat("f", 65535)
	s.sessions[7] = SessionRecord{
		SessionState: persist.SessionState{
			ID: 7, Epoch: 9, ClientID: "sensor", Username: "plant", ExpirySeconds: persist.NeverExpires,
			Connected: true,
			Will: &persist.Will{
				Message: persist.Message{
					Topic: []byte("w/t"), Properties: []byte{1, 2}, Payload: bytes.Repeat([]byte("w"), 65535),
					QoS: 2, Retain: true, Expires: 1 << 50,
				},
				DelaySeconds: 30, MessageExpirySeconds: 1<<32 - 1,
			},
			Subscriptions: []persist.Subscription{
				{Filter: "a/#", QoS: 2, NoLocal: true, RetainAsPublished: true, RetainHandling: 2, ID: 268435455},
				{Filter: "$share/g/+/x", QoS: 1},
				{Filter: "", QoS: 0, RetainHandling: 1},
				{Filter: longFilter, QoS: 1, ID: 3},
				{Filter: longFilter[1:] + "g", QoS: 2},
			},
			Received: []uint16{3, 1, 65535},
			InFlight: []persist.InFlight{{Position: 100, PacketID: 1}, {Position: 1 << 40, PacketID: 65535, Released: true}},
			Floor:    99,
		},
		Settled: []persist.Position{105, 1 << 20, 1<<63 + 5},
		Extra:   []byte("extra"),
	}
	s.sessions[1<<63+1] = SessionRecord{SessionState: persist.SessionState{
		ID: 1<<63 + 1, Epoch: 1<<63 + 1, ClosedAt: 1763830000000, ExpirySeconds: 60, Floor: 1<<63 + 1,
	}}
	s.audiences[12] = []persist.Member{
		{Session: 7, QoS: 2, RetainAsPublished: true, SubscriptionIDs: []uint32{1, 268435455}},
		{Session: 1<<63 + 1, QoS: 1},
	}
	var crowd []persist.Member
	for i := range 100_000 {
		crowd = append(crowd, persist.Member{
			Session: persist.SessionID(i * 300), QoS: byte(1 + i%2), SubscriptionIDs: []uint32{7},
		})
	}
	s.audiences[13] = crowd
	fillRetained(s.retained)
	return s
}

// fillRetained adds retained messages with every field set, of sizes and names about each limit.
func fillRetained(retained map[string]persist.Retained) {
	payload := func(n int) []byte {
		b := make([]byte, n)
		r := rand.New(rand.NewPCG(uint64(n), 0))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	for i, n := range []int{0, 1, partSize - 100, partSize, partSize + 1, 3 * partSize, 20 << 20} {
		topic := fmt.Sprintf("r/%d", n)
		retained[topic] = persist.Retained{Position: persist.Position(i + 1), Message: persist.Message{
			Topic: []byte(topic), Payload: payload(n), QoS: byte(i % 3), Retain: i%2 == 0, Retained: i%2 == 1, Expires: int64(i),
		}}
	}
	for _, n := range []int{longestName, longestName + 1, 65535} {
		topic := strings.Repeat("t", n)
		retained[topic] = persist.Retained{Position: persist.Position(n), Message: persist.Message{
			Topic: []byte(topic), Properties: []byte("p"), Payload: []byte("x"),
		}}
	}
	for _, r := range retained {
		if len(r.Message.Payload) == 0 {
			r.Message.Payload = nil
			retained[string(r.Message.Topic)] = r
		}
	}
}

// putAll writes a state with a checkpoint.
func putAll(c *Checkpoint, s *state) {
	for id, r := range s.sessions {
		c.PutSession(&r)
		c.PutCursor(id, r.Cursor())
		c.PutReceived(id, r.Received)
		for _, sub := range r.Subscriptions {
			c.PutSubscription(id, sub)
		}
	}
	for id, members := range s.audiences {
		c.PutAudience(id, members)
	}
	for topic, r := range s.retained {
		c.PutRetained(topic, r)
	}
}

func fullMeta() Meta {
	return Meta{UUID: [16]byte{1, 15: 2}, Format: 3, Applied: 1 << 60, Generation: 4, Clock: -5, Extra: []byte("more")}
}

func TestEverythingComesBack(t *testing.T) {
	dir := t.TempDir()
	d := openDB(t, dir)
	if _, ok := d.Meta(); ok {
		t.Error("an empty database has a meta record")
	}
	want := fullState()
	want.meta = fmt.Sprintf("%+v", fullMeta())
	commit(t, d, fullMeta(), func(c *Checkpoint) { putAll(c, want) })
	wantState(t, d, want, "after commit")
	crashed := openDB(t, image(t, dir))
	wantState(t, crashed, want, "after a crash")
	closeDB(t, d)
	wantState(t, openDB(t, dir), want, "after a clean close")
	if s := crashed.Stats(); s.Sessions != 2 || s.Audiences != 2 || s.Retained != 10 || s.DiskBytes == 0 {
		t.Errorf("stats: %+v", s)
	}
}

func TestEverythingGoesAgain(t *testing.T) {
	dir := t.TempDir()
	d := openDB(t, dir)
	full := fullState()
	commit(t, d, fullMeta(), func(c *Checkpoint) { putAll(c, full) })
	commit(t, d, Meta{}, func(c *Checkpoint) {
		for id, r := range full.sessions {
			c.DeleteSubscription(id, r.ClientID)
			c.DeleteSession(id)
		}
		for id := range full.audiences {
			c.DeleteAudience(id)
		}
		for topic := range full.retained {
			c.DeleteRetained(topic)
		}
	})
	want := newState()
	want.meta = fmt.Sprintf("%+v", Meta{})
	wantState(t, d, want, "after commit")
	if err := d.flatten(0); err != nil {
		t.Fatal(err)
	}
	wantState(t, d, want, "after compaction")
	closeDB(t, d)
	d = openDB(t, dir)
	wantState(t, d, want, "after a clean close")
	if n := len(d.parts); n != 0 {
		t.Errorf("%d long values are still known", n)
	}
	if keys := d.strays(); len(keys) != 0 {
		t.Errorf("versions above the checkpoint: %.1000q", keys)
	}
}

func TestRetainedAnswersWhatItHas(t *testing.T) {
	d := openDB(t, t.TempDir())
	if _, err := d.Retained("none"); !errors.Is(err, persist.ErrNotRetained) {
		t.Errorf("no such topic: %v", err)
	}
	commit(t, d, Meta{}, func(c *Checkpoint) {
		message := persist.Message{Topic: []byte("t"), Payload: []byte("one")}
		c.PutRetained("t", persist.Retained{Position: 1, Message: message})
		if _, err := d.Retained("t"); !errors.Is(err, persist.ErrNotRetained) {
			t.Errorf("before commit: %v", err)
		}
		c.flush()
		if _, err := d.Retained("t"); !errors.Is(err, persist.ErrNotRetained) {
			t.Errorf("written, before commit: %v", err)
		}
	})
	r, err := d.Retained("t")
	if err != nil || string(r.Message.Payload) != "one" {
		t.Fatalf("%+v, %v", r, err)
	}
	r.Message.Payload[0] = 'X'
	if r, err = d.Retained("t"); err != nil || string(r.Message.Payload) != "one" {
		t.Errorf("the bytes of an answer are shared: %+v, %v", r, err)
	}
	closeDB(t, d)
	if _, err := d.Retained("t"); !errors.Is(err, ErrClosed) {
		t.Errorf("after close: %v", err)
	}
}

func TestLongValueGrowsAndShrinks(t *testing.T) {
	dir := t.TempDir()
	d := openDB(t, dir)
	rng := newRand(t, 1)
	for _, n := range []int{10, 5 * partSize, 2 * partSize, partSize / 2, 3 * partSize, 0} {
		payload := make([]byte, n)
		for i := range payload {
			payload[i] = byte(rng.Uint32())
		}
		commit(t, d, Meta{}, func(c *Checkpoint) {
			c.PutRetained("t", persist.Retained{Message: persist.Message{Payload: payload}})
		})
		r, err := d.Retained("t")
		if err != nil || !bytes.Equal(r.Message.Payload, payload) {
			t.Fatalf("%d bytes: %d, %v", n, len(r.Message.Payload), err)
		}
		it := d.iterate(kindPart)
		parts := 0
		for ; it.valid(); it.next() {
			parts++
		}
		it.close()
		if want := (n + 20) / partSize; parts != want {
			t.Errorf("%d bytes: %d parts, want %d", n, parts, want)
		}
		closeDB(t, d)
		d = openDB(t, dir)
	}
}

func TestLastChangeInACheckpointCounts(t *testing.T) {
	d := openDB(t, t.TempDir())
	session := func(id persist.SessionID, client string) *SessionRecord {
		return &SessionRecord{SessionState: persist.SessionState{ID: id, ClientID: client}}
	}
	for _, flush := range []bool{false, true} {
		commit(t, d, Meta{}, func(c *Checkpoint) {
			step := func() {
				if flush {
					c.flush()
				}
			}
			c.PutSession(session(1, "one"))
			c.PutSubscription(1, persist.Subscription{Filter: "a"})
			c.PutSubscription(1, persist.Subscription{Filter: "b"})
			step()
			c.PutSession(session(1, "two"))
			c.PutSubscription(1, persist.Subscription{Filter: "a", QoS: 2})
			c.DeleteSubscription(1, "b")
			c.PutSession(session(2, "gone"))
			c.PutSubscription(2, persist.Subscription{Filter: "a"})
			c.PutReceived(2, []uint16{1})
			step()
			c.DeleteSession(2)
		})
		want := newState()
		want.meta = fmt.Sprintf("%+v", Meta{})
		want.sessions[1] = SessionRecord{SessionState: persist.SessionState{
			ID: 1, ClientID: "two", Floor: 1, Subscriptions: []persist.Subscription{{Filter: "a", QoS: 2}},
		}}
		wantState(t, d, want, fmt.Sprintf("flush %v", flush))
		if s := d.Stats(); s.Sessions != 1 {
			t.Errorf("%d sessions are counted", s.Sessions)
		}
	}
}
