package seglog

import (
	"os"
	"sync"

	"github.com/holdfast-mqtt/holdfast/persist/disk"
)

// maxHandles is how many files the log keeps open when nobody reads them at the moment.
const maxHandles = 64

// handles opens files when they are read, and closes the least recently used when there are many: a log of a terabyte
// has more segments than a process may open files.
type handles struct {
	fs disk.FS

	mu    sync.Mutex // guards what follows and the fields of every source
	open  map[*source]struct{}
	clock uint64
	// closed: nothing is opened any more.
	closed bool
}

// source is a file that positions are read from. It stays readable, also after it was removed or replaced, for those
// who have acquired it.
type source struct {
	name string
	// compact is the place of records in a compacted segment; nil for a segment as written.
	compact *compactMap

	file    disk.File
	users   int
	used    uint64
	retired bool
}

func (s *source) isCompact() bool { return s.compact != nil }

// sum is the checksum that identifies a compacted file, 0 for a segment as written.
func (s *source) sum() uint32 {
	if s.compact == nil {
		return 0
	}
	return s.compact.sum
}

func newHandles(fs disk.FS) *handles { return &handles{fs: fs, open: map[*source]struct{}{}} }

// acquire returns the open file; release must follow. ErrGone after retire.
func (h *handles) acquire(s *source) (disk.File, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case s.retired:
		return nil, ErrGone
	case h.closed:
		return nil, ErrClosed
	}
	if s.file == nil {
		file, err := h.fs.OpenFile(s.name, os.O_RDONLY, 0)
		if err != nil {
			return nil, err
		}
		h.openedLocked(s, file)
	}
	h.useLocked(s)
	h.evictLocked()
	return s.file, nil
}

// release ends what acquire began.
func (h *handles) release(s *source) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.users--
	if (s.retired || h.closed) && s.users == 0 {
		h.closeLocked(s)
	}
}

// adopt gives a file that is already open to s, acquired.
func (h *handles) adopt(s *source, file disk.File) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.openedLocked(s, file)
	h.useLocked(s)
}

func (h *handles) openedLocked(s *source, file disk.File) {
	s.file = file
	h.open[s] = struct{}{}
}

func (h *handles) useLocked(s *source) {
	h.clock++
	s.used = h.clock
	s.users++
}

// retire closes s as soon as nobody reads it. It is not opened again.
func (h *handles) retire(s *source) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.retired = true
	if s.users == 0 {
		h.closeLocked(s)
	}
}

// closeAll closes every file: those that are in use as soon as they are released, or with force at once.
func (h *handles) closeAll(force bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for s := range h.open {
		if force || s.users == 0 {
			h.closeLocked(s)
		}
	}
}

func (h *handles) evictLocked() {
	for len(h.open) > maxHandles {
		var oldest *source
		for s := range h.open {
			if s.users == 0 && (oldest == nil || s.used < oldest.used) {
				oldest = s
			}
		}
		if oldest == nil {
			return
		}
		h.closeLocked(oldest)
	}
}

// closeLocked closes the file. Everything that matters in it was synced, so the answer changes nothing.
func (h *handles) closeLocked(s *source) {
	if s.file != nil {
		_ = s.file.Close()
		s.file = nil
		delete(h.open, s)
	}
}
