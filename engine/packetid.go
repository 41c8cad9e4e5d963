package engine

import (
	"cmp"
	"math/bits"
	"slices"
)

const (
	// idPageBits is how many packet identifiers one page of packetIDs tells about.
	idPageBits = 512
	// keepIDPages is how many pages an emptied packetIDs keeps, of 72 bytes each:
	// a subscriber with one message at a time costs no memory for each of them.
	keepIDPages = 1
	// maxInFlightIDs is how many packet identifiers there are: 1 to 65535.
	maxInFlightIDs = 65535
)

// packetIDs gives out the packet identifiers of one session's outbound messages.
// An identifier goes round: it comes again only after all others had their turn,
// so that an acknowledgement that was long under way finds no new message under
// its number. The zero value is ready and holds no memory; one from which everything
// was freed holds keepIDPages at most.
type packetIDs struct {
	// pages cover the identifiers in use, sorted by number; none is empty. What
	// is in use lies close together, so there are one or two.
	pages []idPage
	last  uint16 // the last one given or taken
	inUse uint16
}

// idPage is a bitmap of idPageBits neighbouring identifiers.
type idPage struct {
	number uint16 // of its first identifier, divided by idPageBits
	inUse  uint16
	bits   [idPageBits / 64]uint64
}

// next gives the free identifier that follows the last one given; false: all are
// in use.
func (p *packetIDs) next() (id uint16, ok bool) {
	if p.inUse == maxInFlightIDs {
		return 0, false
	}
	id = p.last
	for {
		id++ // from 65535 to 0, which is no identifier [MQTT-2.2.1-4]
		if id == 0 {
			continue
		}
		at, found := p.page(id)
		if !found {
			break
		}
		free, ok := p.pages[at].freeFrom(id % idPageBits)
		base := id - id%idPageBits
		if ok {
			id = base + free
			break
		}
		id = base + idPageBits - 1
	}
	p.take(id)
	return id, true
}

// take reserves a known identifier, when a session resumes with messages in
// flight; false: it is in use, or 0. New identifiers go on behind it.
func (p *packetIDs) take(id uint16) (ok bool) {
	if id == 0 {
		return false
	}
	at, found := p.page(id)
	if !found {
		p.pages = slices.Insert(p.pages, at, idPage{number: id / idPageBits})
	}
	page := &p.pages[at]
	word, bit := page.bit(id)
	if *word&bit != 0 {
		return false
	}
	*word |= bit
	page.inUse++
	p.inUse++
	p.last = id
	return true
}

// free gives an identifier back and reports whether it was in use.
func (p *packetIDs) free(id uint16) (ok bool) {
	at, found := p.page(id)
	if !found {
		return false
	}
	page := &p.pages[at]
	word, bit := page.bit(id)
	if *word&bit == 0 {
		return false
	}
	*word &^= bit
	page.inUse--
	p.inUse--
	if page.inUse == 0 {
		p.pages = slices.Delete(p.pages, at, at+1)
	}
	if p.inUse == 0 && cap(p.pages) > keepIDPages {
		p.pages = nil
	}
	return true
}

// goOn lets new identifiers begin where most are free, after those in use were taken in whatever order. What is freed
// now is then given again late, as otherwise: the store may not know yet that it is free, and after a crash two messages
// would have it.
func (p *packetIDs) goOn() {
	before, widest := 0, 0
	for _, id := range append(p.all(), maxInFlightIDs+1) {
		if free := int(id) - before - 1; free > widest {
			p.last, widest = uint16(before), free
		}
		before = int(id)
	}
}

// all returns the identifiers in use in rising order.
func (p *packetIDs) all() []int {
	ids := make([]int, 0, p.inUse+1)
	for i := range p.pages {
		page := &p.pages[i]
		for word, set := range page.bits {
			for ; set != 0; set &= set - 1 {
				ids = append(ids, int(page.number)*idPageBits+word*64+bits.TrailingZeros64(set))
			}
		}
	}
	return ids
}

// len returns how many identifiers are in use.
func (p *packetIDs) len() int {
	return int(p.inUse)
}

// page returns where the page of an identifier stands, or belongs.
func (p *packetIDs) page(id uint16) (at int, found bool) {
	return slices.BinarySearchFunc(p.pages, id/idPageBits, func(page idPage, number uint16) int {
		return cmp.Compare(page.number, number)
	})
}

// bit returns where the page keeps the bit of an identifier.
func (p *idPage) bit(id uint16) (word *uint64, bit uint64) {
	return &p.bits[id%idPageBits/64], 1 << (id % 64)
}

// freeFrom returns the first place from start on that is not in use.
func (p *idPage) freeFrom(start uint16) (at uint16, ok bool) {
	for w := start / 64; int(w) < len(p.bits); w++ {
		free := ^p.bits[w]
		if w == start/64 {
			free &= ^uint64(0) << (start % 64)
		}
		if free != 0 {
			return w*64 + uint16(bits.TrailingZeros64(free)), true
		}
	}
	return 0, false
}
