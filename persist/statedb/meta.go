package statedb

import (
	"encoding/binary"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// Meta says which state a checkpoint is, and of which store. It is written last, so it is there only if everything is.
type Meta struct {
	// UUID is the identity of the store, the same in the log.
	UUID [16]byte
	// Format of the store as a whole.
	Format uint32
	// Applied: the state is the fold of every entry up to here.
	Applied persist.Position
	// Generation counts the starts of the store.
	Generation uint64
	// Clock is the highest wall clock seen, in Unix milliseconds.
	Clock int64
	// Extra is the store's own, kept as it is.
	Extra []byte
}

// counts are the keys of the counted kinds that a checkpoint left.
type counts struct {
	Sessions, Audiences, Retained uint64
}

// of returns the count of a counted kind.
func (c *counts) of(k kind) *uint64 {
	switch k {
	case kindSession:
		return &c.Sessions
	case kindAudience:
		return &c.Audiences
	}
	return &c.Retained
}

// meta: 16 B uuid | uvarint format | uvarint applied | uvarint generation | varint clock
//
//	uvarint sessions | uvarint audiences | uvarint retained | bytes extra
func appendMeta(b []byte, m *Meta, c *counts) []byte {
	b = append(b, m.UUID[:]...)
	b = binary.AppendUvarint(b, uint64(m.Format))
	b = binary.AppendUvarint(b, uint64(m.Applied))
	b = binary.AppendUvarint(b, m.Generation)
	b = binary.AppendVarint(b, m.Clock)
	b = binary.AppendUvarint(b, c.Sessions)
	b = binary.AppendUvarint(b, c.Audiences)
	b = binary.AppendUvarint(b, c.Retained)
	return appendBytes(b, m.Extra)
}

func parseMeta(b []byte) (m Meta, c counts, err error) {
	r := &reader{b: b}
	for i := range m.UUID {
		m.UUID[i] = r.byte()
	}
	m.Format = r.uint32()
	m.Applied = persist.Position(r.uint())
	m.Generation = r.uint()
	m.Clock = r.int()
	c.Sessions, c.Audiences, c.Retained = r.uint(), r.uint(), r.uint()
	m.Extra = r.bytes()
	return m, c, r.end()
}
