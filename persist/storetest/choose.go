package storetest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// choose makes up the next step. It refers to sessions and messages only where the store has shown their positions, as
// an engine would.
func (tr *trial) choose() *step {
	n := tr.random.IntN(100)
	if n < 7 {
		return tr.chooseOpen()
	}
	if n < 40 {
		st := tr.choosePublish()
		if tr.random.IntN(3) == 0 {
			tr.speak(st)
			if st.session != 0 && tr.random.IntN(2) == 0 {
				st.batch.ReceivedID = uint16(1 + tr.random.IntN(4)) // few ids, so that repeats are common
			}
		}
		return st
	}
	st := &step{}
	if !tr.speak(st) {
		return tr.chooseOpen()
	}
	switch {
	case n < 46:
		st.batch.Subscribe = tr.chooseSubscriptions()
	case n < 50:
		st.batch.Unsubscribe = []string{tr.name("filter", 6), tr.name("filter", 6)}
	case n < 55:
		st.batch.ReleasedID = uint16(1 + tr.random.IntN(4))
	case n < 60:
		st.batch.Close = tr.chooseClose()
	case n < 65:
		will := tr.choosePublish()
		st.batch.Message, st.batch.Audience, st.batch.Retain, st.to = will.batch.Message, will.batch.Audience, will.batch.Retain, will.to
		st.batch.WillOf = true
		st.batch.End = tr.random.IntN(4) == 0
	case n < 66:
		st.batch.End = true
	default:
		tr.chooseOutbound(st)
		if tr.random.IntN(10) == 0 { // one step may do many things
			st.batch.ReleasedID = uint16(1 + tr.random.IntN(4))
			st.batch.Subscribe = tr.chooseSubscriptions()
			st.batch.Close = tr.chooseClose()
		}
	}
	return st
}

// name is one of n names of a kind.
func (tr *trial) name(kind string, n int) string { return fmt.Sprint(kind, "/", tr.random.IntN(n)) }

// speak lets a session say the step: mostly one as it is now, sometimes as it was. Not ok: nobody is there.
func (tr *trial) speak(st *step) (ok bool) {
	var by handle
	if s := tr.anySession(); s != nil {
		by = handle{s.number, s.epoch}
	}
	if len(tr.former) > 0 && tr.random.IntN(12) == 0 {
		by = tr.former[tr.random.IntN(len(tr.former))]
	}
	session, epoch := tr.known[by.session], tr.known[by.epoch]
	if session == 0 || epoch == 0 {
		return false
	}
	st.session, st.epoch = by.session, by.epoch
	st.batch.Session, st.batch.Epoch = persist.SessionID(session), persist.Epoch(epoch)
	return true
}

// sessions are those whose ids are known, in a fixed order, so that a seed repeats the run.
func (tr *trial) sessions() []*modelSession {
	all := slices.SortedFunc(maps.Values(tr.now.sessions), func(a, b *modelSession) int { return cmp.Compare(a.number, b.number) })
	return slices.DeleteFunc(all, func(s *modelSession) bool { return tr.known[s.number] == 0 })
}

func (tr *trial) anySession() *modelSession {
	all := tr.sessions()
	if len(all) == 0 {
		return nil
	}
	return all[tr.random.IntN(len(all))]
}

func (tr *trial) chooseOpen() *step {
	o := &persist.Open{
		ClientID: tr.name("client", 8), Username: tr.name("user", 3), Clean: tr.random.IntN(4) == 0,
		ExpirySeconds: tr.random.Uint32(), At: tr.random.Int64(),
	}
	if tr.random.IntN(2) == 0 {
		o.Will = &persist.Will{Message: *tr.chooseMessage(), DelaySeconds: tr.random.Uint32(), MessageExpirySeconds: tr.random.Uint32()}
	}
	return &step{batch: persist.Batch{Open: o}}
}

func (tr *trial) chooseClose() *persist.Close {
	return &persist.Close{
		At: tr.random.Int64(), DiscardWill: tr.random.IntN(3) == 0,
		SetExpiry: tr.random.IntN(3) == 0, ExpirySeconds: tr.random.Uint32(),
	}
}

func (tr *trial) chooseSubscriptions() []persist.Subscription {
	var all []persist.Subscription
	for range 1 + tr.random.IntN(3) {
		all = append(all, persist.Subscription{
			Filter: tr.name("filter", 6), QoS: byte(tr.random.IntN(3)), NoLocal: tr.random.IntN(2) == 0,
			RetainAsPublished: tr.random.IntN(2) == 0, RetainHandling: byte(tr.random.IntN(3)), ID: tr.random.Uint32N(268435456),
		})
	}
	return all
}

