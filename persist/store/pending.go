package store

import (
	"encoding/binary"
	"sort"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// chunkBytes is how large a chunk of deltas grows.
const chunkBytes = 480

// pending is the positions of the messages that an audience waits for, ascending: two to four bytes each. Positions are
// added at the end by the fold and trimmed at the front by the checkpointer, both under the fold's lock; readers hold a
// place in it and read under the same lock, shared.
type pending struct {
	chunks []chunk
	// dropped is how many chunks were trimmed away: chunks[0] is number dropped.
	dropped int
	// head is the place before the first position that is not trimmed, and first that position.
	head  place
	first persist.Position
	// count of the positions that are not trimmed.
	count int
}

// chunk is a run of positions: the first, and the distances of the others as uvarints.
type chunk struct {
	first, last persist.Position
	n           int
	deltas      []byte
}

// place is where a reader stands in a pending list: behind the position at.
type place struct {
	chunk, index, offset int
	at                   persist.Position
}

// push adds a position above all others.
func (p *pending) push(pos persist.Position) {
	if p.count == 0 {
		p.first = pos
	}
	p.count++
	if n := len(p.chunks); n > 0 {
		if c := &p.chunks[n-1]; len(c.deltas) < chunkBytes-binary.MaxVarintLen64 {
			c.deltas = binary.AppendUvarint(c.deltas, uint64(pos-c.last))
			c.last = pos
			c.n++
			return
		}
	}
	c := chunk{first: pos, last: pos, n: 1}
	if len(p.chunks) > 0 {
		c.deltas = make([]byte, 0, chunkBytes) // it has already shown that it fills chunks
	}
	p.chunks = append(p.chunks, c)
}

// next moves the place over the next position and returns it; false at the end.
func (p *pending) next(it *place) (persist.Position, bool) {
	if it.chunk < p.dropped {
		*it = p.seek(it.at)
	}
	for {
		i := it.chunk - p.dropped
		if i >= len(p.chunks) {
			return 0, false
		}
		c := &p.chunks[i]
		switch {
		case it.index == 0:
			it.at = c.first
		case it.index < c.n:
			delta, size := binary.Uvarint(c.deltas[it.offset:])
			it.at += persist.Position(delta)
			it.offset += size
		case i+1 < len(p.chunks):
			it.chunk, it.index, it.offset = it.chunk+1, 0, 0
			continue
		default:
			return 0, false
		}
		it.index++
		return it.at, true
	}
}

// seek returns the place behind every position up to and with pos.
func (p *pending) seek(pos persist.Position) place {
	if len(p.chunks) == 0 {
		return place{chunk: p.dropped, at: pos}
	}
	if pos < p.first {
		it := p.head
		if it.index == 0 {
			it.at = pos
		}
		return it
	}
	i := sort.Search(len(p.chunks), func(i int) bool { return p.chunks[i].last > pos })
	if i == len(p.chunks) { // behind the last position there is
		c := &p.chunks[i-1]
		return place{chunk: p.dropped + i - 1, index: c.n, offset: len(c.deltas), at: c.last}
	}
	it := place{chunk: p.dropped + i, at: pos}
	if p.head.chunk == it.chunk {
		it = p.head
	}
	for {
		before := it
		if at, _ := p.next(&it); at > pos {
			return before
		}
	}
}

// trim drops the positions up to and with floor, and gives each run of those that lie in one segment to the table.
func (p *pending) trim(floor persist.Position, t *segmentTable) (dropped int) {
	for p.count > 0 && p.first <= floor {
		if c := &p.chunks[0]; c.last <= floor && t.of(p.first) == t.of(c.last) {
			n := c.n - p.head.index
			t.drop(p.first, n)
			dropped += n
			p.dropChunk(n)
			continue
		}
		t.drop(p.first, 1)
		dropped++
		p.dropFirst()
	}
	return dropped
}

// dropFirst trims one position.
func (p *pending) dropFirst() {
	p.next(&p.head)
	if p.head.index == p.chunks[p.head.chunk-p.dropped].n {
		p.dropChunk(1)
		return
	}
	p.count--
	ahead := p.head
	p.first, _ = p.next(&ahead)
}

// dropChunk trims the rest of the first chunk, n positions.
func (p *pending) dropChunk(n int) {
	p.count -= n
	p.chunks[0] = chunk{} // the array behind the slice would keep its bytes
	p.chunks = p.chunks[1:]
	p.dropped++
	p.head = place{chunk: p.dropped, at: p.head.at}
	if len(p.chunks) == 0 {
		p.chunks = nil
		return
	}
	p.first = p.chunks[0].first
}

// cut drops the positions from base up to but not with end, wherever in the list they stand: their messages are gone.
func (p *pending) cut(base, end persist.Position) (dropped int) {
	if p.count == 0 || p.first >= end || p.chunks[len(p.chunks)-1].last < base {
		return 0
	}
	kept := pending{dropped: p.dropped + len(p.chunks)} // so that every place in the old list is looked up anew
	kept.head = place{chunk: kept.dropped}
	for it := p.head; ; {
		pos, ok := p.next(&it)
		if !ok {
			break
		}
		if base <= pos && pos < end {
			dropped++
			continue
		}
		kept.push(pos)
	}
	*p = kept
	return dropped
}

// each calls fn with every position from base up to but not with end.
func (p *pending) each(base, end persist.Position, fn func(persist.Position)) {
	for it := p.seek(max(base, 1) - 1); ; {
		pos, ok := p.next(&it)
		if !ok || pos >= end {
			return
		}
		fn(pos)
	}
}
