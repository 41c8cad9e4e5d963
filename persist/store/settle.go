package store

import (
	"cmp"
	"slices"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// settle says which messages of the session are done; at is the position of the entry that says so. It tells whether
// the floor moved.
func (ses *session) settle(done *persist.Settled, at persist.Position) (moved bool) {
	if done.Floor > ses.floor {
		ses.floor = done.Floor
		moved = true
		n, _ := slices.BinarySearch(ses.settled, ses.floor+1)
		ses.settled = slices.Delete(ses.settled, 0, n)
		k, _ := ses.findInFlight(ses.floor + 1)
		ses.inFlight = slices.Delete(ses.inFlight, 0, k)
	}
	for _, pos := range done.Above {
		if pos <= ses.floor || pos >= at {
			continue // a position that does not exist yet may become a message that nobody has seen
		}
		if i, found := slices.BinarySearch(ses.settled, pos); !found {
			ses.settled = slices.Insert(ses.settled, i, pos)
		}
		if i, found := ses.findInFlight(pos); found {
			ses.inFlight = slices.Delete(ses.inFlight, i, i+1)
		}
	}
	return moved
}

// sent notes the packet id of a message, unless the message is done.
func (ses *session) sent(sent persist.Sent, at persist.Position) {
	if sent.Position <= ses.floor || sent.Position >= at || ses.isSettled(sent.Position) {
		return
	}
	i, known := ses.findInFlight(sent.Position)
	if !known {
		ses.inFlight = slices.Insert(ses.inFlight, i, persist.InFlight{})
	}
	ses.inFlight[i] = persist.InFlight{Position: sent.Position, PacketID: sent.PacketID}
}

// release notes that PUBREC has come for a packet id; one that is not in flight says nothing.
func (ses *session) release(id uint16) {
	i := slices.IndexFunc(ses.inFlight, func(f persist.InFlight) bool { return f.PacketID == id })
	if i >= 0 {
		ses.inFlight[i].Released = true
	}
}

// findInFlight returns the index of a position in inFlight, or where it would stand.
func (ses *session) findInFlight(pos persist.Position) (int, bool) {
	return slices.BinarySearchFunc(ses.inFlight, pos, func(f persist.InFlight, pos persist.Position) int {
		return cmp.Compare(f.Position, pos)
	})
}

func (ses *session) isSettled(pos persist.Position) bool {
	_, found := slices.BinarySearch(ses.settled, pos)
	return found
}

// wants tells whether the session's reader is to see the message at a position: not if it is settled, nor if only
// PUBREL is due for it.
func (ses *session) wants(pos persist.Position) bool {
	if pos <= ses.floor {
		return false
	}
	if len(ses.settled) > 0 && ses.isSettled(pos) {
		return false
	}
	if len(ses.inFlight) == 0 {
		return true
	}
	i, found := ses.findInFlight(pos)
	return !found || !ses.inFlight[i].Released
}

// trim drops what nobody waits for any more from the pending lists. It looks at no more than some thousand members, so
// that the lock is not held for long, and tells whether it is done.
func (s *state) trim() (done bool) {
	const most = 20_000
	looked := 0
	for len(s.moved) > 0 && looked < most {
		ses := s.moved[len(s.moved)-1]
		s.moved = s.moved[:len(s.moved)-1]
		ses.moved = false
		for _, a := range ses.audiences {
			if !a.gone && a.pending.count > 0 && a.pending.first <= ses.floor {
				s.recheck(a)
			}
		}
		looked += 1 + len(ses.audiences)
	}
	for len(s.stale) > 0 && looked < most {
		a := s.stale[len(s.stale)-1]
		s.stale = s.stale[:len(s.stale)-1]
		a.stale = false
		if !a.gone {
			looked += s.trimOne(a)
		}
	}
	return len(s.moved) == 0 && len(s.stale) == 0
}

// trimOne trims one audience up to the lowest floor of its members, and returns how many it looked at. Members that
// settled messages above their floor do not count: the floor follows.
func (s *state) trimOne(a *audience) (looked int) {
	if a.pending.count > 0 {
		var floor persist.Position
		floor, looked = a.lowestFloor()
		s.queued -= a.pending.trim(floor, &s.segments)
	}
	if a.pending.count == 0 && !a.emptied {
		a.emptied = true
		s.emptied = append(s.emptied, a)
	}
	return looked + 1
}

// lowestFloor is the lowest floor of the members that have not ended, or one below the first pending message, as soon
// as there is one. The member that held back the last time is asked first: it mostly still does.
func (a *audience) lowestFloor() (floor persist.Position, looked int) {
	if a.live == 0 {
		return ^persist.Position(0), 1
	}
	if ses := a.sessions[a.laggard]; ses != nil && !ses.gone && ses.floor < a.pending.first {
		return ses.floor, 1
	}
	floor = ^persist.Position(0)
	for i, ses := range a.sessions {
		if ses == nil || ses.gone || ses.floor >= floor {
			continue
		}
		floor = ses.floor
		a.laggard = i
		if floor < a.pending.first {
			return floor, i + 1
		}
	}
	return floor, len(a.sessions)
}
