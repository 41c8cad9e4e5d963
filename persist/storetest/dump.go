package storetest

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// dump is everything that a store shows of what it keeps.
type dump struct {
	sessions map[persist.SessionID]sessionDump
	retained map[string]persist.Retained
}

// sessionDump is one session with what a new reader of its queue gets.
type sessionDump struct {
	state persist.SessionState
	queue []delivery
}

// delivery is a persist.Delivery that owns its bytes.
type delivery struct {
	position persist.Position
	message  persist.Message
	member   persist.Member
}

func (d delivery) String() string {
	return fmt.Sprintf("%q at %d", clip(d.message.Payload), d.position)
}

// dump reads the whole store: what its start would list, and every queue. Readers that were attached are not any more.
func (r *rig) dump() dump {
	r.Helper()
	d := dump{sessions: make(map[persist.SessionID]sessionDump), retained: make(map[string]persist.Retained)}
	var states []persist.SessionState
	err := r.store.Sessions(func(s persist.SessionState) bool {
		states = append(states, s)
		return true
	})
	if err != nil {
		r.Fatalf("sessions: %v", err)
	}
	for _, s := range states {
		if _, twice := d.sessions[s.ID]; twice {
			r.Fatalf("session %d is listed twice", s.ID)
		}
		if diff := diffState(r.session(s.ID), s); diff != "" {
			r.Fatalf("session %d: Session and Sessions disagree: %s", s.ID, diff)
		}
		d.sessions[s.ID] = sessionDump{state: s, queue: r.queueOf(s.ID)}
	}
	var topics []string
	err = r.store.RetainedTopics(func(topic string) bool {
		topics = append(topics, topic)
		return true
	})
	if err != nil {
		r.Fatalf("retained topics: %v", err)
	}
	for _, topic := range topics {
		if _, twice := d.retained[topic]; twice {
			r.Fatalf("retained topic %q is listed twice", clip([]byte(topic)))
		}
		kept, err := r.store.Retained(topic)
		if err != nil {
			r.Fatalf("retained message of %q: %v", clip([]byte(topic)), err)
		}
		d.retained[topic] = kept
	}
	return d
}

// wantSame compares all that a store shows with what it showed before.
func (r *rig) wantSame(before dump) {
	r.Helper()
	after := r.dump()
	for _, id := range slices.Sorted(maps.Keys(before.sessions)) {
		was := before.sessions[id]
		is, ok := after.sessions[id]
		if !ok {
			r.Errorf("session %d (%q) is gone", id, was.state.ClientID)
			continue
		}
		if diff := diffState(is.state, was.state); diff != "" {
			r.Errorf("session %d (%q): %s", id, was.state.ClientID, diff)
		}
		if diff := diffQueue(is.queue, was.queue); diff != "" {
			r.Errorf("queue of session %d (%q): %s", id, was.state.ClientID, diff)
		}
	}
	if got, want := len(after.sessions), len(before.sessions); got != want {
		r.Errorf("%d sessions, want %d", got, want)
	}
	for topic, was := range before.retained {
		if diff := diffRetained(after.retained[topic], was); diff != "" {
			r.Errorf("retained message of %q: %s", clip([]byte(topic)), diff)
		}
	}
	if got, want := len(after.retained), len(before.retained); got != want {
		r.Errorf("%d retained messages, want %d", got, want)
	}
	if r.Failed() {
		r.FailNow()
	}
}

