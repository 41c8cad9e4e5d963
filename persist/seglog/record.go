package seglog

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// identity is a store's uuid as the checksums mix it in.
type identity uint64

func newIdentity(uuid [16]byte) identity {
	return identity(scramble(binary.LittleEndian.Uint64(uuid[:])) ^ binary.LittleEndian.Uint64(uuid[8:]))
}

// mask is what a checksum at a position of this store is mixed with. Without it, bytes that were valid elsewhere, or
// that a publisher put into a payload, could pass for a record when the log searches around damage.
func (id identity) mask(pos persist.Position) uint32 {
	return uint32(scramble(uint64(id)^uint64(pos)) >> 32)
}

// scramble spreads every bit over all others (the finalizer of SplitMix64).
func scramble(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// castagnoli is the CRC-32C table, which the standard library makes once and computes in hardware.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// checksum is the CRC-32C of b.
func checksum(b []byte) uint32 { return crc32.Update(0, castagnoli(), b) }

// recordSize is the size of the record at the start of b by its own length, which may be nonsense.
func recordSize(b []byte) int64 {
	return recordHeader + int64(binary.LittleEndian.Uint32(b[4:]))
}

// record verifies the record at pos that b starts with and returns its parts, the body capped. b may go on behind it.
func (id identity) record(b []byte, pos persist.Position) (typ byte, body []byte, ok bool) {
	if len(b) < recordHeader {
		return 0, nil, false
	}
	size := recordSize(b)
	if size > int64(len(b)) {
		return 0, nil, false
	}
	if binary.LittleEndian.Uint32(b) != checksum(b[4:size])^id.mask(pos) {
		return 0, nil, false
	}
	return b[8], b[recordHeader:size:size], true
}

// remask changes the checksums of the records in b, the first of which is at pos, from one mask to another. Unmixed
// checksums have no mask.
func (id identity) remask(b []byte, pos persist.Position) {
	for off := 0; off < len(b); {
		sum := binary.LittleEndian.Uint32(b[off:])
		binary.LittleEndian.PutUint32(b[off:], sum^id.mask(pos+persist.Position(off)))
		off += int(recordSize(b[off:]))
	}
}
