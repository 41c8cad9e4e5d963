package store

import (
	"fmt"
	"slices"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// control are the parts that make a batch a step that is told as an Entry, void or not.
const control = partOpen | partClose | partEnd | partSubscribe | partUnsubscribe | partWillOf

// fold applies one record of the log. It is the only way to change the state, live and at recovery. The order of the
// parts is part of the contract: a batch may publish and then end the session that publishes.
func (s *state) fold(pos persist.Position, typ byte, body []byte, ticket persist.Ticket) error {
	switch typ {
	case typeBatch:
		if err := s.scratch.decode(body); err != nil {
			return fmt.Errorf("entry at position %d: %w", pos, err)
		}
		s.end = pos
		s.batch(pos, &s.scratch, ticket)
	case typeAudience:
		id, members, err := decodeAudience(body)
		if err != nil {
			return fmt.Errorf("audience at position %d: %w", pos, err)
		}
		s.end = pos
		s.define(id, members)
		s.dirty.audiences = append(s.dirty.audiences, s.audiences[id])
	default:
		return fmt.Errorf("record at position %d: %w: record type %d", pos, errVersion, typ)
	}
	return nil
}

func (s *state) batch(pos persist.Position, r *record, ticket persist.Ticket) {
	ses, ok := s.speaker(r)
	if !ok {
		s.void++
		s.voidMessage(pos, r)
		if r.parts&control != 0 {
			s.tell(persist.Entry{Position: pos, Ticket: ticket, Void: true, Session: r.session, Epoch: r.epoch}, r)
		}
		return
	}
	e := persist.Entry{Position: pos, Ticket: ticket, Session: r.session, Epoch: r.epoch}
	if r.has(partWillOf) {
		ses.will = nil
		s.mark(ses, dirtyIdentity)
	}
	if r.has(partOpen) {
		ses = s.open(pos, &r.open, &e)
	}
	if ses != nil {
		e.ClientID = ses.clientID
		s.subscribe(ses, r)
	}
	if s.message(pos, ses, r) {
		e.Retain = persist.RetainSet
		if r.has(partRetainClear) {
			e.Retain = persist.RetainClear
		}
	}
	if ses != nil {
		s.progress(pos, ses, r)
	}
	if r.parts&control != 0 || e.Retain != persist.RetainNone {
		s.tell(e, r)
	}
}

// speaker returns the session that a batch speaks for, nil if for none. Not ok: the batch is void.
func (s *state) speaker(r *record) (*session, bool) {
	if !r.has(partSession) {
		return nil, !r.has(partWillOf)
	}
	ses := s.sessions[r.session]
	if ses == nil || ses.epoch != r.epoch {
		return nil, false
	}
	if r.has(partWillOf) && (ses.connected || ses.will == nil) {
		return nil, false
	}
	return ses, true
}

// voidMessage remembers a message that must not be published, because the log's index lists it.
func (s *state) voidMessage(pos persist.Position, r *record) {
	const indexed = partAudience | partMessage
	if r.parts&indexed == indexed {
		s.voids = append(s.voids, pos)
	}
}

// open creates or resumes the session of a client id.
func (s *state) open(pos persist.Position, o *persist.Open, e *persist.Entry) *session {
	ses := s.clients[o.ClientID]
	if ses != nil && o.Clean {
		e.Replaced = ses.id
		s.endSession(ses)
		ses = nil
	}
	e.Present = ses != nil
	if ses == nil {
		ses = &session{id: persist.SessionID(pos), clientID: o.ClientID}
		s.sessions[ses.id] = ses
		s.clients[ses.clientID] = ses
		s.mark(ses, dirtyCursor)
	}
	ses.epoch = persist.Epoch(pos)
	ses.username = o.Username
	ses.expirySeconds = o.ExpirySeconds
	ses.connected = true
	ses.closedAt = 0
	ses.will = cloneWill(o.Will)
	s.mark(ses, dirtyIdentity)
	e.Session, e.Epoch = ses.id, ses.epoch
	return ses
}

func (s *state) subscribe(ses *session, r *record) {
	for i := range r.subscribe {
		sub := &r.subscribe[i]
		at, found := ses.findSubscription(sub.Filter)
		if found {
			ses.subscriptions[at] = *sub
		} else {
			ses.subscriptions = slices.Insert(ses.subscriptions, at, *sub)
		}
		s.markFilter(ses, sub.Filter)
	}
	for _, filter := range r.unsubscribe {
		if at, found := ses.findSubscription(filter); found {
			ses.subscriptions = slices.Delete(ses.subscriptions, at, at+1)
			s.markFilter(ses, filter)
		}
	}
}

// message publishes the message of a batch, unless it is one that came before. It tells whether the retained message of
// the topic changed.
func (s *state) message(pos persist.Position, ses *session, r *record) (retained bool) {
	if ses != nil && r.receivedID != 0 {
		at, found := slices.BinarySearch(ses.received, r.receivedID)
		if found {
			// A repeat: the first one was published, this one must not be. [MQTT-4.3.3-10]
			s.voidMessage(pos, r)
			return false
		}
		ses.received = slices.Insert(ses.received, at, r.receivedID)
		s.mark(ses, dirtyReceived)
	}
	if !r.has(partMessage) {
		return false
	}
	if r.has(partAudience) {
		s.publish(pos, r.audience)
	}
	if !r.has(partRetainSet | partRetainClear) {
		return false
	}
	s.retained.change(r.message.Topic, pos, r.has(partRetainClear))
	return true
}

// progress applies what a batch says about packet ids, the queue and the end of the session that speaks.
func (s *state) progress(pos persist.Position, ses *session, r *record) {
	if r.releasedID != 0 {
		if at, found := slices.BinarySearch(ses.received, r.releasedID); found {
			ses.received = slices.Delete(ses.received, at, at+1)
			s.mark(ses, dirtyReceived)
		}
	}
	if r.has(partSent | partReleased | partSettled) {
		for _, sent := range r.sent {
			ses.sent(sent, pos)
		}
		for _, id := range r.released {
			ses.release(id)
		}
		if ses.settle(&r.settled, pos) && !ses.moved {
			ses.moved = true
			s.moved = append(s.moved, ses)
		}
		s.mark(ses, dirtyCursor)
	}
	if r.has(partClose) {
		c := &r.leave
		ses.connected = false
		ses.closedAt = c.At
		if c.DiscardWill {
			ses.will = nil
		}
		if c.SetExpiry {
			ses.expirySeconds = c.ExpirySeconds
		}
		s.mark(ses, dirtyIdentity)
	}
	if r.has(partEnd) {
		s.endSession(ses)
	}
}

// tell completes the entry of a control step and hands it to those who watch.
func (s *state) tell(e persist.Entry, r *record) {
	if !s.effects.live {
		return
	}
	if r.has(partOpen) {
		o := r.open
		o.Will = cloneWill(o.Will)
		e.Open = &o
	}
	if r.has(partClose) {
		c := r.leave
		e.Close = &c
	}
	e.End = r.has(partEnd)
	e.WillOf = r.has(partWillOf)
	if r.has(partSubscribe) {
		e.Subscribe = slices.Clone(r.subscribe)
	}
	if r.has(partUnsubscribe) {
		e.Unsubscribe = slices.Clone(r.unsubscribe)
	}
	if e.Retain != persist.RetainNone {
		e.RetainTopic = string(r.message.Topic)
	}
	s.effects.entries = append(s.effects.entries, e)
}
