package store

import (
	"slices"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/persist/statedb"
)

// dirty says which parts of a session the next checkpoint must write.
type dirty byte

const (
	dirtyIdentity dirty = 1 << iota
	dirtyCursor
	dirtyReceived
	dirtyFilters
)

// dirtySet is what has changed since the last checkpoint, retained messages apart.
type dirtySet struct {
	sessions []*session
	ended    []persist.SessionID
	// audiences that were defined, and the numbers of those that were dropped.
	audiences []*audience
	dropped   []uint64
}

// mark has the next checkpoint write a part of a session.
func (s *state) mark(ses *session, d dirty) {
	if ses.dirty == 0 {
		s.dirty.sessions = append(s.dirty.sessions, ses)
	}
	ses.dirty |= d
}

// markFilter has the next checkpoint look at one subscription.
func (s *state) markFilter(ses *session, filter string) {
	ses.changed = append(ses.changed, filter)
	s.mark(ses, dirtyFilters)
}

func (d *dirtySet) dropAudience(a *audience) { d.dropped = append(d.dropped, a.id) }

// changes is a copy of what has changed up to a position, for a checkpoint to write without holding the lock.
type changes struct {
	applied   persist.Position
	sessions  []sessionChange
	ended     []persist.SessionID
	audiences []*audience
	dropped   []uint64
	retained  map[string]*retainedChange
	voids     []persist.Position
}

// sessionChange is what has changed of one session. Only the parts that dirty names are filled.
type sessionChange struct {
	session  *session
	dirty    dirty
	record   statedb.SessionRecord
	cursor   statedb.Cursor
	received []uint16
	put      []persist.Subscription
	removed  []string
}

// take copies what has changed and starts anew. Until giveBack or written it also stays readable where readers need it.
func (s *state) take() *changes {
	c := &changes{
		sessions:  make([]sessionChange, 0, len(s.dirty.sessions)),
		ended:     s.dirty.ended,
		dropped:   s.dirty.dropped,
		audiences: slices.DeleteFunc(s.dirty.audiences, func(a *audience) bool { return a.gone }),
		retained:  s.retained.take(),
		voids:     slices.Clone(s.voids),
	}
	for _, ses := range s.dirty.sessions {
		if !ses.gone {
			c.sessions = append(c.sessions, ses.change())
		}
		ses.dirty = 0
		ses.changed = nil
	}
	s.dirty = dirtySet{}
	return c
}

// change copies the dirty parts of a session, and gives the memory of its empty lists back: most sessions have nothing
// in flight most of the time.
func (ses *session) change() sessionChange {
	c := sessionChange{session: ses, dirty: ses.dirty}
	if c.dirty&dirtyIdentity != 0 {
		c.record.SessionState = persist.SessionState{
			ID:            ses.id,
			Epoch:         ses.epoch,
			ClientID:      ses.clientID,
			Username:      ses.username,
			ExpirySeconds: ses.expirySeconds,
			Connected:     ses.connected,
			ClosedAt:      ses.closedAt,
			Will:          ses.will, // replaced, never changed in place
		}
	}
	if c.dirty&dirtyCursor != 0 {
		ses.settled, ses.inFlight = shrink(ses.settled), shrink(ses.inFlight)
		c.cursor = statedb.Cursor{Floor: ses.floor, Settled: slices.Clone(ses.settled), InFlight: slices.Clone(ses.inFlight)}
	}
	if c.dirty&dirtyReceived != 0 {
		ses.received = shrink(ses.received)
		c.received = slices.Clone(ses.received)
	}
	if c.dirty&dirtyFilters != 0 {
		slices.Sort(ses.changed)
		for _, filter := range slices.Compact(ses.changed) {
			if at, found := ses.findSubscription(filter); found {
				c.put = append(c.put, ses.subscriptions[at])
			} else {
				c.removed = append(c.removed, filter)
			}
		}
	}
	return c
}

// shrink gives the memory of an empty list back.
func shrink[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return list
}

// giveBack marks everything as changed again: the checkpoint failed, so the next one must write it.
func (s *state) giveBack(c *changes) {
	for i := range c.sessions {
		change := &c.sessions[i]
		ses := change.session
		if ses.gone {
			continue // its end is, or will be, among those that the next checkpoint writes
		}
		s.mark(ses, change.dirty)
		for _, sub := range change.put {
			ses.changed = append(ses.changed, sub.Filter)
		}
		ses.changed = append(ses.changed, change.removed...)
	}
	s.dirty.ended = append(s.dirty.ended, c.ended...)
	s.dirty.audiences = append(s.dirty.audiences, c.audiences...)
	s.dirty.dropped = append(s.dirty.dropped, c.dropped...)
	s.retained.giveBack()
}
