package store

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// deed is one batch that somebody in the crowd has submitted. Deeds know each other by pointer where the store says
// position: a session by the deed that created it, an epoch by the one that opened it, a message by the one that
// published it.
type deed struct {
	// number is the place among all deeds, 0 while it was not submitted. uid stands in the payload or the user name.
	number, uid int

	born, epoch *deed
	batch       persist.Batch
	to          []*deed
	sent        map[*deed]uint16
	above       []*deed
	floor       *deed
}

// chronicle is what the crowd has done, in the order of the tickets.
type chronicle struct {
	mu sync.Mutex
	// byUID are the deeds that were begun, byNumber those that were submitted. base is added to the tickets of this start.
	byUID    []*deed
	byNumber map[int]*deed
	base     int
}

func newChronicle() *chronicle { return &chronicle{byNumber: make(map[int]*deed)} }

// begin notes a deed before it is submitted: others may meet it before Append has returned.
func (c *chronicle) begin(d *deed) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d.uid = len(c.byUID)
	c.byUID = append(c.byUID, d)
}

func (c *chronicle) submitted(d *deed, ticket persist.Ticket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d.number = c.base + int(ticket)
	c.byNumber[d.number] = d
}

func (c *chronicle) deed(uid int) *deed {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byUID[uid]
}

// at returns the deed of a number; nil while its Append has not returned.
func (c *chronicle) at(number int) *deed {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byNumber[number]
}

// crowdModel is the state after the deeds up to done.
type crowdModel struct {
	done     int
	sessions map[string]*crowdSession
	retained map[string]int
}

type crowdSession struct {
	born, epoch   *deed
	connected     bool
	subscriptions map[string]bool
	received      map[uint16]bool
	queue         []crowdQueued
}

type crowdQueued struct {
	message  *deed
	id       uint16
	released bool
}

func newCrowdModel() *crowdModel {
	return &crowdModel{sessions: make(map[string]*crowdSession), retained: make(map[string]int)}
}

func (m *crowdModel) clone() *crowdModel {
	c := &crowdModel{done: m.done, sessions: make(map[string]*crowdSession), retained: maps.Clone(m.retained)}
	for id, s := range m.sessions {
		own := *s
		own.subscriptions, own.received, own.queue = maps.Clone(s.subscriptions), maps.Clone(s.received), slices.Clone(s.queue)
		c.sessions[id] = &own
	}
	return c
}

func (m *crowdModel) find(born *deed) (string, *crowdSession) {
	for id, s := range m.sessions {
		if s.born == born {
			return id, s
		}
	}
	return "", nil
}

// apply does what the next deed says.
func (m *crowdModel) apply(d *deed) {
	m.done = d.number
	b := &d.batch
	if o := b.Open; o != nil {
		s := m.sessions[o.ClientID]
		if s == nil || o.Clean {
			s = &crowdSession{born: d, subscriptions: make(map[string]bool), received: make(map[uint16]bool)}
			m.sessions[o.ClientID] = s
		}
		s.epoch, s.connected = d, true
		return
	}
	id, s := m.find(d.born)
	if d.born != nil && (s == nil || s.epoch != d.epoch) {
		return
	}
	if b.Message != nil && (s == nil || b.ReceivedID == 0 || !s.received[b.ReceivedID]) {
		m.publish(d)
	}
	if s == nil {
		return
	}
	s.says(d)
	if b.End {
		delete(m.sessions, id)
	}
}

func (m *crowdModel) publish(d *deed) {
	for _, born := range d.to {
		if _, s := m.find(born); s != nil {
			s.queue = append(s.queue, crowdQueued{message: d})
		}
	}
	switch topic := string(d.batch.Message.Topic); d.batch.Retain {
	case persist.RetainSet:
		m.retained[topic] = d.uid
	case persist.RetainClear:
		delete(m.retained, topic)
	}
}

func (s *crowdSession) says(d *deed) {
	b := &d.batch
	for _, sub := range b.Subscribe {
		s.subscriptions[sub.Filter] = true
	}
	for _, filter := range b.Unsubscribe {
		delete(s.subscriptions, filter)
	}
	if b.ReceivedID != 0 {
		s.received[b.ReceivedID] = true
	}
	delete(s.received, b.ReleasedID)
	for i := range s.queue {
		q := &s.queue[i]
		if id, ok := d.sent[q.message]; ok {
			*q = crowdQueued{message: q.message, id: id}
		}
		if q.id != 0 && slices.Contains(b.Released, q.id) {
			q.released = true
		}
	}
	s.queue = slices.DeleteFunc(s.queue, func(q crowdQueued) bool {
		return d.floor != nil && q.message.number <= d.floor.number || slices.Contains(d.above, q.message)
	})
	if b.Close != nil {
		s.connected = false
	}
}

// String writes the state in words, as shown writes that of a store.
func (m *crowdModel) String() string {
	var lines []string
	for id, s := range m.sessions {
		var queue, flying []string
		for _, q := range s.queue {
			if !q.released {
				queue = append(queue, fmt.Sprint(q.message.uid))
			}
			if q.id != 0 {
				flying = append(flying, fmt.Sprint(q.message.uid, "=", q.id, q.released))
			}
		}
		lines = append(lines, sessionLine(id, s.epoch.uid, s.connected, slices.Sorted(maps.Keys(s.subscriptions)),
			slices.Sorted(maps.Keys(s.received)), flying, queue))
	}
	for topic, uid := range m.retained {
		lines = append(lines, fmt.Sprintf("retained %s: %d", topic, uid))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func sessionLine(id string, epoch int, connected bool, subscriptions []string, received []uint16, flying, queue []string) string {
	return fmt.Sprintf("session %s opened by %d connected %t subscriptions %q received %v in flight %v queue %v",
		id, epoch, connected, subscriptions, received, flying, queue)
}
