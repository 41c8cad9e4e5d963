package topic

import (
	"cmp"
	"slices"
	"strings"
)

const (
	// maxFew is how many children a node keeps in a slice that is searched one
	// by one. Most nodes have one or two, and a map costs 250 bytes at least.
	maxFew = 8
	// minMany is where a map that lost its children becomes a slice again;
	// well below maxFew, so that a node at the edge does not swing.
	minMany = 4
)

// node is one level of the filters that lead through it.
type node[K cmp.Ordered, V any] struct {
	parent *node[K, V] // nil for the root
	// level shares the memory of the caller's filter while one ends here, since
	// its subscribers keep that string anyway; otherwise it is a copy, so that a
	// long filter that is gone is not held by the prefix that stays.
	level       string
	children    *children[K, V]    // nil for a leaf
	subscribers *subscribers[K, V] // nil where no filter ends
}

// children are the nodes one level below. The wildcards have their own places:
// a match asks for them at every node, and a map lookup would be wasted.
type children[K cmp.Ordered, V any] struct {
	plus, hash *node[K, V]
	few        []*node[K, V]          // up to maxFew named children
	many       map[string]*node[K, V] // all named children once there were more
}

// find returns the node at the end of path, or nil.
func (n *node[K, V]) find(path string) *node[K, V] {
	for {
		level, rest, more := strings.Cut(path, "/")
		if n = n.child(level); n == nil || !more {
			return n
		}
		path = rest
	}
}

// grow returns the node at the end of path and creates what is missing on the
// way. The caller gives the node subscribers.
func (n *node[K, V]) grow(path string) *node[K, V] {
	for {
		level, rest, more := strings.Cut(path, "/")
		next := n.child(level)
		if next == nil {
			if more {
				level = strings.Clone(level)
			}
			next = n.attach(level)
		}
		if !more {
			return next
		}
		n, path = next, rest
	}
}

// drop takes the subscribers away from the node, and takes the node and the ancestors
// that lead nowhere any more out of the tree.
func (n *node[K, V]) drop() {
	n.subscribers = nil
	if n.children != nil {
		parent := n.parent
		parent.detach(n)
		n.level = strings.Clone(n.level)
		parent.adopt(n)
		return
	}
	for n.parent != nil && n.children == nil && n.subscribers == nil {
		parent := n.parent
		parent.detach(n)
		n = parent
	}
}

// child returns the child named level, or nil. "+" and "#" name the wildcards.
func (n *node[K, V]) child(level string) *node[K, V] {
	c := n.children
	switch {
	case c == nil:
		return nil
	case level == "+":
		return c.plus
	case level == "#":
		return c.hash
	case c.many != nil:
		return c.many[level]
	}
	for _, k := range c.few {
		if k.level == level {
			return k
		}
	}
	return nil
}

// named returns the child with exactly this name; it never returns a wildcard.
func (c *children[K, V]) named(level []byte) *node[K, V] {
	if c.many != nil {
		return c.many[string(level)] // the compiler looks up without a copy
	}
	for _, k := range c.few {
		if k.level == string(level) {
			return k
		}
	}
	return nil
}

// attach creates the child named level, which must not exist.
func (n *node[K, V]) attach(level string) *node[K, V] {
	child := &node[K, V]{parent: n, level: level}
	n.adopt(child)
	return child
}

// adopt enters a child under its level.
func (n *node[K, V]) adopt(child *node[K, V]) {
	if n.children == nil {
		n.children = new(children[K, V])
	}
	c := n.children
	switch {
	case child.level == "+":
		c.plus = child
	case child.level == "#":
		c.hash = child
	case c.many != nil:
		c.many[child.level] = child
	case len(c.few) < maxFew:
		c.few = append(c.few, child)
	default:
		c.many = make(map[string]*node[K, V], 2*maxFew)
		for _, k := range c.few {
			c.many[k.level] = k
		}
		c.many[child.level] = child
		c.few = nil
	}
}

// detach removes a child, and the whole set of children with the last one.
func (n *node[K, V]) detach(child *node[K, V]) {
	c := n.children
	switch {
	case child.level == "+":
		c.plus = nil
	case child.level == "#":
		c.hash = nil
	case c.many != nil:
		delete(c.many, child.level)
		if len(c.many) <= minMany {
			c.few = make([]*node[K, V], 0, maxFew)
			for _, k := range c.many {
				c.few = append(c.few, k)
			}
			c.many = nil
		}
	default:
		at := slices.Index(c.few, child)
		c.few = slices.Delete(c.few, at, at+1)
	}
	if c.plus == nil && c.hash == nil && c.many == nil && len(c.few) == 0 {
		n.children = nil
	}
}
