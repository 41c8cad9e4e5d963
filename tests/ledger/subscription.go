package ledger

// subscription is one time that a session held a filter: from a SUBSCRIBE to an UNSUBSCRIBE or the session's end.
type subscription struct {
	filter string
	// What was asked for and when it was confirmed; 0 is not yet.
	subscribeSent, subscribed     Mark
	unsubscribeSent, unsubscribed Mark
}

// closing notes that the filter is about to be given up. From now on nothing is due for it.
func (s *subscription) closing(at Mark) {
	if s.unsubscribeSent == 0 {
		s.unsubscribeSent = at
	}
}

// closed notes that the broker confirmed the end. From now on nothing new may come for it.
func (s *subscription) closed(at Mark) {
	if s.unsubscribed == 0 {
		s.unsubscribed = at
	}
}

// due tells whether a message first sent at the given mark is due for this subscription.
func (s *subscription) due(first Mark) bool {
	return s.subscribed != 0 && s.subscribed < first && s.unsubscribeSent == 0
}

// steady tells whether the subscription was confirmed before the message was first sent.
func (s *subscription) steady(first Mark) bool { return s.subscribed != 0 && s.subscribed < first }

// mayCarry tells whether the broker could have taken a message, which was in its hands from the first mark to the
// second (0: still is), for this subscription.
func (s *subscription) mayCarry(first, left Mark) bool {
	return (left == 0 || s.subscribeSent < left) && (s.unsubscribed == 0 || first < s.unsubscribed)
}

// held returns the session's open subscription to the filter, or nil.
func (s *session) held(filter string) *subscription {
	for i := len(s.subs) - 1; i >= 0; i-- {
		if sub := s.subs[i]; sub.filter == filter && sub.unsubscribeSent == 0 {
			return sub
		}
	}
	return nil
}

// SubscribeSent writes down a SUBSCRIBE that is about to be sent. Repeating a filter that is held changes nothing.
func (l *Ledger) SubscribeSent(client, filter string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, at := l.sessionLocked(client), l.tickLocked()
	if s.held(filter) != nil {
		return
	}
	s.subs = append(s.subs, &subscription{filter: filter, subscribeSent: at})
	clear(s.covers)
}

// Subscribed writes down the SUBACK.
func (l *Ledger) Subscribed(client, filter string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, at := l.sessionLocked(client), l.tickLocked()
	if sub := s.held(filter); sub != nil && sub.subscribed == 0 {
		sub.subscribed = at
		l.counts.Subscribed++
	}
}

// UnsubscribeSent writes down an UNSUBSCRIBE that is about to be sent; a repeat is not written down.
func (l *Ledger) UnsubscribeSent(client, filter string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, at := l.sessionLocked(client), l.tickLocked()
	if sub := s.held(filter); sub != nil {
		sub.closing(at)
	}
}

// Existence is what an UNSUBACK says about the subscription that it ends.
type Existence byte

// MQTT 3 does not tell whether the subscription existed, MQTT 5 does.
const (
	NotTold Existence = iota
	Existed
	NeverExisted
)

// Unsubscribed writes down the UNSUBACK. Repeated says that the UNSUBSCRIBE was sent more than once, so that an
// earlier one may have ended the subscription already.
func (l *Ledger) Unsubscribed(client, filter string, told Existence, repeated bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, at := l.sessionLocked(client), l.tickLocked()
	l.counts.Unsubscribed++
	var latest *subscription
	for _, sub := range s.subs {
		if sub.filter == filter && sub.unsubscribeSent != 0 {
			sub.closed(at)
			latest = sub
		}
	}
	if told == NeverExisted && !repeated && latest != nil && latest.subscribed != 0 {
		l.faultLocked(Subscription, "%s held %s and was told at its UNSUBSCRIBE that it never existed", client, filter)
	}
}

// coversLocked returns the subscriptions of the session, past and present, that match a topic.
func (l *Ledger) coversLocked(s *session, topic int) []*subscription {
	subs, known := s.covers[topic]
	if known {
		return subs
	}
	for _, sub := range s.subs {
		if Matches(sub.filter, l.topics[topic]) {
			subs = append(subs, sub)
		}
	}
	s.covers[topic] = subs
	return subs
}
