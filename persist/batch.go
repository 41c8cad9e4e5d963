package persist

// Batch is one atomic step: after a crash all of it is there or nothing. Its zero parts do nothing. The caller may
// reuse the batch and everything it points to as soon as Append has returned.
type Batch struct {
	// Waiter is woken once when the batch is durable, or the store has failed. Nil: nobody waits, and the batch rides
	// in the next group that somebody waits for, or soon.
	Waiter Waiter

	// Session and Epoch name the session that speaks. If it has ended, or its epoch is another, the entry is void.
	// Both are 0 for what no session says: a message of a volatile publisher, and Open.
	Session SessionID
	Epoch   Epoch

	// Open creates or resumes the session of a client id.
	Open *Open
	// Close says that the session's connection is gone.
	Close *Close
	// End removes the session with its subscriptions, queue and packet ids. A will that is still due must be in the
	// same batch, or it is gone too.
	End bool

	// Subscribe adds or replaces subscriptions by filter, Unsubscribe removes them.
	Subscribe   []Subscription
	Unsubscribe []string

	// Message is published to Audience (nil: to no durable session) and, by Retain, becomes or clears the retained
	// message of its topic.
	Message  *Message
	Audience *Audience
	Retain   RetainAction
	// ReceivedID is the packet id under which Session sent the Message at QoS 2: from now on received, until
	// ReleasedID. 0 for none.
	ReceivedID uint16
	// ReleasedID is an inbound packet id whose PUBREL has come: it may be used for another message. 0 for none.
	ReleasedID uint16
	// WillOf makes the whole batch void unless Session is not connected and its will is still due; the will is then
	// no longer due.
	WillOf bool

	// Sent are the packet ids chosen for outbound messages.
	Sent []Sent
	// Released are outbound packet ids whose PUBREC has come.
	Released []uint16
	// Settled are outbound messages that are done.
	Settled Settled
}

// RetainAction is what a message does to the retained message of its topic.
type RetainAction byte

// The retain actions.
const (
	RetainNone RetainAction = iota
	RetainSet
	RetainClear
)

// Open creates the session of ClientID, or resumes it. The entry's position becomes the session's Epoch, and its
// SessionID too when it is new. A will of the session that is still due is cancelled.
type Open struct {
	ClientID string
	Username string
	// Clean ends what is stored under the client id and starts anew.
	Clean         bool
	ExpirySeconds uint32
	Will          *Will
	// At is when, in Unix milliseconds.
	At int64
}

// Close says that a session's connection is gone. The session stays, not connected.
type Close struct {
	// At is when, in Unix milliseconds; session expiry and will delay run from here.
	At int64
	// DiscardWill: the client took its leave (DISCONNECT 0x00), so its will is not due.
	DiscardWill bool
	// ExpirySeconds replaces the session's when SetExpiry is true (DISCONNECT of MQTT 5 may change it).
	SetExpiry     bool
	ExpirySeconds uint32
}

// Sent is the packet id chosen for an outbound message.
type Sent struct {
	Position Position
	PacketID uint16
}

// Settled says which outbound messages of a session are done: acknowledged, expired or dropped. The zero value says
// nothing.
type Settled struct {
	// Floor: every message for the session at or below it is done. It never goes back.
	Floor Position
	// Above are further messages that are done above the floor.
	Above []Position
}

// Entry is a control step that has become visible, in log order. Messages do not come as entries: a Queue reads them.
type Entry struct {
	Position Position
	// Ticket of the batch.
	Ticket Ticket
	// Void: the step was durable but the session had moved on; it changed nothing.
	Void bool

	// Session and Epoch: whose step; for Open the session that results.
	Session SessionID
	Epoch   Epoch
	// ClientID of that session.
	ClientID string

	Open *Open
	// Present: Open resumed a session.
	Present bool
	// Replaced is the session that Open with Clean ended; 0 for none.
	Replaced SessionID

	Close       *Close
	End         bool
	Subscribe   []Subscription
	Unsubscribe []string
	WillOf      bool

	// Retain and RetainTopic: the retained message of the topic was set or cleared.
	Retain      RetainAction
	RetainTopic string
}
