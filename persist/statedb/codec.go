package statedb

import (
	"encoding/binary"
	"errors"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// errRecord: a value passed its checksum and still is not what its key says, so it was written so.
var errRecord = errors.New("record is malformed")

// reader takes a record apart. The first thing that does not fit makes bad true for good, and all that follows zero.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) fail() {
	r.b, r.bad = nil, true
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail()
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) uint32() uint32 {
	v := r.uint()
	if v > 1<<32-1 {
		r.fail()
		return 0
	}
	return uint32(v)
}

func (r *reader) uint16() uint16 {
	v := r.uint()
	if v > 1<<16-1 {
		r.fail()
		return 0
	}
	return uint16(v)
}

func (r *reader) int() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count reads how many items follow, each of at least one byte, so that a wrong number cannot ask for memory.
func (r *reader) count() int {
	n := r.uint()
	if n > uint64(len(r.b)) {
		r.fail()
		return 0
	}
	return int(n)
}

// bytes returns a copy, nil for none.
func (r *reader) bytes() []byte {
	n := r.count()
	if n == 0 {
		return nil
	}
	v := append([]byte(nil), r.b[:n]...)
	r.b = r.b[n:]
	return v
}

func (r *reader) string() string {
	n := r.count()
	v := string(r.b[:n])
	r.b = r.b[n:]
	return v
}

// end returns an error unless the record was read without one, and to its end.
func (r *reader) end() error {
	if r.bad || len(r.b) != 0 {
		return errRecord
	}
	return nil
}

func appendBytes(b, v []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}

func appendString(b []byte, v string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}

// flag returns bit if set.
func flag(set bool, bit byte) byte {
	if set {
		return bit
	}
	return 0
}

const (
	messageRetain byte = 1 << iota
	messageRetained
)

// message: u8 qos | u8 flags | varint expires | bytes topic | bytes properties | bytes payload
func appendMessage(b []byte, m *persist.Message) []byte {
	b = append(b, m.QoS, flag(m.Retain, messageRetain)|flag(m.Retained, messageRetained))
	b = binary.AppendVarint(b, m.Expires)
	b = appendBytes(b, m.Topic)
	b = appendBytes(b, m.Properties)
	return appendBytes(b, m.Payload)
}

func (r *reader) message() persist.Message {
	m := persist.Message{QoS: r.byte()}
	flags := r.byte()
	m.Retain, m.Retained = flags&messageRetain != 0, flags&messageRetained != 0
	m.Expires = r.int()
	m.Topic, m.Properties, m.Payload = r.bytes(), r.bytes(), r.bytes()
	return m
}

func messageSize(m *persist.Message) int {
	return len(m.Topic) + len(m.Properties) + len(m.Payload) + 64
}

// appendPositions writes ascending positions above base, each as the distance from the one before.
func appendPositions(b []byte, base persist.Position, ps []persist.Position) []byte {
	b = binary.AppendUvarint(b, uint64(len(ps)))
	for _, p := range ps {
		b = binary.AppendUvarint(b, uint64(p-base))
		base = p
	}
	return b
}

func (r *reader) positions(base persist.Position) []persist.Position {
	n := r.count()
	if n == 0 {
		return nil
	}
	ps := make([]persist.Position, n)
	for i := range ps {
		base += persist.Position(r.uint())
		ps[i] = base
	}
	return ps
}
