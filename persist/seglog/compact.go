package seglog

import (
	"encoding/binary"
	"fmt"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/persist/disk"
)

// Compact rewrites a sealed segment with only those indexed records that live says are wanted. They keep their
// positions; the others are gone. It may be done again. Nothing else in the segment may be wanted after a restart.
//
// If a record of the segment is damaged, Compact changes nothing and returns a *Damage: whether it is wanted cannot be
// known, and its position must go on answering that it is damaged.
func (l *Log) Compact(base persist.Position, live func(pos persist.Position) bool) error {
	s, err := l.take(base)
	if err != nil {
		return fmt.Errorf("compact: %w", err)
	}
	defer l.give(s)
	l.mu.RLock()
	v := s.viewLocked()
	l.mu.RUnlock()
	// Held open to the end: the new file may have the same name, and positions in the old one mean nothing in it.
	if _, err := l.handles.acquire(v.src); err != nil {
		return fmt.Errorf("compact: %w", err)
	}
	defer l.handles.release(v.src)
	w := &compactWriter{}
	renamed, err := l.writeFile(l.fileName(base, compactSuffix), func(file disk.File) error {
		w.file = file
		return l.writeCompact(w, &v, s.capacity, live)
	})
	if renamed {
		l.replace(s, v, w)
	}
	if err != nil {
		return fmt.Errorf("compact: %w", err)
	}
	if !v.src.isCompact() {
		// Only now, when the new name is durable. Should it fail the file only takes space: Open deletes it when it finds
		// both.
		_ = l.fs.Remove(v.src.name)
	}
	if err := l.writeIndex(s); err != nil {
		return fmt.Errorf("compact: %w", err)
	}
	return nil
}

// writeCompact writes the compacted segment.
func (l *Log) writeCompact(w *compactWriter, v *view, capacity int64, live func(pos persist.Position) bool) error {
	sc := &scanner{log: l, fn: func(pos persist.Position, typ byte, body []byte) error {
		if l.o.Index == nil {
			return nil
		}
		if _, _, ok := l.o.Index(pos, typ, body); !ok || !live(pos) {
			return nil
		}
		return w.add(int64(pos-v.base), l.id, pos, typ, body)
	}}
	if err := sc.view(*v); err != nil {
		return err
	}
	if sc.first != nil {
		return sc.first
	}
	if sc.link.known {
		v.last = sc.link
	}
	return w.finish(l.o.UUID, *v, capacity)
}

// replace makes the compacted file the segment's.
func (l *Log) replace(s *segment, v view, w *compactWriter) {
	m := w.finished()
	l.mu.Lock()
	s.src = &source{name: l.fileName(s.base, compactSuffix), compact: m}
	s.last, s.fileBytes = v.last, m.end+int64(8*len(m.offsets))
	s.index = indexInfo{}
	l.mu.Unlock()
	l.handles.retire(v.src)
}

// compacted scans a compacted segment.
func (sc *scanner) compacted(v view, file disk.File) error {
	m := v.src.compact
	w := &window{file: file, limit: m.end}
	for i := range m.offsets {
		start, end := m.bounds(i)
		limit := int64(v.used)
		if i+1 < len(m.offsets) {
			limit = int64(m.offsets[i+1])
		}
		if sc.from >= v.base+persist.Position(limit) {
			continue
		}
		b, err := w.bytes(start, end-start)
		if err != nil {
			return err
		}
		if err := sc.block(v, b, start, limit); err != nil {
			return err
		}
	}
	sc.link = v.last
	if !v.last.known {
		sc.link.end = v.base + persist.Position(v.used)
	}
	return nil
}

// block scans one block, which is at place in the file and holds records before limit.
func (sc *scanner) block(v view, b []byte, place, limit int64) error {
	last := int64(-1)
	for at := 0; at < len(b); {
		off, size, ok := entryAt(b[at:])
		pos := v.base + persist.Position(off)
		var (
			typ  byte
			body []byte
		)
		if ok = ok && off > last && off < limit; ok {
			typ, body, ok = sc.log.id.record(b[at+4:at+int(size)], pos)
		}
		if ok {
			at, last = at+int(size), off
			if pos < sc.from {
				continue
			}
			if err := sc.fn(pos, typ, body); err != nil {
				return err
			}
			continue
		}
		next := sc.log.nextEntry(b, at+1, v.base, last, limit)
		d := Damage{
			File: v.src.name, Offset: place + int64(at), Position: v.base + persist.Position(last+1),
			End: v.base + persist.Position(limit), Detail: "compacted records fail their checksum",
		}
		if next < len(b) {
			d.End = v.base + persist.Position(binary.LittleEndian.Uint32(b[next:]))
		}
		if last < 0 {
			d.Position = v.base + persist.Position(v.src.compact.firstOf(place))
		}
		if err := sc.damage(d); err != nil {
			return err
		}
		at = next
	}
	return nil
}

// nextEntry searches a block for the next intact entry: its record's checksum covers its position.
func (l *Log) nextEntry(b []byte, at int, base persist.Position, last, limit int64) int {
	for ; at+4+recordHeader <= len(b); at++ {
		off, size, ok := entryAt(b[at:])
		if !ok || off <= last || off >= limit {
			continue
		}
		if _, _, ok := l.id.record(b[at+4:at+int(size)], base+persist.Position(off)); ok {
			return at
		}
	}
	return len(b)
}

// firstOf is the offset in the segment of the first record of the block at place.
func (m *compactMap) firstOf(place int64) int64 {
	for i, p := range m.places {
		if int64(p) == place {
			return int64(m.offsets[i])
		}
	}
	return 0
}
