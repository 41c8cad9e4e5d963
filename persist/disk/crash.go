package disk

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// sector is the unit that a disk writes whole.
const sector = 512

// Image returns an exact copy: what the next process finds after this one was killed. What was not durable is not
// durable in the copy either.
func (m *Memory) Image() *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	copies := map[*inode]*inode{nil: nil}
	clone := func(n *inode) *inode {
		if c, ok := copies[n]; ok {
			return c
		}
		// Changes are never altered once made, so both may hold them.
		c := &inode{data: slices.Clone(n.data), stable: slices.Clone(n.stable), changes: slices.Clone(n.changes)}
		copies[n] = c
		return c
	}
	image := NewMemory()
	image.capacity = m.capacity
	maps.Copy(image.dirs, m.dirs)
	for name, node := range m.names {
		image.names[name] = clone(node)
	}
	for name, node := range m.durable {
		image.durable[name] = clone(node)
	}
	for dir, list := range m.pending {
		for _, c := range list {
			c.node = clone(c.node)
			image.pending[dir] = append(image.pending[dir], c)
		}
	}
	return image
}

// Crash returns what a power cut now may leave. Everything synced is there. Every write since is kept, dropped or torn
// at sectors; every change of a size or name since may be undone. The seed decides.
func (m *Memory) Crash(seed uint64) *Memory {
	image := m.Image()
	rng := rand.New(rand.NewPCG(seed, 0x63726173))
	names := image.durable
	for _, dir := range slices.Sorted(maps.Keys(image.pending)) {
		keep := chance(rng)
		for _, c := range image.pending[dir] {
			if keep() {
				c.apply(names)
			}
		}
	}
	left := NewMemory()
	left.capacity = image.capacity
	left.dirs = image.dirs
	for _, name := range slices.Sorted(maps.Keys(names)) {
		node := names[name]
		if node.changes != nil {
			node.crash(rng)
		}
		left.names[name] = node
		left.durable[name] = node
	}
	return left
}

// chance returns a coin: for one file or directory everything is kept, or nothing, or a beginning, or each at random.
func chance(rng *rand.Rand) func() bool {
	switch rng.IntN(6) {
	case 0:
		return func() bool { return true }
	case 1:
		return func() bool { return false }
	case 2:
		left := rng.IntN(8)
		return func() bool { left--; return left >= 0 }
	default:
		return func() bool { return rng.IntN(2) == 0 }
	}
}

// crash makes the file what a power cut leaves of it.
func (n *inode) crash(rng *rand.Rand) {
	data := n.stable
	keep := chance(rng)
	for _, c := range n.changes {
		switch {
		case keep():
			data = c.apply(data)
		case c.kind == write:
			data = c.tear(data, rng)
		}
	}
	n.stable, n.data, n.changes = data, slices.Clone(data), nil
}

// tear makes some sectors of a write, maybe none. The size may be that of the whole write all the same: sizes are not
// written together with content.
func (c change) tear(data []byte, rng *rand.Rand) []byte {
	torn := rng.IntN(2) == 0
	for start := 0; torn && start < len(c.data); {
		end := min(len(c.data), start+sector-int(c.off+int64(start))%sector)
		if rng.IntN(2) == 0 {
			data = change{kind: write, off: c.off + int64(start), data: c.data[start:end]}.apply(data)
		}
		start = end
	}
	if rng.IntN(4) == 0 {
		data = extended(data, c.off+int64(len(c.data)))
	}
	return data
}
