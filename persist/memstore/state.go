package memstore

import (
	"cmp"
	"maps"
	"slices"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// state is where everything stands after a number of batches. It has one owner at a time: the store that folds into
// it; a crash or restart hands it to the next store.
type state struct {
	// stride is the distance between positions, so that nobody takes them for numbers that follow each other.
	stride persist.Position
	// end is the position of the last entry.
	end persist.Position

	sessions map[persist.SessionID]*session
	// clients is the session of each client id.
	clients  map[string]persist.SessionID
	retained map[string]persist.Retained
	// queued counts messages that somebody waits for, each once.
	queued int
	void   uint64
}

// session is one durable session.
type session struct {
	id            persist.SessionID
	epoch         persist.Epoch
	clientID      string
	username      string
	expirySeconds uint32
	connected     bool
	closedAt      int64
	will          *persist.Will
	subscriptions map[string]persist.Subscription
	received      map[uint16]bool
	// inFlight is ascending by position.
	inFlight []persist.InFlight
	floor    persist.Position
	// queue holds the messages above the floor, ascending by position, from the first that is not settled.
	queue []queued
}

// queued is a message in one session's queue.
type queued struct {
	*message
	member  *persist.Member
	settled bool
}

// message is an application message that was published, shared by the queues it stands in.
type message struct {
	position persist.Position
	content  persist.Message
	damaged  bool
	// waiting counts the sessions that have not settled it.
	waiting int
}

func newState(stride persist.Position) *state {
	return &state{
		stride:   stride,
		sessions: make(map[persist.SessionID]*session),
		clients:  make(map[string]persist.SessionID),
		retained: make(map[string]persist.Retained),
	}
}

// publish puts a message into the queue of every member whose session exists now; who comes later does not get it.
func (s *state) publish(content persist.Message, audience *persist.Audience) {
	if audience == nil {
		return
	}
	m := &message{position: s.end, content: content}
	members := audience.Members()
	for i := range members {
		if ses := s.sessions[members[i].Session]; ses != nil && ses.floor < s.end {
			ses.queue = append(ses.queue, queued{message: m, member: &members[i]})
			m.waiting++
		}
	}
	if m.waiting > 0 {
		s.queued++
	}
}

// settle says that the session is done with one message of its queue.
func (s *state) settle(q *queued) {
	if q.settled {
		return
	}
	q.settled = true
	q.waiting--
	if q.waiting == 0 {
		s.queued--
	}
}

// settleAll applies what a batch says is done.
func (s *state) settleAll(ses *session, done persist.Settled) {
	ses.floor = max(ses.floor, done.Floor)
	for i := range ses.queue {
		if ses.queue[i].position > ses.floor {
			break
		}
		s.settle(&ses.queue[i])
	}
	for _, p := range done.Above {
		if q := ses.find(p); q != nil {
			s.settle(q)
		}
		if i, ok := ses.findInFlight(p); ok {
			ses.inFlight = slices.Delete(ses.inFlight, i, i+1)
		}
	}
	below, _ := ses.findInFlight(ses.floor + 1)
	ses.inFlight = slices.Delete(ses.inFlight, 0, below)

	n := 0
	for n < len(ses.queue) && ses.queue[n].settled {
		n++
	}
	clear(ses.queue[:n]) // or the array behind the slice would keep the messages
	ses.queue = ses.queue[n:]
}

// remove takes out a session with everything that is its own.
func (s *state) remove(ses *session) {
	for i := range ses.queue {
		s.settle(&ses.queue[i])
	}
	delete(s.sessions, ses.id)
	delete(s.clients, ses.clientID)
}

// find returns the place of a message in the queue, nil if it is not there or no longer.
func (ses *session) find(p persist.Position) *queued {
	i, ok := slices.BinarySearchFunc(ses.queue, p, func(q queued, p persist.Position) int { return cmp.Compare(q.position, p) })
	if !ok {
		return nil
	}
	return &ses.queue[i]
}

// findInFlight returns the index of a position in inFlight, or where it would stand.
func (ses *session) findInFlight(p persist.Position) (int, bool) {
	return slices.BinarySearchFunc(ses.inFlight, p, func(f persist.InFlight, p persist.Position) int { return cmp.Compare(f.Position, p) })
}

// released tells whether only PUBREL is due for the message at a position.
func (ses *session) released(p persist.Position) bool {
	i, ok := ses.findInFlight(p)
	return ok && ses.inFlight[i].Released
}

// snapshot is the session as the contract shows it; the caller owns it.
func (ses *session) snapshot() persist.SessionState {
	byFilter := func(a, b persist.Subscription) int { return cmp.Compare(a.Filter, b.Filter) }
	return persist.SessionState{
		ID:            ses.id,
		Epoch:         ses.epoch,
		ClientID:      ses.clientID,
		Username:      ses.username,
		ExpirySeconds: ses.expirySeconds,
		Connected:     ses.connected,
		ClosedAt:      ses.closedAt,
		Will:          cloneWill(ses.will),
		Subscriptions: slices.SortedFunc(maps.Values(ses.subscriptions), byFilter),
		Received:      slices.Sorted(maps.Keys(ses.received)),
		InFlight:      slices.Clone(ses.inFlight),
		Floor:         ses.floor,
	}
}
