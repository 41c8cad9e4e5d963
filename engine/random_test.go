package engine

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// history is one random run: authors and readers who do everything right, a broker that is killed, a disk that is slow.
type history struct {
	*rig
	rand    *rand.Rand
	authors []*author
	readers []*reader
}

func newHistory(r *rig, seed, run uint64) *history {
	h := &history{rig: r, rand: rand.New(rand.NewPCG(seed, run))}
	for i, option := range []connectOption{kept, kept, v311} {
		options := []connectOption{kept, option}
		h.authors = append(h.authors, &author{habits: habits{rig: r, name: fmt.Sprint("author", i), options: options}})
	}
	for i := range 4 {
		name, qos := fmt.Sprint("reader", i), byte(1+i%2)
		options := []connectOption{kept, receiveMaximum(uint16(1 + 10*i))}
		if i == 3 {
			options = append(options, v311)
		}
		c := r.subscriber(name, "a/#", qos, options...)
		c.subscribe("+/b", qos) // overlaps
		c.cutNow()
		h.readers = append(h.readers, &reader{
			habits: habits{rig: r, name: name, options: options}, qos: qos,
			known: make(map[uint16]bool), counts: make(map[string]int), sequence: make(map[string]int),
		})
	}
	return h
}

// someone returns a random client.
func (h *history) someone() comer {
	n := h.rand.IntN(len(h.authors) + len(h.readers))
	if n < len(h.authors) {
		return h.authors[n]
	}
	return h.readers[n-len(h.authors)]
}

// comer is a client that comes and goes.
type comer interface {
	come()
	goAway(politely bool)
}

// step does one random thing.
func (h *history) step() {
	switch n := h.rand.IntN(100); {
	case n < 40:
		a := h.authors[h.rand.IntN(len(h.authors))]
		for range 1 + h.rand.IntN(5) {
			a.post([]string{"a/b", "a/c", "a", "x/b"}[h.rand.IntN(4)], byte(1+h.rand.IntN(2)))
		}
	case n < 55:
		h.someone().come() // also when it is there: a takeover
	case n < 65:
		h.someone().goAway(h.rand.IntN(2) == 0)
	case n < 70:
		h.hold()
	case n < 80:
		h.store.Step(h.rand.IntN(5))
	case n < 87:
		h.store.Release()
	case n < 90:
		h.store.Delay(time.Duration(h.rand.IntN(3)) * time.Millisecond)
	case n < 95:
		h.sleep(time.Duration(h.rand.IntN(10)) * time.Millisecond)
	case n < 97:
		h.killBroker(h.crash)
	case n < 98:
		h.killBroker(h.crashNow)
	default:
		for _, a := range h.authors { // what the broker says in its last moment counts
			a.listen()
		}
		h.killBroker(h.restart)
	}
	for _, a := range h.authors {
		if h.rand.IntN(3) > 0 {
			a.listen()
		}
	}
	for _, s := range h.readers {
		if h.rand.IntN(3) > 0 {
			s.listen(h.rand.IntN(10))
		}
	}
}

// killBroker ends the broker in one way or another; everybody is away then.
func (h *history) killBroker(kill func()) {
	kill()
	for _, a := range h.authors {
		a.c = nil
	}
	for _, s := range h.readers {
		s.c = nil
	}
}

// conclude lets everybody finish.
func (h *history) conclude() {
	h.store.Delay(0)
	h.release()
	for range 5000 {
		busy := 0
		for _, a := range h.authors {
			if a.c == nil {
				a.come()
			}
			a.listen()
			busy += len(a.under)
		}
		for _, s := range h.readers {
			if s.c == nil {
				s.come()
			}
			s.listen(1000)
			busy += len(s.answers) + len(s.known)
		}
		h.sleep(time.Millisecond)
		if busy == 0 && h.store.Stats().Queued == 0 {
			return
		}
	}
	h.Errorf("there is no end: %d messages are queued", h.store.Stats().Queued)
}

// judge compares what was acknowledged with what came.
func (h *history) judge() {
	for _, a := range h.authors {
		for _, m := range a.under {
			h.Errorf("%q was never acknowledged", m.payload)
		}
		for _, s := range h.readers {
			for _, m := range a.done {
				switch n := s.counts[m.payload]; {
				case n == 0:
					h.Errorf("%s: %q at QoS %d was acknowledged and is lost", s.name, m.payload, m.qos)
				case n > 1 && min(m.qos, s.qos) == 2:
					h.Errorf("%s: %q at QoS 2 came %d times", s.name, m.payload, n)
				}
			}
		}
	}
	for _, s := range h.readers {
		for i, strange := range s.strange {
			h.Errorf("%s: %s", s.name, strange)
			if i == 10 {
				break
			}
		}
	}
}

// TestNothingIsLostInAnyHistory is the judge of the whole engine: no acknowledged message lost, QoS 2 exactly once,
// order kept, whatever happens when.
func TestNothingIsLostInAnyHistory(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	runs := uint64(60)
	if testing.Short() {
		runs = 5
	}
	for run := range runs {
		scenario(t, func(r *rig) {
			r.Cleanup(func() {
				if r.Failed() {
					r.Logf("seed %d, run %d", seed, run)
				}
			})
			h := newHistory(r, seed, run)
			for range 300 {
				h.step()
			}
			h.conclude()
			h.judge()
		})
	}
}
