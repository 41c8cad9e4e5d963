package storetest

import (
	"testing"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// Backend is a kind of store under test.
type Backend struct {
	// Open opens the store in dir, which is an empty directory at first and then what a store or a crash left behind.
	Open func(t testing.TB, dir string) persist.Store
	// Crash ends the store as a kill would and returns the directory that the next process finds. It is called while no
	// call to the store is in progress, though batches may be on their way to the disk. The store is Crash's from then
	// on, to be disposed of. Nil: the crash tests are skipped.
	Crash func(t testing.TB, s persist.Store, dir string) string
	// Check verifies what a closed store left in dir. Nil: nothing to check.
	Check func(t testing.TB, dir string)
	// Seed of the random tests; 0 takes another one each time.
	Seed uint64
}

// behaviour is one promise of the contract.
type behaviour struct {
	name string
	test func(*rig)
	// crashes: the test needs Backend.Crash.
	crashes bool
}

// Run tests the backend against the whole contract, each behaviour in a subtest.
func Run(t *testing.T, b Backend) {
	groups := []struct {
		name       string
		behaviours []behaviour
	}{
		{"Tickets", ticketBehaviours()},
		{"Entries", entryBehaviours()},
		{"Void", voidBehaviours()},
		{"Sessions", sessionBehaviours()},
		{"Wills", willBehaviours()},
		{"Queues", queueBehaviours()},
		{"Pages", pageBehaviours()},
		{"InFlight", inFlightBehaviours()},
		{"Messages", messageBehaviours()},
		{"Audiences", audienceBehaviours()},
		{"Retained", retainedBehaviours()},
		{"Restart", restartBehaviours()},
		{"Concurrent", concurrentBehaviours()},
		{"Volume", volumeBehaviours()},
		{"Random", randomBehaviours()},
	}
	for _, group := range groups {
		t.Run(group.name, func(t *testing.T) {
			for _, each := range group.behaviours {
				t.Run(each.name, func(t *testing.T) {
					if each.crashes && b.Crash == nil {
						t.Skip("the backend cannot crash")
					}
					r := newRig(t, b)
					each.test(r)
					r.finish()
				})
			}
		})
	}
}
