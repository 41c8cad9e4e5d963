package engine

import (
	"fmt"

	"github.com/holdfast-mqtt/holdfast/wire"
)

const (
	// aliasCost is what an alias adds to a PUBLISH: the property identifier and
	// two bytes. A topic no longer than that gains nothing from one.
	aliasCost = 3
	// aliasOverhead is the memory that one outbound alias is counted with besides
	// its topic name: its entry, and its share of the map from topic to alias.
	aliasOverhead = 96
	// aliasWaiters is how many topics that missed an alias are remembered; a power
	// of two.
	aliasWaiters = 64
)

// inboundAliases are the topic aliases that a client has set on its connection.
// They end with the connection. [MQTT-3.3.2-7]
//
// Their memory is bounded by the maximum times the longest topic name; the
// maximum that the broker offers is chosen with that in mind.
type inboundAliases struct {
	maximum uint16   // what CONNACK offered
	topics  [][]byte // by alias-1; nil: not set. As long as the highest alias used
}

// newInboundAliases returns no aliases, of which the client may set maximum.
func newInboundAliases(maximum uint16) inboundAliases {
	return inboundAliases{maximum: maximum}
}

// resolve returns the topic name of a PUBLISH that carries an alias. A topic name
// beside the alias sets it, or sets it anew; none asks for the one set before.
// What it returns holds until the next call; the argument is copied. An error is
// a *wire.ProtocolError.
func (a *inboundAliases) resolve(alias uint16, topic []byte) ([]byte, error) {
	if alias == 0 || alias > a.maximum { // [MQTT-3.3.2-8] [MQTT-3.3.2-9]
		return nil, &wire.ProtocolError{
			Packet: wire.PUBLISH, Code: wire.TopicAliasInvalid,
			Detail: fmt.Sprintf("topic alias %d, the maximum is %d", alias, a.maximum),
		}
	}
	at := int(alias) - 1
	if len(topic) == 0 {
		if at >= len(a.topics) || a.topics[at] == nil {
			return nil, &wire.ProtocolError{
				Packet: wire.PUBLISH, Code: wire.ProtocolErrorCode,
				Detail: fmt.Sprintf("topic alias %d without a topic name was not set before", alias),
			}
		}
		return a.topics[at], nil
	}
	if at >= len(a.topics) {
		a.topics = append(a.topics, make([][]byte, at+1-len(a.topics))...)
	}
	a.topics[at] = append(a.topics[at][:0], topic...)
	return a.topics[at], nil
}

// outboundAliases are the topic aliases that the broker uses towards one client,
// at most as many as the client accepts. [MQTT-3.3.2-11]
//
// While an alias is free, a topic gets one at first sight: it costs three bytes
// once and saves the topic name ever after. When none is free, the topic used
// longest ago gives way, but only to a topic that was refused before and has come
// again: a stream of topics that come once would otherwise drive out those that
// come often, and pay for it each time.
type outboundAliases struct {
	maximum  uint16 // the client's Topic Alias Maximum
	maxBytes int    // of topic names with their overhead
	bytes    int

	aliases map[string]uint16
	entries []outboundAlias // by alias; [0] is head and tail of the list by use
	vacant  []uint16        // aliases below len(entries) that are not in use
	waiters *[aliasWaiters]uint32
}

// outboundAlias is one alias and its place in the list of aliases by use.
type outboundAlias struct {
	topic        string
	newer, older uint16 // 0: none
}

// newOutboundAliases returns no aliases, of which at most maximum will be used,
// in at most maxBytes of memory.
func newOutboundAliases(maximum uint16, maxBytes int) outboundAliases {
	return outboundAliases{maximum: maximum, maxBytes: maxBytes}
}

// assign returns the alias to send with a topic name, 0 for none. A known alias
// stands for the topic name, which is left out; one that is not known must be
// sent together with it. A packet that is not sent after all must give the new
// alias up, see forget.
func (a *outboundAliases) assign(topic []byte) (alias uint16, known bool) {
	if a.maximum == 0 || len(topic) <= aliasCost {
		return 0, false
	}
	if alias, known = a.aliases[string(topic)]; known {
		a.unlink(alias)
		a.link(alias)
		return alias, true
	}
	cost := len(topic) + aliasOverhead
	if cost > a.maxBytes {
		return 0, false
	}
	full := len(a.aliases) >= int(a.maximum) || a.bytes+cost > a.maxBytes
	if full && !a.cameBefore(topic) {
		return 0, false
	}
	for len(a.aliases) >= int(a.maximum) || a.bytes+cost > a.maxBytes {
		a.forget(a.entries[0].older)
	}
	return a.set(string(topic), cost), false
}

// forget gives an alias up: the client was never told of it, or another topic
// takes its place.
func (a *outboundAliases) forget(alias uint16) {
	if int(alias) >= len(a.entries) || a.entries[alias].topic == "" {
		return
	}
	a.unlink(alias)
	topic := a.entries[alias].topic
	delete(a.aliases, topic)
	a.bytes -= len(topic) + aliasOverhead
	a.entries[alias] = outboundAlias{}
	a.vacant = append(a.vacant, alias)
}

// set gives a topic an alias that is not in use.
func (a *outboundAliases) set(topic string, cost int) (alias uint16) {
	if a.aliases == nil {
		a.aliases = make(map[string]uint16)
		a.entries = make([]outboundAlias, 1)
	}
	if n := len(a.vacant); n > 0 {
		alias, a.vacant = a.vacant[n-1], a.vacant[:n-1]
	} else {
		alias = uint16(len(a.entries))
		a.entries = append(a.entries, outboundAlias{})
	}
	a.entries[alias].topic = topic
	a.aliases[topic] = alias
	a.bytes += cost
	a.link(alias)
	return alias
}

// link makes an alias the one used last. entries[0] closes the list to a ring:
// its newer is the one used last, its older the one used longest ago.
func (a *outboundAliases) link(alias uint16) {
	last := a.entries[0].newer
	a.entries[alias].older, a.entries[alias].newer = last, 0
	a.entries[0].newer = alias
	if last == 0 {
		a.entries[0].older = alias
	} else {
		a.entries[last].newer = alias
	}
}

// unlink takes an alias out of the list by use.
func (a *outboundAliases) unlink(alias uint16) {
	e := a.entries[alias]
	if e.newer == 0 {
		a.entries[0].newer = e.older
	} else {
		a.entries[e.newer].older = e.older
	}
	if e.older == 0 {
		a.entries[0].older = e.newer
	} else {
		a.entries[e.older].newer = e.newer
	}
}

// cameBefore reports whether a topic without an alias came a short while ago, and
// remembers it. Two topics may share a place or a hash: then one gets its alias
// early or late, and nothing else.
func (a *outboundAliases) cameBefore(topic []byte) bool {
	if a.waiters == nil {
		a.waiters = new([aliasWaiters]uint32)
	}
	hash := uint32(2166136261) // FNV-1a: the same in every run, unlike a seeded hash
	for _, b := range topic {
		hash = (hash ^ uint32(b)) * 16777619
	}
	hash |= 1 // 0 is an empty place
	place := &a.waiters[hash>>1%aliasWaiters]
	if *place == hash {
		*place = 0
		return true
	}
	*place = hash
	return false
}
