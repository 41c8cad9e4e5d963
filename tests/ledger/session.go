package ledger

// session is what one client id went through.
type session struct {
	name    string
	sure    bool // the broker has confirmed a session that outlives its connection
	unsure  bool // a CONNECT that makes or ends the session has not been answered
	subs    []*subscription
	arrived map[string][]uint8      // by publisher, then sequence number minus one: deliveries to the application
	last    map[stream]uint64       // the newest message of each stream that was delivered
	covers  map[int][]*subscription // by topic number: the subscriptions that match it
}

// sessionLocked finds or makes the page of a client id.
func (l *Ledger) sessionLocked(client string) *session {
	s := l.sessions[client]
	if s == nil {
		s = &session{name: client, arrived: map[string][]uint8{}, last: map[stream]uint64{}, covers: map[int][]*subscription{}}
		l.sessions[client] = s
	}
	return s
}

// ConnectSent writes down a CONNECT that is about to be sent. Clean asks for a new session and ends the old one. A
// session outlives its connection unless Ended says otherwise.
func (l *Ledger) ConnectSent(client string, clean bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, at := l.sessionLocked(client), l.tickLocked()
	if !s.sure || clean {
		s.unsure = true
	}
	if !clean {
		return
	}
	s.sure = false
	for _, sub := range s.subs {
		sub.closing(at)
	}
}

// Connected writes down a CONNACK that accepted the client, and what it said about the session.
func (l *Ledger) Connected(client string, clean, present bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, at := l.sessionLocked(client), l.tickLocked()
	l.counts.Connects++
	switch {
	case clean && present:
		l.faultLocked(Session, "%s asked for a clean start and was told that its session is present", client)
	case s.sure && !present:
		l.faultLocked(Session, "%s came back and its session was gone", client)
	case !s.sure && !s.unsure && present:
		l.faultLocked(Session, "%s was given a session that it never had", client)
	}
	// A new session ends what the client had given up before. What it had not given up stays due: the broker forgot it.
	if !present {
		for _, sub := range s.subs {
			if sub.unsubscribeSent != 0 {
				sub.closed(at)
			}
		}
	}
	s.sure, s.unsure = true, false
}

// Ended writes down that the session ends with the connection that was just confirmed: a clean session before MQTT 5.
func (l *Ledger) Ended(client string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.sessionLocked(client)
	l.tickLocked()
	s.sure, s.unsure = false, false
}
