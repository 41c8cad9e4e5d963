package ledger

import "fmt"

// Message is one application message as its publisher knows it. Publisher and Seq name it; the sequence numbers of a
// publisher start at 1 and rise by one with every message, whatever its topic.
type Message struct {
	Publisher string
	Seq       uint64
	Topic     string
	QoS       byte
	// Retain: the message sets the retained value of its topic; with Clear it removes it. One publisher alone
	// writes the retained value of a topic.
	Retain bool
	Clear  bool
	// Will: the message stays with the broker after its acknowledgement and is published at a later time.
	Will bool
	// Probe: the message was sent to see who is subscribed. If it is lost, a subscription was.
	Probe bool
}

// publisher is what one publisher has sent.
type publisher struct {
	sent []sending // by sequence number, minus one
}

// sending is one message on its way into the broker.
type sending struct {
	first     Mark // before it was sent for the first time
	acked     Mark // 0: not acknowledged
	completed Mark // 0: no PUBCOMP yet, or none needed
	withdrawn Mark // 0: not withdrawn
	topic     int
	qos       byte
	probe     bool
	will      bool
}

// left is when the broker had passed the message on to everybody who was subscribed; 0 is never, or not known.
func (s *sending) left() Mark {
	switch {
	case s.will:
		return 0
	case s.qos == 2: // a broker may pass it on at PUBLISH or at PUBREL [MQTT-4.3.3]
		return s.completed
	}
	return s.acked
}

// PublishSent writes down a message that is about to be sent for the first time. Repeats are not written down.
func (l *Ledger) PublishSent(m Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.publishers[m.Publisher]
	if p == nil {
		p = &publisher{}
		l.publishers[m.Publisher] = p
	}
	if m.Seq != uint64(len(p.sent))+1 {
		panic(fmt.Sprintf("ledger: publisher %s sends %d after %d messages", m.Publisher, m.Seq, len(p.sent)))
	}
	p.sent = append(p.sent, sending{first: l.tickLocked(), topic: l.topicLocked(m.Topic), qos: m.QoS, probe: m.Probe, will: m.Will})
	l.counts.Sent++
	if m.Retain {
		l.retainSentLocked(m)
	}
}

// PublishAcked writes down that the broker took the message over: PUBACK, or PUBREC at QoS 2, or CONNACK for a will.
func (l *Ledger) PublishAcked(publisher string, seq uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.sendingLocked(publisher, seq)
	if s.acked != 0 {
		return
	}
	s.acked = l.tickLocked()
	l.counts.Acked++
	if v := l.values[l.topics[s.topic]]; v != nil {
		v.acknowledge(seq)
	}
}

// PublishCompleted writes down the PUBCOMP of a QoS 2 message.
func (l *Ledger) PublishCompleted(publisher string, seq uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sendingLocked(publisher, seq).completed = l.tickLocked()
}

// Withdrawn writes down that a message is not due any more, whether or not it was acknowledged: a will whose client
// takes its leave, before the DISCONNECT is sent. If it arrives nevertheless, it must have been on its way.
func (l *Ledger) Withdrawn(publisher string, seq uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sendingLocked(publisher, seq).withdrawn = l.tickLocked()
}

// sendingLocked finds a message that was written down before.
func (l *Ledger) sendingLocked(publisher string, seq uint64) *sending {
	p := l.publishers[publisher]
	if p == nil || seq == 0 || seq > uint64(len(p.sent)) {
		panic(fmt.Sprintf("ledger: message %d of publisher %s was never sent", seq, publisher))
	}
	return &p.sent[seq-1]
}
