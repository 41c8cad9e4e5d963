// Package statedb keeps where things stand at some position of the message log: sessions, subscriptions, cursors,
// audiences and retained messages, in a BadgerDB. It is the only package that imports Badger.
//
// DB is the state; Open checks its files before Badger sees them. Checkpoint brings it from one state to a later one,
// all or nothing. Meta, written last, says which state it is. SessionRecord and Cursor are what is stored about a
// session. DamageError is an item that cannot be believed; damage costs the item, not the state.
//
// # How a checkpoint is atomic
//
// A checkpoint may be larger than a transaction of Badger, so it is many. Badger runs in managed mode: each transaction
// of ours has a version of its own, one above the last, and each is synced before the next. The meta record is the last
// of a checkpoint, alone in its transaction. Everything is read at the version of the newest meta record there is, so
// what an incomplete checkpoint wrote is above it and invisible. Compaction discards only what is covered by a newer
// version at or below that of the last complete checkpoint. The next checkpoint begins by writing what was before over
// everything that the incomplete one left: otherwise that would show where it does not write itself.
//
// # Goroutines
//
// The package has none of its own; Badger has some ten from Open to Close. Reads may come from any goroutine, a
// checkpoint belongs to one.
//
// # What is assumed, and not promised
//
// Badger does not sync the folder when it makes files, so Commit does; between a new table and the deletion of the log
// that it was made from, the file system is trusted to keep the order of names. A failed write is final: all later
// checkpoints are refused until the next Open. Badger writes through memory maps, where a full disk ends the process;
// so nothing is written unless there is room for it and a floor besides. Another process that fills the disk in that
// moment can still end this one, without loss.
//
// # Files
//
//   - open.go: DB, its options, Open and Close
//   - preflight.go: what is checked before Badger opens the folder
//   - logs.go: finds durable transactions that Badger would cut off with a damaged log
//   - orphans.go: tables that MANIFEST does not name, kept while they are missed; manifest.go: those that it removed
//   - checkpoint.go: Checkpoint, its transactions, Commit and undo
//   - keys.go: the layout of keys and their names for people
//   - seal.go: length and checksum around each value, its parts; DamageError
//   - codec.go: reading and writing the fields of records
//   - meta.go: the meta record
//   - sessions.go: identity and subscriptions; iteration over whole sessions
//   - cursors.go: cursors and received packet ids
//   - audiences.go: audiences
//   - retained.go: retained messages and their topics
//   - read.go: reading and verifying values; the list of damage
//   - maintain.go: sizes, and compaction in idle times
//   - system_unix.go, system_other.go: free space, syncing and locking of folders
package statedb
