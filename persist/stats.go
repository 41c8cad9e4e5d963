package persist

import "time"

// Stats is what a store counts since its start, and how the start went.
type Stats struct {
	// Groups, Records and Bytes written to the log, and Syncs asked of the disk. One sync serves a whole group.
	Groups, Records, Bytes, Syncs uint64
	// Void entries: durable, without effect.
	Void uint64
	// Checkpoints done, and those that failed.
	Checkpoints, CheckpointErrors uint64
	// Segments of the log and the bytes they occupy.
	Segments int
	LogBytes int64
	// SegmentsRemoved and SegmentsCompacted since the start.
	SegmentsRemoved, SegmentsCompacted uint64
	// Sessions stored, and Queued messages: each counted once, however many sessions wait for it.
	Sessions int
	Queued   int
	Retained int
	// Damaged records met, each of them a message that could not be delivered.
	Damaged uint64
	// State is running, stalled (why) or failed (why).
	State string
	// Position is the visible end of the log.
	Position Position
	// LargestEntry is the largest Message (topic, properties and payload), in bytes, that Append takes.
	LargestEntry int
	Recovery     Recovery
}

// Recovery is how the start went.
type Recovery struct {
	Sessions int
	Queued   int
	Retained int
	// Position is the end of the log that was found, Checkpoint where the replay began.
	Position, Checkpoint Position
	// Replayed entries.
	Replayed int
	// TornBytes were cut off the end of the log: never acknowledged.
	TornBytes int64
	// Damage found, each named by file and offset.
	Damage   []string
	Duration time.Duration
	// SyncMode in words, with what it risks.
	SyncMode string
}
