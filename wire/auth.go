package wire

// Auth is one step of extended authentication, in either direction. Only MQTT 5.0 has it.
type Auth struct {
	Code       ReasonCode
	Properties Properties
}

// Type returns AUTH.
func (p *Auth) Type() Type { return AUTH }

// Decode reads an AUTH.
func (p *Auth) Decode(f Frame, v Version) error {
	p.Code = Success
	p.Properties.Reset()
	if err := f.check(AUTH, v); err != nil {
		return err
	}
	c := cursor{b: f.Body, packet: AUTH}
	if v != V5 {
		c.fail(MalformedPacket, "packet type 15 is forbidden before 5.0")
		return c.err
	}
	if !c.more() { // success, and nothing to add (section 3.15.2.1)
		return nil
	}
	p.Code = c.reason()
	p.Properties.decode(&c, inAuth)
	bare := p.Code == Success && p.Properties.present == 0
	if !bare && !p.Properties.Has(PropAuthenticationMethod) { // section 3.15.2.2.2; bare is the same as empty
		c.fail(ProtocolErrorCode, "no Authentication Method")
	}
	return c.end()
}

// Append encodes the packet in its shortest form.
func (p *Auth) Append(dst []byte, v Version) ([]byte, error) {
	if v != V5 {
		return dst, notEncodable(AUTH, "the packet in MQTT %s", v)
	}
	if p.Code == Success && p.Properties.present == 0 {
		return appendEmpty(dst, AUTH), nil
	}
	e := begin(dst, AUTH)
	e.byte(byte(p.Code))
	e.properties(&p.Properties, inAuth)
	return e.finish()
}
