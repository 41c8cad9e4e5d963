package store

import (
	"sort"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// segmentTable counts the messages of each segment of the log, so that it is known which ones nobody waits for.
type segmentTable struct {
	// list is ascending by base. The last one is open.
	list []segment
}

// segment is one segment's count.
type segment struct {
	base persist.Position
	// messages that were published to somebody, and pending, those of them that somebody waits for.
	messages, pending int
	// asked is the tick of the checkpointer, from 1, that first found it without an index; 0 for none. damaged: an index
	// of it would hide that.
	asked   uint64
	damaged bool
}

// start adds a segment behind the others; one that is known says nothing.
func (t *segmentTable) start(base persist.Position) {
	if n := len(t.list); n == 0 || t.list[n-1].base < base {
		t.list = append(t.list, segment{base: base})
	}
}

// of returns the index of the segment that holds a position, -1 for none.
func (t *segmentTable) of(pos persist.Position) int {
	if n := len(t.list); n > 0 && t.list[n-1].base <= pos {
		return n - 1
	}
	return sort.Search(len(t.list), func(i int) bool { return t.list[i].base > pos }) - 1
}

// add counts a message that somebody waits for.
func (t *segmentTable) add(pos persist.Position) {
	if i := t.of(pos); i >= 0 {
		t.list[i].messages++
		t.list[i].pending++
	}
}

// drop says that nobody waits any more for n messages of the segment that holds pos.
func (t *segmentTable) drop(pos persist.Position, n int) {
	if i := t.of(pos); i >= 0 {
		t.list[i].pending -= n
	}
}

// get returns the count of the segment with that base.
func (t *segmentTable) get(base persist.Position) (segment, bool) {
	if i := t.of(base); i >= 0 && t.list[i].base == base {
		return t.list[i], true
	}
	return segment{}, false
}

// after returns where the segment behind the one with that base begins.
func (t *segmentTable) after(base persist.Position) persist.Position {
	if i := t.of(base); i+1 < len(t.list) {
		return t.list[i+1].base
	}
	return ^persist.Position(0)
}

// indexDue tells whether a sealed segment is to be indexed: it has been without for some ticks, each from 1.
func (t *segmentTable) indexDue(base persist.Position, tick uint64) bool {
	i := t.of(base)
	if i < 0 || t.list[i].base != base || t.list[i].damaged {
		return false
	}
	if t.list[i].asked == 0 {
		t.list[i].asked = tick
	}
	return tick-t.list[i].asked >= indexTicks
}

// setDamaged says that a segment was found to be damaged when it was to be indexed.
func (t *segmentTable) setDamaged(base persist.Position) {
	if i := t.of(base); i >= 0 && t.list[i].base == base {
		t.list[i].damaged = true
	}
}

// compacted says that a segment holds only what somebody waits for.
func (t *segmentTable) compacted(base persist.Position) {
	if i := t.of(base); i >= 0 && t.list[i].base == base {
		t.list[i].messages = t.list[i].pending
	}
}

// remove forgets a segment.
func (t *segmentTable) remove(base persist.Position) {
	if i := t.of(base); i >= 0 && t.list[i].base == base {
		t.list = append(t.list[:i], t.list[i+1:]...)
	}
}
