package wire

// Puback settles a QoS 1 PUBLISH. Before 5.0 it has only the packet identifier, and Code reads as Success.
type Puback struct {
	PacketID   uint16
	Code       ReasonCode
	Properties Properties
}

// Pubrec says that a QoS 2 PUBLISH was received. It has the shape of Puback.
type Pubrec Puback

// Pubrel releases the packet identifier of a QoS 2 PUBLISH. It has the shape of Puback.
type Pubrel Puback

// Pubcomp ends a QoS 2 exchange. It has the shape of Puback.
type Pubcomp Puback

// Type returns PUBACK.
func (p *Puback) Type() Type { return PUBACK }

// Type returns PUBREC.
func (p *Pubrec) Type() Type { return PUBREC }

// Type returns PUBREL.
func (p *Pubrel) Type() Type { return PUBREL }

// Type returns PUBCOMP.
func (p *Pubcomp) Type() Type { return PUBCOMP }

// Decode reads a PUBACK.
func (p *Puback) Decode(f Frame, v Version) error { return p.decode(f, v, PUBACK) }

// Decode reads a PUBREC.
func (p *Pubrec) Decode(f Frame, v Version) error { return (*Puback)(p).decode(f, v, PUBREC) }

// Decode reads a PUBREL.
func (p *Pubrel) Decode(f Frame, v Version) error { return (*Puback)(p).decode(f, v, PUBREL) }

// Decode reads a PUBCOMP.
func (p *Pubcomp) Decode(f Frame, v Version) error { return (*Puback)(p).decode(f, v, PUBCOMP) }

// Append encodes the packet in its shortest form.
func (p *Puback) Append(dst []byte, v Version) ([]byte, error) { return p.append(dst, v, PUBACK) }

// Append encodes the packet in its shortest form.
func (p *Pubrec) Append(dst []byte, v Version) ([]byte, error) {
	return (*Puback)(p).append(dst, v, PUBREC)
}

// Append encodes the packet in its shortest form.
func (p *Pubrel) Append(dst []byte, v Version) ([]byte, error) {
	return (*Puback)(p).append(dst, v, PUBREL)
}

// Append encodes the packet in its shortest form.
func (p *Pubcomp) Append(dst []byte, v Version) ([]byte, error) {
	return (*Puback)(p).append(dst, v, PUBCOMP)
}

// decode reads one of the four packets:
//
//	packet identifier (2) [ reason code (1) [ property length, properties ] ]
//
// Without a reason code it is Success, without a property length there are no properties. (sections 3.4.2.1 and 3.4.2.2.1)
func (p *Puback) decode(f Frame, v Version, t Type) error {
	p.Code = Success
	p.Properties.Reset()
	if err := f.check(t, v); err != nil {
		return err
	}
	c := cursor{b: f.Body, packet: t}
	p.PacketID = c.packetID()
	if v == V5 && c.more() {
		p.Code = c.reason()
		if c.more() {
			p.Properties.decode(&c, placeOf(t))
		}
	}
	return c.end()
}

// append encodes one of the four packets; see decode for the layout.
func (p *Puback) append(dst []byte, v Version, t Type) ([]byte, error) {
	if v != V5 || p.Code == Success && p.Properties.present == 0 {
		return append(dst, byte(t)<<4|reservedFlags(t), 2, byte(p.PacketID>>8), byte(p.PacketID)), nil
	}
	e := begin(dst, t)
	e.uint16(p.PacketID)
	e.byte(byte(p.Code))
	if p.Properties.present != 0 {
		e.properties(&p.Properties, placeOf(t))
	}
	return e.finish()
}
