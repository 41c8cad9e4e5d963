package seglog

import (
	"errors"
	"fmt"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// Why a write is refused.
var (
	// ErrNoSpace: the disk is full. Nothing was written, and the same group may be committed again later.
	ErrNoSpace = errors.New("no space for the log")
	// ErrPoisoned: a write or a sync failed. What is on the disk is not known until the log is opened again, so nothing
	// more is written. The error that is returned wraps it and says what failed first.
	ErrPoisoned = errors.New("log has failed")
	// ErrTooLarge: the group is larger than MaxGroup.
	ErrTooLarge = errors.New("group is too large")
	// ErrClosed: the log was closed.
	ErrClosed = errors.New("log is closed")
)

// What a read answers. A damaged record answers *Damage.
var (
	// ErrGone: the record's segment was removed, or the record was dropped when its segment was compacted.
	ErrGone = errors.New("record is gone")
	// ErrNotYet: the position is not committed.
	ErrNotYet = errors.New("position is not committed yet")
)

// Why a log is not opened.
var (
	// ErrForeign: a segment belongs to another store.
	ErrForeign = errors.New("segment belongs to another store")
	// ErrNewer: a segment was written in a newer format.
	ErrNewer = errors.New("segment has a newer format")
)

// Why a call does not fit a segment.
var (
	errUnknown = errors.New("no such segment")
	errOpen    = errors.New("segment is still open")
	errBusy    = errors.New("segment is being worked on")
)

// Damage says where bytes were lost: positions from Position up to End, at Offset of File.
type Damage struct {
	File     string
	Offset   int64
	Position persist.Position
	End      persist.Position
	// Detail is what is wrong there.
	Detail string
}

// Error implements error.
func (d *Damage) Error() string {
	return fmt.Sprintf("%s: damage at offset %d, positions %d to %d: %s", d.File, d.Offset, d.Position, d.End, d.Detail)
}
