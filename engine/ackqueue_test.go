package engine

import (
	"testing"
	"unsafe"

	"github.com/holdfast-mqtt/holdfast/wire"
)

// wantReady fails unless the queue gives the acknowledgements of these ids, and
// then no more.
func (q *ackQueue) wantReady(t *testing.T, durable uint64, ids ...uint16) {
	t.Helper()
	for _, id := range ids {
		if a, ok := q.ready(durable); !ok || a.packetID != id {
			t.Fatalf("durable up to %d: got %+v, %v, want id %d", durable, a, ok, id)
		}
	}
	if a, ok := q.ready(durable); ok {
		t.Fatalf("durable up to %d: %+v is ready too", durable, a)
	}
}

func TestAcknowledgementsWaitForTheirTicket(t *testing.T) {
	var q ackQueue
	q.wantReady(t, 1<<63)
	q.push(pendingAck{ticket: 5, packetID: 1})
	q.push(pendingAck{ticket: 5, packetID: 2})
	q.push(pendingAck{ticket: 8, packetID: 3})
	q.wantReady(t, 4)
	q.wantReady(t, 5, 1, 2)
	q.wantReady(t, 7)
	q.wantReady(t, 9, 3)
}

func TestAcknowledgementsKeepTheirOrder(t *testing.T) {
	var q ackQueue
	q.push(pendingAck{ticket: 0, packetID: 1}) // nothing to wait for
	q.push(pendingAck{ticket: 9, packetID: 2})
	q.push(pendingAck{ticket: 0, packetID: 3}) // ready, but behind one that waits
	q.push(pendingAck{ticket: 4, packetID: 4}) // the same
	q.wantReady(t, 0, 1)
	q.wantReady(t, 8)
	if q.len() != 3 {
		t.Errorf("len %d, want 3", q.len())
	}
	q.wantReady(t, 9, 2, 3, 4)
}

func TestAcknowledgementComesOutAsItWentIn(t *testing.T) {
	var q ackQueue
	suback := &wire.Suback{PacketID: 7}
	in := pendingAck{ticket: 3, packetID: 7, kind: wire.SUBACK, code: wire.NotAuthorized, packet: suback}
	q.push(in)
	if out, ok := q.ready(3); !ok || out != in {
		t.Errorf("got %+v, want %+v", out, in)
	}
	for i := range q.ring {
		if q.ring[i].packet != nil {
			t.Error("the queue holds a packet that left")
		}
	}
}

func TestAckQueueAgreesWithASlice(t *testing.T) {
	r := newTestRand(t)
	var q ackQueue
	var model []pendingAck
	ticket, durable := uint64(0), uint64(0)
	for step := range 100_000 {
		if step/5000%2 == 0 == (r.IntN(3) > 0) { // grow and shrink by turns
			a := pendingAck{packetID: uint16(step), kind: wire.PUBACK}
			if r.IntN(4) > 0 {
				ticket += uint64(r.IntN(3))
				a.ticket = ticket
			}
			q.push(a)
			model = append(model, a)
		} else {
			durable += uint64(r.IntN(4))
			want := len(model) > 0 && model[0].ticket <= durable
			a, ok := q.ready(durable)
			if ok != want || ok && a != model[0] {
				t.Fatalf("step %d: got %+v, %v", step, a, ok)
			}
			if ok {
				model = model[1:]
			}
		}
		if q.len() != len(model) {
			t.Fatalf("step %d: len %d, want %d", step, q.len(), len(model))
		}
		if len(q.ring) > max(minAckRing, 4*(len(model)+1)) && step/5000%2 == 1 {
			t.Fatalf("step %d: a ring of %d for %d", step, len(q.ring), len(model))
		}
	}
}

func TestAckQueueIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(pendingAck{}); size > 32 {
		t.Errorf("%d bytes for an acknowledgement", size)
	}
	var q ackQueue
	for id := range uint16(10_000) {
		q.push(pendingAck{packetID: id})
	}
	for id := range uint16(10_000) {
		if a, ok := q.ready(0); !ok || a.packetID != id {
			t.Fatalf("got %+v, %v, want id %d", a, ok, id)
		}
	}
	if len(q.ring) != minAckRing {
		t.Errorf("an empty queue keeps a ring of %d", len(q.ring))
	}
	if allocs := testing.AllocsPerRun(1000, func() {
		q.push(pendingAck{})
		q.ready(0)
	}); allocs != 0 {
		t.Errorf("%v allocations for an acknowledgement that comes and goes", allocs)
	}
}
