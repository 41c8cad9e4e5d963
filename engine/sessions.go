package engine

import (
	"sync"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// sessions is the table of sessions, and of the connections that own a client identifier.
type sessions struct {
	mu       sync.Mutex
	byClient map[string]*session // stored sessions
	byID     map[persist.SessionID]*session
	owners   map[string]*conn
	waiting  map[string]*conn // who wants to be the owner: the latest alone will be
	lastKey  uint64           // of a volatile session
}

// newSessions returns an empty table.
func newSessions() sessions {
	return sessions{
		byClient: make(map[string]*session),
		byID:     make(map[persist.SessionID]*session),
		owners:   make(map[string]*conn),
		waiting:  make(map[string]*conn),
	}
}

// claim makes c the one connection of its client identifier. A connection that has it is told so, ended, and waited
// for: all that it had to say is appended before claim returns. [MQTT-3.1.4-3] An error: the session is another user's,
// or meanwhile a later connection wants it too.
func (t *sessions) claim(c *conn) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.mayTakeLocked(c) {
		return errNotTheirs
	}
	t.waiting[c.clientID] = c
	for t.waiting[c.clientID] == c {
		previous := t.owners[c.clientID]
		if previous == nil {
			t.owners[c.clientID] = c
			delete(t.waiting, c.clientID)
			return nil
		}
		t.mu.Unlock()
		previous.supersede()
		t.mu.Lock()
	}
	return errSuperseded
}

// mayTakeLocked tells whether the session of the client identifier, and a connection that has it, belong to the user of
// c, or to nobody: who knows an identifier must not thereby get the messages of another. (MQTT 5.0, 5.4.2)
func (t *sessions) mayTakeLocked(c *conn) bool {
	for _, rival := range []*conn{t.owners[c.clientID], t.waiting[c.clientID]} {
		if rival != nil && rival.who.Name != "" && rival.who.Name != c.who.Name {
			return false
		}
	}
	s := t.byClient[c.clientID]
	return s == nil || s.username == "" || s.username == c.who.Name
}

// release gives up what claim took.
func (t *sessions) release(c *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.owners[c.clientID] == c {
		delete(t.owners, c.clientID)
	}
}

// closes notes the step that says that the connection of a stored session is gone.
func (t *sessions) closes(id persist.SessionID, ticket persist.Ticket) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.byID[id]; s != nil {
		s.closing = ticket
	}
}

// find returns the stored session of a client identifier, or nil.
func (t *sessions) find(clientID string) *session {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byClient[clientID]
}

// volatile returns a session that nothing is stored of.
func (t *sessions) volatile(clientID string) *session {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lastKey++
	return &session{key: volatileKey | t.lastKey, clientID: clientID}
}

// addLocked enters a stored session.
func (t *sessions) addLocked(clientID string, id persist.SessionID) *session {
	s := &session{key: uint64(id), clientID: clientID, id: id, filters: make(map[string]struct{})}
	t.byClient[clientID] = s
	t.byID[id] = s
	return s
}

// removeLocked forgets a stored session.
func (t *sessions) removeLocked(s *session) {
	delete(t.byID, s.id)
	if t.byClient[s.clientID] == s {
		delete(t.byClient, s.clientID)
	}
}
