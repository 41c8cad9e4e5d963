package persist

// Message is an application message as the store keeps it. The store reads only what its fold needs (Expires); the
// rest is the engine's.
type Message struct {
	Topic []byte
	// Properties is what the engine must pass on with the message. The store does not look inside.
	Properties []byte
	Payload    []byte
	// QoS the message was published with; a member's own QoS may lower it at delivery.
	QoS byte
	// Retain is the RETAIN flag of the PUBLISH, for members that asked for it as published.
	Retain bool
	// Retained marks the copy of a retained message made for a new subscription: it is delivered with RETAIN 1.
	Retained bool
	// Expires is when the message is worthless, in Unix milliseconds; 0 is never.
	Expires int64
}

// Expired tells whether the message is worthless at now, in Unix milliseconds.
func (m *Message) Expired(now int64) bool { return m.Expires != 0 && now >= m.Expires }

// Delivery is one message of one session's queue.
type Delivery struct {
	Position Position
	// Message points into the Page it was read to.
	Message Message
	// Member is how this session takes the message. Read only; it is shared.
	Member *Member
	// Damaged is set when the stored record failed its checksum: there is no Message. The reader settles the position
	// and counts the loss; the store has raised the alarm.
	Damaged bool
}

// Page receives deliveries from a Queue. The caller owns it and may reuse it: each Next overwrites what the one before
// returned.
type Page struct {
	// MaxMessages and MaxBytes bound what one Next returns; a single message may exceed MaxBytes. Zero means 256 and
	// 256 KiB.
	MaxMessages int
	MaxBytes    int

	Deliveries []Delivery
	// Buffer holds the bytes that the deliveries point into.
	Buffer []byte
}

// Limits returns the bounds with their defaults applied.
func (p *Page) Limits() (messages, bytes int) {
	messages, bytes = p.MaxMessages, p.MaxBytes
	if messages <= 0 {
		messages = 256
	}
	if bytes <= 0 {
		bytes = 256 << 10
	}
	return messages, bytes
}

// Retained is the retained message of a topic.
type Retained struct {
	// Position of the entry that set it: a later value has a higher one.
	Position Position
	Message  Message
}
