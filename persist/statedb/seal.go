package statedb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// Badger answers some kinds of damage with other bytes, or none, and a nil error. So each value carries its own length
// and checksum, and each read verifies them.
//
//	value: u8 format | u32 length | u32 crc32c(key, length, data) | data
//
// The key is under the checksum so that a value that comes up under another key is found out. Data above partSize
// continues in part keys, each with a seal of its own; length and checksum of the first cover the whole.
const (
	sealFormat = 1
	sealSize   = 9
	// partSize keeps every value far below Badger's threshold for its value log, which loses values in silence.
	partSize = 256 << 10
	// longestData bounds what a damaged length can make a reader allocate.
	longestData = 1 << 30
)

// Why a sealed value is refused.
var (
	errShort    = errors.New("value is cut short")
	errFormat   = errors.New("value has an unknown format")
	errLength   = errors.New("value has another length than it says")
	errChecksum = errors.New("value fails its checksum")
)

func sealSum(key, head, data []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Update(0, table, key)
	sum = crc32.Update(sum, table, head)
	return crc32.Update(sum, table, data)
}

// seal returns the first value of data under key, and how many parts must follow it.
func seal(key, data []byte) (value []byte, parts int) {
	first := data
	if len(data) > partSize {
		first, parts = data[:partSize], (len(data)-1)/partSize
	}
	value = make([]byte, sealSize, sealSize+len(first))
	value[0] = sealFormat
	binary.BigEndian.PutUint32(value[1:5], uint32(len(data)))
	binary.BigEndian.PutUint32(value[5:9], sealSum(key, value[:5], data))
	return append(value, first...), parts
}

// partOf returns the slice of data that part number, from 1, holds.
func partOf(data []byte, number int) []byte {
	start := number * partSize
	return data[start:min(start+partSize, len(data))]
}

// sealedLength reads how long the data of a value is, before anything of it is believed but its format.
func sealedLength(value []byte) (int, error) {
	if len(value) < sealSize {
		return 0, errShort
	}
	if value[0] != sealFormat {
		return 0, fmt.Errorf("%w: %d", errFormat, value[0])
	}
	length := int(binary.BigEndian.Uint32(value[1:5]))
	if length > longestData || len(value)-sealSize != min(length, partSize) {
		return 0, errLength
	}
	return length, nil
}

// verify compares data, all parts of it, with what its first value says.
func verify(key, value, data []byte) error {
	if binary.BigEndian.Uint32(value[5:9]) != sealSum(key, value[:5], data) {
		return errChecksum
	}
	return nil
}

// DamageError is a stored item that cannot be believed. The rest of the state is not touched by it.
type DamageError struct {
	// Item names what is lost.
	Item string
	// Files are those that may hold it.
	Files []string
	Err   error
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("damaged state: %s, in one of %v: %v", e.Item, e.Files, e.Err)
}

// Unwrap returns what is wrong with the item.
func (e *DamageError) Unwrap() error { return e.Err }
