package store

import (
	"cmp"
	"hash/maphash"
	"runtime"
	"slices"
	"sync"
	"weak"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// idleTicks is after how many ticks of the checkpointer an audience that nobody published to is dropped. The next
// message to it defines it anew.
const idleTicks = 60

// handle is the store's side of an interned audience. It outlives the persist.Audience while the log's messages name it.
type handle struct {
	owner   *interns
	members []persist.Member
	hash    uint64

	// audience is what the engine holds, if it still does. Guarded by interns.mu.
	audience weak.Pointer[persist.Audience]

	// id is the audience's number in the log, 0 while the log does not know it; last is the ticket of the last message
	// appended for it. Guarded by inbox.mu.
	id   uint64
	last persist.Ticket
}

// interns finds equal audiences. Its lock is taken last of all.
type interns struct {
	mu     sync.Mutex
	seed   maphash.Seed
	byHash map[uint64][]*handle
	// dead are handles whose audience the engine let go.
	dead []*handle
}

func newInterns() *interns {
	return &interns{seed: maphash.MakeSeed(), byHash: make(map[uint64][]*handle)}
}

// Audience implements persist.Store.
func (s *Store) Audience(members []persist.Member) *persist.Audience {
	if len(members) == 0 {
		return nil
	}
	return s.interns.intern(members)
}

func (x *interns) intern(members []persist.Member) *persist.Audience {
	hash := x.hashOf(members)
	x.mu.Lock()
	defer x.mu.Unlock()
	h := x.findLocked(hash, members)
	if h == nil {
		h = &handle{owner: x, members: cloneMembers(members), hash: hash}
		x.byHash[hash] = append(x.byHash[hash], h)
	}
	if a := h.audience.Value(); a != nil {
		return a
	}
	a := persist.NewAudience(h.members, h)
	h.audience = weak.Make(a)
	runtime.AddCleanup(a, x.letGo, h)
	return a
}

// handleOf returns the handle of an audience, also of one that was made before a restart.
func (x *interns) handleOf(a *persist.Audience) *handle {
	if h, ok := a.Handle.(*handle); ok && h.owner == x {
		return h
	}
	return x.intern(a.Members()).Handle.(*handle)
}

// letGo is called some time after the engine has dropped an audience.
func (x *interns) letGo(h *handle) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.dead = append(x.dead, h)
}

func (x *interns) findLocked(hash uint64, members []persist.Member) *handle {
	for _, h := range x.byHash[hash] {
		if slices.EqualFunc(h.members, members, sameMember) {
			return h
		}
	}
	return nil
}

// share returns the members that a handle holds, if they are equal: a definition that comes back from the log is in
// memory already.
func (x *interns) share(members []persist.Member) []persist.Member {
	hash := x.hashOf(members)
	x.mu.Lock()
	defer x.mu.Unlock()
	if h := x.findLocked(hash, members); h != nil {
		return h.members
	}
	return members
}

// buried takes the handles whose audience is gone for good.
func (x *interns) buried() []*handle {
	x.mu.Lock()
	defer x.mu.Unlock()
	dead := slices.DeleteFunc(x.dead, func(h *handle) bool { return h.audience.Value() != nil })
	x.dead = nil
	return dead
}

// held tells whether the engine still holds the audience of a handle.
func (x *interns) held(h *handle) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return h.audience.Value() != nil
}

// remove forgets a handle that the log does not know any more, unless the engine has asked for it again.
func (x *interns) remove(h *handle) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if h.audience.Value() != nil {
		return
	}
	rest := slices.DeleteFunc(x.byHash[h.hash], func(other *handle) bool { return other == h })
	if len(rest) == 0 {
		delete(x.byHash, h.hash)
	} else {
		x.byHash[h.hash] = rest
	}
}

func (x *interns) hashOf(members []persist.Member) uint64 {
	var scratch [256]byte
	return maphash.Bytes(x.seed, appendAudience(scratch[:0], 0, members))
}

func sameMember(a, b persist.Member) bool {
	return a.Session == b.Session && a.QoS == b.QoS && a.RetainAsPublished == b.RetainAsPublished &&
		slices.Equal(a.SubscriptionIDs, b.SubscriptionIDs)
}

func cloneMembers(members []persist.Member) []persist.Member {
	own := slices.Clone(members)
	for i := range own {
		own[i].SubscriptionIDs = slices.Clone(own[i].SubscriptionIDs)
	}
	return own
}

// idleAudience is an audience that was found empty at a tick of the checkpointer.
type idleAudience struct {
	*audience
	since uint64
}

// dropIdle drops the audiences that have no message and are not likely to get one: the engine has let them go, nobody
// published to them for a while, or they come from before the start. tick counts the calls.
func (s *Store) dropIdle(tick uint64) {
	dead := s.interns.buried()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	for _, h := range dead {
		if a := s.state.audiences[h.id]; a != nil && a.pending.count == 0 {
			s.dropBothLocked(a)
		}
		if h.id == 0 {
			s.interns.remove(h)
		}
	}
	for _, a := range s.state.emptied {
		a.emptied = false
		a.emptiedAt = tick
		if a.gone || a.pending.count > 0 || a.idle {
			continue
		}
		h := s.in.defined[a.id]
		if h != nil && s.interns.held(h) || !s.dropBothLocked(a) {
			a.idle = true
			s.state.idle = append(s.state.idle, idleAudience{audience: a, since: tick})
		}
	}
	s.state.emptied = s.state.emptied[:0]
	for len(s.state.idle) > 0 && tick-s.state.idle[0].since >= idleTicks {
		a := s.state.idle[0].audience
		s.state.idle = s.state.idle[1:]
		a.idle = false
		if a.gone || a.pending.count > 0 {
			continue // it is noted again when it is found empty again
		}
		if tick-a.emptiedAt < idleTicks || !s.dropBothLocked(a) {
			a.idle = true
			s.state.idle = append(s.state.idle, idleAudience{audience: a, since: tick})
		}
	}
}

// dropBothLocked drops an audience, unless a message for it is on its way. The caller holds the locks of the state and
// of the inbox, so that none can set out meanwhile.
func (s *Store) dropBothLocked(a *audience) bool {
	if h := s.in.defined[a.id]; h != nil {
		if h.last > s.folded {
			return false
		}
		h.id = 0
		delete(s.in.defined, a.id)
		s.interns.remove(h)
	}
	s.state.forget(a)
	return true
}

// memberOf returns the index of a session among the members.
func (a *audience) memberOf(id persist.SessionID) (int, bool) {
	return slices.BinarySearchFunc(a.members, id, func(m persist.Member, id persist.SessionID) int {
		return cmp.Compare(m.Session, id)
	})
}
