package wire

import (
	"encoding/binary"
	"math/bits"
)

// AppendForward appends, encoded but without a length, what a server must pass on unaltered with a message: payload format indicator,
// content type, response topic, correlation data and the user properties in their order [MQTT-3.3.2-4 -15 -16 -17 -20].
// The result is what Publish.Forward takes.
func (p *Properties) AppendForward(dst []byte) []byte {
	return p.append(dst, p.present&forwardMask)
}

// forwardMask selects the properties of AppendForward.
const forwardMask = 1<<PropPayloadFormatIndicator | 1<<PropContentType | 1<<PropResponseTopic | 1<<PropCorrelationData | 1<<PropUserProperty

// DecodeForward reads into p what AppendForward wrote; byte slices in p point into b.
func DecodeForward(b []byte, p *Properties) error {
	p.Reset()
	c := cursor{b: b, packet: PUBLISH}
	for c.more() {
		p.decodeOne(&c, inForward)
	}
	return c.err
}

// decode reads a property length and the properties behind it.
func (p *Properties) decode(c *cursor, in place) {
	p.Reset()
	n := c.varint("property length")
	inner := cursor{b: c.take(n, "properties"), packet: c.packet}
	for inner.more() {
		p.decodeOne(&inner, in)
	}
	if inner.err != nil && c.err == nil {
		c.err, c.b = inner.err, nil
	}
	c.checkTogether(p, in)
}

// checkTogether refuses what no single property shows.
func (c *cursor) checkTogether(p *Properties, in place) {
	if p.Has(PropAuthenticationData) && !p.Has(PropAuthenticationMethod) {
		c.fail(ProtocolErrorCode, "Authentication Data without Authentication Method")
	}
	if in&inMessage != 0 && p.Has(PropResponseTopic) && (len(p.ResponseTopic) == 0 || hasWildcard(p.ResponseTopic)) {
		c.fail(ProtocolErrorCode, "Response Topic is not a topic name") // [MQTT-3.3.2-14]
	}
}

// decodeOne reads one property, its identifier included.
func (p *Properties) decodeOne(c *cursor, in place) {
	n := c.varint("property identifier")
	if c.err != nil {
		return
	}
	if n >= len(propertyTable) || propertyTable[n].in&in == 0 {
		c.fail(MalformedPacket, "a property that does not belong here") // section 2.2.2.2
		return
	}
	id, rule := PropertyID(n), &propertyTable[n]
	if p.Has(id) && rule.repeats&in == 0 {
		c.fail(ProtocolErrorCode, rule.name+" more than once")
		return
	}
	p.mark(id)
	zero := p.decodeValue(c, id, rule)
	if zero && rule.notZero != 0 {
		c.fail(rule.notZero, rule.name+" is 0")
	}
}

// decodeValue reads the value of one property, and reports whether it is the number 0.
func (p *Properties) decodeValue(c *cursor, id PropertyID, rule *propertyRule) (zero bool) {
	switch rule.kind {
	case kindBit:
		*p.byteField(id) = c.bit(rule.name)
	case kindBool:
		*p.boolField(id) = c.bit(rule.name) == 1
	case kindUint16:
		v := c.uint16(rule.name)
		*p.uint16Field(id) = v
		return v == 0
	case kindUint32:
		v := c.uint32(rule.name)
		*p.uint32Field(id) = v
		return v == 0
	case kindVarint:
		v := c.varint(rule.name)
		p.SubscriptionIDs = append(p.SubscriptionIDs, uint32(v))
		return v == 0
	case kindText:
		*p.bytesField(id) = c.text(rule.name)
	case kindBinary:
		*p.bytesField(id) = c.binary(rule.name)
	case kindPair:
		key := c.text(rule.name)
		p.User = append(p.User, UserProperty{Key: key, Value: c.text(rule.name)})
	}
	return false
}

// bit reads a byte that may be 0 or 1.
func (c *cursor) bit(what string) byte {
	v := c.byte(what)
	if v > 1 {
		c.fail(ProtocolErrorCode, what+" is neither 0 nor 1")
	}
	return v
}

// size returns how many bytes the properties take without their length, or why they cannot stand in in.
func (p *Properties) size(in place, packet Type) (int, error) {
	n := 0
	for rest := p.present; rest != 0; rest &= rest - 1 {
		id := PropertyID(bits.TrailingZeros64(rest))
		rule := &propertyTable[id]
		if rule.in&in == 0 {
			return 0, notEncodable(packet, "%s, which does not belong there,", rule.name)
		}
		size, fits := p.sizeOne(id, rule)
		if !fits {
			return 0, notEncodable(packet, "%s of this size", rule.name)
		}
		n += size
	}
	if n > maxVarint {
		return 0, notEncodable(packet, "properties of %d bytes", n)
	}
	return n, nil
}

// sizeOne returns how many bytes one property takes, identifiers and repetitions included, and whether its value can be encoded.
func (p *Properties) sizeOne(id PropertyID, rule *propertyRule) (n int, fits bool) {
	switch rule.kind {
	case kindBit, kindBool:
		return 2, true
	case kindUint16:
		return 3, true
	case kindUint32:
		return 5, true
	case kindText, kindBinary:
		size := len(*p.bytesField(id))
		return 3 + size, size <= maxString
	case kindVarint:
		fits = true
		for _, v := range p.SubscriptionIDs {
			n += 1 + varintSize(int(v))
			fits = fits && v <= maxVarint
		}
		return n, fits
	}
	fits = true
	for _, u := range p.User {
		n += 5 + len(u.Key) + len(u.Value)
		fits = fits && len(u.Key) <= maxString && len(u.Value) <= maxString
	}
	return n, fits
}

// append encodes the properties that are in the mask, in the order of their identifiers.
func (p *Properties) append(dst []byte, mask uint64) []byte {
	for rest := mask; rest != 0; rest &= rest - 1 {
		id := PropertyID(bits.TrailingZeros64(rest))
		dst = p.appendOne(dst, id)
	}
	return dst
}

// appendOne encodes one property with its identifier, as often as it has values.
func (p *Properties) appendOne(dst []byte, id PropertyID) []byte {
	switch propertyTable[id].kind {
	case kindBit:
		return append(dst, byte(id), *p.byteField(id))
	case kindBool:
		v := byte(0)
		if *p.boolField(id) {
			v = 1
		}
		return append(dst, byte(id), v)
	case kindUint16:
		return binary.BigEndian.AppendUint16(append(dst, byte(id)), *p.uint16Field(id))
	case kindUint32:
		return binary.BigEndian.AppendUint32(append(dst, byte(id)), *p.uint32Field(id))
	case kindText, kindBinary:
		return appendBytes(append(dst, byte(id)), *p.bytesField(id))
	case kindVarint:
		for _, v := range p.SubscriptionIDs {
			dst = appendVarint(append(dst, byte(id)), int(v))
		}
		return dst
	}
	for _, u := range p.User {
		dst = appendBytes(append(dst, byte(id)), u.Key)
		dst = appendBytes(dst, u.Value)
	}
	return dst
}
