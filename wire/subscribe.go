package wire

// Subscribe asks for one or more subscriptions.
type Subscribe struct {
	PacketID   uint16
	Properties Properties
	Filters    []Subscription
}

// Subscription is one topic filter with its options. Before 5.0 there is only the QoS.
type Subscription struct {
	Filter            string
	QoS               QoS // the most that the client wants
	NoLocal           bool
	RetainAsPublished bool
	RetainHandling    byte // retained messages are sent: 0 always, 1 if the subscription is new, 2 never
}

// Bits of the subscription options.
const (
	optionQoS               = 3 << 0
	optionNoLocal           = 1 << 2
	optionRetainAsPublished = 1 << 3
	optionRetainHandling    = 3 << 4
	optionReserved          = 3 << 6
)

// Type returns SUBSCRIBE.
func (p *Subscribe) Type() Type { return SUBSCRIBE }

// Decode reads a SUBSCRIBE. Every filter has passed CheckTopicFilter.
func (p *Subscribe) Decode(f Frame, v Version) error {
	p.Filters = emptied(p.Filters)
	p.Properties.Reset()
	if err := f.check(SUBSCRIBE, v); err != nil {
		return err
	}
	c := cursor{b: f.Body, packet: SUBSCRIBE}
	p.PacketID = c.packetID()
	if v == V5 {
		p.Properties.decode(&c, inSubscribe)
	}
	if c.err == nil && !c.more() { // [MQTT-3.8.3-2]
		c.fail(ProtocolErrorCode, "no topic filter")
	}
	for c.more() {
		s := Subscription{Filter: c.filter()}
		s.decodeOptions(&c, v)
		p.Filters = append(p.Filters, s)
	}
	return c.end()
}

// decodeOptions reads the byte behind a topic filter.
func (s *Subscription) decodeOptions(c *cursor, v Version) {
	options := c.byte("subscription options")
	if c.err != nil {
		return
	}
	s.QoS = options & optionQoS
	if v != V5 {
		if options > 2 { // [MQTT-3.8.3-4] of 3.1.1
			c.fail(MalformedPacket, "requested QoS")
		}
		return
	}
	s.NoLocal = options&optionNoLocal != 0
	s.RetainAsPublished = options&optionRetainAsPublished != 0
	s.RetainHandling = options & optionRetainHandling >> 4
	_, _, shared := SplitShared(s.Filter)
	switch {
	case options&optionReserved != 0: // [MQTT-3.8.3-5]
		c.fail(MalformedPacket, "reserved subscription options")
	case s.QoS == 3: // section 3.8.3.1
		c.fail(ProtocolErrorCode, "maximum QoS 3")
	case s.RetainHandling == 3: // section 3.8.3.1
		c.fail(ProtocolErrorCode, "retain handling 3")
	case s.NoLocal && shared: // [MQTT-3.8.3-4]
		c.fail(ProtocolErrorCode, "no local on a shared subscription")
	}
}

// Append encodes the packet.
func (p *Subscribe) Append(dst []byte, v Version) ([]byte, error) {
	e := begin(dst, SUBSCRIBE)
	e.uint16(p.PacketID)
	if v == V5 {
		if len(p.Properties.SubscriptionIDs) > 1 {
			e.refuse("more than one Subscription Identifier")
		}
		e.properties(&p.Properties, inSubscribe)
	}
	for i := range p.Filters {
		s := &p.Filters[i]
		e.text(s.Filter, "topic filter")
		e.byte(s.options(&e, v))
	}
	return e.finish()
}

// options returns the byte behind a topic filter.
func (s *Subscription) options(e *encoder, v Version) byte {
	options := e.qos(s.QoS)
	if v != V5 {
		return options
	}
	if s.NoLocal {
		options |= optionNoLocal
	}
	if s.RetainAsPublished {
		options |= optionRetainAsPublished
	}
	if s.RetainHandling > 2 {
		e.refuse("retain handling %d", s.RetainHandling)
	}
	return options | s.RetainHandling<<4
}
