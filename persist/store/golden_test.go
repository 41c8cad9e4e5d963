package store

import (
	"encoding/hex"

	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// TestFormatOneIsReadForGood compares what is written today, and read, with what version 1 wrote. A change of the format
// raises the version and gets a file of its own; this one stays.
func TestFormatOneIsReadForGood(t *testing.T) {
	const name = "testdata/format1.hex"
	all := goldenBatches()
	var lines []string
	for _, b := range all {
		lines = append(lines, hex.EncodeToString(appendBatch(nil, b, 1<<40+7)))
	}
	audience := []persist.Member{{Session: 4144, QoS: 1}, {Session: 9000, QoS: 2, RetainAsPublished: true, SubscriptionIDs: []uint32{1, 268435455}}}
	lines = append(lines, hex.EncodeToString(appendAudience(nil, 1<<40+7, audience)))
	lines = append(lines, hex.EncodeToString(appendVoids(nil, []persist.Position{4144, 5000, 1 << 40})))
	golden := strings.Fields(string(mustRead(t, name)))
	if len(golden) != len(lines) {
		t.Fatalf("%d lines, want %d", len(golden), len(lines))
	}
	var r record
	for i, line := range golden {
		if line != lines[i] {
			t.Errorf("line %d is written as\n%s, format 1 is\n%s", i+1, lines[i], line)
		}
		body, err := hex.DecodeString(line)
		if err != nil {
			t.Fatal(err)
		}
		if i >= len(all) {
			continue
		}
		if err := r.decode(body); err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
		if got := batchOf(&r); !sameBatch(got, all[i]) {
			t.Errorf("line %d says %+v, want %+v", i+1, got, all[i])
		}
	}
}

// goldenBatches say each thing once.
func goldenBatches() []*persist.Batch {
	m := persist.Message{Topic: []byte("a/b"), Properties: []byte{1, 2}, Payload: []byte("payload"), QoS: 2, Retain: true, Retained: true, Expires: 1_800_000_000_000}
	says := func(b persist.Batch) *persist.Batch { b.Session, b.Epoch = 4144, 5000; return &b }
	return []*persist.Batch{
		{},
		{Message: &persist.Message{Topic: []byte("t"), Properties: []byte{}, Payload: []byte{}}},
		says(persist.Batch{Message: &m, Retain: persist.RetainSet, ReceivedID: 65535}),
		says(persist.Batch{Message: &m, Retain: persist.RetainClear, WillOf: true, End: true}),
		{Open: &persist.Open{ClientID: "client", Username: "user", Clean: true, ExpirySeconds: persist.NeverExpires, At: 1_700_000_000_000,
			Will: &persist.Will{Message: m, DelaySeconds: 5, MessageExpirySeconds: 60}}},
		says(persist.Batch{Close: &persist.Close{At: 1_700_000_000_001, DiscardWill: true, SetExpiry: true, ExpirySeconds: 30}}),
		says(persist.Batch{
			Subscribe:   []persist.Subscription{{Filter: "$share/g/a/#", QoS: 1, NoLocal: true, RetainAsPublished: true, RetainHandling: 2, ID: 9}},
			Unsubscribe: []string{"x", "y/+"},
		}),
		says(persist.Batch{
			ReleasedID: 3, Sent: []persist.Sent{{Position: 6000, PacketID: 1}, {Position: 5900, PacketID: 65535}}, Released: []uint16{7, 8},
			Settled: persist.Settled{Floor: 5500, Above: []persist.Position{5800, 5700}},
		}),
	}
}
