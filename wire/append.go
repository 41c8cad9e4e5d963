package wire

import (
	"encoding/binary"
	"fmt"
)

// maxString is the most bytes that a two byte length can announce.
const maxString = 65_535

// encoder appends one packet to a caller's buffer: its counterpart is the cursor. The first thing that has no encoding sticks.
type encoder struct {
	dst    []byte
	start  int // where the packet begins in dst
	packet Type
	err    error
}

// lengthRoom is the most that a remaining length can take. It is left free until the body is known, then closed up.
const lengthRoom = 4

// begin starts a packet behind dst.
func begin(dst []byte, t Type) encoder {
	start := len(dst)
	dst = append(dst, byte(t)<<4|reservedFlags(t), 0, 0, 0, 0)
	return encoder{dst: dst, start: start, packet: t}
}

// finish writes the remaining length and returns the buffer, or the buffer as it was and the first fault.
func (e *encoder) finish() ([]byte, error) {
	at := e.start + 1
	body := e.dst[at+lengthRoom:]
	if len(body) > maxVarint {
		e.refuse("a body of %d bytes", len(body))
	}
	if e.err != nil {
		return e.dst[:e.start], e.err
	}
	dst := appendVarint(e.dst[:at], len(body)) // writes at most into the room before body
	return append(dst, body...), nil
}

// refuse records the first thing that has no encoding.
func (e *encoder) refuse(format string, args ...any) {
	if e.err == nil {
		e.err = notEncodable(e.packet, format, args...)
	}
}

// notEncodable explains what in a packet of type t has no encoding.
func notEncodable(t Type, format string, args ...any) error {
	return fmt.Errorf("encode %s: %s %w", t, fmt.Sprintf(format, args...), ErrNotEncodable)
}

func (e *encoder) byte(v byte) { e.dst = append(e.dst, v) }

func (e *encoder) uint16(v uint16) { e.dst = binary.BigEndian.AppendUint16(e.dst, v) }

// bytes appends a two byte length and v: binary data, or a string.
func (e *encoder) bytes(v []byte, what string) {
	if len(v) > maxString {
		e.refuse("%s of %d bytes", what, len(v))
		return
	}
	e.dst = appendBytes(e.dst, v)
}

// text appends a string.
func (e *encoder) text(v, what string) {
	if len(v) > maxString {
		e.refuse("%s of %d bytes", what, len(v))
		return
	}
	e.dst = append(e.dst, byte(len(v)>>8), byte(len(v)))
	e.dst = append(e.dst, v...)
}

// qos returns v, or refuses it if it has no encoding.
func (e *encoder) qos(v QoS) byte {
	if v > 2 {
		e.refuse("QoS %d", v)
	}
	return v
}

// properties appends the property length and the properties, which must be legal in in.
func (e *encoder) properties(p *Properties, in place) {
	n, err := p.size(in, e.packet)
	if err != nil {
		if e.err == nil {
			e.err = err
		}
		return
	}
	e.dst = p.append(appendVarint(e.dst, n), p.present)
}

// appendBytes appends a two byte length and v, which has at most maxString bytes.
func appendBytes(dst, v []byte) []byte {
	dst = append(dst, byte(len(v)>>8), byte(len(v)))
	return append(dst, v...)
}
