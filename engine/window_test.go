package engine

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// plainState is where one message stands in a plainWindow.
type plainState int

const (
	plainQueued plainState = iota
	plainDue
	plainGone // was due, and the queue has it no longer
	plainSent
	plainReleased
	plainSettled
)

// plainMessage is a message as a person would follow it.
type plainMessage struct {
	position persist.Position // 0: in no queue
	id       uint16
	qos      byte
	state    plainState
	counted  bool
	// skipped: it was found unsendable, which a crash may have made forgotten.
	skipped bool

	// What the store was told.
	stored         plainState
	storedReleased bool
}

// plainWindow does what a window does, message by message, and keeps them all.
type plainWindow struct {
	t     *testing.T
	rand  *rand.Rand
	limit int
	w     window

	messages []*plainMessage // by position
	loose    []*plainMessage // in no queue
	read     int             // messages before it were pulled
	floor    persist.Position
}

// step does one random thing to both, and compares.
func (p *plainWindow) step() {
	switch n := p.rand.IntN(100); {
	case n < 25:
		last := persist.Position(0)
		if len(p.messages) > 0 {
			last = p.messages[len(p.messages)-1].position
		}
		m := &plainMessage{position: last + 1 + persist.Position(p.rand.IntN(5)), qos: byte(1 + p.rand.IntN(2))}
		p.messages = append(p.messages, m)
	case n < 50:
		p.pull()
	case n < 53:
		if p.w.room() > 0 {
			m := &plainMessage{qos: byte(1 + p.rand.IntN(2))}
			p.loose = append(p.loose, m)
			p.add(m)
		}
	case n < 90:
		p.answer()
	case n < 98:
		p.flush()
	default:
		p.restart()
	}
	p.compare()
}

// pull takes the next message of the queue as the write loop does.
func (p *plainWindow) pull() {
	if p.w.room() == 0 {
		return
	}
	for p.read < len(p.messages) && p.messages[p.read].state >= plainReleased {
		p.read++ // the store leaves these out
	}
	if p.read == len(p.messages) {
		p.w.caughtUp()
		p.settleGone(p.read)
		return
	}
	m := p.messages[p.read]
	if due := p.w.isDue(m.position); due != (m.state == plainDue) {
		p.t.Fatalf("message %d is due: %v", m.position, due)
	}
	p.read++
	chance := p.rand.IntN(10)
	switch {
	case m.state == plainDue && chance == 0:
		m.state = plainGone // so the window hears nothing of it
	case chance == 1:
		p.w.skip(m.position)
		m.state, m.counted, m.skipped = plainSettled, false, true
	case m.state == plainDue:
		id, ok := p.w.resend(m.position, m.qos)
		if !ok || id != m.id {
			p.t.Fatalf("message %d is sent again under %d (%v), want %d", m.position, id, ok, m.id)
		}
		m.state, m.counted = plainSent, true
		p.settleGone(p.read)
	default:
		if _, ok := p.w.resend(m.position, m.qos); ok {
			p.t.Fatalf("message %d was never sent", m.position)
		}
		p.settleGone(p.read)
		p.add(m)
	}
}

// add sends a message for the first time.
func (p *plainWindow) add(m *plainMessage) {
	id, ok := p.w.add(m.position, m.qos)
	if !ok || id == 0 {
		p.t.Fatalf("no packet identifier, although there is room")
	}
	if other := p.find(id); other != nil {
		p.t.Fatalf("identifier %d of message %d is given to message %d", id, other.position, m.position)
	}
	m.id, m.state, m.counted = id, plainSent, true
}

// settleGone settles what the queue passed over.
func (p *plainWindow) settleGone(before int) {
	for _, m := range p.messages[:before] {
		if m.state == plainGone {
			m.state = plainSettled
		}
	}
}

// find returns the open message of an identifier.
func (p *plainWindow) find(id uint16) *plainMessage {
	for _, m := range slices.Concat(p.messages, p.loose) {
		if m.id == id && m.state != plainSettled && m.state != plainQueued {
			return m
		}
	}
	return nil
}

