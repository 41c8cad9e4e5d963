package persist

import "errors"

// Why Append refuses a batch. The store goes on serving reads in every case.
var (
	// ErrFull: there is no room for messages. Steps that free room (settling, ending, releasing) are still taken.
	ErrFull = errors.New("store is full")
	// ErrTooLarge: the batch is larger than the store's largest entry, see Stats.LargestEntry.
	ErrTooLarge = errors.New("entry is larger than the store takes")
	// ErrFailed: writing or syncing failed, and nothing will be durable until the process starts again. The error that
	// Append and Err return wraps it and says why.
	ErrFailed = errors.New("store has failed")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("store is closed")
)

// What reads answer.
var (
	// ErrNoSession: the session does not exist, or no longer.
	ErrNoSession = errors.New("no such session")
	// ErrNotRetained: the topic has no retained message.
	ErrNotRetained = errors.New("no retained message")
)
