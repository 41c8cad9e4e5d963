package topic

import (
	"bytes"
	"cmp"
)

// Matches is what one topic name reaches. The zero value is ready; used again,
// it keeps its memory. It belongs to one goroutine at a time.
type Matches[K cmp.Ordered, V any] struct {
	// Version is the version of the index at which the match was made.
	Version uint64
	// Plain has one entry for every matching pair of filter and key: filters
	// that overlap give several entries for one key. In no promised order.
	Plain []Entry[K, V]
	// Shared has one group for every matching pair of filter and group name.
	Shared []Group[K, V]

	// The nodes reached at one level, and those reached at the next.
	here, next []*node[K, V]
}

// Entry is one subscription that matches.
type Entry[K cmp.Ordered, V any] struct {
	Key    K
	Value  V
	Filter string
}

// Reset empties m but keeps its memory, so that a scratch that is laid aside
// holds no subscriber.
func (m *Matches[K, V]) Reset() {
	m.Version = 0
	clear(m.Plain)
	clear(m.Shared)
	m.Plain, m.Shared = m.Plain[:0], m.Shared[:0]
}

// Match fills m with the subscriptions that a topic name reaches, all as they
// stood at one moment. What m held before is gone.
func (x *Index[K, V]) Match(topic []byte, m *Matches[K, V]) {
	m.Reset()
	x.mu.RLock()
	defer x.mu.RUnlock()
	m.Version = x.version.Load()
	if x.mu.size == 0 {
		return
	}
	m.walk(&x.mu.root, topic)
}

// walk goes down the tree one level of the topic at a time with all the nodes
// that match so far. Its memory is the widest level, not the depth.
func (m *Matches[K, V]) walk(root *node[K, V], topic []byte) {
	// A leading wildcard does not match a name that begins with $. [MQTT-4.7.2-1]
	wild := !hiddenFromWildcards(topic)
	here, next := append(m.here[:0], root), m.next[:0]
	for more := true; more && len(here) > 0; wild = true {
		var level []byte
		if end := bytes.IndexByte(topic, '/'); end >= 0 {
			level, topic = topic[:end], topic[end+1:]
		} else {
			level, more = topic, false
		}
		for _, n := range here {
			c := n.children
			if c == nil {
				continue
			}
			if wild && c.hash != nil {
				m.add(c.hash.subscribers)
			}
			if wild && c.plus != nil {
				next = append(next, c.plus)
			}
			if k := c.named(level); k != nil {
				next = append(next, k)
			}
		}
		clear(here) // a scratch laid aside must not hold a pruned part of the tree
		here, next = next, here[:0]
	}
	for _, n := range here {
		m.add(n.subscribers)
		// "a/#" also matches "a", the parent level (section 4.7.1.2).
		if n.children != nil && n.children.hash != nil {
			m.add(n.children.hash.subscribers)
		}
	}
	clear(here)
	m.here, m.next = here[:0], next[:0]
}

// add appends the subscribers of a filter that matches; s is nil where no filter
// ends.
func (m *Matches[K, V]) add(s *subscribers[K, V]) {
	if s == nil {
		return
	}
	for i := range s.plain {
		p := &s.plain[i]
		m.Plain = append(m.Plain, Entry[K, V]{Key: p.key, Value: p.value, Filter: s.filter})
	}
	m.Shared = append(m.Shared, s.shared...)
}
