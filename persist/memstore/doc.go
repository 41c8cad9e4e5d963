// Package memstore keeps the contract of package persist in plain maps, for tests: nothing survives the process, and
// what a disk may do at a bad moment is a call.
//
// A [Store] folds every batch through one small pure type, state, which knows neither locks nor waiters. By default a
// batch is durable when Append returns. The switches change that: [Store.Hold] with [Store.Step] and [Store.Release],
// [Store.Delay], [Store.Stall], [Store.Fail], [Store.Full], [Store.FailReads] and [Store.Damage]. [Store.Crash] gives a
// new store with exactly what was durable, [Store.Restart] one after a clean close; in both cases the old store is
// dead.
//
// The package starts no goroutine. Waiters are woken by the goroutine whose call made the news, after the store's lock
// was released; with [Store.Delay] that is a timer's. So a store works inside a testing/synctest bubble.
//
// # Files
//
//   - store.go: Store and Options; Append, Durable, Entries, Close
//   - commit.go: what was appended and is not yet durable, and how it becomes so
//   - switches.go: hold, delay, stall, fail, full, damage
//   - restart.go: Crash and Restart
//   - state.go: the durable state: sessions, their queues, retained messages
//   - fold.go: what one batch does to the state
//   - queue.go: Attach and the queue of a session
//   - read.go: sessions, retained messages, audiences and statistics
//   - clone.go: copies, since callers reuse what they hand in
package memstore
