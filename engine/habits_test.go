package engine

import (
	"fmt"
	"slices"

	"github.com/holdfast-mqtt/holdfast/wire"
)

// habits are what a correct client does over many connections; publishers and subscribers have them in common.
type habits struct {
	*rig
	name    string
	options []connectOption
	c       *client // nil while away
	up      bool    // CONNACK has come
}

// come connects, or takes the connection over.
func (h *habits) come() {
	h.c = h.attempt(h.name, h.options...)
	h.up = false
	h.wait() // or a later connection may come before this one
}

// go away, in one way or another.
func (h *habits) goAway(politely bool) {
	if h.c == nil {
		return
	}
	if politely && h.up {
		h.c.send(&wire.Disconnect{})
		h.wait()
	}
	h.c.cutNow()
	h.c = nil
}

// checkOpen complains if the broker has ended the connection: nobody gave it a reason.
func (h *habits) checkOpen() {
	h.c.mu.Lock()
	defer h.c.mu.Unlock()
	if h.c.closed {
		h.Errorf("%s: the broker closed the connection, connected %v", h.name, h.up)
		h.c.closed = false
	}
}

// posted is a message under way from a publisher.
type posted struct {
	topic, payload string
	qos            byte
	id             uint16
	received       bool // PUBREC has come
}

// packet is the message as it is sent.
func (m *posted) packet() *wire.Publish { return publish(m.topic, m.payload, m.qos, withID(m.id)) }

// author publishes and sees to it that every message is acknowledged in the end.
type author struct {
	habits
	sequence int
	lastID   uint16
	under    []*posted // way, in order
	done     []*posted
}

// post sends a new message, or keeps it for later.
func (a *author) post(topic string, qos byte) {
	a.lastID = a.lastID%100 + 1 // identifiers come again soon
	if len(a.under) >= 50 || slices.ContainsFunc(a.under, func(m *posted) bool { return m.id == a.lastID }) {
		return
	}
	a.sequence++
	m := &posted{topic: topic, payload: fmt.Sprintf("%s %s %d", a.name, topic, a.sequence), qos: qos, id: a.lastID}
	a.under = append(a.under, m)
	if a.c != nil && a.up {
		a.c.send(m.packet())
	}
}

// listen handles what came.
func (a *author) listen() {
	if a.c == nil {
		return
	}
	packets := a.c.take()
	a.checkOpen()
	for _, p := range packets {
		switch p := p.(type) {
		case *wire.Connack:
			a.resume(p)
		case *wire.Puback:
			a.end(p.PacketID, p.Code)
		case *wire.Pubrec:
			if m := a.find(p.PacketID); m != nil {
				m.received = true
			}
			a.c.send(pubrel(p.PacketID))
		case *wire.Pubcomp:
			a.end(p.PacketID, wire.Success)
		case *wire.Disconnect:
			a.Errorf("%s: %s", a.name, describe(p, true))
		}
	}
}

// resume sends again what was not answered.
func (a *author) resume(p *wire.Connack) {
	if p.Code != wire.Success {
		a.Errorf("%s: %s", a.name, describe(p, true))
		return
	}
	a.up = true
	for _, m := range a.under {
		if m.received {
			a.c.send(pubrel(m.id))
			continue
		}
		packet := m.packet()
		packet.Dup = true
		a.c.send(packet)
	}
}

func (a *author) find(id uint16) *posted {
	at := slices.IndexFunc(a.under, func(m *posted) bool { return m.id == id })
	if at < 0 {
		return nil
	}
	return a.under[at]
}

// end takes a message that was acknowledged out of those under way.
func (a *author) end(id uint16, code wire.ReasonCode) {
	m := a.find(id)
	if m == nil || code.Failed() {
		a.Errorf("%s: message %d was acknowledged with %v", a.name, id, code)
		return
	}
	a.under = slices.DeleteFunc(a.under, func(other *posted) bool { return other == m })
	a.done = append(a.done, m)
}

// reader receives and acknowledges in order, sometimes late.
type reader struct {
	habits
	qos      byte
	known    map[uint16]bool // QoS 2 identifiers that were not released
	answers  []wire.Packet   // owed on this connection
	counts   map[string]int
	sequence map[string]int // the last number seen, by publisher and topic
	strange  []string
}

// come connects. What it still owed for QoS 2 it may say now, without having been asked again: the identifier stands
// for the same message.
func (s *reader) come() {
	s.answers = slices.DeleteFunc(s.answers, func(p wire.Packet) bool { return p.Type() == wire.PUBACK })
	s.habits.come()
}

// listen handles what came, and gives up to n of the answers that it owes.
func (s *reader) listen(n int) {
	if s.c == nil {
		return
	}
	packets := s.c.take()
	s.checkOpen()
	for _, p := range packets {
		switch p := p.(type) {
		case *wire.Connack:
			s.up, s.answers = true, nil
			if p.Code != wire.Success || !p.SessionPresent {
				s.strange = append(s.strange, describe(p, true))
			}
		case *wire.Publish:
			s.receive(p)
		case *wire.Pubrel:
			delete(s.known, p.PacketID)
			s.answers = append(s.answers, pubcomp(p.PacketID))
		case *wire.Disconnect:
			s.Errorf("%s: %s", s.name, describe(p, true))
		}
	}
	n = min(n, len(s.answers))
	s.c.send(s.answers[:n]...)
	s.answers = s.answers[n:]
}

// receive counts a message, unless its identifier says that it came before.
func (s *reader) receive(p *wire.Publish) {
	repeat := false
	switch p.QoS {
	case 1:
		s.answers = append(s.answers, puback(p.PacketID))
	case 2:
		s.answers = append(s.answers, pubrec(p.PacketID))
		repeat = s.known[p.PacketID]
		s.known[p.PacketID] = true
		if repeat && !p.Dup {
			s.strange = append(s.strange, "an identifier in use without DUP: "+describe(p, true))
		}
	}
	if repeat {
		return
	}
	payload := string(p.Payload)
	s.counts[payload]++
	var name, topic string
	var number int
	if _, err := fmt.Sscan(payload, &name, &topic, &number); err != nil || topic != string(p.Topic) {
		s.strange = append(s.strange, describe(p, true))
		return
	}
	if s.counts[payload] > 1 {
		return // at QoS 1 that is allowed
	}
	key := name + " " + topic
	if number < s.sequence[key] {
		s.strange = append(s.strange, fmt.Sprintf("%q came for the first time after number %d", payload, s.sequence[key]))
	}
	s.sequence[key] = number
}