// answer is an acknowledgement of any kind for a message that is open, or none.
func (p *plainWindow) answer() {
	id := uint16(p.rand.IntN(200))
	if all := slices.Concat(p.messages, p.loose); len(all) > 0 && p.rand.IntN(10) > 0 {
		id = all[len(all)-1-p.rand.IntN(min(len(all), 20))].id
	}
	m := p.find(id)
	want, sent := false, m != nil && m.state == plainSent
	switch p.rand.IntN(4) {
	case 0:
		if want = sent && m.qos == 1; want {
			m.state, m.counted = plainSettled, false
		}
		p.agree("PUBACK", id, p.w.acknowledge(id, 1), want)
	case 1:
		if want = sent && m.qos == 2; want { // a refusal
			m.state, m.counted = plainSettled, false
		}
		p.agree("failed PUBREC", id, p.w.acknowledge(id, 2), want)
	case 2:
		wantAgain := m != nil && m.state == plainReleased
		if want = wantAgain || (sent && m.qos == 2) || (m != nil && (m.state == plainDue || m.state == plainGone)); want {
			m.state, m.storedReleased = plainReleased, true
		}
		again, ok := p.w.release(id)
		p.agree("PUBREC", id, ok, want)
		p.agree("PUBREC again", id, again, wantAgain)
	default:
		if want = m != nil && m.state == plainReleased; want {
			m.state, m.counted = plainSettled, false
		}
		p.agree("PUBCOMP", id, p.w.complete(id), want)
	}
}

func (p *plainWindow) agree(what string, id uint16, got, want bool) {
	if got != want {
		p.t.Fatalf("%s %d: %v, want %v", what, id, got, want)
	}
}

// flush tells the store what is settled, and looks at what that comes to.
func (p *plainWindow) flush() {
	s, ok := p.w.takeSettled()
	if ok != (s.Floor != 0 || len(s.Above) > 0) || (s.Floor != 0 && s.Floor <= p.floor) {
		p.t.Fatalf("settled %+v, %v, after floor %d", s, ok, p.floor)
	}
	p.floor = max(p.floor, s.Floor)
	for _, m := range p.messages {
		if m.position <= p.floor || slices.Contains(s.Above, m.position) {
			m.stored = plainSettled
		}
		if m.stored == plainSettled && m.state == plainQueued && m.skipped {
			m.state = plainSettled // those around it were acknowledged before it was looked at again
		}
		if (m.stored == plainSettled) != (m.state == plainSettled) {
			p.t.Fatalf("message %d: settled in the store %v, in truth in state %d", m.position, m.stored == plainSettled, m.state)
		}
	}
}

// restart resumes the session on a new connection: what the store was not told is forgotten.
func (p *plainWindow) restart() {
	if p.rand.IntN(2) == 0 {
		p.flush()
	}
	p.loose, p.read = nil, 0
	var inFlight []persist.InFlight
	var released []uint16
	for _, m := range p.messages {
		m.counted = false
		switch {
		case m.stored == plainSettled:
			m.state = plainSettled
			continue
		case m.id == 0:
			m.state = plainQueued
			continue
		case m.storedReleased:
			m.state = plainReleased
			released = append(released, m.id)
		default:
			m.state = plainDue
		}
		inFlight = append(inFlight, persist.InFlight{Position: m.position, PacketID: m.id, Released: m.storedReleased})
	}
	p.w = newWindow(p.limit)
	p.w.restore(inFlight, p.floor)
	if got := p.w.released(); !slices.Equal(got, released) {
		p.t.Fatalf("PUBREL is due for %v, want %v", got, released)
	}
}

// compare looks at what the window shows of itself.
func (p *plainWindow) compare() {
	open, due := 0, false
	for _, m := range slices.Concat(p.messages, p.loose) {
		if m.counted {
			open++
		}
		due = due || m.state == plainDue || m.state == plainGone
	}
	if got, want := p.w.room(), p.limit-open; got != want {
		p.t.Fatalf("room for %d, want %d", got, want)
	}
	if got := p.w.due(); got != due {
		p.t.Fatalf("due: %v, want %v", got, due)
	}
}

