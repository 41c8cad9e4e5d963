// Package storetest says in tests what persist.Store promises; every backend runs the same suite.
//
// A backend calls [Run] from a test of its own with a [Backend]: how to open a store, how to crash it if it can, and
// how to check what lies in a directory. Each behaviour is one named subtest on a store of its own, which is closed
// and checked at the end. A test speaks to the store through a rig, whose words wait for what the contract lets a
// caller wait for: a ticket, an entry, a message. Nothing sleeps; what does not come within the patience of the suite
// is an error.
//
// The random test applies steps to the store and to a model that knows sessions, messages and epochs by serial numbers
// only, and compares everything after each read, restart and crash. It prints its seed.
//
// The tests start goroutines as publishers and readers; each test waits for its own.
//
// # Files
//
//   - run.go: Backend, Run and the list of behaviours
//   - rig.go: the vocabulary: append, commit, open, attach, read, restart, crash
//   - dump.go: everything a store shows, to compare before and after
//   - ticket.go: tickets, waiters and what they mean
//   - entry.go: entries in order with their fields
//   - void.go: what takeovers make void
//   - session.go: sessions opened, resumed, replaced, closed, ended; subscriptions
//   - will.go: wills due, cancelled, published once
//   - queue.go: what a queue returns and what it skips
//   - page.go: pages, waking, attaching and detaching
//   - inflight.go: packet ids out and in
//   - message.go: messages of every size and shape
//   - audience.go: interning, large audiences, members that come and go
//   - retained.go: retained messages
//   - restart.go: what a clean restart and a crash keep
//   - concurrent.go: many appenders and readers at once
//   - volume.go: many sessions, many messages, interleaved settles
//   - model.go: the state that the random test expects
//   - random.go: the random test: sync points, restarts, crashes
//   - choose.go: which step the random test takes next
//   - match.go: does a store show what the model says
package storetest
