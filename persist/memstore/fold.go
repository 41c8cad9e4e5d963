package memstore

import (
	"slices"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// outcome is what folding one batch brought about, for those who watch the store.
type outcome struct {
	entry persist.Entry
	// control: the batch was a control step, so the entry is to be told.
	control bool
	// published: the message went to the members of its audience.
	published bool
	// ended is the session that exists no longer; 0 for none.
	ended persist.SessionID
}

// fold applies one batch to the state. The batch is the state's from here on. The order of the parts is part of the
// contract: a batch may publish and then end the session that publishes.
func (s *state) fold(b *persist.Batch, ticket persist.Ticket) outcome {
	s.end += s.stride
	out := outcome{
		entry: persist.Entry{
			Position: s.end, Ticket: ticket, Session: b.Session, Epoch: b.Epoch,
			Open: b.Open, Close: b.Close, End: b.End,
			Subscribe: b.Subscribe, Unsubscribe: b.Unsubscribe, WillOf: b.WillOf,
		},
		control: b.Open != nil || b.Close != nil || b.End || len(b.Subscribe) > 0 || len(b.Unsubscribe) > 0 || b.WillOf,
	}
	ses, ok := s.speaker(b)
	if !ok {
		s.void++
		out.entry.Void = true
		return out
	}
	if b.WillOf {
		ses.will = nil
	}
	if b.Open != nil {
		ses = s.open(b.Open, &out)
	}
	if ses != nil {
		out.entry.ClientID = ses.clientID
		ses.subscribe(b.Subscribe, b.Unsubscribe)
	}
	s.message(ses, b, &out)
	if ses != nil {
		s.session(ses, b, &out)
	}
	return out
}

// speaker returns the session that a batch speaks for, nil if for none. Not ok: the batch is void.
func (s *state) speaker(b *persist.Batch) (*session, bool) {
	if b.Session == 0 {
		return nil, !b.WillOf
	}
	ses := s.sessions[b.Session]
	if ses == nil || ses.epoch != b.Epoch {
		return nil, false
	}
	if b.WillOf && (ses.connected || ses.will == nil) {
		return nil, false
	}
	return ses, true
}

// open creates or resumes the session of a client id.
func (s *state) open(o *persist.Open, out *outcome) *session {
	ses := s.sessions[s.clients[o.ClientID]]
	if ses != nil && o.Clean {
		out.entry.Replaced = ses.id
		out.ended = ses.id
		s.remove(ses)
		ses = nil
	}
	out.entry.Present = ses != nil
	if ses == nil {
		ses = &session{
			id:            persist.SessionID(s.end),
			clientID:      o.ClientID,
			subscriptions: make(map[string]persist.Subscription),
			received:      make(map[uint16]bool),
		}
		s.sessions[ses.id] = ses
		s.clients[o.ClientID] = ses.id
	}
	ses.epoch = persist.Epoch(s.end)
	ses.username = o.Username
	ses.expirySeconds = o.ExpirySeconds
	ses.connected = true
	ses.closedAt = 0
	ses.will = cloneWill(o.Will) // the entry shows the other copy to its consumer
	out.entry.Session = ses.id
	out.entry.Epoch = ses.epoch
	return ses
}

func (ses *session) subscribe(add []persist.Subscription, remove []string) {
	for _, sub := range add {
		ses.subscriptions[sub.Filter] = sub
	}
	for _, filter := range remove {
		delete(ses.subscriptions, filter)
	}
}

// message publishes the message of a batch, unless it is one that came before.
func (s *state) message(ses *session, b *persist.Batch, out *outcome) {
	if ses != nil && b.ReceivedID != 0 {
		if ses.received[b.ReceivedID] {
			return // a repeat: the first one was published, this one must not be [MQTT-4.3.3-10]
		}
		ses.received[b.ReceivedID] = true
	}
	if b.Message == nil {
		return
	}
	s.publish(*b.Message, b.Audience)
	out.published = b.Audience != nil
	topic := string(b.Message.Topic)
	switch b.Retain {
	case persist.RetainSet:
		s.retained[topic] = persist.Retained{Position: s.end, Message: *b.Message}
	case persist.RetainClear:
		delete(s.retained, topic)
	default:
		return
	}
	out.control = true
	out.entry.Retain = b.Retain
	out.entry.RetainTopic = topic
}

// session applies what a batch says about packet ids, the queue and the end of the session that speaks.
func (s *state) session(ses *session, b *persist.Batch, out *outcome) {
	delete(ses.received, b.ReleasedID)
	for _, sent := range b.Sent {
		ses.sent(sent)
	}
	for _, id := range b.Released {
		ses.release(id)
	}
	s.settleAll(ses, b.Settled)
	if c := b.Close; c != nil {
		ses.connected = false
		ses.closedAt = c.At
		if c.DiscardWill {
			ses.will = nil
		}
		if c.SetExpiry {
			ses.expirySeconds = c.ExpirySeconds
		}
	}
	if b.End {
		out.ended = ses.id
		s.remove(ses)
	}
}

// sent notes the packet id of a message, unless the message is done or was never for this session.
func (ses *session) sent(sent persist.Sent) {
	if q := ses.find(sent.Position); q == nil || q.settled {
		return
	}
	i, known := ses.findInFlight(sent.Position)
	if !known {
		ses.inFlight = slices.Insert(ses.inFlight, i, persist.InFlight{})
	}
	ses.inFlight[i] = persist.InFlight{Position: sent.Position, PacketID: sent.PacketID}
}

// release notes that PUBREC has come for a packet id; one that is not in flight says nothing.
func (ses *session) release(id uint16) {
	i := slices.IndexFunc(ses.inFlight, func(f persist.InFlight) bool { return f.PacketID == id })
	if i >= 0 {
		ses.inFlight[i].Released = true
	}
}
