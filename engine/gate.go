package engine

import (
	"sync"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// gate keeps a new subscription from falling between two states: a retained publication that was routed before the
// subscription took effect is not sent to it, so the subscription must find it among the retained messages. Publishers
// of retained messages go through the gate; a subscriber waits for those that entered before it.
type gate struct {
	mu     sync.Mutex
	inside *sync.WaitGroup // publishers that were not told apart yet
	last   persist.Ticket  // of the latest retained publication
}

// newGate returns a gate with nobody inside.
func newGate() gate { return gate{inside: new(sync.WaitGroup)} }

// enter is called before a retained publication is routed. The result is for leave.
func (g *gate) enter() *sync.WaitGroup {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside.Add(1)
	return g.inside
}

// leave is called when it has been appended, or refused (ticket 0).
func (g *gate) leave(inside *sync.WaitGroup, ticket persist.Ticket) {
	g.mu.Lock()
	g.last = max(g.last, ticket)
	g.mu.Unlock()
	inside.Done()
}

// pass waits until everything that entered before has left, and returns the ticket by which it will be durable.
func (g *gate) pass() persist.Ticket {
	g.mu.Lock()
	earlier, later := g.inside, new(sync.WaitGroup)
	later.Add(1) // whoever passes next waits for these too
	g.inside = later
	g.mu.Unlock()
	earlier.Wait()
	later.Done()
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.last
}
