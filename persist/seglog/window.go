package seglog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/holdfast-mqtt/holdfast/persist/disk"
)

// windowStep is how much a window reads at once.
const windowStep = 256 << 10

// window reads a file from front to back through one buffer.
type window struct {
	file disk.File
	// limit is where the bytes that count end.
	limit int64
	// buf are the bytes from off.
	buf []byte
	off int64
}

// bytes returns n bytes at off, or fewer at the limit. They are valid until the next call.
func (w *window) bytes(off, n int64) ([]byte, error) {
	n = min(n, w.limit-off)
	if n <= 0 {
		return nil, nil
	}
	if off < w.off || off+n > w.off+int64(len(w.buf)) {
		if err := w.fill(off, n); err != nil {
			return nil, err
		}
	}
	start := off - w.off
	return w.buf[start:min(start+n, int64(len(w.buf)))], nil
}

// fill makes the buffer start at off and hold at least n bytes.
func (w *window) fill(off, n int64) error {
	size := min(max(n, windowStep), w.limit-off)
	if int64(cap(w.buf)) < size {
		w.buf = make([]byte, size)
	}
	w.buf, w.off = w.buf[:size], off
	got, err := w.file.ReadAt(w.buf, off)
	if err != nil && !errors.Is(err, io.EOF) {
		w.buf = w.buf[:0]
		return fmt.Errorf("read log: %w", err)
	}
	// A file shorter than it should be reads as zeros: that is no valid record, so it shows as damage.
	clear(w.buf[got:])
	return nil
}

// trimZeros is the length of b without its trailing zeros.
func trimZeros(b []byte) int {
	// All zeros, the usual case, is found by comparing b with itself one byte on: at the speed of memory.
	if len(b) == 0 || b[0] == 0 && bytes.Equal(b[1:], b[:len(b)-1]) {
		return 0
	}
	n := len(b)
	for n >= 8 && binary.LittleEndian.Uint64(b[n-8:]) == 0 {
		n -= 8
	}
	for n > 0 && b[n-1] == 0 {
		n--
	}
	return n
}
