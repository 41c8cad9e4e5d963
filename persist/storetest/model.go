package storetest

import (
	"maps"
	"slices"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// step is one batch of the random test. Steps are numbered from 1 in the order they are submitted, and the model knows
// them by number where the store says position: a session by the step that created it, an epoch by the step that opened
// it, a message by the step that published it.
type step struct {
	number int
	ticket persist.Ticket
	batch  persist.Batch

	session, epoch int
	to             []seat
	sent           []modelSent
	floor          int
	above          []int
}

// seat is a member of an audience.
type seat struct {
	session int
	member  persist.Member
}

// modelSent is a packet id chosen for a message.
type modelSent struct {
	message int
	id      uint16
}

// model is what a store must show.
type model struct {
	sessions map[string]*modelSession
	retained map[string]int
}

// modelSession is one session by its client id.
type modelSession struct {
	number, epoch int
	// state has the fields that no step number stands in.
	state         persist.SessionState
	subscriptions map[string]persist.Subscription
	received      map[uint16]bool
	queue         []modelQueued
	// floor is the highest message that was made the floor.
	floor int
}

// modelQueued is a message that the session has not settled.
type modelQueued struct {
	message  int
	member   persist.Member
	id       uint16
	released bool
}

// verdict is what the entry of a step must say.
type verdict struct {
	step *step
	// told: there is an entry. That of a void step that only retains is nobody's business.
	told, void, present      bool
	session, epoch, replaced int
	retain                   persist.RetainAction
}

func newModel() *model {
	return &model{sessions: make(map[string]*modelSession), retained: make(map[string]int)}
}

func (m *model) clone() *model {
	c := &model{sessions: make(map[string]*modelSession), retained: maps.Clone(m.retained)}
	for clientID, s := range m.sessions {
		copied := *s
		copied.subscriptions = maps.Clone(s.subscriptions)
		copied.received = maps.Clone(s.received)
		copied.queue = slices.Clone(s.queue)
		c.sessions[clientID] = &copied
	}
	return c
}

// find returns the session of a number, nil if there is none.
func (m *model) find(number int) *modelSession {
	for _, s := range m.sessions {
		if s.number == number {
			return s
		}
	}
	return nil
}

// apply does what the step says.
func (m *model) apply(st *step) verdict {
	b := &st.batch
	v := verdict{step: st, session: st.session, epoch: st.epoch}
	v.told = b.Open != nil || b.Close != nil || b.End || b.WillOf || len(b.Subscribe)+len(b.Unsubscribe) > 0
	var s *modelSession
	if st.session != 0 {
		s = m.find(st.session)
		if s == nil || s.epoch != st.epoch || b.WillOf && (s.state.Connected || s.state.Will == nil) {
			v.void = true
			return v
		}
	}
	if b.Open != nil {
		m.open(st, &v)
		return v
	}
	if s != nil {
		if b.WillOf {
			s.state.Will = nil
		}
		for _, sub := range b.Subscribe {
			s.subscriptions[sub.Filter] = sub
		}
		for _, filter := range b.Unsubscribe {
			delete(s.subscriptions, filter)
		}
	}
	if b.Message != nil && (s == nil || !s.received[b.ReceivedID]) {
		m.publish(st, &v)
	}
	if s != nil {
		s.says(st)
		if b.End {
			delete(m.sessions, s.state.ClientID)
		}
	}
	return v
}

func (m *model) open(st *step, v *verdict) {
	o := st.batch.Open
	s := m.sessions[o.ClientID]
	v.present = s != nil && !o.Clean
	if s != nil && o.Clean {
		v.replaced = s.number
	}
	if !v.present {
		s = &modelSession{number: st.number, subscriptions: make(map[string]persist.Subscription), received: make(map[uint16]bool)}
		m.sessions[o.ClientID] = s
	}
	s.epoch = st.number
	s.state = persist.SessionState{
		ClientID: o.ClientID, Username: o.Username, ExpirySeconds: o.ExpirySeconds, Connected: true, Will: o.Will,
	}
	v.session, v.epoch = s.number, s.epoch
}

func (m *model) publish(st *step, v *verdict) {
	for _, to := range st.to {
		if s := m.find(to.session); s != nil {
			s.queue = append(s.queue, modelQueued{message: st.number, member: to.member})
		}
	}
	topic := string(st.batch.Message.Topic)
	switch st.batch.Retain {
	case persist.RetainSet:
		m.retained[topic] = st.number
	case persist.RetainClear:
		delete(m.retained, topic)
	default:
		return
	}
	v.told, v.retain = true, st.batch.Retain
}

// says applies what a step says about packet ids, the queue and the connection.
func (s *modelSession) says(st *step) {
	b := &st.batch
	if b.ReceivedID != 0 {
		s.received[b.ReceivedID] = true
	}
	delete(s.received, b.ReleasedID)
	for i := range s.queue {
		q := &s.queue[i]
		for _, sent := range st.sent {
			if sent.message == q.message {
				q.id = sent.id
			}
		}
		if q.id != 0 && slices.Contains(b.Released, q.id) {
			q.released = true
		}
	}
	s.floor = max(s.floor, st.floor)
	s.queue = slices.DeleteFunc(s.queue, func(q modelQueued) bool {
		return q.message <= st.floor || slices.Contains(st.above, q.message)
	})
	if b.Close != nil {
		s.state.Connected = false
		s.state.ClosedAt = b.Close.At
		if b.Close.DiscardWill {
			s.state.Will = nil
		}
		if b.Close.SetExpiry {
			s.state.ExpirySeconds = b.Close.ExpirySeconds
		}
	}
}

// readable is what a reader of the session gets behind a message.
func (s *modelSession) readable(after int) []modelQueued {
	var all []modelQueued
	for _, q := range s.queue {
		if q.message > after && !q.released {
			all = append(all, q)
		}
	}
	return all
}
