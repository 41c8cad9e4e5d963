package seglog

import (
	"encoding/binary"
	"sort"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/persist/disk"
)

// A compacted segment:
//
//	 0 u32 magic
//	 4 u16 format version
//	 6 u16 0
//	 8     uuid
//	24 u64 base
//	32 u64 capacity
//	40 u64 used bytes of the segment it was made from
//	48 u64 number of that segment's last group, 0 if not known
//	56 u64 end of that group
//	64 u32 checksum of its header
//	68 u32 number of records
//	72 u64 offset of the map
//	80 u32 number of blocks
//	84 u32 checksum of the map
//	88 u32 0
//	92 u32 checksum of the header
//	96     entries: u32 offset of the record in the segment | the record as it was
//	       map: for each block of entries, u32 offset of its first record in the segment | u32 its place in this file
const blockSize = 4096

// compactMap finds records in a compacted segment: the blocks, each some 4 KiB of entries.
type compactMap struct {
	// offsets are those of each block's first record in the segment, places where the blocks are in the file.
	offsets, places []uint32
	// end of the entries in the file.
	end int64
	// sum is the checksum of the file's header.
	sum uint32
}

// block returns where the entries of the block that would hold the record at off are in the file.
func (m *compactMap) block(off int64) (start, end int64, ok bool) {
	i := sort.Search(len(m.offsets), func(i int) bool { return int64(m.offsets[i]) > off }) - 1
	if i < 0 {
		return 0, 0, false
	}
	start, end = m.bounds(i)
	return start, end, true
}

func (m *compactMap) bounds(i int) (start, end int64) {
	if i+1 < len(m.places) {
		return int64(m.places[i]), int64(m.places[i+1])
	}
	return int64(m.places[i]), m.end
}

// compactWriter writes a compacted segment.
type compactWriter struct {
	file    disk.File
	buf     []byte
	written int64
	blocks  []byte
	records int
	// block is where the current block begins in the file; 0 before the first.
	block int64
	// sum is the header's checksum, when it is written.
	sum uint32
}

// add appends the record at an offset of the segment.
func (w *compactWriter) add(off int64, id identity, pos persist.Position, typ byte, body []byte) error {
	place := compactHeader + w.written + int64(len(w.buf))
	if w.block == 0 || place-w.block >= blockSize {
		w.blocks = binary.LittleEndian.AppendUint32(w.blocks, uint32(off))
		w.blocks = binary.LittleEndian.AppendUint32(w.blocks, uint32(place))
		w.block = place
	}
	w.buf = binary.LittleEndian.AppendUint32(w.buf, uint32(off))
	start := len(w.buf)
	w.buf = binary.LittleEndian.AppendUint32(w.buf, 0)
	w.buf = binary.LittleEndian.AppendUint32(w.buf, uint32(len(body)))
	w.buf = append(append(w.buf, typ), body...)
	binary.LittleEndian.PutUint32(w.buf[start:], checksum(w.buf[start+4:])^id.mask(pos))
	w.records++
	if len(w.buf) < windowStep {
		return nil
	}
	return w.flush()
}

func (w *compactWriter) flush() error {
	_, err := w.file.WriteAt(w.buf, compactHeader+w.written)
	w.written += int64(len(w.buf))
	w.buf = w.buf[:0]
	return err
}

// finish writes the map, and the header last: without it the file is nothing.
func (w *compactWriter) finish(uuid [16]byte, v view, capacity int64) error {
	if err := w.flush(); err != nil {
		return err
	}
	end := compactHeader + w.written
	if _, err := w.file.WriteAt(w.blocks, end); err != nil {
		return err
	}
	b := make([]byte, compactHeader)
	putPreamble(b, compactMagic, uuid, v.base)
	le := binary.LittleEndian
	le.PutUint64(b[32:], uint64(capacity))
	le.PutUint64(b[40:], uint64(v.used))
	if v.last.known {
		le.PutUint64(b[48:], v.last.number)
		le.PutUint64(b[56:], uint64(v.last.end))
		le.PutUint32(b[64:], v.last.sum)
	}
	le.PutUint32(b[68:], uint32(w.records))
	le.PutUint64(b[72:], uint64(end))
	le.PutUint32(b[80:], uint32(len(w.blocks)/8))
	le.PutUint32(b[84:], checksum(w.blocks))
	w.sum = checksum(b[:92])
	le.PutUint32(b[92:], w.sum)
	_, err := w.file.WriteAt(b, 0)
	return err
}

