package wire

// Publish carries an application message. After Decode every byte slice points into the frame.
type Publish struct {
	Dup        bool
	QoS        QoS
	Retain     bool
	Topic      []byte // empty only in 5.0, with a topic alias
	PacketID   uint16 // 0 with QoS 0
	Properties Properties
	// Forward is a piece of properties already encoded, as AppendForward returns it. Append writes it verbatim behind Properties, so
	// that a server passes on what it must not alter without decoding it. The two must not both hold a property that may stand only once.
	// Decode leaves it nil; versions before 5.0 ignore it.
	Forward []byte
	Payload []byte
}

// Type returns PUBLISH.
func (p *Publish) Type() Type { return PUBLISH }

// Decode reads a PUBLISH without allocating. Whether the sender may use the topic alias and the subscription identifiers
// that it used is for the caller to judge.
func (p *Publish) Decode(f Frame, v Version) error {
	p.Properties.Reset()
	p.Forward, p.PacketID = nil, 0
	if err := f.check(PUBLISH, v); err != nil {
		return err
	}
	p.Dup = f.Header&flagDup != 0
	p.QoS = f.Header & flagQoS >> 1
	p.Retain = f.Header&flagRetain != 0
	c := cursor{b: f.Body, packet: PUBLISH}
	p.Topic = c.topicText()
	if p.QoS > 0 {
		p.PacketID = c.packetID()
	}
	if v == V5 {
		p.Properties.decode(&c, inPublish)
	}
	if len(p.Topic) == 0 {
		p.checkAlias(&c, v)
	}
	p.Payload = c.rest()
	return c.err
}

// checkAlias refuses a PUBLISH that says neither by name nor by alias what its topic is.
func (p *Publish) checkAlias(c *cursor, v Version) {
	switch {
	case v != V5: // [MQTT-4.7.3-1]
		c.fail(TopicNameInvalid, "empty topic name")
	case !p.Properties.Has(PropTopicAlias): // section 3.3.2.1
		c.fail(ProtocolErrorCode, "neither topic name nor topic alias")
	}
}

// EncodedSize returns how many bytes Append writes, fixed header included. For a packet that Append refuses it means nothing.
func (p *Publish) EncodedSize(v Version) int {
	body, _, _ := p.bodySize(v)
	return 1 + varintSize(body) + body
}

// bodySize returns the remaining length and the property length.
func (p *Publish) bodySize(v Version) (body, properties int, err error) {
	body = 2 + len(p.Topic) + len(p.Payload)
	if p.QoS > 0 {
		body += 2
	}
	if v == V5 {
		if properties, err = p.Properties.size(inPublish, PUBLISH); err != nil {
			return 0, 0, err
		}
		properties += len(p.Forward)
		body += varintSize(properties) + properties
	}
	return body, properties, nil
}

// Append encodes the packet.
func (p *Publish) Append(dst []byte, v Version) ([]byte, error) {
	body, properties, err := p.bodySize(v)
	if err == nil {
		err = p.checkEncodable(body)
	}
	if err != nil {
		return dst, err
	}
	dst = appendVarint(append(dst, p.header()), body)
	dst = appendBytes(dst, p.Topic)
	if p.QoS > 0 {
		dst = append(dst, byte(p.PacketID>>8), byte(p.PacketID))
	}
	if v == V5 {
		dst = appendVarint(dst, properties)
		dst = p.Properties.append(dst, p.Properties.present)
		dst = append(dst, p.Forward...)
	}
	return append(dst, p.Payload...), nil
}

// checkEncodable refuses what has no encoding; body is the remaining length.
func (p *Publish) checkEncodable(body int) error {
	switch {
	case p.QoS > 2:
		return notEncodable(PUBLISH, "QoS %d", p.QoS)
	case len(p.Topic) > maxString:
		return notEncodable(PUBLISH, "topic name of %d bytes", len(p.Topic))
	case body > maxVarint:
		return notEncodable(PUBLISH, "a body of %d bytes", body)
	}
	return nil
}

// header returns the first byte.
func (p *Publish) header() byte {
	h := byte(PUBLISH)<<4 | p.QoS<<1
	if p.Dup {
		h |= flagDup
	}
	if p.Retain {
		h |= flagRetain
	}
	return h
}
