package topic

import (
	"cmp"
	"sync"
	"sync/atomic"
)

// maxScanned is how many subscribers of one filter are searched one by one
// before a map from key to place is kept beside them.
const maxScanned = 16

// Index maps topic filters to subscribers. It is safe for concurrent use.
//
// A subscriber is a key and a value that the caller chooses. One key has one
// plain subscription to a filter, and one in each group that shares it.
type Index[K cmp.Ordered, V any] struct {
	// version changes under the lock and is read without it.
	version atomic.Uint64

	mu struct {
		sync.RWMutex
		root node[K, V]
		size int // subscriptions, plain and shared
	}
}

// subscribers is what lies at the end of a filter.
type subscribers[K cmp.Ordered, V any] struct {
	filter string
	plain  []subscriber[K, V] // in no promised order: a removal moves the last
	// places tells where in plain a key stands; nil up to maxScanned subscribers.
	places map[K]int32
	shared []Group[K, V] // sorted by name
}

// subscriber is one plain subscription.
type subscriber[K cmp.Ordered, V any] struct {
	key   K
	value V
}

// NewIndex returns an empty index.
func NewIndex[K cmp.Ordered, V any]() *Index[K, V] {
	return new(Index[K, V])
}

// Add subscribes key to a plain filter. It reports whether the key had that
// subscription already, in which case the value replaces the earlier one.
func (x *Index[K, V]) Add(filter string, key K, value V) (replaced bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.subscribersLocked(filter)
	if at := s.place(key); at >= 0 {
		s.plain[at].value = value
		replaced = true
	} else {
		s.add(key, value)
	}
	x.changedLocked(!replaced, 1)
	return replaced
}

// Remove ends the plain subscription of key to filter and reports whether there
// was one.
func (x *Index[K, V]) Remove(filter string, key K) (existed bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	n := x.mu.root.find(filter)
	if n == nil || n.subscribers == nil {
		return false
	}
	at := n.subscribers.place(key)
	if at < 0 {
		return false
	}
	n.subscribers.remove(at)
	x.removedLocked(n)
	return true
}

// Get returns the value of the plain subscription of key to filter.
func (x *Index[K, V]) Get(filter string, key K) (value V, ok bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if n := x.mu.root.find(filter); n != nil && n.subscribers != nil {
		if at := n.subscribers.place(key); at >= 0 {
			return n.subscribers.plain[at].value, true
		}
	}
	return value, false
}

// Version returns a number that rises with every change. A match made at the
// version that still stands holds. It takes no lock.
func (x *Index[K, V]) Version() uint64 {
	return x.version.Load()
}

// Len returns the number of subscriptions, plain and shared.
func (x *Index[K, V]) Len() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.mu.size
}

// subscribersLocked returns the subscribers of filter; new ones must be filled
// before the lock is given back.
func (x *Index[K, V]) subscribersLocked(filter string) *subscribers[K, V] {
	n := x.mu.root.grow(filter)
	if n.subscribers == nil {
		n.subscribers = &subscribers[K, V]{filter: filter}
	}
	return n.subscribers
}

// changedLocked counts one change, and one subscription more or less if it was
// not only a value that changed.
func (x *Index[K, V]) changedLocked(resized bool, by int) {
	if resized {
		x.mu.size += by
	}
	x.version.Add(1)
}

// removedLocked counts a subscription that left node n, and prunes the tree if
// it was the last one there.
func (x *Index[K, V]) removedLocked(n *node[K, V]) {
	if s := n.subscribers; len(s.plain) == 0 && len(s.shared) == 0 {
		n.drop()
	}
	x.changedLocked(true, -1)
}

// place returns where in plain the key stands, or -1.
func (s *subscribers[K, V]) place(key K) int {
	if s.places != nil {
		if at, ok := s.places[key]; ok {
			return int(at)
		}
		return -1
	}
	for at := range s.plain {
		if s.plain[at].key == key {
			return at
		}
	}
	return -1
}

// add appends a key that is not there yet.
func (s *subscribers[K, V]) add(key K, value V) {
	if s.plain == nil {
		s.plain = make([]subscriber[K, V], 0, 1) // most filters have one
	}
	s.plain = append(s.plain, subscriber[K, V]{key, value})
	switch {
	case s.places != nil:
		s.places[key] = int32(len(s.plain) - 1)
	case len(s.plain) > maxScanned:
		s.places = make(map[K]int32, 2*maxScanned)
		for at := range s.plain {
			s.places[s.plain[at].key] = int32(at)
		}
	}
}

// remove takes out the subscriber at a place; the last one moves there, so that
// one leaving among very many costs no copy of them all.
func (s *subscribers[K, V]) remove(at int) {
	last := len(s.plain) - 1
	if s.places != nil {
		s.places[s.plain[last].key] = int32(at)
		delete(s.places, s.plain[at].key) // after: at may be the last itself
	}
	s.plain[at] = s.plain[last]
	s.plain[last] = subscriber[K, V]{}
	s.plain = s.plain[:last]
	if last <= maxScanned/2 {
		s.places = nil
	}
	if last < cap(s.plain)/4 {
		s.plain = append(make([]subscriber[K, V], 0, 2*last), s.plain...)
	}
}
