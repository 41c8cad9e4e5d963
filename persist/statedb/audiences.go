package statedb

import (
	"encoding/binary"

	"github.com/holdfast-mqtt/holdfast/persist"
)

const memberRetainAsPublished byte = 1 << 2

// audience: uvarint n, n × (uvarint distance of session ids, u8 qos | flags, uvarint m, m × uvarint subscription id)
func appendAudience(b []byte, members []persist.Member) []byte {
	b = binary.AppendUvarint(b, uint64(len(members)))
	base := persist.SessionID(0)
	for i := range members {
		m := &members[i]
		b = binary.AppendUvarint(b, uint64(m.Session-base))
		base = m.Session
		b = append(b, m.QoS&3|flag(m.RetainAsPublished, memberRetainAsPublished))
		b = binary.AppendUvarint(b, uint64(len(m.SubscriptionIDs)))
		for _, id := range m.SubscriptionIDs {
			b = binary.AppendUvarint(b, uint64(id))
		}
	}
	return b
}

func parseAudience(b []byte) ([]persist.Member, error) {
	r := &reader{b: b}
	members := make([]persist.Member, r.count())
	base := persist.SessionID(0)
	for i := range members {
		m := &members[i]
		base += persist.SessionID(r.uint())
		m.Session = base
		flags := r.byte()
		m.QoS, m.RetainAsPublished = flags&3, flags&memberRetainAsPublished != 0
		if n := r.count(); n > 0 {
			m.SubscriptionIDs = make([]uint32, n)
			for j := range m.SubscriptionIDs {
				m.SubscriptionIDs[j] = r.uint32()
			}
		}
	}
	return members, r.end()
}

// Audiences calls fn with every audience, by id. What is damaged is left out and named in Damage.
func (d *DB) Audiences(fn func(id uint64, members []persist.Member) error) error {
	it, found := d.iterate(kindAudience), uint64(0)
	defer it.close()
	for ; it.valid(); it.next() {
		found++
		id, ok := idIn(it.key())
		data, err := it.data()
		var members []persist.Member
		if err == nil && ok {
			members, err = parseAudience(data)
		}
		if err != nil || !ok {
			d.damaged(it.key(), err)
			continue
		}
		if err := fn(id, members); err != nil {
			return err
		}
	}
	d.checkCount(kindAudience, it, found)
	return nil
}