func TestWindowDoesWhatAPlainOneDoes(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	})
	for i := range uint64(200) {
		p := &plainWindow{t: t, rand: rand.New(rand.NewPCG(seed, i)), limit: 1 + int(i%20)}
		p.w = newWindow(p.limit)
		for range 400 {
			p.step()
		}
	}
}

func TestWindowLeavesRoomForIdentifiersInUse(t *testing.T) {
	w := newWindow(65535)
	var inFlight []persist.InFlight
	for id := 1; id <= 65535-10; id++ { // of a client that never sends PUBCOMP
		inFlight = append(inFlight, persist.InFlight{Position: persist.Position(id), PacketID: uint16(id), Released: true})
	}
	w.restore(inFlight, 0)
	for n := range 10 {
		if _, ok := w.add(persist.Position(70000+n), 1); !ok {
			t.Fatalf("no identifier for message %d although there is room", n)
		}
	}
	if w.room() != 0 {
		t.Errorf("room for %d more, but no identifier is left", w.room())
	}
}

func TestEmptyWindowHoldsNoMemory(t *testing.T) {
	w := newWindow(60000)
	for n := range 50000 {
		if _, ok := w.add(persist.Position(n+1), 1); !ok {
			t.Fatal("no identifier")
		}
	}
	for n := range 50000 {
		w.acknowledge(uint16(n+1), 1)
	}
	if s, _ := w.takeSettled(); s.Floor != 50000 || len(s.Above) != 0 {
		t.Errorf("settled %d and %d more, want all by one number", s.Floor, len(s.Above))
	}
	if cap(w.flights) > 256 || cap(w.above) > 256 {
		t.Errorf("room for %d flights and %d settled ones is kept", cap(w.flights), cap(w.above))
	}
}

// TestIdentifierIsNotGivenAgainSoonAfterResume: the store may not have heard of the acknowledgement that freed it, and
// after a crash two messages would come under one identifier.
func TestIdentifierIsNotGivenAgainSoonAfterResume(t *testing.T) {
	for _, used := range [][]uint16{{4, 3}, {3, 4}, {65535, 1}, {1, 65535}, {65533, 65535, 1, 2}, {30000, 2, 60000}} {
		w := newWindow(100)
		var inFlight []persist.InFlight
		for i, id := range used {
			inFlight = append(inFlight, persist.InFlight{Position: persist.Position(i + 1), PacketID: id, Released: true})
		}
		w.restore(inFlight, 0)
		for _, id := range used {
			w.complete(id)
		}
		for n := range 20_000 {
			id, ok := w.add(persist.Position(100+n), 1)
			if !ok || slices.Contains(used, id) {
				t.Fatalf("%v were in use: message %d got %d (%v)", used, n, id, ok)
			}
			w.acknowledge(id, 1)
		}
	}
}

// TestFloorDoesNotPassWhatWasNotReadYet: a message between two that were in flight was given up, for its size say, and a
// crash came before the store heard of it. The client, which takes it now, has not acknowledged it.
func TestFloorDoesNotPassWhatWasNotReadYet(t *testing.T) {
	w := newWindow(10)
	w.restore([]persist.InFlight{{Position: 5, PacketID: 1}, {Position: 8, PacketID: 2, Released: true}}, 4)
	w.complete(2)
	w.resend(6, 1) // so 5 is gone
	id, ok := w.add(6, 1)
	if s, _ := w.takeSettled(); !ok || s.Floor >= 6 {
		t.Fatalf("settled up to %d, but 6 was just sent", s.Floor)
	}
	w.acknowledge(id, 1)
	w.caughtUp()
	if s, _ := w.takeSettled(); s.Floor != 8 || len(w.flights) != 0 {
		t.Errorf("settled up to %d with %d messages in flight, want 8 and none", s.Floor, len(w.flights))
	}
}
