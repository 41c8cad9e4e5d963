package wire

// Pingreq asks for a sign of life.
type Pingreq struct{}

// Pingresp answers a PINGREQ.
type Pingresp struct{}

// Type returns PINGREQ.
func (p *Pingreq) Type() Type { return PINGREQ }

// Type returns PINGRESP.
func (p *Pingresp) Type() Type { return PINGRESP }

// Decode reads a PINGREQ.
func (p *Pingreq) Decode(f Frame, v Version) error { return decodeEmpty(f, v, PINGREQ) }

// Decode reads a PINGRESP.
func (p *Pingresp) Decode(f Frame, v Version) error { return decodeEmpty(f, v, PINGRESP) }

// Append encodes the packet.
func (p *Pingreq) Append(dst []byte, _ Version) ([]byte, error) {
	return appendEmpty(dst, PINGREQ), nil
}

// Append encodes the packet.
func (p *Pingresp) Append(dst []byte, _ Version) ([]byte, error) {
	return appendEmpty(dst, PINGRESP), nil
}

// decodeEmpty checks a packet that has no body.
func decodeEmpty(f Frame, v Version, t Type) error {
	if err := f.check(t, v); err != nil {
		return err
	}
	c := cursor{b: f.Body, packet: t}
	return c.end()
}

// appendEmpty encodes a packet that has no body.
func appendEmpty(dst []byte, t Type) []byte { return append(dst, byte(t)<<4, 0) }
