package store

import (
	"encoding/binary"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// The types of records in the log. A type that is not known stops the fold: it is never skipped.
const (
	typeBatch    byte = 1
	typeAudience byte = 2
)

// recordVersion is the first byte of every record's body.
const recordVersion = 1

// part is a bit for each thing that a batch may say.
type part uint16

const (
	partSession part = 1 << iota
	partReceivedID
	partAudience
	partMessage
	partRetainSet
	partRetainClear
	partReleasedID
	partWillOf
	partOpen
	partClose
	partEnd
	partSubscribe
	partUnsubscribe
	partSent
	partReleased
	partSettled
)

// Bits of a message's first byte; the lowest two are its QoS.
const (
	messageRetain byte = 1 << (2 + iota)
	messageRetained
	messageExpires
)

// Bits of what an Open and a Close say.
const (
	openClean byte = 1 << iota
	openWill
)
const (
	closeDiscardWill byte = 1 << iota
	closeSetExpiry
)

// Bits of a subscription's first byte; the lowest two are its QoS.
const (
	subscriptionNoLocal byte = 1 << (2 + iota)
	subscriptionRetainAsPublished
)

// partsOf tells what a batch says. An audience that the store has no number for stands for no durable session.
func partsOf(b *persist.Batch, audience uint64) part {
	var p part
	set := func(is bool, bit part) {
		if is {
			p |= bit
		}
	}
	set(b.Session != 0, partSession)
	set(b.ReceivedID != 0, partReceivedID)
	set(b.Message != nil && audience != 0, partAudience)
	set(b.Message != nil, partMessage)
	set(b.Message != nil && b.Retain == persist.RetainSet, partRetainSet)
	set(b.Message != nil && b.Retain == persist.RetainClear, partRetainClear)
	set(b.ReleasedID != 0, partReleasedID)
	set(b.WillOf, partWillOf)
	set(b.Open != nil, partOpen)
	set(b.Close != nil, partClose)
	set(b.End, partEnd)
	set(len(b.Subscribe) > 0, partSubscribe)
	set(len(b.Unsubscribe) > 0, partUnsubscribe)
	set(len(b.Sent) > 0, partSent)
	set(len(b.Released) > 0, partReleased)
	set(b.Settled.Floor != 0 || len(b.Settled.Above) > 0, partSettled)
	return p
}

// appendBatch writes a batch as the body of one record. What a reader of the queue needs stands first, so that it stops
// behind the message; parts that are absent take no bytes.
//
//	u8 version | u16 parts | session: uvarint id, uvarint epoch - id | u16 received id | uvarint audience | message
//	u16 released id | open | close | subscribe | unsubscribe | sent | released | settled
func appendBatch(dst []byte, b *persist.Batch, audience uint64) []byte {
	p := partsOf(b, audience)
	dst = append(dst, recordVersion, byte(p), byte(p>>8))
	if p&partSession != 0 {
		dst = binary.AppendUvarint(dst, uint64(b.Session))
		dst = binary.AppendUvarint(dst, uint64(b.Epoch)-uint64(b.Session))
	}
	if p&partReceivedID != 0 {
		dst = binary.LittleEndian.AppendUint16(dst, b.ReceivedID)
	}
	if p&partAudience != 0 {
		dst = binary.AppendUvarint(dst, audience)
	}
	if p&partMessage != 0 {
		dst = appendMessage(dst, b.Message)
	}
	if p&^(partSession|partReceivedID|partAudience|partMessage|partRetainSet|partRetainClear|partWillOf|partEnd) == 0 {
		return dst
	}
	if p&partReleasedID != 0 {
		dst = binary.LittleEndian.AppendUint16(dst, b.ReleasedID)
	}
	dst = appendControl(dst, p, b)
	return appendProgress(dst, p, b)
}

// appendMessage:
//
//	u8 flags and qos | varint expires, if it does | bytes topic | bytes properties | bytes payload
func appendMessage(dst []byte, m *persist.Message) []byte {
	flags := m.QoS & 3
	if m.Retain {
		flags |= messageRetain
	}
	if m.Retained {
		flags |= messageRetained
	}
	if m.Expires != 0 {
		flags |= messageExpires
	}
	dst = append(dst, flags)
	if m.Expires != 0 {
		dst = binary.AppendVarint(dst, m.Expires)
	}
	dst = appendBytes(dst, m.Topic)
	dst = appendBytes(dst, m.Properties)
	return appendBytes(dst, m.Payload)
}

// appendControl:
//
//	open: u8 flags | uvarint expiry | varint at | bytes client id | bytes user name
//	      will: uvarint delay | uvarint message expiry | message
//	close: u8 flags | varint at | uvarint expiry, if it is set
//	subscribe: uvarint n, n × (u8 flags and qos, u8 retain handling, uvarint id, bytes filter)
//	unsubscribe: uvarint n, n × bytes filter
func appendControl(dst []byte, p part, b *persist.Batch) []byte {
	if o := b.Open; o != nil {
		flags := flag(o.Clean, openClean) | flag(o.Will != nil, openWill)
		dst = append(dst, flags)
		dst = binary.AppendUvarint(dst, uint64(o.ExpirySeconds))
		dst = binary.AppendVarint(dst, o.At)
		dst = appendString(dst, o.ClientID)
		dst = appendString(dst, o.Username)
		if w := o.Will; w != nil {
			dst = binary.AppendUvarint(dst, uint64(w.DelaySeconds))
			dst = binary.AppendUvarint(dst, uint64(w.MessageExpirySeconds))
			dst = appendMessage(dst, &w.Message)
		}
	}
	if c := b.Close; c != nil {
		dst = append(dst, flag(c.DiscardWill, closeDiscardWill)|flag(c.SetExpiry, closeSetExpiry))
		dst = binary.AppendVarint(dst, c.At)
		if c.SetExpiry {
			dst = binary.AppendUvarint(dst, uint64(c.ExpirySeconds))
		}
	}
	if p&partSubscribe != 0 {
		dst = binary.AppendUvarint(dst, uint64(len(b.Subscribe)))
		for i := range b.Subscribe {
			s := &b.Subscribe[i]
			flags := s.QoS&3 | flag(s.NoLocal, subscriptionNoLocal) | flag(s.RetainAsPublished, subscriptionRetainAsPublished)
			dst = append(dst, flags, s.RetainHandling)
			dst = binary.AppendUvarint(dst, uint64(s.ID))
			dst = appendString(dst, s.Filter)
		}
	}
	if p&partUnsubscribe != 0 {
		dst = binary.AppendUvarint(dst, uint64(len(b.Unsubscribe)))
		for _, filter := range b.Unsubscribe {
			dst = appendString(dst, filter)
		}
	}
	return dst
}

// appendProgress writes positions as the distance from the one before, the first from the floor or from 0.
//
//	sent: uvarint n, n × (varint distance, u16 packet id)
//	released: uvarint n, n × u16 packet id
//	settled: uvarint floor | uvarint n, n × varint distance
func appendProgress(dst []byte, p part, b *persist.Batch) []byte {
	if p&partSent != 0 {
		dst = binary.AppendUvarint(dst, uint64(len(b.Sent)))
		var base persist.Position
		for _, s := range b.Sent {
			dst = binary.AppendVarint(dst, int64(s.Position-base))
			dst = binary.LittleEndian.AppendUint16(dst, s.PacketID)
			base = s.Position
		}
	}
	if p&partReleased != 0 {
		dst = binary.AppendUvarint(dst, uint64(len(b.Released)))
		for _, id := range b.Released {
			dst = binary.LittleEndian.AppendUint16(dst, id)
		}
	}
	if p&partSettled != 0 {
		dst = binary.AppendUvarint(dst, uint64(b.Settled.Floor))
		dst = binary.AppendUvarint(dst, uint64(len(b.Settled.Above)))
		base := b.Settled.Floor
		for _, at := range b.Settled.Above {
			dst = binary.AppendVarint(dst, int64(at-base))
			base = at
		}
	}
	return dst
}

// appendAudience writes the definition of an audience as the body of one record.
//
//	u8 version | uvarint audience | uvarint n, n × (uvarint distance of session ids, u8 flags and qos,
//	uvarint m, m × uvarint subscription id, if there are any)
func appendAudience(dst []byte, id uint64, members []persist.Member) []byte {
	dst = append(dst, recordVersion)
	dst = binary.AppendUvarint(dst, id)
	dst = binary.AppendUvarint(dst, uint64(len(members)))
	var base persist.SessionID
	for i := range members {
		m := &members[i]
		dst = binary.AppendUvarint(dst, uint64(m.Session-base))
		base = m.Session
		flags := m.QoS&3 | flag(m.RetainAsPublished, memberRetainAsPublished) | flag(len(m.SubscriptionIDs) > 0, memberSubscriptionIDs)
		dst = append(dst, flags)
		if len(m.SubscriptionIDs) > 0 {
			dst = binary.AppendUvarint(dst, uint64(len(m.SubscriptionIDs)))
			for _, id := range m.SubscriptionIDs {
				dst = binary.AppendUvarint(dst, uint64(id))
			}
		}
	}
	return dst
}

// Bits of a member's first byte; the lowest two are its QoS.
const (
	memberRetainAsPublished byte = 1 << (2 + iota)
	memberSubscriptionIDs
)

// flag is bit if set.
func flag(set bool, bit byte) byte {
	if set {
		return bit
	}
	return 0
}

func appendBytes(dst, v []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(v))), v...)
}

func appendString(dst []byte, v string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(v))), v...)
}
