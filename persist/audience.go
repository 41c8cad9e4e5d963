package persist

// Member is one session in an audience and how it takes the messages.
type Member struct {
	Session SessionID
	// QoS is the highest QoS granted by the subscriptions that matched: 1 or 2.
	QoS               byte
	RetainAsPublished bool
	// SubscriptionIDs of all subscriptions that matched, ascending; nil for none. Read only.
	SubscriptionIDs []uint32
}

// Audience is an interned set of durable sessions that messages go to. Store.Audience makes it; equal sets give the
// same Audience while somebody holds it. A message names its audience instead of its targets, so one write and a few
// bytes of memory serve any number of sessions.
type Audience struct {
	members []Member
	// Handle belongs to the store that made the audience.
	Handle any
}

// NewAudience is for stores. The members are ascending by session, each session once.
func NewAudience(members []Member, handle any) *Audience {
	return &Audience{members: members, Handle: handle}
}

// Members returns the sessions, ascending. Read only.
func (a *Audience) Members() []Member { return a.members }
