package statedb

import (
	"encoding/binary"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// Cursor is how far a session has come. It is a key of its own because it changes with every acknowledgement.
type Cursor struct {
	// Floor: every message for the session at or below it is settled.
	Floor persist.Position
	// Settled are further messages that are done above the floor, ascending.
	Settled []persist.Position
	// InFlight are the outbound messages that have a packet id, by position.
	InFlight []persist.InFlight
}

// cursor: uvarint floor | positions settled | uvarint n, n × (uvarint distance, uvarint packet id << 1 | released)
func appendCursor(b []byte, c *Cursor) []byte {
	b = binary.AppendUvarint(b, uint64(c.Floor))
	b = appendPositions(b, c.Floor, c.Settled)
	b = binary.AppendUvarint(b, uint64(len(c.InFlight)))
	base := c.Floor
	for _, f := range c.InFlight {
		b = binary.AppendUvarint(b, uint64(f.Position-base))
		b = binary.AppendUvarint(b, uint64(f.PacketID)<<1|uint64(flag(f.Released, 1)))
		base = f.Position
	}
	return b
}

func parseCursor(b []byte) (c Cursor, err error) {
	r := &reader{b: b}
	c.Floor = persist.Position(r.uint())
	c.Settled = r.positions(c.Floor)
	if n := r.count(); n > 0 {
		c.InFlight = make([]persist.InFlight, n)
		base := c.Floor
		for i := range c.InFlight {
			base += persist.Position(r.uint())
			id := r.uint32()
			c.InFlight[i] = persist.InFlight{Position: base, PacketID: uint16(id >> 1), Released: id&1 != 0}
		}
	}
	return c, r.end()
}

// received: uvarint n, n × uvarint packet id
func appendReceived(b []byte, ids []uint16) []byte {
	b = binary.AppendUvarint(b, uint64(len(ids)))
	for _, id := range ids {
		b = binary.AppendUvarint(b, uint64(id))
	}
	return b
}

func parseReceived(b []byte) ([]uint16, error) {
	r := &reader{b: b}
	ids := make([]uint16, r.count())
	for i := range ids {
		ids[i] = r.uint16()
	}
	return ids, r.end()
}
