package engine

import (
	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/wire"
)

// publication is one message on its way to the clients that get it without the store.
type publication struct {
	message persist.Message
	// expirySeconds is the Message Expiry Interval as published; 0 is none.
	expirySeconds uint32
	// frames are the encodings at QoS 0 that many clients share: MQTT 3 and 5, RETAIN clear and set. They are made when
	// first wanted.
	frames [4][]byte
	packet wire.Publish
}

// reset makes the publication ready for another message, keeping its memory.
func (p *publication) reset() {
	for i := range p.frames {
		p.frames[i] = p.frames[i][:0]
	}
	p.message, p.expirySeconds = persist.Message{}, 0
}

// release lets go of the message, and of all memory that is not small: the publisher has nothing to publish now.
func (p *publication) release() {
	for i := range p.frames {
		if cap(p.frames[i]) > keptScratch {
			p.frames[i] = nil
		}
	}
	p.message, p.packet = persist.Message{}, wire.Publish{}
}

// frame returns the message encoded at QoS 0 for a client of version v, as all get it that gave no subscription
// identifier and use no topic alias.
func (p *publication) frame(v wire.Version, retain bool) []byte {
	at := 0
	if v == wire.V5 {
		at = 2
	}
	if retain {
		at++
	}
	if len(p.frames[at]) == 0 {
		fillPublish(&p.packet, &p.message, p.expirySeconds)
		p.packet.Retain = retain
		frame, err := p.packet.Append(p.frames[at], v)
		if err != nil {
			return nil // larger than the protocol allows with these properties: it cannot be sent
		}
		p.frames[at] = frame
	}
	return p.frames[at]
}

// fillPublish makes a QoS 0 PUBLISH of a stored or passing message.
func fillPublish(packet *wire.Publish, m *persist.Message, expirySeconds uint32) {
	packet.Dup, packet.QoS, packet.Retain, packet.PacketID = false, 0, false, 0
	packet.Topic, packet.Payload, packet.Forward = m.Topic, m.Payload, m.Properties
	packet.Properties.Reset()
	if expirySeconds > 0 {
		packet.Properties.SetMessageExpiryInterval(expirySeconds)
	}
}

// remainingExpiry returns the Message Expiry Interval to send with a message that has waited: what is left of it, in
// seconds, at least 1; 0 if it never expires. [MQTT-3.3.2-6]
func remainingExpiry(m *persist.Message, now int64) uint32 {
	if m.Expires == 0 {
		return 0
	}
	return uint32(min(max(1, (m.Expires-now+999)/1000), 0xFFFFFFFF))
}
