package wire

// Connect is a client's first packet. Strings are copies; byte slices, also those of the will, point into the frame.
type Connect struct {
	Version     Version
	CleanStart  bool   // Clean Session before 5.0
	KeepAlive   uint16 // seconds
	Properties  Properties
	ClientID    string
	Will        *Will // nil: none
	HasUsername bool
	HasPassword bool
	Username    string
	Password    []byte
}

// Will is the message that the server publishes when the connection ends without a proper DISCONNECT.
type Will struct {
	QoS        QoS
	Retain     bool
	Properties Properties
	Topic      string
	Payload    []byte
}

// Bits of the connect flags.
const (
	connectReserved   = 1 << 0
	connectCleanStart = 1 << 1
	connectWill       = 1 << 2
	connectWillQoS    = 3 << 3
	connectWillRetain = 1 << 5
	connectPassword   = 1 << 6
	connectUsername   = 1 << 7
)

// Type returns CONNECT.
func (p *Connect) Type() Type { return CONNECT }

// Decode reads a CONNECT. It takes the version from the packet and ignores v. When it fails, p.Version still tells how to
// answer: it is 0 if the packet named no known version, or did not get that far.
func (p *Connect) Decode(f Frame, _ Version) error {
	*p = Connect{Properties: p.Properties}
	p.Properties.Reset()
	if err := f.check(CONNECT, V5); err != nil {
		return err
	}
	c := cursor{b: f.Body, packet: CONNECT}
	p.decodeVersion(&c)
	flags := c.byte("connect flags")
	p.checkFlags(&c, flags)
	p.CleanStart = flags&connectCleanStart != 0
	p.KeepAlive = c.uint16("keep alive")
	if p.Version == V5 {
		p.Properties.decode(&c, inConnect)
	}
	p.ClientID = string(c.text("client identifier"))
	if flags&connectWill != 0 {
		p.decodeWill(&c, flags)
	}
	if flags&connectUsername != 0 {
		p.HasUsername, p.Username = true, string(c.text("user name"))
	}
	if flags&connectPassword != 0 {
		p.HasPassword, p.Password = true, c.binary("password")
	}
	return c.end()
}

// decodeVersion reads the protocol name and level, which belong together.
func (p *Connect) decodeVersion(c *cursor) {
	name := c.binary("protocol name")
	level := Version(c.byte("protocol level"))
	if c.err != nil {
		return
	}
	switch {
	case string(name) == "MQTT" && (level == V311 || level == V5), string(name) == "MQIsdp" && level == V31:
		p.Version = level
	case string(name) == "MQTT" || string(name) == "MQIsdp":
		c.fail(UnsupportedProtocolVersion, "protocol level") // [MQTT-3.1.2-2]
	default:
		c.fail(UnsupportedProtocolVersion, "protocol name") // [MQTT-3.1.2-1]
	}
}

// checkFlags refuses connect flags that contradict each other.
func (p *Connect) checkFlags(c *cursor, flags byte) {
	switch {
	case flags&connectReserved != 0 && p.Version != V31: // [MQTT-3.1.2-3]; MQTT 3.1 says only that the bit is not used
		c.fail(MalformedPacket, "reserved connect flag")
	case flags&connectWill == 0 && flags&(connectWillQoS|connectWillRetain) != 0: // [MQTT-3.1.2-11] [MQTT-3.1.2-13]
		c.fail(MalformedPacket, "will QoS or will retain without a will")
	case flags&connectWillQoS == connectWillQoS: // [MQTT-3.1.2-12]
		c.fail(MalformedPacket, "will QoS 3")
	case flags&connectPassword != 0 && flags&connectUsername == 0 && p.Version != V5: // 3.1.1: [MQTT-3.1.2-22]
		c.fail(MalformedPacket, "password without user name")
	}
}

// decodeWill reads the will's part of the payload.
func (p *Connect) decodeWill(c *cursor, flags byte) {
	w := &Will{QoS: flags & connectWillQoS >> 3, Retain: flags&connectWillRetain != 0}
	if p.Version == V5 {
		w.Properties.decode(c, inWill)
	}
	topic := c.text("will topic")
	if c.err == nil {
		c.checkTopic(topic)
	}
	w.Topic = string(topic)
	w.Payload = c.binary("will payload")
	p.Will = w
}

// Append encodes the packet in p.Version, or in v if p.Version is 0.
func (p *Connect) Append(dst []byte, v Version) ([]byte, error) {
	if p.Version != 0 {
		v = p.Version
	}
	e := begin(dst, CONNECT)
	if v == V31 {
		e.text("MQIsdp", "protocol name")
	} else {
		e.text("MQTT", "protocol name")
	}
	e.byte(byte(v))
	e.byte(p.flags(&e))
	e.uint16(p.KeepAlive)
	if v == V5 {
		e.properties(&p.Properties, inConnect)
	}
	e.text(p.ClientID, "client identifier")
	if w := p.Will; w != nil {
		if v == V5 {
			e.properties(&w.Properties, inWill)
		}
		e.text(w.Topic, "will topic")
		e.bytes(w.Payload, "will payload")
	}
	if p.HasUsername {
		e.text(p.Username, "user name")
	}
	if p.HasPassword {
		e.bytes(p.Password, "password")
	}
	return e.finish()
}

// flags returns the connect flags.
func (p *Connect) flags(e *encoder) byte {
	var flags byte
	if p.CleanStart {
		flags |= connectCleanStart
	}
	if w := p.Will; w != nil {
		flags |= connectWill | e.qos(w.QoS)<<3
		if w.Retain {
			flags |= connectWillRetain
		}
	}
	if p.HasUsername {
		flags |= connectUsername
	}
	if p.HasPassword {
		flags |= connectPassword
	}
	return flags
}
