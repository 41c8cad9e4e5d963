package ledger

// Arrival is one delivery to the application of a correct client: a QoS 2 message counts when it is handed over, and
// not when the same packet id comes again before it was released.
type Arrival struct {
	Publisher string
	Seq       uint64
	Topic     string
	QoS       byte
	Dup       bool
}

// stream is a sequence in which the broker must keep the order.
type stream struct {
	publisher          string
	topic              int
	published, carried byte // QoS
}

// Arrived writes down a delivery to a session and judges it on the spot. Copies that answer a subscription with
// RETAIN set are not deliveries; they go to ReadEnds.
func (l *Ledger) Arrived(client string, a Arrival) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.sessionLocked(client)
	l.tickLocked()
	l.counts.Delivered++
	p := l.publishers[a.Publisher]
	if p == nil || a.Seq == 0 || a.Seq > uint64(len(p.sent)) {
		l.faultLocked(Stray, "%s received message %d of %s, which was never sent", client, a.Seq, a.Publisher)
		return
	}
	sent := &p.sent[a.Seq-1]
	if l.topics[sent.topic] != a.Topic {
		l.faultLocked(Stray, "%s received message %d of %s on %s, it was sent to %s", client, a.Seq, a.Publisher, a.Topic, l.topics[sent.topic])
		return
	}
	before := s.count(a.Publisher, a.Seq)
	if before > 0 {
		l.repeatLocked(s, a, sent)
		return
	}
	l.strayLocked(s, a, sent)
	l.orderLocked(s, a, sent)
}

// count notes one more delivery and returns how many there were before.
func (s *session) count(publisher string, seq uint64) uint8 {
	page := s.arrived[publisher]
	for uint64(len(page)) < seq {
		page = append(page, 0)
	}
	s.arrived[publisher] = page
	n := page[seq-1]
	if n < 255 {
		page[seq-1]++
	}
	return n
}

// repeatLocked judges a message that was delivered before: never right when both ways, in and out, are exactly-once.
func (l *Ledger) repeatLocked(s *session, a Arrival, sent *sending) {
	if sent.qos == 2 && a.QoS == 2 {
		l.faultLocked(Duplicate, "%s received message %d of %s on %s again at QoS 2 (DUP %t)", s.name, a.Seq, a.Publisher, a.Topic, a.Dup)
		return
	}
	l.counts.Repeats++
}

// strayLocked judges whether the session could have been subscribed while the broker had the message in its hands.
func (l *Ledger) strayLocked(s *session, a Arrival, sent *sending) {
	for _, sub := range l.coversLocked(s, sent.topic) {
		if sub.mayCarry(sent.first, sent.left()) {
			return
		}
	}
	l.faultLocked(Subscription, "%s received message %d of %s on %s, to which it was not subscribed when the message was published",
		s.name, a.Seq, a.Publisher, a.Topic)
}

// orderLocked judges the order of first deliveries. Messages that the session subscribed to only after their first
// sending are left out: a publisher's repeat after a crash may rightly bring them late.
func (l *Ledger) orderLocked(s *session, a Arrival, sent *sending) {
	steady := false
	for _, sub := range l.coversLocked(s, sent.topic) {
		steady = steady || sub.steady(sent.first)
	}
	if !steady {
		return
	}
	key := stream{publisher: a.Publisher, topic: sent.topic, published: sent.qos, carried: a.QoS}
	if last := s.last[key]; a.Seq < last {
		l.faultLocked(Order, "%s received message %d of %s on %s (QoS %d) after message %d", s.name, a.Seq, a.Publisher, a.Topic, a.QoS, last)
		return
	}
	s.last[key] = a.Seq
}

// Violation writes down that the broker did to a client what the protocol forbids.
func (l *Ledger) Violation(client, detail string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faultLocked(Protocol, "%s: %s", client, detail)
}
