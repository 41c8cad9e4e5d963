package persist

// SessionID is the position of the entry that created the session. Ids are never reused, so a message addressed to
// one session never reaches its successor under the same client id.
type SessionID uint64

// Epoch is the position of the entry that last opened the session. Only the connection that opened it knows the
// epoch, so what an earlier connection, or a late timer, says about the session is void.
type Epoch uint64

// Subscription is one topic filter of a session. Filter is as the client sent it, `$share/…` included.
type Subscription struct {
	Filter            string
	QoS               byte
	NoLocal           bool
	RetainAsPublished bool
	RetainHandling    byte
	// ID is the subscription identifier, 0 for none.
	ID uint32
}

// Will is the message that is published for a client that leaves without saying so.
type Will struct {
	Message Message
	// DelaySeconds to wait after the connection is gone.
	DelaySeconds uint32
	// MessageExpirySeconds is counted from the publication of the will; 0 is never.
	MessageExpirySeconds uint32
}

// NeverExpires as ExpirySeconds keeps a session for good.
const NeverExpires = 0xFFFFFFFF

// SessionState is where a session stands at the visible end of the log.
type SessionState struct {
	ID       SessionID
	Epoch    Epoch
	ClientID string
	// Username is the authenticated identity that the session belongs to; empty for an anonymous client.
	Username string
	// ExpirySeconds after the connection is gone; NeverExpires for good.
	ExpirySeconds uint32
	// Connected is true from Open until Close. After a crash it tells who was connected.
	Connected bool
	// ClosedAt is when the last connection ended, in Unix milliseconds; 0 while connected.
	ClosedAt int64
	// Will is what is still to be published if the client does not come back; nil for none.
	Will          *Will
	Subscriptions []Subscription
	// Received are the packet ids of inbound QoS 2 messages that wait for PUBREL.
	Received []uint16
	// InFlight are the outbound messages that have a packet id, by position.
	InFlight []InFlight
	// Floor: every message for the session at or below it is settled.
	Floor Position
}

// InFlight is an outbound message that was given a packet id.
type InFlight struct {
	Position Position
	PacketID uint16
	// Released: PUBREC has come, so PUBREL is due and the message itself is not sent again.
	Released bool
}
