package store

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/persist/statedb"
)

// errOlder is when state and log do not fit together.
var errOlder = errors.New("state and log do not fit together: restore the whole directory from a backup")

// recover brings the state up to the end of the log: what the state database says, with the pending messages that the
// log's indexes list up to the last checkpoint, and the entries behind it folded once more.
func (s *Store) recover(applied persist.Position) error {
	st := s.state
	if err := s.fits(applied); err != nil {
		return err
	}
	if err := s.loadState(); err != nil {
		return err
	}
	if err := s.loadPending(applied); err != nil {
		return err
	}
	st.dirty = dirtySet{} // loading is no change
	replayed, damage := 0, []string(nil)
	st.end = applied
	err := s.log.Scan(applied, func(pos persist.Position, typ byte, body []byte) error {
		err := st.fold(pos, typ, body, 0)
		if errors.Is(err, errRecord) && s.options.OnDamage == Serve {
			damage = append(damage, err.Error())
			return nil
		}
		if typ == typeBatch {
			replayed++
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("replay the log: %w", err)
	}
	s.visible = s.log.End()
	s.trim()
	if st.orphans > 0 {
		damage = append(damage, fmt.Sprintf("%d messages were for audiences whose definition is lost", st.orphans))
	}
	torn, lost := s.log.Report()
	damage = append(append(s.db.Damage(), lost...), damage...)
	s.recovery = persist.Recovery{
		Sessions: len(st.sessions), Queued: st.queued, Retained: len(st.retained.known),
		Position: st.end, Checkpoint: applied, Replayed: replayed,
		TornBytes: torn, Damage: damage, SyncMode: s.options.Sync.String(),
	}
	for _, line := range damage {
		s.say("error", "damage found at the start: "+line)
	}
	if len(damage) > 0 && s.options.OnDamage == Refuse {
		return fmt.Errorf("stored data is damaged (%d places, first: %s)", len(damage), damage[0])
	}
	return nil
}

// fits checks that the log reaches as far as the state: else it would give positions a second time.
func (s *Store) fits(applied persist.Position) error {
	for _, info := range s.log.Segments() {
		s.state.segments.start(info.Base)
	}
	// A log that begins behind the state is named by the replay: its first group says where the one before it ended.
	if s.log.End() < applied {
		return fmt.Errorf("%w (the log ends at %d, the state at %d)", errOlder, s.log.End(), applied)
	}
	return nil
}

// loadState reads the state database.
func (s *Store) loadState() error {
	st := s.state
	voids, err := decodeVoids(s.checks.meta.Extra)
	if err != nil {
		return err
	}
	infos := s.log.Segments()
	st.voids = slices.DeleteFunc(voids, func(pos persist.Position) bool {
		i := st.segments.of(pos)
		return i < 0 || pos >= infos[i].End // of a segment that went after the checkpoint
	})
	err = s.db.Sessions(func(r *statedb.SessionRecord) error {
		st.load(r)
		return nil
	})
	if err != nil {
		return fmt.Errorf("load sessions: %w", err)
	}
	err = s.db.Audiences(func(id uint64, members []persist.Member) error {
		st.define(id, members)
		return nil
	})
	if err != nil {
		return fmt.Errorf("load audiences: %w", err)
	}
	err = s.db.RetainedTopics(func(topic string, _ persist.Position) error {
		st.retained.load(topic)
		return nil
	})
	if err != nil {
		return fmt.Errorf("load retained topics: %w", err)
	}
	return nil
}

// load adds a session of the state database.
func (s *state) load(r *statedb.SessionRecord) {
	ses := &session{
		id:            r.ID,
		epoch:         r.Epoch,
		clientID:      r.ClientID,
		username:      r.Username,
		expirySeconds: r.ExpirySeconds,
		connected:     r.Connected,
		closedAt:      r.ClosedAt,
		will:          r.Will,
		subscriptions: shrink(r.Subscriptions),
		received:      shrink(r.Received),
		floor:         r.Floor,
		settled:       shrink(r.Settled),
		inFlight:      shrink(r.InFlight),
	}
	slices.SortFunc(ses.subscriptions, func(a, b persist.Subscription) int { return cmp.Compare(a.Filter, b.Filter) })
	slices.Sort(ses.received)
	s.sessions[ses.id] = ses
	s.clients[ses.clientID] = ses
}

// loadPending fills the pending lists with the messages up to the checkpoint that somebody waits for.
func (s *Store) loadPending(applied persist.Position) error {
	st := s.state
	l := pendingLoader{state: st, applied: applied, floors: make(map[uint64]persist.Position, len(st.audiences))}
	for id, a := range st.audiences {
		floor, _ := a.lowestFloor()
		l.floors[id] = floor
	}
	for i := range st.segments.list {
		seg := &st.segments.list[i]
		if seg.base >= applied {
			break
		}
		l.segment = seg
		if err := s.log.LoadIndex(seg.base, l.add); err != nil {
			return fmt.Errorf("load pending messages: %w", err)
		}
	}
	return nil
}

// pendingLoader takes the entries of the log's indexes, in order.
type pendingLoader struct {
	state   *state
	applied persist.Position
	// floors are the positions up to which all members of an audience have settled.
	floors  map[uint64]persist.Position
	segment *segment

	last persist.Position
	// audience is the one of the last entry, with its floor.
	audience *audience
	floor    persist.Position
}

func (l *pendingLoader) add(pos persist.Position, key uint64, _ int64) {
	if pos <= l.last || pos >= l.applied {
		return // an index that proved damaged half way is read again from the segment
	}
	l.last = pos
	st := l.state
	st.nextAudience = max(st.nextAudience, key+1)
	l.segment.messages++
	a := l.audience
	if a == nil || a.id != key {
		if a = st.audiences[key]; a == nil {
			return // all of its messages were settled, or it is reported as damaged
		}
		l.audience, l.floor = a, l.floors[key]
	}
	if a.live == 0 || pos <= l.floor {
		return
	}
	if _, void := slices.BinarySearch(st.voids, pos); void {
		return
	}
	a.pending.push(pos)
	l.segment.pending++
	st.queued++
}