// finished returns the map of the file that finish completed.
func (w *compactWriter) finished() *compactMap {
	m := parseMap(w.blocks)
	m.end, m.sum = compactHeader+w.written, w.sum
	return &m
}

// parseMap reads the map's blocks.
func parseMap(b []byte) (m compactMap) {
	for ; len(b) >= 8; b = b[8:] {
		m.offsets = append(m.offsets, binary.LittleEndian.Uint32(b))
		m.places = append(m.places, binary.LittleEndian.Uint32(b[4:]))
	}
	return m
}

// compactInfo is what a compacted segment says about itself.
type compactInfo struct {
	capacity, used int64
	last           link
	blocks         compactMap
}

// readCompact reads header and map of a compacted segment. ok is false if the file is not complete.
func (l *Log) readCompact(file disk.File, base persist.Position) (info compactInfo, ok bool, err error) {
	b, err := readUpTo(file, compactHeader)
	if err != nil {
		return info, false, err
	}
	le := binary.LittleEndian
	if len(b) < compactHeader || le.Uint32(b) != compactMagic || le.Uint32(b[92:]) != checksum(b[:92]) {
		return info, false, nil
	}
	if err := checkPreamble(b, l.o.UUID); err != nil {
		return info, false, err
	}
	info.capacity, info.used = int64(le.Uint64(b[32:])), int64(le.Uint64(b[40:]))
	if number := le.Uint64(b[48:]); number != 0 {
		info.last = link{number: number, end: persist.Position(le.Uint64(b[56:])), sum: le.Uint32(b[64:]), known: true}
	}
	end := int64(le.Uint64(b[72:]))
	blocks, sum, own := int64(le.Uint32(b[80:])), le.Uint32(b[84:]), le.Uint32(b[92:])
	w := window{file: file, limit: end + 8*blocks}
	size, err := file.Size()
	if err != nil || le.Uint64(b[24:]) != uint64(base) || w.limit > size {
		return info, false, err
	}
	if b, err = w.bytes(end, 8*blocks); err != nil || checksum(b) != sum {
		return info, false, err
	}
	info.blocks = parseMap(b)
	info.blocks.end, info.blocks.sum = end, own
	return info, true, nil
}

// entryAt returns the offset of the record that the entry at the start of b is for, and the entry's size.
func entryAt(b []byte) (off int64, size int64, ok bool) {
	if len(b) < 4+recordHeader {
		return 0, 0, false
	}
	size = 4 + recordSize(b[4:])
	return int64(binary.LittleEndian.Uint32(b)), size, size <= int64(len(b))
}

// findEntry returns the record at an offset of the segment from its block. If it is not found, gone tells that it was
// dropped for certain; otherwise it may be hidden by damage.
func findEntry(id identity, block []byte, base persist.Position, want int64) (typ byte, body []byte, found, gone bool) {
	at, last := 0, int64(-1)
	for at < len(block) && last < want {
		off, size, ok := entryAt(block[at:])
		if !ok || off <= last {
			break
		}
		if off == want {
			if typ, body, found = id.record(block[at+4:], base+persist.Position(off)); found {
				return typ, body, true, false
			}
			break
		}
		at, last = at+int(size), off
	}
	if (last > want || at == len(block)) && intact(id, block[:at], base) {
		return 0, nil, false, true
	}
	// A damaged length hides what is behind it. The record's own checksum tells its bytes from any others.
	for at := 0; at+4+recordHeader <= len(block); at++ {
		if int64(binary.LittleEndian.Uint32(block[at:])) == want {
			if typ, body, found = id.record(block[at+4:], base+persist.Position(want)); found {
				return typ, body, true, false
			}
		}
	}
	return 0, nil, false, false
}

// intact verifies all entries.
func intact(id identity, entries []byte, base persist.Position) bool {
	for at := 0; at < len(entries); {
		off, size, ok := entryAt(entries[at:])
		if !ok {
			return false
		}
		if _, _, ok := id.record(entries[at+4:at+int(size)], base+persist.Position(off)); !ok {
			return false
		}
		at += int(size)
	}
	return true
}
