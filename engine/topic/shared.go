package topic

import (
	"cmp"
	"slices"
)

// Group is the members that share one filter under one name: each message goes
// to one of them.
type Group[K cmp.Ordered, V any] struct {
	Name, Filter string
	// Members is sorted by key, so that a choice by number is stable. It never
	// changes: the index puts another slice in its place. It may be kept, and
	// must not be written to.
	Members []Entry[K, V]
}

// AddShared subscribes key to a filter as a member of a group. It reports
// whether the key was a member already, in which case the value replaces the
// earlier one.
func (x *Index[K, V]) AddShared(group, filter string, key K, value V) (replaced bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.subscribersLocked(filter)
	replaced = s.join(group, Entry[K, V]{Key: key, Value: value, Filter: s.filter})
	x.changedLocked(!replaced, 1)
	return replaced
}

// RemoveShared ends the membership of key in a group of a filter and reports
// whether there was one.
func (x *Index[K, V]) RemoveShared(group, filter string, key K) (existed bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	n := x.mu.root.find(filter)
	if n == nil || n.subscribers == nil || !n.subscribers.leave(group, key) {
		return false
	}
	x.removedLocked(n)
	return true
}

// GetShared returns the value of the membership of key in a group of a filter.
func (x *Index[K, V]) GetShared(group, filter string, key K) (value V, ok bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	n := x.mu.root.find(filter)
	if n == nil || n.subscribers == nil {
		return value, false
	}
	at, ok := n.subscribers.group(group)
	if !ok {
		return value, false
	}
	members := n.subscribers.shared[at].Members
	if at, ok = member(members, key); !ok {
		return value, false
	}
	return members[at].Value, true
}

// join enters a member into a group and reports whether its key was there.
func (s *subscribers[K, V]) join(name string, e Entry[K, V]) (replaced bool) {
	at, ok := s.group(name)
	if !ok {
		g := Group[K, V]{Name: name, Filter: s.filter, Members: []Entry[K, V]{e}}
		s.shared = slices.Insert(s.shared, at, g)
		return false
	}
	g := &s.shared[at]
	at, replaced = member(g.Members, e.Key)
	switch {
	case replaced:
		g.Members = slices.Clone(g.Members)
		g.Members[at] = e
	case at == len(g.Members):
		// Whoever holds the slice sees no further than its length, so room
		// behind it may be filled. Nothing ever shortens a slice in place.
		g.Members = append(g.Members, e)
	default:
		members := make([]Entry[K, V], 0, len(g.Members)+1)
		members = append(members, g.Members[:at]...)
		members = append(members, e)
		g.Members = append(members, g.Members[at:]...)
	}
	return replaced
}

// leave takes a member out of a group, and the group out with its last member.
func (s *subscribers[K, V]) leave(name string, key K) (existed bool) {
	at, ok := s.group(name)
	if !ok {
		return false
	}
	g := &s.shared[at]
	place, ok := member(g.Members, key)
	if !ok {
		return false
	}
	if len(g.Members) == 1 {
		s.shared = slices.Delete(s.shared, at, at+1)
		return true
	}
	members := make([]Entry[K, V], 0, len(g.Members)-1)
	members = append(members, g.Members[:place]...)
	g.Members = append(members, g.Members[place+1:]...)
	return true
}

// group returns where in shared a group stands, or belongs.
func (s *subscribers[K, V]) group(name string) (at int, found bool) {
	return slices.BinarySearchFunc(s.shared, name, func(g Group[K, V], name string) int {
		return cmp.Compare(g.Name, name)
	})
}

// member returns where in members a key stands, or belongs.
func member[K cmp.Ordered, V any](members []Entry[K, V], key K) (at int, found bool) {
	return slices.BinarySearchFunc(members, key, func(e Entry[K, V], key K) int {
		return cmp.Compare(e.Key, key)
	})
}
