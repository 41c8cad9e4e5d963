package statedb

import (
	"encoding/hex"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// formatRecord is a record of which the format is fixed.
type formatRecord struct {
	key, data []byte
	want      any
	parse     func(key, data []byte) (any, error)
}

// formatRecords has one of each kind, with every field set.
func formatRecords() []formatRecord {
	message := persist.Message{
		Topic: []byte("a/b"), Properties: []byte{1}, Payload: []byte("xyz"), QoS: 2, Retain: true, Retained: true,
		Expires: 1000,
	}
	session := SessionRecord{
		SessionState: persist.SessionState{
			ID: 300, Epoch: 400, ClientID: "c", Username: "u", ExpirySeconds: 60, Connected: true, ClosedAt: 5,
			Will:     &persist.Will{Message: message, DelaySeconds: 7, MessageExpirySeconds: 8},
			Received: []uint16{1, 500}, Floor: 1000,
			InFlight: []persist.InFlight{{Position: 1005, PacketID: 3}, {Position: 2000, PacketID: 4, Released: true}},
		},
		Settled: []persist.Position{1010, 1500},
		Extra:   []byte{9},
	}
	cursor := session.Cursor()
	sub := persist.Subscription{Filter: "f/#", QoS: 1, NoLocal: true, RetainAsPublished: true, RetainHandling: 2, ID: 200}
	members := []persist.Member{
		{Session: 300, QoS: 2, RetainAsPublished: true, SubscriptionIDs: []uint32{5, 6}}, {Session: 900, QoS: 1},
	}
	meta := Meta{UUID: [16]byte{1}, Format: 2, Applied: 3000, Generation: 4, Clock: 5, Extra: []byte{6}}
	left := counts{7, 8, 9}
	retained := persist.Retained{Position: 77, Message: message}
	long := strings.Repeat("n", longestName+1)
	longKey := topicKey(kindRetained, long)

	var parsed SessionRecord
	parsed.ID, parsed.Floor, parsed.Settled = session.ID, session.Floor, session.Settled
	parsed.InFlight, parsed.Received = session.InFlight, session.Received
	records := []formatRecord{
		{metaKey(), appendMeta(nil, &meta, &left), meta, func(_, b []byte) (any, error) {
			m, c, err := parseMeta(b)
			if c != left {
				err = fmt.Errorf("counts %+v", c)
			}
			return m, err
		}},
		{idKey(kindSession, 300), appendSession(nil, &session), session, func(_, b []byte) (any, error) {
			err := parseSession(b, &parsed)
			return parsed, err
		}},
		{idKey(kindCursor, 300), appendCursor(nil, &cursor), cursor,
			func(_, b []byte) (any, error) { return parseCursor(b) }},
		{idKey(kindReceived, 300), appendReceived(nil, session.Received), session.Received,
			func(_, b []byte) (any, error) { return parseReceived(b) }},
		{subscriptionKey(300, "f/#"), appendSubscription(nil, &sub), sub,
			func(k, b []byte) (any, error) { return parseSubscription(k, b) }},
		{idKey(kindAudience, 1), appendAudience(nil, members), members,
			func(_, b []byte) (any, error) { return parseAudience(b) }},
		{topicKey(kindRetained, "a/b"), appendRetainedTopic(nil, "a/b", 77), "a/b 77", parseTopic},
		{longKey, appendRetainedTopic(nil, long, 77), long + " 77", parseTopic},
		{topicKey(kindValue, "a/b"), appendRetained(nil, &retained), retained,
			func(_, b []byte) (any, error) { return parseRetained(b) }},
		{partKey(longKey, 2), []byte("part"), "part", func(_, b []byte) (any, error) { return string(b), nil }},
	}
	return records
}

// TestFormatIsAsWritten compares keys and values with what the first version wrote. A difference is a change of the
// format: databases in the field would no longer be read.
func TestFormatIsAsWritten(t *testing.T) {
	records := formatRecords()
	golden, err := os.ReadFile("testdata/format-1.txt")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(golden)), "\n")
	for i, r := range records {
		value, _ := seal(r.key, r.data)
		line := hex.EncodeToString(r.key) + " " + hex.EncodeToString(value)
		if i >= len(lines) || lines[i] != line {
			t.Errorf("%s is now\n%s", describeKey(r.key), line)
		}
		if have, err := r.parse(r.key, r.data); err != nil || !reflect.DeepEqual(have, r.want) {
			t.Errorf("%s: %v\nhave %+v\nwant %+v", describeKey(r.key), err, have, r.want)
		}
		// Every prefix is an error, and so is more.
		for n := range r.data {
			if _, err := r.parse(r.key, r.data[:n]); err == nil && kind(r.key[0]) != kindPart {
				t.Errorf("%s: the first %d of %d bytes are read", describeKey(r.key), n, len(r.data))
			}
		}
		if _, err := r.parse(r.key, append(r.data[:len(r.data):len(r.data)], 0)); err == nil && kind(r.key[0]) != kindPart {
			t.Errorf("%s: a byte too many is read", describeKey(r.key))
		}
	}
}

func parseTopic(key, b []byte) (any, error) {
	topic, pos, err := parseRetainedTopic(key, b)
	return fmt.Sprint(topic, " ", pos), err
}
