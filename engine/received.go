package engine

import "slices"

// keepReceived is how many identifiers an emptied receivedIDs still has room for
// without asking for memory: a publisher with one message at a time costs none.
const keepReceived = 16

// receivedIDs is the set of packet identifiers of inbound QoS 2 messages that
// were received and not yet released. [MQTT-4.3.3-10] The zero value is ready.
// Who adds bounds it, by the Receive Maximum offered to the peer; two bytes for
// each identifier is all it holds.
type receivedIDs struct {
	ids []uint16 // sorted
}

// add enters an identifier; false: it was there, so the message is a repeat.
func (r *receivedIDs) add(id uint16) (added bool) {
	at, found := slices.BinarySearch(r.ids, id)
	if found {
		return false
	}
	r.ids = slices.Insert(r.ids, at, id)
	return true
}

// has reports whether an identifier is in the set.
func (r *receivedIDs) has(id uint16) bool {
	_, found := slices.BinarySearch(r.ids, id)
	return found
}

// remove takes an identifier out and reports whether it was there.
func (r *receivedIDs) remove(id uint16) (existed bool) {
	at, found := slices.BinarySearch(r.ids, id)
	if !found {
		return false
	}
	r.ids = slices.Delete(r.ids, at, at+1)
	if room := 2 * len(r.ids); cap(r.ids) > keepReceived && room < cap(r.ids)/2 {
		r.ids = append(make([]uint16, 0, room), r.ids...)
	}
	return true
}

// len returns the number of identifiers.
func (r *receivedIDs) len() int {
	return len(r.ids)
}

// all returns the identifiers in rising order, in memory of their own.
func (r *receivedIDs) all() []uint16 {
	return slices.Clone(r.ids)
}
