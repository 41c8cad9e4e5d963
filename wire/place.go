package wire

// place is a set of packet types, and of the two other places that hold properties. The tables of properties and
// reason codes use it to say what may stand where.
type place uint32

// Each packet type has the bit of its number; the bit of the forbidden type 0 and one above AUTH serve the rest.
const (
	inWill        place = 1 << 0 // the will properties inside a CONNECT
	inConnect     place = 1 << CONNECT
	inConnack     place = 1 << CONNACK
	inPublish     place = 1 << PUBLISH
	inPuback      place = 1 << PUBACK
	inPubrec      place = 1 << PUBREC
	inPubrel      place = 1 << PUBREL
	inPubcomp     place = 1 << PUBCOMP
	inSubscribe   place = 1 << SUBSCRIBE
	inSuback      place = 1 << SUBACK
	inUnsubscribe place = 1 << UNSUBSCRIBE
	inUnsuback    place = 1 << UNSUBACK
	inDisconnect  place = 1 << DISCONNECT
	inAuth        place = 1 << AUTH
	inForward     place = 1 << 16 // what a server passes on unaltered from publisher to subscriber
)

// placeOf returns the place that a packet type is.
func placeOf(t Type) place {
	if t == 0 || t > AUTH {
		return 0
	}
	return 1 << t
}
