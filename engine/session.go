package engine

import (
	"sync/atomic"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// session is one client's session as the routing core knows it. What is durable of it stands in the store and is read
// from there when the client comes back; what belongs to a connection stands in conn.
type session struct {
	// set once
	key      uint64 // in the topic index
	clientID string
	id       persist.SessionID // 0: nothing of it is stored

	// conn is the connection that is being served, nil while there is none.
	conn atomic.Pointer[conn]

	// The rest is guarded by sessions.mu and, for a stored session, written by the fold alone.

	epoch         persist.Epoch
	username      string
	expirySeconds uint32
	connected     bool
	present       bool  // the last Open resumed it
	closedAt      int64 // Unix milliseconds; while not connected
	will          *persist.Will
	// proposed: the expiry has taken the will up; whether it is published is decided when that is folded.
	proposed bool
	// closing is the step that says that the connection is gone, while it is on its way; 0 for none.
	closing persist.Ticket
	// notBefore holds deadlines back after a start, Unix milliseconds.
	notBefore int64
	// watched is the deadline under which the session is in the expiry heap, 0 for none.
	watched int64
	// filters are the topic filters of a kept session.
	filters map[string]struct{}
}

// volatileKey marks the index keys of sessions that are not stored.
const volatileKey = 1 << 63

// subscription is what the topic index holds for a session and a filter.
type subscription struct {
	session           *session
	id                uint32
	qos               byte
	noLocal           bool
	retainAsPublished bool
	// kept: messages at QoS 1 and 2 go through the store.
	kept bool
}

// newSubscription returns the index value of a subscription.
func newSubscription(s *session, sub *persist.Subscription, kept bool) subscription {
	return subscription{
		session: s, id: sub.ID, qos: sub.QoS, noLocal: sub.NoLocal,
		retainAsPublished: sub.RetainAsPublished, kept: kept,
	}
}

// endsAt returns when the session expires, in Unix milliseconds; never if false. Called with sessions.mu held.
func (s *session) endsAt() (int64, bool) {
	if s.connected || s.id == 0 || s.expirySeconds == persist.NeverExpires {
		return 0, false
	}
	return max(s.closedAt+int64(s.expirySeconds)*1000, s.notBefore), true
}

// willAt returns when the will is due, in Unix milliseconds; false if there is none. A will is published no later than
// its session ends. [MQTT-3.1.2-8] Called with sessions.mu held.
func (s *session) willAt() (int64, bool) {
	if s.connected || s.will == nil {
		return 0, false
	}
	delay := min(s.will.DelaySeconds, s.expirySeconds)
	return max(s.closedAt+int64(delay)*1000, s.notBefore), true
}
