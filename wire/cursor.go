package wire

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// cursor reads a packet's body from front to back, within its bounds. The first fault sticks: from then on there is
// nothing left to read and every read returns zero, so callers check once at the end.
type cursor struct {
	b      []byte // what is left
	packet Type
	err    error
}

// fail records the first fault.
func (c *cursor) fail(code ReasonCode, detail string) {
	if c.err == nil {
		c.err = &ProtocolError{Packet: c.packet, Code: code, Detail: detail}
	}
	c.b = nil
}

// short records that the packet ended inside what.
func (c *cursor) short(what string) {
	c.fail(MalformedPacket, what+" is cut short")
}

// more reports whether anything is left to read.
func (c *cursor) more() bool { return len(c.b) > 0 }

// end returns the first fault; bytes left over are one.
func (c *cursor) end() error {
	if len(c.b) > 0 {
		c.fail(MalformedPacket, "bytes left over at the end")
	}
	return c.err
}

func (c *cursor) byte(what string) byte {
	if len(c.b) < 1 {
		c.short(what)
		return 0
	}
	v := c.b[0]
	c.b = c.b[1:]
	return v
}

func (c *cursor) uint16(what string) uint16 {
	if len(c.b) < 2 {
		c.short(what)
		return 0
	}
	v := binary.BigEndian.Uint16(c.b)
	c.b = c.b[2:]
	return v
}

func (c *cursor) uint32(what string) uint32 {
	if len(c.b) < 4 {
		c.short(what)
		return 0
	}
	v := binary.BigEndian.Uint32(c.b)
	c.b = c.b[4:]
	return v
}

// varint reads a variable byte integer.
func (c *cursor) varint(what string) int {
	n, size, state := parseVarint(c.b)
	switch state {
	case varintShort:
		c.short(what)
		return 0
	case varintBad:
		c.fail(MalformedPacket, what+" is not a proper variable byte integer")
		return 0
	}
	c.b = c.b[size:]
	return n
}

// take reads n bytes.
func (c *cursor) take(n int, what string) []byte {
	if len(c.b) < n {
		c.short(what)
		return nil
	}
	v := c.b[:n:n]
	c.b = c.b[n:]
	return v
}

// rest reads everything that is left.
func (c *cursor) rest() []byte {
	v := c.b
	c.b = nil
	return v
}

// binary reads binary data: a two byte length and as many bytes.
func (c *cursor) binary(what string) []byte {
	return c.take(int(c.uint16(what)), what)
}

// text reads a UTF-8 encoded string.
func (c *cursor) text(what string) []byte {
	b := c.binary(what)
	if !validText(b) {
		c.fail(MalformedPacket, what+" is not valid UTF-8 without U+0000")
		return nil
	}
	return b
}

// packetID reads a packet identifier, which is never zero. [MQTT-2.2.1-3]
func (c *cursor) packetID() uint16 {
	id := c.uint16("packet identifier")
	if id == 0 {
		c.fail(ProtocolErrorCode, "packet identifier 0")
	}
	return id
}

// reason reads a reason code and refuses one that has no place in this packet.
func (c *cursor) reason() ReasonCode {
	code := ReasonCode(c.byte("reason code"))
	if c.err == nil && !code.LegalIn(c.packet) {
		c.fail(ProtocolErrorCode, code.String()+" is not a reason for this packet")
	}
	return code
}

// validText reports whether b may be a string: valid UTF-8, which excludes surrogates and overlong forms
// [MQTT-1.5.4-1], without U+0000 [MQTT-1.5.4-2]. Control characters and non-characters are the application's affair.
func validText(b []byte) bool {
	return utf8.Valid(b) && bytes.IndexByte(b, 0) < 0
}

// validTextString is validText for a string.
func validTextString(s string) bool {
	return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0
}
