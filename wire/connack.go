package wire

// Connack answers a CONNECT. Before 5.0 its code is one of six return codes, which Code stands for as ReturnCode says.
type Connack struct {
	SessionPresent bool
	Code           ReasonCode
	Properties     Properties
}

// returnCodes are the reasons that the CONNACK return codes 0 to 5 of MQTT 3.1 and 3.1.1 stand for.
var returnCodes = [...]ReasonCode{
	Success,
	UnsupportedProtocolVersion,
	ClientIdentifierNotValid,
	ServerUnavailable,
	BadUserNameOrPassword,
	NotAuthorized,
}

// ReturnCode maps a reason to the CONNACK return code of MQTT 3.1 and 3.1.1: 0 accepted, 1 unacceptable protocol version, 2 identifier
// rejected, 4 bad user name or password, 5 not authorized (also for a ban and a bad authentication method), 3 server unavailable for
// everything else. A server may send fewer than it has reasons: closing without CONNACK is the proper answer to a malformed CONNECT.
func ReturnCode(c ReasonCode) byte {
	switch c {
	case Banned, BadAuthenticationMethod:
		c = NotAuthorized
	}
	for i, known := range returnCodes {
		if c == known {
			return byte(i)
		}
	}
	return 3
}

// Type returns CONNACK.
func (p *Connack) Type() Type { return CONNACK }

// Decode reads a CONNACK.
func (p *Connack) Decode(f Frame, v Version) error {
	p.SessionPresent, p.Code = false, Success
	p.Properties.Reset()
	if err := f.check(CONNACK, v); err != nil {
		return err
	}
	c := cursor{b: f.Body, packet: CONNACK}
	flags := c.byte("acknowledge flags")
	if v == V31 {
		flags = 0 // MQTT 3.1 gives the byte no meaning
	}
	if flags > 1 { // [MQTT-3.2.2-1]
		c.fail(MalformedPacket, "reserved acknowledge flags")
	}
	p.SessionPresent = flags == 1
	if v == V5 {
		p.Code = c.reason()
		p.Properties.decode(&c, inConnack)
	} else {
		p.decodeReturnCode(&c)
	}
	if p.SessionPresent && p.Code.Failed() { // [MQTT-3.2.2-6]
		c.fail(ProtocolErrorCode, "session present in a refusal")
	}
	return c.end()
}

// decodeReturnCode reads the code of a version before 5.0.
func (p *Connack) decodeReturnCode(c *cursor) {
	n := c.byte("return code")
	if int(n) >= len(returnCodes) {
		c.fail(MalformedPacket, "reserved return code")
		return
	}
	p.Code = returnCodes[n]
}

// Append encodes the packet. Session present is left out of a refusal [MQTT-3.2.2-6], and of MQTT 3.1, which has no such flag.
func (p *Connack) Append(dst []byte, v Version) ([]byte, error) {
	e := begin(dst, CONNACK)
	if p.SessionPresent && !p.Code.Failed() && v != V31 {
		e.byte(1)
	} else {
		e.byte(0)
	}
	if v == V5 {
		e.byte(byte(p.Code))
		e.properties(&p.Properties, inConnack)
	} else {
		e.byte(ReturnCode(p.Code))
	}
	return e.finish()
}