// chooseMessage makes up a message. Its payload names the step, its expiry lies far ahead.
func (tr *trial) chooseMessage() *persist.Message {
	size := tr.random.IntN(100)
	switch tr.random.IntN(50) {
	case 0:
		size = 70_000
	case 1, 2, 3:
		size = 3000
	}
	m := &persist.Message{
		Topic: []byte(tr.name("topic", 10)), QoS: byte(tr.random.IntN(3)),
		Retain: tr.random.IntN(2) == 0, Retained: tr.random.IntN(4) == 0,
		Payload: fmt.Appendf(nil, "step %d %s", len(tr.steps), pattern(size)),
	}
	if tr.random.IntN(2) == 0 {
		m.Properties = pattern(tr.random.IntN(60))
	}
	if tr.random.IntN(3) == 0 {
		m.Expires = 1<<60 + tr.random.Int64N(1<<40)
	}
	return m
}

// choosePublish makes up a message for some of the sessions, and perhaps for some that ended.
func (tr *trial) choosePublish() *step {
	st := &step{batch: persist.Batch{Message: tr.chooseMessage(), Retain: persist.RetainAction(tr.random.IntN(3))}}
	if tr.random.IntN(2) == 0 {
		st.batch.Retain = persist.RetainNone
	}
	targets := make(map[int]bool)
	for _, s := range tr.sessions() {
		targets[s.number] = tr.random.IntN(2) == 0
	}
	if len(tr.former) > 0 && tr.random.IntN(10) == 0 {
		targets[tr.former[tr.random.IntN(len(tr.former))].session] = true
	}
	// Members are ascending by id, as sessions are by number.
	var members []persist.Member
	for _, number := range slices.Sorted(maps.Keys(targets)) {
		if !targets[number] || tr.known[number] == 0 {
			continue
		}
		member := persist.Member{Session: persist.SessionID(tr.known[number]), QoS: byte(1 + tr.random.IntN(20)/19)}
		if tr.random.IntN(10) == 0 {
			member.RetainAsPublished = true
			member.SubscriptionIDs = []uint32{1 + tr.random.Uint32N(3), 268435455}
		}
		members = append(members, member)
		st.to = append(st.to, seat{number, member})
	}
	st.batch.Audience = tr.store.Audience(members)
	return st
}

// chooseOutbound picks packet ids, releases or settles messages of the session that speaks.
func (tr *trial) chooseOutbound(st *step) {
	s := tr.now.find(st.session)
	if s == nil {
		return
	}
	var fresh, sent []modelQueued
	inUse := make(map[uint16]bool)
	for _, q := range s.queue {
		inUse[q.id] = true
		switch {
		case tr.known[q.message] == 0: // nobody has read it yet
		case q.id == 0:
			fresh = append(fresh, q)
		default:
			sent = append(sent, q)
		}
	}
	for _, q := range fresh[:min(len(fresh), tr.random.IntN(4))] {
		id := uint16(1 + tr.random.IntN(1000))
		if inUse[id] {
			continue
		}
		inUse[id] = true
		st.sent = append(st.sent, modelSent{q.message, id})
		st.batch.Sent = append(st.batch.Sent, persist.Sent{Position: tr.known[q.message], PacketID: id})
	}
	some := slices.Concat(fresh, sent)
	slices.SortFunc(some, func(a, b modelQueued) int { return cmp.Compare(a.message, b.message) })
	if s.floor != 0 && tr.random.IntN(20) == 0 { // one that was: the floor stays where it is
		st.floor, st.batch.Settled.Floor = tr.chooseFormer(s.floor)
	}
	if len(some) == 0 {
		return
	}
	for range tr.random.IntN(4) {
		q := some[tr.random.IntN(len(some))]
		switch tr.random.IntN(4) {
		case 0:
			st.batch.Released = append(st.batch.Released, uint16(1+tr.random.IntN(1000)))
		case 1:
			if q.id != 0 {
				st.batch.Released = append(st.batch.Released, q.id)
			}
		default:
			st.above = append(st.above, q.message)
			st.batch.Settled.Above = append(st.batch.Settled.Above, tr.known[q.message])
		}
	}
	if tr.random.IntN(4) == 0 {
		q := some[tr.random.IntN(len(some))]
		st.floor, st.batch.Settled.Floor = q.message, tr.known[q.message]
	}
}

// chooseFormer picks a step at or before one, whose position is known.
func (tr *trial) chooseFormer(number int) (int, persist.Position) {
	former := 1 + tr.random.IntN(number)
	for tr.known[former] == 0 {
		former++
	}
	return former, tr.known[former]
}
