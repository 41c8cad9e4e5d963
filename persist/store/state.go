package store

import (
	"hash/maphash"
	"slices"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// state is the fold of the log up to end. It does no I/O and knows no time; the store's lock guards it.
type state struct {
	// end is the position of the last entry.
	end persist.Position

	sessions map[persist.SessionID]*session
	clients  map[string]*session

	audiences map[uint64]*audience
	// latest is the audience that was last published to: the next message is likely for it too.
	latest *audience
	// share returns an equal slice that somebody holds already, so that members are in memory once; or its argument.
	share func(members []persist.Member) []persist.Member

	retained retainedIndex
	segments segmentTable
	// voids are the indexed messages without effect. The log's index files list them all the same.
	voids []persist.Position
	// queued counts the messages that somebody waits for.
	queued int
	// orphans are messages for audiences whose definition is lost.
	orphans int
	// void entries since the start.
	void uint64
	// nextAudience is above every audience number seen.
	nextAudience uint64

	// moved are the sessions whose floor has risen, and stale the audiences whose members have ended, since the last
	// trim. emptied are audiences that a trim found empty, and idle those that have been so for longer.
	moved   []*session
	stale   []*audience
	emptied []*audience
	idle    []idleAudience

	dirty   dirtySet
	effects effects
	// scratch is the record being folded.
	scratch record
}

// effects is what folding brought about, for those who watch the store. The committer takes it after each group.
type effects struct {
	// live is false during recovery, when nobody watches.
	live bool
	// entries are the control steps, in order.
	entries []persist.Entry
	// touched are the audiences that got a message and have readers.
	touched []*audience
	// ended are the readers whose session is gone.
	ended []*queue
}

func newState() *state {
	return &state{
		sessions:  make(map[persist.SessionID]*session),
		clients:   make(map[string]*session),
		audiences: make(map[uint64]*audience),
		share:     func(members []persist.Member) []persist.Member { return members },
		retained:  retainedIndex{seed: maphash.MakeSeed(), known: make(map[uint64]struct{}), dirty: make(map[string]*retainedChange)},
	}
}

// session is one durable session.
type session struct {
	id            persist.SessionID
	epoch         persist.Epoch
	clientID      string
	username      string
	expirySeconds uint32
	connected     bool
	// gone: the session has ended. Audiences keep pointing to it.
	gone bool
	// moved: it stands in state.moved.
	moved    bool
	dirty    dirty
	closedAt int64
	will     *persist.Will

	// subscriptions are ascending by filter; changed are the filters that the next checkpoint must look at.
	subscriptions []persist.Subscription
	changed       []string
	// received is ascending.
	received []uint16

	floor persist.Position
	// settled is what is done above the floor, ascending.
	settled []persist.Position
	// inFlight is ascending by position.
	inFlight []persist.InFlight

	// audiences that the session is a member of; some may be gone.
	audiences []*audience
	// queue is the attached reader, nil for none.
	queue *queue
}

// audience is a set of sessions with the messages that wait for them.
type audience struct {
	id      uint64
	members []persist.Member
	// sessions are the members', nil for one that did not exist when the audience was defined.
	sessions []*session
	// live counts the members that have not ended.
	live int
	// laggard is the index of a member that held back the last trim.
	laggard int
	pending pending
	// readers are the sources of the attached members.
	readers []*source
	// gone: it was dropped. The others say in which lists it stands: effects.touched, state.stale, emptied and idle.
	gone, touched, stale, emptied, idle bool
	// emptiedAt is the tick of the checkpointer that last found it empty.
	emptiedAt uint64
}

// addTo notes an audience with a session. Those that are gone make room first, so that a list is not mostly dead.
func (ses *session) addTo(a *audience) {
	if len(ses.audiences) == cap(ses.audiences) {
		ses.audiences = slices.DeleteFunc(ses.audiences, func(a *audience) bool { return a.gone })
		if n := len(ses.audiences); n > cap(ses.audiences)/2 {
			ses.audiences = slices.Grow(ses.audiences, n) // or the next few would search it again for a place each
		}
	}
	ses.audiences = append(ses.audiences, a)
}

// define adds an audience to the state.
func (s *state) define(id uint64, members []persist.Member) {
	s.nextAudience = max(s.nextAudience, id+1)
	if s.audiences[id] != nil {
		return
	}
	a := &audience{id: id, members: s.share(members)}
	a.sessions = make([]*session, len(a.members))
	for i := range a.members {
		ses := s.sessions[a.members[i].Session]
		if ses == nil {
			continue
		}
		a.sessions[i] = ses
		a.live++
		ses.addTo(a)
		if ses.queue != nil {
			ses.queue.joinLocked(a, i)
		}
	}
	s.audiences[id] = a
	s.recheck(a) // it may never get a message
}

// recheck has the next trim look at an audience.
func (s *state) recheck(a *audience) {
	if !a.stale {
		a.stale = true
		s.stale = append(s.stale, a)
	}
}

// forget takes an audience out of the state. Nobody waits for a message of it, and nobody will.
func (s *state) forget(a *audience) {
	a.gone = true
	delete(s.audiences, a.id)
	if s.latest == a {
		s.latest = nil
	}
	for _, src := range a.readers {
		src.queue.leaveLocked(src)
	}
	// Sessions forget it when they get another; until then it must not keep the members of thousands.
	a.readers, a.sessions, a.members, a.pending = nil, nil, nil, pending{}
	s.dirty.dropAudience(a)
}

// find returns an audience by number, nil if it is not known.
func (s *state) find(id uint64) *audience {
	if s.latest == nil || s.latest.id != id {
		s.latest = s.audiences[id]
	}
	return s.latest
}

// publish notes a message for an audience.
func (s *state) publish(pos persist.Position, id uint64) {
	s.nextAudience = max(s.nextAudience, id+1)
	a := s.find(id)
	if a == nil {
		s.orphans++
		return
	}
	if a.live == 0 {
		return
	}
	a.pending.push(pos)
	s.segments.add(pos)
	s.queued++
	if !a.touched && len(a.readers) > 0 {
		a.touched = true
		s.effects.touched = append(s.effects.touched, a)
	}
}

// end removes a session with everything that is its own.
func (s *state) endSession(ses *session) {
	delete(s.sessions, ses.id)
	delete(s.clients, ses.clientID)
	ses.gone = true
	for _, a := range ses.audiences {
		if !a.gone {
			a.live--
			s.recheck(a)
		}
	}
	if ses.queue != nil {
		s.effects.ended = append(s.effects.ended, ses.queue)
	}
	s.dirty.ended = append(s.dirty.ended, ses.id)
	ses.audiences, ses.subscriptions, ses.settled, ses.inFlight, ses.received, ses.will = nil, nil, nil, nil, nil, nil
}
