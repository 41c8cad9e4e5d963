package wire

// Bits of a PUBLISH's first byte; DUP also appears in other packets of MQTT 3.1.
const (
	flagRetain = 1 << 0
	flagQoS    = 3 << 1
	flagDup    = 1 << 3
)

// reservedFlags returns what the lower four bits of the first byte must be for every type but PUBLISH. [MQTT-2.1.3-1]
func reservedFlags(t Type) byte {
	switch t {
	case PUBREL, SUBSCRIBE, UNSUBSCRIBE:
		return 1 << 1
	}
	return 0
}

// checkFirstByte refuses what is wrong in every protocol version, so that a stream can be given up before its body is read.
func checkFirstByte(h byte) error {
	t, flags := Type(h>>4), h&0x0f
	switch t {
	case 0:
		return &ProtocolError{Code: MalformedPacket, Detail: "packet type 0 is forbidden"}
	case PUBLISH:
		return checkPublishFlags(flags)
	case PUBREL, SUBSCRIBE, UNSUBSCRIBE:
		// MQTT 3.1 sets DUP when it repeats one of these; Decode, which knows the version, refuses it elsewhere.
		flags &^= flagDup
	}
	if flags != reservedFlags(t) {
		return &ProtocolError{Packet: t, Code: MalformedPacket, Detail: "reserved bits of the fixed header"}
	}
	return nil
}

// checkPublishFlags refuses the combinations that no PUBLISH may have.
func checkPublishFlags(flags byte) error {
	switch {
	case flags&flagQoS == flagQoS: // [MQTT-3.3.1-4]
		return &ProtocolError{Packet: PUBLISH, Code: MalformedPacket, Detail: "QoS 3"}
	case flags&flagDup != 0 && flags&flagQoS == 0: // [MQTT-3.3.1-2]
		return &ProtocolError{Packet: PUBLISH, Code: MalformedPacket, Detail: "DUP with QoS 0"}
	}
	return nil
}

// check verifies the first byte against the type that is about to be decoded, by the rules of version v.
func (f Frame) check(t Type, v Version) error {
	if f.Type() != t {
		return &ProtocolError{Packet: f.Type(), Code: ProtocolErrorCode, Detail: "expected " + t.String()}
	}
	if err := checkFirstByte(f.Header); err != nil {
		return err
	}
	if t != PUBLISH && v != V31 && f.Header&0x0f != reservedFlags(t) {
		return &ProtocolError{Packet: t, Code: MalformedPacket, Detail: "reserved bits of the fixed header"}
	}
	return nil
}
