package statedb

import (
	"encoding/binary"
	"errors"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// SessionRecord is everything that is stored about a session.
type SessionRecord struct {
	persist.SessionState
	// Settled are messages that are done above the floor, ascending.
	Settled []persist.Position
	// Extra is the store's own, kept with the identity as it is.
	Extra []byte
}

// Cursor returns the part of the record that PutCursor writes.
func (s *SessionRecord) Cursor() Cursor {
	return Cursor{Floor: s.Floor, Settled: s.Settled, InFlight: s.InFlight}
}

const (
	sessionConnected byte = 1 << iota
	sessionWill
)

// session: u8 flags | uvarint epoch | uvarint expiry | varint closed at | bytes client id | bytes user name
//
//	bytes extra | with a will: uvarint delay | uvarint message expiry | message
func appendSession(b []byte, s *SessionRecord) []byte {
	b = append(b, flag(s.Connected, sessionConnected)|flag(s.Will != nil, sessionWill))
	b = binary.AppendUvarint(b, uint64(s.Epoch))
	b = binary.AppendUvarint(b, uint64(s.ExpirySeconds))
	b = binary.AppendVarint(b, s.ClosedAt)
	b = appendString(b, s.ClientID)
	b = appendString(b, s.Username)
	b = appendBytes(b, s.Extra)
	if s.Will != nil {
		b = binary.AppendUvarint(b, uint64(s.Will.DelaySeconds))
		b = binary.AppendUvarint(b, uint64(s.Will.MessageExpirySeconds))
		b = appendMessage(b, &s.Will.Message)
	}
	return b
}

func parseSession(b []byte, s *SessionRecord) error {
	r := &reader{b: b}
	flags := r.byte()
	s.Connected = flags&sessionConnected != 0
	s.Epoch = persist.Epoch(r.uint())
	s.ExpirySeconds = r.uint32()
	s.ClosedAt = r.int()
	s.ClientID, s.Username = r.string(), r.string()
	s.Extra = r.bytes()
	if flags&sessionWill != 0 {
		s.Will = &persist.Will{DelaySeconds: r.uint32(), MessageExpirySeconds: r.uint32()}
		s.Will.Message = r.message()
	}
	return r.end()
}

const (
	subscriptionNoLocal byte = 1 << (2 + iota)
	subscriptionRetainAsPublished
)

// subscription: u8 qos | flags | u8 retain handling | uvarint id | bytes filter, if the key has only its hash
func appendSubscription(b []byte, s *persist.Subscription) []byte {
	b = append(b, s.QoS&3|flag(s.NoLocal, subscriptionNoLocal)|flag(s.RetainAsPublished, subscriptionRetainAsPublished),
		s.RetainHandling)
	b = binary.AppendUvarint(b, uint64(s.ID))
	return appendBytes(b, nameForValue(s.Filter))
}

func parseSubscription(key, b []byte) (s persist.Subscription, err error) {
	r := &reader{b: b}
	flags := r.byte()
	s.QoS = flags & 3
	s.NoLocal, s.RetainAsPublished = flags&subscriptionNoLocal != 0, flags&subscriptionRetainAsPublished != 0
	s.RetainHandling = r.byte()
	s.ID = r.uint32()
	long := r.bytes()
	if err := r.end(); err != nil {
		return s, err
	}
	s.Filter, err = nameIn(key[9:], long)
	return s, err
}

// errOrphan is what belongs to a session of which nothing else is left.
var errOrphan = errors.New("its session is missing")

// Sessions calls fn with every session, by id; the record is the caller's. What is damaged is left out and named in
// Damage: a session whose identity is damaged is not there, one whose cursor is damaged stands where it began, so
// that it gets messages again rather than not at all.
func (d *DB) Sessions(fn func(*SessionRecord) error) error {
	g := &gatherer{
		db:            d,
		subscriptions: d.iterate(kindSubscription),
		cursors:       d.iterate(kindCursor),
		received:      d.iterate(kindReceived),
	}
	defer g.close()
	it, found := d.iterate(kindSession), uint64(0)
	defer it.close()
	for ; it.valid(); it.next() {
		found++
		id, ok := idIn(it.key())
		if !ok {
			d.damaged(it.key(), errRecord)
			continue
		}
		record := &SessionRecord{}
		data, err := it.data()
		if err == nil {
			err = parseSession(data, record)
		}
		if err != nil {
			d.damaged(it.key(), err)
			g.skip(id)
			continue
		}
		record.ID = persist.SessionID(id)
		g.fill(record)
		if err := fn(record); err != nil {
			return err
		}
	}
	g.orphans(^uint64(0))
	d.checkCount(kindSession, it, found)
	return nil
}

// gatherer walks the keys that belong to sessions in step with the sessions themselves: all are in the order of ids,
// so that nothing is looked up.
type gatherer struct {
	db                               *DB
	subscriptions, cursors, received *iterator
}

func (g *gatherer) close() {
	g.subscriptions.close()
	g.cursors.close()
	g.received.close()
}

// orphans reports what belongs to ids up to and without id: their sessions did not come by.
func (g *gatherer) orphans(id uint64) {
	for _, it := range []*iterator{g.subscriptions, g.cursors, g.received} {
		for it.valid() {
			if at, ok := idIn(it.key()); ok && at >= id {
				break
			}
			g.db.damaged(it.key(), errOrphan)
			it.next()
		}
	}
}

// each calls fn with what the iterator has for id, and steps over it.
func (g *gatherer) each(it *iterator, id uint64, fn func(key, data []byte) error) {
	for ; it.valid(); it.next() {
		if at, ok := idIn(it.key()); !ok || at != id {
			return
		}
		data, err := it.data()
		if err == nil {
			err = fn(it.key(), data)
		}
		if err != nil {
			g.db.damaged(it.key(), err)
		}
	}
}

// skip steps over what belongs to a session that is itself damaged.
func (g *gatherer) skip(id uint64) {
	g.orphans(id)
	for _, it := range []*iterator{g.subscriptions, g.cursors, g.received} {
		g.each(it, id, func([]byte, []byte) error { return nil })
	}
}

func (g *gatherer) fill(s *SessionRecord) {
	id := uint64(s.ID)
	g.orphans(id)
	g.each(g.subscriptions, id, func(key, data []byte) error {
		sub, err := parseSubscription(key, data)
		if err == nil {
			s.Subscriptions = append(s.Subscriptions, sub)
		}
		return err
	})
	found := false
	g.each(g.cursors, id, func(_, data []byte) error {
		c, err := parseCursor(data)
		if err == nil {
			s.Floor, s.Settled, s.InFlight, found = c.Floor, c.Settled, c.InFlight, true
		}
		return err
	})
	if !found {
		// Everything that was ever meant for the session lies behind the entry that created it.
		s.Floor = persist.Position(s.ID)
	}
	g.each(g.received, id, func(_, data []byte) error {
		ids, err := parseReceived(data)
		if err == nil {
			s.Received = ids
		}
		return err
	})
}
