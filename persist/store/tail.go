package store

import (
	"sort"
	"sync"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/persist/seglog"
)

// tailBlock is the size of the pieces in which the tail's memory is had and reused.
const tailBlock = 256 << 10

// tail is the newest groups of the log in memory, so that who keeps up reads no file. It is bounded: the oldest groups
// go.
type tail struct {
	// limit is how many bytes it holds at most.
	limit int

	mu sync.RWMutex
	// blocks are ascending by position. bytes is what they occupy.
	blocks []*block
	bytes  int
}

// block is a run of groups.
type block struct {
	data   []byte
	groups []groupPlace
}

// groupPlace says where a group stands in its block.
type groupPlace struct {
	position persist.Position
	offset   int
}

// add copies a group that was committed at a position above all others.
func (t *tail) add(pos persist.Position, group []byte) {
	if len(group) > t.limit {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var last *block
	if n := len(t.blocks); n > 0 {
		last = t.blocks[n-1]
	}
	if last == nil || len(last.data)+len(group) > cap(last.data) {
		last = t.newBlockLocked(max(tailBlock, len(group)))
		t.blocks = append(t.blocks, last)
	}
	last.groups = append(last.groups, groupPlace{position: pos, offset: len(last.data)})
	last.data = append(last.data, group...)
}

// newBlockLocked makes room and returns an empty block, one that was freed if it fits.
func (t *tail) newBlockLocked(size int) *block {
	var free *block
	for len(t.blocks) > 0 && t.bytes+size > t.limit {
		oldest := t.blocks[0]
		t.blocks[0] = nil
		t.blocks = t.blocks[1:]
		t.bytes -= cap(oldest.data)
		if cap(oldest.data) == size {
			free = oldest
		}
	}
	t.bytes += size
	if free != nil {
		free.data, free.groups = free.data[:0], free.groups[:0]
		return free
	}
	return &block{data: make([]byte, 0, size)}
}

// read appends the body of the record at a position to dst; false if the tail does not reach back to it.
func (t *tail) read(pos persist.Position, dst []byte) (body []byte, ok bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	i := sort.Search(len(t.blocks), func(i int) bool { return t.blocks[i].groups[0].position > pos }) - 1
	if i < 0 {
		return dst, false
	}
	b := t.blocks[i]
	g := sort.Search(len(b.groups), func(g int) bool { return b.groups[g].position > pos }) - 1
	end := len(b.data)
	if g+1 < len(b.groups) {
		end = b.groups[g+1].offset
	}
	group := b.data[b.groups[g].offset:end]
	offset := pos - b.groups[g].position
	if offset >= persist.Position(len(group)) {
		return dst, false
	}
	_, record, _, ok := seglog.Record(group, int(offset))
	if !ok {
		return dst, false
	}
	return append(dst, record...), true
}
