package wire

// Unsubscribe ends subscriptions.
type Unsubscribe struct {
	PacketID   uint16
	Properties Properties
	Filters    []string
}

// Unsuback answers an UNSUBSCRIBE: in 5.0 with one code for each topic filter, in order; before, without any.
type Unsuback struct {
	PacketID   uint16
	Properties Properties
	Codes      []ReasonCode
}

// Type returns UNSUBSCRIBE.
func (p *Unsubscribe) Type() Type { return UNSUBSCRIBE }

// Type returns UNSUBACK.
func (p *Unsuback) Type() Type { return UNSUBACK }

// Decode reads an UNSUBSCRIBE. Every filter has passed CheckTopicFilter.
func (p *Unsubscribe) Decode(f Frame, v Version) error {
	p.Filters = emptied(p.Filters)
	p.Properties.Reset()
	if err := f.check(UNSUBSCRIBE, v); err != nil {
		return err
	}
	c := cursor{b: f.Body, packet: UNSUBSCRIBE}
	p.PacketID = c.packetID()
	if v == V5 {
		p.Properties.decode(&c, inUnsubscribe)
	}
	if c.err == nil && !c.more() { // [MQTT-3.10.3-2]
		c.fail(ProtocolErrorCode, "no topic filter")
	}
	for c.more() {
		p.Filters = append(p.Filters, c.filter())
	}
	return c.end()
}

// Append encodes the packet.
func (p *Unsubscribe) Append(dst []byte, v Version) ([]byte, error) {
	e := begin(dst, UNSUBSCRIBE)
	e.uint16(p.PacketID)
	if v == V5 {
		e.properties(&p.Properties, inUnsubscribe)
	}
	for _, filter := range p.Filters {
		e.text(filter, "topic filter")
	}
	return e.finish()
}

// Decode reads an UNSUBACK.
func (p *Unsuback) Decode(f Frame, v Version) error {
	p.Codes = emptied(p.Codes)
	p.Properties.Reset()
	if err := f.check(UNSUBACK, v); err != nil {
		return err
	}
	c := cursor{b: f.Body, packet: UNSUBACK}
	p.PacketID = c.packetID()
	if v == V5 {
		p.Properties.decode(&c, inUnsuback)
		p.Codes = c.reasons(p.Codes)
	}
	return c.end()
}

// Append encodes the packet.
func (p *Unsuback) Append(dst []byte, v Version) ([]byte, error) {
	e := begin(dst, UNSUBACK)
	e.uint16(p.PacketID)
	if v == V5 {
		e.properties(&p.Properties, inUnsuback)
		for _, code := range p.Codes {
			e.byte(byte(code))
		}
	}
	return e.finish()
}
