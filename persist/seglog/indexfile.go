package seglog

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/persist/disk"
)

// An index file:
//
//	 0 u32 magic
//	 4 u16 format version
//	 6 u16 0
//	 8     uuid
//	24 u64 base
//	32 u64 end
//	40 u64 number of entries
//	48 i64 latest expiry, 0 if an entry never expires
//	56 u32 number of keys
//	60 u32 length of the entries
//	64 u32 checksum of keys and entries
//	68 u32 checksum of the compacted segment's header if made from one, else 0
//	72 u32 0
//	76 u32 checksum of the header
//	80     keys, u64 each
//	       entries
//
// An entry is a uvarint: how far its position is behind the one before, times 4, plus 2 if the key is another one than
// before (then its number in the list of keys follows, uvarint), plus 1 if the record expires (then the difference to
// the expiry before follows, varint).
const (
	entryKey     = 2
	entryExpires = 1
)

// indexBuilder gathers the entries of an index.
type indexBuilder struct {
	entries int
	body    []byte
	keys    []byte
	numbers map[uint64]uint64
	// what the next entry is encoded against
	pos     persist.Position
	key     uint64
	expires int64

	latest int64
	never  bool
}

func newIndexBuilder() *indexBuilder { return &indexBuilder{numbers: map[uint64]uint64{}} }

// add appends an entry; positions ascend. The first is encoded against position 0.
func (b *indexBuilder) add(pos persist.Position, key uint64, expires int64) error {
	number, ok := b.numbers[key]
	if !ok {
		number = uint64(len(b.numbers))
		b.numbers[key] = number
		b.keys = binary.LittleEndian.AppendUint64(b.keys, key)
	}
	word := uint64(pos-b.pos) << 2
	otherKey := b.entries == 0 || key != b.key
	if otherKey {
		word |= entryKey
	}
	if expires != 0 {
		word |= entryExpires
	}
	b.body = binary.AppendUvarint(b.body, word)
	if otherKey {
		b.body = binary.AppendUvarint(b.body, number)
	}
	if expires != 0 {
		b.body = binary.AppendVarint(b.body, expires-b.expires)
		b.expires = expires
		b.latest = max(b.latest, expires)
	} else {
		b.never = true
	}
	b.pos, b.key = pos, key
	b.entries++
	return nil
}

func (b *indexBuilder) maxExpires() int64 {
	if b.never {
		return 0
	}
	return b.latest
}

// encode returns the file.
func (b *indexBuilder) encode(info indexInfo, uuid [16]byte, base persist.Position) []byte {
	le := binary.LittleEndian
	out := make([]byte, indexHeader, indexHeader+len(b.keys)+len(b.body))
	putPreamble(out, indexMagic, uuid, base)
	le.PutUint64(out[32:], uint64(info.end))
	le.PutUint64(out[40:], uint64(info.entries))
	le.PutUint64(out[48:], uint64(info.maxExpires))
	le.PutUint32(out[56:], uint32(len(b.numbers)))
	le.PutUint32(out[60:], uint32(len(b.body)))
	out = append(append(out, b.keys...), b.body...)
	le.PutUint32(out[64:], checksum(out[indexHeader:]))
	le.PutUint32(out[68:], info.source)
	le.PutUint32(out[76:], checksum(out[:76]))
	return out
}

// decodeIndexHeader reads a header. An index is rebuilt when in doubt, so every fault is the same: not present.
func decodeIndexHeader(b []byte, uuid [16]byte, base persist.Position) (info indexInfo) {
	le := binary.LittleEndian
	if len(b) < indexHeader || le.Uint32(b) != indexMagic || le.Uint32(b[76:]) != checksum(b[:76]) ||
		checkPreamble(b, uuid) != nil || le.Uint64(b[24:]) != uint64(base) {
		return info
	}
	return indexInfo{
		present: true, source: le.Uint32(b[68:]), end: persist.Position(le.Uint64(b[32:])),
		entries: int(le.Uint64(b[40:])), maxExpires: int64(le.Uint64(b[48:])),
	}
}

// readIndexHeader reads what the index file of a segment says about itself.
func (l *Log) readIndexHeader(base persist.Position) (indexInfo, error) {
	b, err := l.readHead(l.fileName(base, indexSuffix), indexHeader)
	if err != nil {
		return indexInfo{}, err
	}
	return decodeIndexHeader(b, l.o.UUID, base), nil
}

// readHead reads the first n bytes of a file, or fewer if it is shorter.
func (l *Log) readHead(name string, n int64) ([]byte, error) {
	file, err := l.fs.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return readUpTo(file, n)
}

// readUpTo reads the first n bytes of a file, all of it if n is negative.
func readUpTo(file disk.File, n int64) ([]byte, error) {
	size, err := file.Size()
	if err != nil {
		return nil, err
	}
	if n < 0 || n > size {
		n = size
	}
	w := window{file: file, limit: n}
	return w.bytes(0, n)
}

// indexEntries are the entries of an index file whose checksum is right.
type indexEntries struct {
	info indexInfo
	keys []uint64
	body []byte
}

// readIndex reads an index file; nil if it is missing or damaged.
func (l *Log) readIndex(base persist.Position) (*indexEntries, error) {
	b, err := l.readHead(l.fileName(base, indexSuffix), -1)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	info := decodeIndexHeader(b, l.o.UUID, base)
	if !info.present {
		return nil, nil
	}
	le := binary.LittleEndian
	keys, length := int64(le.Uint32(b[56:])), int64(le.Uint32(b[60:]))
	if int64(len(b)) != indexHeader+8*keys+length || le.Uint32(b[64:]) != checksum(b[indexHeader:]) {
		return nil, nil
	}
	e := &indexEntries{info: info, keys: make([]uint64, keys), body: b[indexHeader+8*keys:]}
	for i := range e.keys {
		e.keys[i] = le.Uint64(b[indexHeader+8*i:])
	}
	return e, nil
}

// each calls fn with every entry, in order. ok is false if the file, whose checksum is right, is not what this program
// writes; last is the last position that was called.
func (e *indexEntries) each(fn func(pos persist.Position, key uint64, expires int64)) (last persist.Position, ok bool) {
	var (
		pos     persist.Position
		key     uint64
		expires int64
	)
	for b, n := e.body, e.info.entries; n > 0; n-- {
		var word, number uint64
		word, b = uvarint(b)
		if word&entryKey != 0 {
			number, b = uvarint(b)
			if number >= uint64(len(e.keys)) {
				return pos, false
			}
			key = e.keys[number]
		}
		var at int64
		if word&entryExpires != 0 {
			d, size := binary.Varint(b)
			if size <= 0 {
				return pos, false
			}
			b = b[size:]
			expires += d
			at = expires
		}
		if word>>2 == 0 {
			return pos, false
		}
		pos += persist.Position(word >> 2)
		fn(pos, key, at)
	}
	return pos, true
}

// uvarint is binary.Uvarint for a trusted buffer, short values first.
func uvarint(b []byte) (uint64, []byte) {
	switch {
	case len(b) > 1 && b[0] >= 0x80 && b[1] < 0x80:
		return uint64(b[0]&0x7f) | uint64(b[1])<<7, b[2:]
	case len(b) > 0 && b[0] < 0x80:
		return uint64(b[0]), b[1:]
	}
	v, n := binary.Uvarint(b)
	return v, b[max(n, 0):]
}
