package wire

// Suback answers a SUBSCRIBE with one code for each topic filter, in order. Before 5.0 a code is the granted QoS or,
// for any failure, 0x80 (UnspecifiedError).
type Suback struct {
	PacketID   uint16
	Properties Properties
	Codes      []ReasonCode
}

// Type returns SUBACK.
func (p *Suback) Type() Type { return SUBACK }

// Decode reads a SUBACK.
func (p *Suback) Decode(f Frame, v Version) error {
	p.Codes = emptied(p.Codes)
	p.Properties.Reset()
	if err := f.check(SUBACK, v); err != nil {
		return err
	}
	c := cursor{b: f.Body, packet: SUBACK}
	p.PacketID = c.packetID()
	if v != V5 {
		p.decodeReturnCodes(&c)
		return c.end()
	}
	p.Properties.decode(&c, inSuback)
	p.Codes = c.reasons(p.Codes)
	return c.end()
}

// decodeReturnCodes reads the codes of a version before 5.0.
func (p *Suback) decodeReturnCodes(c *cursor) {
	if c.err == nil && !c.more() {
		c.fail(ProtocolErrorCode, "no return code")
	}
	for c.more() {
		code := ReasonCode(c.byte("return code"))
		if code > GrantedQoS2 && code != UnspecifiedError { // [MQTT-3.9.3-2] of 3.1.1
			c.fail(MalformedPacket, "reserved return code")
		}
		p.Codes = append(p.Codes, code)
	}
}

// Append encodes the packet.
func (p *Suback) Append(dst []byte, v Version) ([]byte, error) {
	e := begin(dst, SUBACK)
	e.uint16(p.PacketID)
	if v == V5 {
		e.properties(&p.Properties, inSuback)
	}
	for _, code := range p.Codes {
		if v != V5 && code.Failed() {
			code = UnspecifiedError
		}
		e.byte(byte(code))
	}
	return e.finish()
}

// reasons reads the codes that fill the rest of a SUBACK or UNSUBACK: at least one, as many as there were filters.
func (c *cursor) reasons(codes []ReasonCode) []ReasonCode {
	if c.err == nil && !c.more() {
		c.fail(ProtocolErrorCode, "no reason code")
	}
	for c.more() {
		codes = append(codes, c.reason())
	}
	return codes
}
