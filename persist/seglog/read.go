package seglog

import (
	"errors"
	"fmt"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// readGuess is how much of a record is read at first: most are not larger.
const readGuess = 512

// readNear is how near the next position must be for a reader to read a window of readWindow bytes instead of the
// record alone. Records further apart are cheaper one by one: at 30 KiB a window costs three times as much.
const (
	readNear   = 8 << 10
	readWindow = 128 << 10
)

// Read reads the record at pos and verifies it. buf is scratch space; grown is the buffer to pass next time, and body
// points into it. It answers ErrGone, ErrNotYet, or a *Damage if there is no intact record at pos.
func (l *Log) Read(pos persist.Position, buf []byte) (typ byte, body, grown []byte, err error) {
	r := Reader{log: l, buf: buf[:0]}
	typ, body, err = r.Read(pos)
	return typ, body, r.buf, err
}

// Reader reads records by ascending positions: one by one where they are far apart, and through a window where they
// are near. It belongs to one goroutine.
type Reader struct {
	log *Log
	// buf are the bytes of src from off.
	buf []byte
	src *source
	off int64
	// place is where in src the last record was.
	place int64
}

// NewReader returns a reader without memory of its own until it reads.
func (l *Log) NewReader() *Reader { return &Reader{log: l} }

// Release gives the window's memory back. The reader may be used again.
func (r *Reader) Release() { *r = Reader{log: r.log} }

// Read reads the record at pos as Log.Read does. body is valid until the next call.
func (r *Reader) Read(pos persist.Position) (typ byte, body []byte, err error) {
	for {
		v, err := r.log.locate(pos)
		if err != nil {
			return 0, nil, err
		}
		if v.src.compact != nil {
			typ, body, err = r.readCompacted(v, pos)
		} else {
			typ, body, err = r.readSegment(v, pos)
		}
		if errors.Is(err, errReplaced) {
			continue
		}
		if err != nil {
			r.log.reportRead(err)
		}
		return typ, body, err
	}
}

// reportRead reports a read that met damage.
func (l *Log) reportRead(err error) {
	var damage *Damage
	if errors.As(err, &damage) {
		l.report.add(*damage)
	}
}

// locate finds the segment of a committed position.
func (l *Log) locate(pos persist.Position) (view, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if pos >= l.End() {
		return view{}, ErrNotYet
	}
	s, ok := l.coveringLocked(pos)
	if !ok {
		return view{}, ErrGone
	}
	return s.viewLocked(), nil
}

// damaged describes a record that is not intact.
func damaged(v view, place int64, pos persist.Position, detail string) error {
	return &Damage{File: v.src.name, Offset: place, Position: pos, End: pos + 1, Detail: detail}
}

func (r *Reader) readSegment(v view, pos persist.Position) (typ byte, body []byte, err error) {
	off := int64(pos - v.base)
	if off < segmentHeader+groupHeader || off+recordHeader > v.used {
		return 0, nil, damaged(v, off, pos, "no record can be here")
	}
	near := r.near(v.src, off)
	b, err := r.bytes(v.src, off, recordHeader, v.used, near)
	if err != nil {
		return 0, nil, err
	}
	size := recordSize(b)
	if size > v.used-off {
		return 0, nil, damaged(v, off, pos, "record's length is impossible")
	}
	if size > int64(len(b)) {
		if b, err = r.bytes(v.src, off, size, v.used, near); err != nil {
			return 0, nil, err
		}
	}
	typ, body, ok := r.log.id.record(b, pos)
	if !ok {
		return 0, nil, damaged(v, off, pos, "record fails its checksum")
	}
	return typ, body, nil
}

func (r *Reader) readCompacted(v view, pos persist.Position) (typ byte, body []byte, err error) {
	off := int64(pos - v.base)
	start, end, ok := v.src.compact.block(off)
	if !ok {
		return 0, nil, ErrGone
	}
	b, err := r.bytes(v.src, start, end-start, v.src.compact.end, r.near(v.src, start))
	if err != nil {
		return 0, nil, err
	}
	typ, body, found, gone := findEntry(r.log.id, b[:end-start], v.base, off)
	switch {
	case found:
		return typ, body, nil
	case gone:
		return 0, nil, ErrGone
	}
	return 0, nil, damaged(v, start, pos, "compacted record fails its checksum")
}

// near tells whether off is a short way behind the last record that was read.
func (r *Reader) near(src *source, off int64) bool {
	near := src == r.src && off > r.place && off-r.place < readNear
	r.place = off
	return near
}

// bytes returns what is at off of a source: at least need bytes, more if they are at hand, never behind limit. If near,
// a whole window is read.
func (r *Reader) bytes(src *source, off, need, limit int64, near bool) ([]byte, error) {
	if src == r.src && off >= r.off && off+need <= r.off+int64(len(r.buf)) {
		return r.buf[off-r.off:], nil
	}
	size := max(need, readGuess)
	if near {
		size = max(size, readWindow)
	}
	size = min(size, limit-off)
	file, err := r.log.handles.acquire(src)
	if errors.Is(err, ErrGone) {
		return nil, errReplaced
	}
	if err != nil {
		return nil, err
	}
	defer r.log.handles.release(src)
	if int64(cap(r.buf)) < size || int64(cap(r.buf)) > 4*max(size, readWindow) {
		r.buf = make([]byte, 0, size)
	}
	w := window{file: file, limit: off + size, buf: r.buf[:0]}
	b, err := w.bytes(off, size)
	if err != nil && size > need {
		// A sector that cannot be read must not take its neighbours along.
		w.limit = off + need
		b, err = w.bytes(off, need)
	}
	if err != nil {
		r.src, r.buf = nil, r.buf[:0]
		return nil, fmt.Errorf("position in %s: %w", src.name, err)
	}
	r.buf, r.src, r.off = b, src, off
	return b, nil
}