// diffState says where two states of a session differ; empty when nowhere. A floor may stand higher than it was put,
// as long as the queue is the same.
func diffState(got, want persist.SessionState) string {
	byFilter := func(a, b persist.Subscription) int { return cmp.Compare(a.Filter, b.Filter) }
	sorted := func(s []persist.Subscription) []persist.Subscription {
		return slices.SortedFunc(slices.Values(s), byFilter)
	}
	switch {
	case got.ID != want.ID:
		return fmt.Sprintf("id %d, want %d", got.ID, want.ID)
	case got.Epoch != want.Epoch:
		return fmt.Sprintf("epoch %d, want %d", got.Epoch, want.Epoch)
	case got.ClientID != want.ClientID || got.Username != want.Username:
		return fmt.Sprintf("client %q of user %q, want %q of %q", got.ClientID, got.Username, want.ClientID, want.Username)
	case got.ExpirySeconds != want.ExpirySeconds:
		return fmt.Sprintf("expiry %d, want %d", got.ExpirySeconds, want.ExpirySeconds)
	case got.Connected != want.Connected || got.ClosedAt != want.ClosedAt:
		return fmt.Sprintf("connected %t, closed at %d, want %t and %d", got.Connected, got.ClosedAt, want.Connected, want.ClosedAt)
	case !slices.Equal(sorted(got.Subscriptions), sorted(want.Subscriptions)):
		return fmt.Sprintf("subscriptions %v, want %v", got.Subscriptions, want.Subscriptions)
	case !slices.Equal(slices.Sorted(slices.Values(got.Received)), slices.Sorted(slices.Values(want.Received))):
		return fmt.Sprintf("received %v, want %v", got.Received, want.Received)
	case !slices.Equal(got.InFlight, want.InFlight):
		return fmt.Sprintf("in flight %v, want %v", got.InFlight, want.InFlight)
	case got.Floor < want.Floor:
		return fmt.Sprintf("floor %d, want %d", got.Floor, want.Floor)
	}
	return diffWill(got.Will, want.Will)
}

func diffWill(got, want *persist.Will) string {
	switch {
	case got == nil && want == nil:
		return ""
	case got == nil || want == nil:
		return fmt.Sprintf("will %v, want %v", got, want)
	case got.DelaySeconds != want.DelaySeconds || got.MessageExpirySeconds != want.MessageExpirySeconds:
		return fmt.Sprintf("will after %d s for %d s, want %d and %d",
			got.DelaySeconds, got.MessageExpirySeconds, want.DelaySeconds, want.MessageExpirySeconds)
	}
	if diff := diffMessage(got.Message, want.Message); diff != "" {
		return "will: " + diff
	}
	return ""
}

// diffMessage says where two messages differ. Empty and nil are the same.
func diffMessage(got, want persist.Message) string {
	switch {
	case !bytes.Equal(got.Topic, want.Topic):
		return fmt.Sprintf("topic %q, want %q", clip(got.Topic), clip(want.Topic))
	case !bytes.Equal(got.Properties, want.Properties):
		return fmt.Sprintf("properties %q, want %q", clip(got.Properties), clip(want.Properties))
	case !bytes.Equal(got.Payload, want.Payload):
		return fmt.Sprintf("payload %q of %d bytes, want %q of %d",
			clip(got.Payload), len(got.Payload), clip(want.Payload), len(want.Payload))
	case got.QoS != want.QoS || got.Retain != want.Retain || got.Retained != want.Retained || got.Expires != want.Expires:
		return fmt.Sprintf("QoS %d retain %t retained %t expires %d, want %d %t %t %d",
			got.QoS, got.Retain, got.Retained, got.Expires, want.QoS, want.Retain, want.Retained, want.Expires)
	}
	return ""
}

func diffMember(got, want persist.Member) string {
	if got.Session != want.Session || got.QoS != want.QoS || got.RetainAsPublished != want.RetainAsPublished ||
		!slices.Equal(got.SubscriptionIDs, want.SubscriptionIDs) {
		return fmt.Sprintf("member %+v, want %+v", got, want)
	}
	return ""
}

// diffQueue says where two readings of a queue differ.
func diffQueue(got, want []delivery) string {
	for i := range min(len(got), len(want)) {
		diff := diffMessage(got[i].message, want[i].message)
		if diff == "" {
			diff = diffMember(got[i].member, want[i].member)
		}
		if diff == "" && got[i].position != want[i].position {
			diff = fmt.Sprintf("position %d, want %d", got[i].position, want[i].position)
		}
		if diff != "" {
			return fmt.Sprintf("message %d: %s", i, diff)
		}
	}
	switch {
	case len(got) > len(want):
		return fmt.Sprintf("%d messages, want %d; the first too many is %s", len(got), len(want), got[len(want)])
	case len(got) < len(want):
		return fmt.Sprintf("%d messages, want %d; the first missing is %s", len(got), len(want), want[len(got)])
	}
	return ""
}

func diffRetained(got, want persist.Retained) string {
	if got.Position != want.Position {
		return fmt.Sprintf("position %d, want %d", got.Position, want.Position)
	}
	return diffMessage(got.Message, want.Message)
}

// clip shortens bytes for a line of text.
func clip(b []byte) []byte { return b[:min(len(b), 32)] }
