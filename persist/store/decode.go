package store

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/holdfast-mqtt/holdfast/persist"
)

var (
	errRecord  = errors.New("record is malformed")
	errVersion = errors.New("record was written by a newer version")
)

// record is a batch as it is read from the log. It is reused: what it points to is either in the body that it was read
// from, or overwritten by the next. Strings are its reader's to keep.
type record struct {
	head
	releasedID  uint16
	open        persist.Open
	will        persist.Will
	leave       persist.Close
	subscribe   []persist.Subscription
	unsubscribe []string
	sent        []persist.Sent
	released    []uint16
	settled     persist.Settled
}

// head is the front of a batch, up to and with the message: all that a queue needs.
type head struct {
	parts      part
	session    persist.SessionID
	epoch      persist.Epoch
	receivedID uint16
	audience   uint64
	message    persist.Message
}

func (h *head) has(p part) bool { return h.parts&p != 0 }

// decode reads the body of a batch. Damaged bytes give an error, never a panic.
func (r *record) decode(body []byte) error {
	c := cursor{b: body}
	if err := r.head.decode(&c); err != nil {
		return err
	}
	r.releasedID = 0
	if r.has(partReleasedID) {
		r.releasedID = c.uint16()
	}
	if r.has(partOpen) {
		r.decodeOpen(&c)
	}
	if r.has(partClose) {
		flags := c.byte()
		r.leave = persist.Close{At: c.int(), DiscardWill: flags&closeDiscardWill != 0, SetExpiry: flags&closeSetExpiry != 0}
		if r.leave.SetExpiry {
			r.leave.ExpirySeconds = uint32(c.uint())
		}
	}
	r.decodeFilters(&c)
	r.decodeProgress(&c)
	if c.bad || len(c.b) != 0 {
		return errRecord
	}
	return nil
}

func (h *head) decode(c *cursor) error {
	if v := c.byte(); v != recordVersion {
		if c.bad || v == 0 {
			return errRecord
		}
		return fmt.Errorf("%w: record version %d", errVersion, v)
	}
	h.parts = part(c.uint16())
	h.session, h.epoch, h.audience, h.receivedID = 0, 0, 0, 0
	if h.has(partSession) {
		h.session = persist.SessionID(c.uint())
		h.epoch = persist.Epoch(uint64(h.session) + c.uint())
	}
	if h.has(partReceivedID) {
		h.receivedID = c.uint16()
	}
	if h.has(partAudience) {
		h.audience = c.uint()
	}
	if h.has(partMessage) {
		c.message(&h.message)
	}
	if c.bad {
		return errRecord
	}
	return nil
}

func (r *record) decodeOpen(c *cursor) {
	flags := c.byte()
	r.open = persist.Open{
		Clean:         flags&openClean != 0,
		ExpirySeconds: uint32(c.uint()),
		At:            c.int(),
		ClientID:      string(c.bytes()),
		Username:      string(c.bytes()),
	}
	if flags&openWill != 0 {
		r.will = persist.Will{DelaySeconds: uint32(c.uint()), MessageExpirySeconds: uint32(c.uint())}
		c.message(&r.will.Message)
		r.open.Will = &r.will
	}
}

func (r *record) decodeFilters(c *cursor) {
	r.subscribe, r.unsubscribe = r.subscribe[:0], r.unsubscribe[:0]
	if r.has(partSubscribe) {
		for n := c.count(); n > 0 && !c.bad; n-- {
			flags := c.byte()
			r.subscribe = append(r.subscribe, persist.Subscription{
				QoS:               flags & 3,
				NoLocal:           flags&subscriptionNoLocal != 0,
				RetainAsPublished: flags&subscriptionRetainAsPublished != 0,
				RetainHandling:    c.byte(),
				ID:                uint32(c.uint()),
				Filter:            string(c.bytes()),
			})
		}
	}
	if r.has(partUnsubscribe) {
		for n := c.count(); n > 0 && !c.bad; n-- {
			r.unsubscribe = append(r.unsubscribe, string(c.bytes()))
		}
	}
}

