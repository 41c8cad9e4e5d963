package wire

// Disconnect ends a connection on purpose. Before 5.0 only clients send it, and it has no body.
type Disconnect struct {
	Code       ReasonCode
	Properties Properties
}

// Type returns DISCONNECT.
func (p *Disconnect) Type() Type { return DISCONNECT }

// Decode reads a DISCONNECT. Codes and properties that only one side may send are for the caller to judge.
func (p *Disconnect) Decode(f Frame, v Version) error {
	p.Code = NormalDisconnection
	p.Properties.Reset()
	if err := f.check(DISCONNECT, v); err != nil {
		return err
	}
	c := cursor{b: f.Body, packet: DISCONNECT}
	if v == V5 && c.more() { // without a code it is a normal disconnection (section 3.14.2.1)
		p.Code = c.reason()
		if c.more() { // without a property length there are no properties (section 3.14.2.2.1)
			p.Properties.decode(&c, inDisconnect)
		}
	}
	return c.end()
}

// Append encodes the packet in its shortest form.
func (p *Disconnect) Append(dst []byte, v Version) ([]byte, error) {
	bare := p.Properties.present == 0
	if v != V5 || p.Code == NormalDisconnection && bare {
		return appendEmpty(dst, DISCONNECT), nil
	}
	e := begin(dst, DISCONNECT)
	e.byte(byte(p.Code))
	if !bare {
		e.properties(&p.Properties, inDisconnect)
	}
	return e.finish()
}
