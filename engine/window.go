package engine

import (
	"sort"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// flightState is how far an outbound message has come.
type flightState byte

const (
	// flightDue was in flight on an earlier connection and was not sent again on this one yet.
	flightDue flightState = iota
	// flightSent waits for PUBACK or PUBREC.
	flightSent
	// flightReleased waits for PUBCOMP.
	flightReleased
	// flightSettled is done and only waits for those before it.
	flightSettled
)

// flight is one outbound message with a packet identifier.
type flight struct {
	position persist.Position // 0 in a volatile session
	packetID uint16
	qos      byte
	state    flightState
	counted  bool // against the client's Receive Maximum
}

// window holds the messages on their way to one client, in queue order, and says what of the queue is settled. It is
// pure: it holds no lock and reads no clock.
type window struct {
	limit   int // the client's Receive Maximum, or ours
	open    int // flights counted against it
	flights []flight
	head    int // flights before it are gone
	hint    int // where the next acknowledgement is expected
	ids     packetIDs

	floor    persist.Position // everything at or below is settled
	reported persist.Position // the floor that was taken last
	above    []persist.Position
}

// newWindow returns a window for at most limit unacknowledged messages.
func newWindow(limit int) window {
	return window{limit: min(limit, 65535-reservedPacketIDs)}
}

// restore takes over what was in flight when the session's last connection ended. [MQTT-4.4.0-1]
func (w *window) restore(inFlight []persist.InFlight, floor persist.Position) {
	w.floor, w.reported = floor, floor
	for _, f := range inFlight {
		state := flightDue
		if f.Released {
			state = flightReleased
		}
		w.ids.take(f.PacketID)
		w.flights = append(w.flights, flight{position: f.Position, packetID: f.PacketID, state: state})
	}
}

// released returns the identifiers whose PUBREL is due again at resumption, in order.
func (w *window) released() []uint16 {
	var ids []uint16
	for _, f := range w.flights[w.head:] {
		if f.state == flightReleased {
			ids = append(ids, f.packetID)
		}
	}
	return ids
}

// room is how many more messages the client takes now.
func (w *window) room() int { return max(0, w.limit-w.open) }

// add gives a new message its packet identifier. There must be room.
func (w *window) add(position persist.Position, qos byte) (packetID uint16, ok bool) {
	id, ok := w.ids.next()
	if !ok {
		return 0, false
	}
	w.push(flight{position: position, packetID: id, qos: qos, state: flightSent, counted: true})
	w.open++
	return id, true
}

// skip settles a message that will not be sent, or not again.
func (w *window) skip(position persist.Position) {
	if at := w.search(position); at < len(w.flights) && w.flights[at].position == position {
		w.settle(&w.flights[at])
	} else {
		w.push(flight{position: position, state: flightSettled})
	}
	w.advance()
}

// isDue tells whether a message was in flight on an earlier connection and was not sent again yet.
func (w *window) isDue(position persist.Position) bool {
	at := w.search(position)
	return at < len(w.flights) && w.flights[at].position == position && w.flights[at].state == flightDue
}

// resend finds the message of an earlier connection that is due again and marks it sent. Due messages before it are no
// longer in the queue: they are settled.
func (w *window) resend(position persist.Position, qos byte) (packetID uint16, found bool) {
	at := w.search(position)
	for i := w.head; i < at; i++ {
		w.abandon(&w.flights[i])
	}
	if at < len(w.flights) && w.flights[at].position == position && w.flights[at].state == flightDue {
		f := &w.flights[at]
		f.state, f.qos, f.counted = flightSent, qos, true
		w.open++
		packetID, found = f.packetID, true
	}
	w.advance()
	return packetID, found
}

// caughtUp settles due messages that the queue did not return: they are gone.
func (w *window) caughtUp() {
	for i := w.head; i < len(w.flights); i++ {
		w.abandon(&w.flights[i])
	}
	w.advance()
}

// due tells whether messages of an earlier connection were not sent again yet.
func (w *window) due() bool {
	for i := len(w.flights) - 1; i >= w.head; i-- {
		if w.flights[i].state == flightDue {
			return true
		}
	}
	return false
}

// abandon settles a flight that is due and whose message is gone.
func (w *window) abandon(f *flight) {
	if f.state == flightDue {
		w.settle(f)
	}
}

// acknowledge ends a QoS 1 message, or a QoS 2 message that the client refused. False: no such message.
func (w *window) acknowledge(packetID uint16, qos byte) bool {
	f := w.find(packetID)
	if f == nil || f.state != flightSent || f.qos != qos {
		return false
	}
	w.settle(f)
	w.advance()
	return true
}

// release notes PUBREC: the message is the client's now. False: no such message. Again is true if it was noted before.
func (w *window) release(packetID uint16) (again, ok bool) {
	f := w.find(packetID)
	switch {
	case f == nil:
		return false, false
	case f.state == flightReleased:
		return true, true
	case f.state == flightSent && f.qos == 2:
		f.state = flightReleased
		return false, true
	}
	return false, false
}

// complete ends a QoS 2 message. False: no such message.
func (w *window) complete(packetID uint16) bool {
	f := w.find(packetID)
	if f == nil || f.state != flightReleased {
		return false
	}
	w.settle(f)
	w.advance()
	return true
}

// takeSettled returns what was settled since the last call; false for nothing. above is reused by the next settle.
func (w *window) takeSettled() (s persist.Settled, ok bool) {
	for _, p := range w.above {
		if p > w.floor {
			s.Above = append(s.Above, p)
		}
	}
	w.above = w.above[:0]
	if w.floor > w.reported {
		w.reported, s.Floor = w.floor, w.floor
	}
	return s, s.Floor != 0 || len(s.Above) > 0
}

// find returns the open flight of an identifier. Acknowledgements mostly come in order, so it looks there first.
func (w *window) find(packetID uint16) *flight {
	if packetID == 0 {
		return nil
	}
	if w.hint >= w.head && w.hint < len(w.flights) && w.flights[w.hint].matches(packetID) {
		w.hint++
		return &w.flights[w.hint-1]
	}
	for i := w.head; i < len(w.flights); i++ {
		if w.flights[i].matches(packetID) {
			w.hint = i + 1
			return &w.flights[i]
		}
	}
	return nil
}

// matches tells whether the flight is open under the identifier.
func (f *flight) matches(packetID uint16) bool {
	return f.packetID == packetID && f.state != flightSettled
}

// search returns the first flight at or behind a position.
func (w *window) search(position persist.Position) int {
	open := w.flights[w.head:]
	return w.head + sort.Search(len(open), func(i int) bool { return open[i].position >= position })
}

// settle ends a flight and frees its identifier.
func (w *window) settle(f *flight) {
	if f.counted {
		w.open--
	}
	f.state, f.counted = flightSettled, false
	w.ids.free(f.packetID)
	if f.position != 0 {
		w.above = append(w.above, f.position)
	}
}

// advance drops the settled flights at the head and moves the floor behind them.
func (w *window) advance() {
	for w.head < len(w.flights) && w.flights[w.head].state == flightSettled {
		w.floor = max(w.floor, w.flights[w.head].position)
		w.head++
	}
	if w.head == len(w.flights) {
		w.flights, w.head, w.hint = w.flights[:0], 0, 0
		w.above = w.above[:0]
		if cap(w.flights) > 256 {
			w.flights = nil
		}
	}
}

// push appends a flight, moving the open ones to the front of the slice when that spares growing it.
func (w *window) push(f flight) {
	if len(w.flights) == cap(w.flights) && w.head > len(w.flights)/2 {
		n := copy(w.flights, w.flights[w.head:])
		w.flights = w.flights[:n]
		w.hint = max(0, w.hint-w.head)
		w.head = 0
	}
	w.flights = append(w.flights, f)
}
