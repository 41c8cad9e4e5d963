package engine

import "github.com/holdfast-mqtt/holdfast/wire"

// minAckRing is the smallest ring of an ackQueue that is in use, a power of two
// like all of them.
const minAckRing = 8

// pendingAck is an acknowledgement that must not leave before what it promises is
// durable.
type pendingAck struct {
	ticket   uint64 // of the append it waits for; 0: nothing to wait for
	packetID uint16
	kind     wire.Type
	code     wire.ReasonCode
	// packet is the whole answer where the fields above cannot tell it, such as a
	// SUBACK with its codes; else nil.
	packet wire.Packet
}

// size is how many bytes the answer takes that no packet identifier bounds.
func (a *pendingAck) size() int {
	switch p := a.packet.(type) {
	case *wire.Suback:
		return len(p.Codes)
	case *wire.Unsuback:
		return len(p.Codes)
	}
	return 0
}

// ackQueue holds the acknowledgements of one connection in the order in which
// they must be sent: the order of what they answer. [MQTT-4.6.0-2] [MQTT-4.6.0-3]
// The zero value is ready and holds no memory. Who pushes bounds it.
type ackQueue struct {
	ring  []pendingAck // length a power of two, or nil
	head  int
	count int
}

// push appends an acknowledgement.
func (q *ackQueue) push(a pendingAck) {
	if q.count == len(q.ring) {
		q.resize(max(minAckRing, 2*len(q.ring)))
	}
	q.ring[(q.head+q.count)&(len(q.ring)-1)] = a
	q.count++
}

// ready takes the first acknowledgement out if everything up to its ticket is
// durable. One that still waits holds back those behind it, ready or not.
func (q *ackQueue) ready(durable uint64) (a pendingAck, ok bool) {
	if q.count == 0 || q.ring[q.head].ticket > durable {
		return pendingAck{}, false
	}
	a = q.ring[q.head]
	q.ring[q.head] = pendingAck{} // do not hold its packet
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.count--
	if len(q.ring) > minAckRing && q.count <= len(q.ring)/4 {
		q.resize(len(q.ring) / 2)
	}
	return a, true
}

// len returns how many acknowledgements wait.
func (q *ackQueue) len() int {
	return q.count
}

// resize moves everything to a ring of another size, which must suffice.
func (q *ackQueue) resize(size int) {
	ring := make([]pendingAck, size)
	n := copy(ring, q.ring[q.head:min(q.head+q.count, len(q.ring))])
	copy(ring[n:], q.ring[:q.count-n])
	q.ring, q.head = ring, 0
}
