// Package persist is the durable contract of the broker, in the engine's words: what is stored, in which order, and
// when it counts. It holds nouns and one interface; the stores behind it are persist/store (a write-ahead message log
// and a state database) and persist/memstore (the same contract in maps, for tests).
//
// # What is true after each call returns
//
//   - Append: nothing yet. The batch is queued for the next group commit; its ticket tells its place among all batches.
//   - Durable() >= t: the batch with ticket t, and every batch before it, is on stable storage and has been folded into
//     the store's state. Only now may an acknowledgement leave, and only now is a message visible to a Queue.
//   - Entries: the batch was durable before it was returned.
//   - Queue.Next: every delivery it returns is durable; nothing that a crash could unsay is ever delivered.
//   - Close: everything appended is durable, the state is checkpointed.
//
// # What a crash may lose
//
// Batches whose ticket was never reached by Durable, and nothing else, as long as the store syncs always. Batches are
// lost from the end only: if one survives, all with smaller tickets do.
//
// # The fold
//
// State is a fold of the entries in log order. An entry that speaks for a session carries its SessionID and Epoch; if
// the session has ended or its epoch has moved on when the entry is folded, the entry is void: durable, and without
// any effect. Recovery folds the same entries with the same code, so no clock, random number or map order may decide
// inside the fold; times stand in the entries.
//
// # What is assumed of the disk
//
// fdatasync returns only when the data is on stable storage. A write that was not synced may be there in part, or not
// at all, in any order. Bytes may rot: every record carries a checksum that each read verifies.
//
// # Files
//
//   - store.go: Store, Queue and Waiter, the contract
//   - batch.go: Batch, one atomic step, and Entry, a step that has become visible
//   - ticket.go: Ticket and Position
//   - message.go: Message, Delivery and Page
//   - session.go: the durable state of a session and its will
//   - audience.go: Audience, the interned set of sessions that a message goes to
//   - stats.go: what a store counts and how its start went
//   - errors.go: why a store refuses
package persist
