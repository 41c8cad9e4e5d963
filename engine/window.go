package engine

import (
	"slices"
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

// keptFlights is how many flights an emptied window still has room for.
const keptFlights = 256

// flight is one outbound message with a packet identifier.
type flight struct {
	// position in the queue; of a message that is in no queue, the one it came behind.
	position persist.Position
	queued   bool
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
	dues    int // flights that are due
	// seen is how far the queue was read on this connection. The floor does not pass it: between messages that were in
	// flight there may be others, which a crash made unsettled again.
	seen persist.Position
	ids  packetIDs

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
	w.floor, w.reported, w.seen = floor, floor, floor
	for _, f := range inFlight {
		state := flightDue
		if f.Released {
			state = flightReleased
		} else {
			w.dues++
		}
		w.ids.take(f.PacketID)
		w.flights = append(w.flights, flight{position: f.Position, queued: true, packetID: f.PacketID, state: state})
	}
	w.ids.goOn()
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

// room is how many more messages the client takes now. A client that never acknowledges one message, but all behind it,
// gets no more at some time: what it has acknowledged is kept account of until the floor passes it.
func (w *window) room() int {
	span := max(maxFlights, 2*w.limit) - (len(w.flights) - w.head)
	return max(0, min(w.limit-w.open, maxInFlightIDs-w.ids.len(), span))
}

// add gives a new message its packet identifier. Position 0 is a message that is in no queue. There must be room.
func (w *window) add(position persist.Position, qos byte) (packetID uint16, ok bool) {
	id, ok := w.ids.next()
	if !ok {
		return 0, false
	}
	f := flight{position: position, queued: position != 0, packetID: id, qos: qos, state: flightSent, counted: true}
	if !f.queued {
		f.position = w.last() // keeps the flights in order
	}
	w.seen = max(w.seen, position)
	w.push(f)
	w.open++
	return id, true
}

// skip settles a message that will not be sent, or not again.
func (w *window) skip(position persist.Position) {
	w.seen = max(w.seen, position)
	if at := w.search(position); at < len(w.flights) && w.flights[at].position == position {
		w.settle(&w.flights[at])
	} else {
		w.push(flight{position: position, queued: true, state: flightSettled})
		w.above = append(w.above, position)
	}
	w.advance()
}

// isDue tells whether a message was in flight on an earlier connection and was not sent again yet.
func (w *window) isDue(position persist.Position) bool {
	at := w.search(position)
	return at < len(w.flights) && w.flights[at].position == position && w.flights[at].state == flightDue
}

// isPast tells whether a message is settled or released here although the queue, which learns of it later, may still
// return it.
func (w *window) isPast(position persist.Position) bool {
	at := w.search(position)
	found := at < len(w.flights) && w.flights[at].position == position
	return position <= w.floor || (found && w.flights[at].state != flightDue)
}

// isSent tells whether a message waits for PUBACK or PUBREC.
func (w *window) isSent(position persist.Position) bool {
	at := w.search(position)
	return at < len(w.flights) && w.flights[at].position == position && w.flights[at].state == flightSent
}

// resend finds the message of an earlier connection that is due again and marks it sent. Due messages before it are no
// longer in the queue: they are settled.
func (w *window) resend(position persist.Position, qos byte) (packetID uint16, found bool) {
	w.seen = max(w.seen, position)
	if w.dues == 0 {
		return 0, false
	}
	at := w.search(position)
	for i := w.head; i < at; i++ {
		w.abandon(&w.flights[i])
	}
	if at < len(w.flights) && w.flights[at].position == position && w.flights[at].state == flightDue {
		f := &w.flights[at]
		f.state, f.qos, f.counted = flightSent, qos, true
		w.dues--
		w.open++
		packetID, found = f.packetID, true
	}
	w.advance()
	return packetID, found
}

// caughtUp settles due messages that the queue did not return: they are gone.
func (w *window) caughtUp() {
	w.seen = max(w.seen, w.last())
	for i := w.head; w.dues > 0 && i < len(w.flights); i++ {
		w.abandon(&w.flights[i])
	}
	w.advance()
}

// due tells whether messages of an earlier connection were not sent again yet.
func (w *window) due() bool { return w.dues > 0 }

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

// release notes PUBREC: the message is the client's now, also where that is said of a message of an earlier connection
// before it was sent again. False: no such message. Again is true if it was noted before.
func (w *window) release(packetID uint16) (again, ok bool) {
	f := w.find(packetID)
	switch {
	case f == nil:
		return false, false
	case f.state == flightReleased:
		return true, true
	case f.state == flightDue, f.state == flightSent && f.qos == 2:
		if f.state == flightDue {
			w.dues--
		}
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
	w.emptyAbove()
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

// last returns the position of the last flight, or the floor.
func (w *window) last() persist.Position {
	if n := len(w.flights); n > w.head {
		return w.flights[n-1].position
	}
	return w.floor
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
	if f.state == flightDue {
		w.dues--
	}
	f.state, f.counted = flightSettled, false
	w.ids.free(f.packetID)
	if f.queued {
		w.above = append(w.above, f.position)
	}
}

// advance drops the settled flights at the head and moves the floor behind them.
func (w *window) advance() {
	for w.head < len(w.flights) && w.flights[w.head].state == flightSettled && w.flights[w.head].position <= w.seen {
		w.floor = max(w.floor, w.flights[w.head].position)
		w.head++
	}
	if w.head == len(w.flights) {
		w.flights, w.head, w.hint = w.flights[:0], 0, 0
		w.emptyAbove()
		if cap(w.flights) > keptFlights {
			w.flights = nil
		}
	}
}

// emptyAbove forgets what was settled above the floor, because it was taken or the floor has passed it.
func (w *window) emptyAbove() {
	w.above = w.above[:0]
	if cap(w.above) > keptFlights {
		w.above = nil
	}
}

// push enters a flight, moving the open ones to the front of the slice when that spares growing it. It belongs at the
// end, except after a crash that lost what was settled between messages in flight.
func (w *window) push(f flight) {
	if len(w.flights) == cap(w.flights) && w.head > len(w.flights)/2 {
		n := copy(w.flights, w.flights[w.head:])
		w.flights = w.flights[:n]
		w.hint = max(0, w.hint-w.head)
		w.head = 0
	}
	at := len(w.flights)
	if f.position < w.last() {
		at = w.search(f.position)
	}
	w.flights = slices.Insert(w.flights, at, f)
}
