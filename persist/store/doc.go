// Package store is the durable store of the broker: a write-ahead message log (persist/seglog) and a state database
// (persist/statedb) joined behind the contract of package persist.
//
// # The way of a batch
//
// Append writes the batch as one record into the group that is being gathered, and returns its ticket. The committer
// writes a group with one write and one sync, folds the very bytes that it wrote into the state in memory, keeps them as
// the newest part of the tail, raises Durable, and wakes who waits: each waiter and each reader once a group. There is no
// timer: while one group is synced, the next gathers. The checkpointer writes what has changed into the state database
// about once a second, and then frees the segments of the log that nobody needs any more. A start reads the state
// database, takes the pending messages up to its position from the log's index files, and folds what lies behind with
// the same code.
//
// # What is in memory
//
// Per session some 250 bytes and its subscriptions. Per audience the members, and two to four bytes for each pending
// message, however many members wait for it. The last 16 MiB of the log. Messages are never in memory otherwise: a
// reader that lags reads the log.
//
// A message is dead when the floors of all members of its audience have passed it, or the members have ended. Messages
// settled above a floor count once the floor follows.
//
// # Goroutines
//
// The committer (one) owns the end of the log. The checkpointer (one) owns the state database and decides over segments.
// Both end with Close, which waits for them. Fold and readers meet at one lock, which nobody holds while reading or
// writing a file.
//
// # What fails how
//
// A failed write or sync of the log is final: nothing is durable any more, Err says why, reads go on. A full disk is not:
// the group at hand waits, messages are refused, settling goes on within a bound, and all goes on when there is room. A
// failed checkpoint costs nothing but space, is tried again, and shows in the state. A record that the disk does not give is
// asked for again for a minute, and then counts as damaged.
//
// # Caveats
//
// An audience's number in the log is made of the start counter and a counter of that start, because the position of its
// definition is not known when the first message that names it is encoded.
//
// With Sync other than SyncAlways a power cut may lose the end of the log, but never leaves the state ahead of it: a
// checkpoint syncs the log first.
//
// # Files
//
//   - open.go: Options, Store, Open, Close
//   - ident.go: whose directory it is, what must be in it
//   - record.go, decode.go: a batch, and the definition of an audience, as records of the log
//   - append.go: the inbox where the next group gathers
//   - commit.go: the committer
//   - fold.go: the one fold of records into the state
//   - state.go: the state: sessions, audiences, what folding brought about
//   - sessions.go: a session as the contract shows it
//   - settle.go: floors, packet ids in flight, and trimming what nobody waits for
//   - pending.go: the positions that wait for an audience
//   - audiences.go: equal audiences interned, idle ones dropped
//   - queues.go: reading a session's messages, the merge of its audiences
//   - readers.go: readers of the log, shared by the queues that lag; records that cannot be read
//   - tail.go: the newest groups in memory
//   - retained.go: retained messages, in the log or in the state database
//   - dirty.go: what has changed since the last checkpoint
//   - checkpoint.go: the checkpointer
//   - segmenttable.go: how many pending messages each segment holds
//   - segments.go: removing, indexing, compacting and sealing segments
//   - guard.go: the watermark of free disk space, and the reserve
//   - recovery.go: the start
//   - stats.go: what is counted
package store