func (r *record) decodeProgress(c *cursor) {
	r.sent, r.released, r.settled.Floor, r.settled.Above = r.sent[:0], r.released[:0], 0, r.settled.Above[:0]
	if r.has(partSent) {
		var base persist.Position
		for n := c.count(); n > 0 && !c.bad; n-- {
			base += persist.Position(c.int())
			r.sent = append(r.sent, persist.Sent{Position: base, PacketID: c.uint16()})
		}
	}
	if r.has(partReleased) {
		for n := c.count(); n > 0 && !c.bad; n-- {
			r.released = append(r.released, c.uint16())
		}
	}
	if r.has(partSettled) {
		base := persist.Position(c.uint())
		r.settled.Floor = base
		for n := c.count(); n > 0 && !c.bad; n-- {
			base += persist.Position(c.int())
			r.settled.Above = append(r.settled.Above, base)
		}
	}
}

// decodeMessage reads the message of a batch and nothing behind it. It points into the body.
func decodeMessage(body []byte, m *persist.Message) error {
	var h head
	c := cursor{b: body}
	if err := h.decode(&c); err != nil {
		return err
	}
	if !h.has(partMessage) {
		return errRecord
	}
	*m = h.message
	return nil
}

// indexRecord tells the log under which key it indexes a record: messages, by audience.
func indexRecord(_ persist.Position, typ byte, body []byte) (key uint64, expires int64, ok bool) {
	const indexed = partAudience | partMessage
	if typ != typeBatch {
		return 0, 0, false
	}
	var h head
	c := cursor{b: body}
	if h.decode(&c) != nil || h.parts&indexed != indexed {
		return 0, 0, false
	}
	return h.audience, h.message.Expires, true
}

// decodeAudience reads the definition of an audience.
func decodeAudience(body []byte) (id uint64, members []persist.Member, err error) {
	c := cursor{b: body}
	if v := c.byte(); v != recordVersion {
		if c.bad || v == 0 {
			return 0, nil, errRecord
		}
		return 0, nil, fmt.Errorf("%w: record version %d", errVersion, v)
	}
	id = c.uint()
	n := c.count()
	members = make([]persist.Member, 0, n)
	var base persist.SessionID
	for ; n > 0 && !c.bad; n-- {
		base += persist.SessionID(c.uint())
		flags := c.byte()
		m := persist.Member{Session: base, QoS: flags & 3, RetainAsPublished: flags&memberRetainAsPublished != 0}
		if flags&memberSubscriptionIDs != 0 {
			k := c.count()
			m.SubscriptionIDs = make([]uint32, 0, k)
			for ; k > 0 && !c.bad; k-- {
				m.SubscriptionIDs = append(m.SubscriptionIDs, uint32(c.uint()))
			}
		}
		members = append(members, m)
	}
	if c.bad || len(c.b) != 0 {
		return 0, nil, errRecord
	}
	return id, members, nil
}

// cursor reads a body. After the first error everything is zero and bad is set.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) fail() { c.b, c.bad = nil, true }

func (c *cursor) byte() byte {
	if len(c.b) == 0 {
		c.fail()
		return 0
	}
	v := c.b[0]
	c.b = c.b[1:]
	return v
}

func (c *cursor) uint16() uint16 {
	if len(c.b) < 2 {
		c.fail()
		return 0
	}
	v := binary.LittleEndian.Uint16(c.b)
	c.b = c.b[2:]
	return v
}

func (c *cursor) uint() uint64 {
	v, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.fail()
		return 0
	}
	c.b = c.b[n:]
	return v
}

func (c *cursor) int() int64 {
	v, n := binary.Varint(c.b)
	if n <= 0 {
		c.fail()
		return 0
	}
	c.b = c.b[n:]
	return v
}

// count reads a number of things that each take at least one byte of what is left, which bounds what damaged bytes can
// make a reader allocate.
func (c *cursor) count() int {
	n := c.uint()
	if n > uint64(len(c.b)) {
		c.fail()
		return 0
	}
	return int(n)
}

// bytes returns a field in place.
func (c *cursor) bytes() []byte {
	n := c.count()
	v := c.b[:n:n]
	c.b = c.b[n:]
	return v
}

func (c *cursor) message(m *persist.Message) {
	flags := c.byte()
	*m = persist.Message{
		QoS:      flags & 3,
		Retain:   flags&messageRetain != 0,
		Retained: flags&messageRetained != 0,
	}
	if flags&messageExpires != 0 {
		m.Expires = c.int()
	}
	m.Topic, m.Properties, m.Payload = c.bytes(), c.bytes(), c.bytes()
}
