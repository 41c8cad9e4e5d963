package wire

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// maker makes random packets that Append accepts and Decode gives back unchanged.
type maker struct {
	*rand.Rand
	solid bool // nothing empty, and only one subscription identifier
}

// newMaker seeds a maker and tells with what.
func newMaker(t *testing.T) maker {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return maker{Rand: rand.New(rand.NewPCG(seed, 0))}
}

func (m maker) yes() bool { return m.IntN(2) == 0 }

// length returns how long something is: mostly short, now and then around a power of 128 where lengths change their size.
func (m maker) length() int {
	switch m.IntN(20) {
	case 0:
		return 120 + m.IntN(16)
	case 1:
		return 16_370 + m.IntN(20)
	case 2:
		return 1
	}
	if m.solid {
		return 1 + m.IntN(12)
	}
	return m.IntN(12)
}

func (m maker) bytes() []byte {
	v := make([]byte, m.length())
	for i := range v {
		v[i] = byte(m.IntN(256))
	}
	return v
}

// text returns a string of characters of all encoded sizes.
func (m maker) text(alphabet string) []byte {
	v := []byte{}
	runes := []rune(alphabet)
	for range m.length() {
		v = append(v, string(runes[m.IntN(len(runes))])...)
	}
	return v
}

const plain = "ab/$ \x01é\uffff€\U0001f600"

// topic returns a topic name.
func (m maker) topic() []byte { return append([]byte("t"), m.text(plain)...) }

// filter returns a topic filter, for a shared subscription or not.
func (m maker) filter() string {
	levels := []string{"a", "+", "", "bc", "é"}
	var parts []string
	if m.IntN(3) == 0 {
		parts = append(parts, "$share", "group")
	}
	parts = append(parts, "x")
	for range m.IntN(4) {
		parts = append(parts, levels[m.IntN(len(levels))])
	}
	if m.yes() {
		parts = append(parts, "#")
	}
	return strings.Join(parts, "/")
}

func (m maker) packetID() uint16 { return uint16(1 + m.IntN(65_535)) }

// reason returns a code that may stand in a packet of type t.
func (m maker) reason(t Type) ReasonCode {
	for {
		if code := ReasonCode(m.IntN(256)); code.LegalIn(t) {
			return code
		}
	}
}

// reasons returns what a SUBACK or UNSUBACK answers.
func (m maker) reasons(t Type) []ReasonCode {
	codes := []ReasonCode{m.reason(t)}
	for range m.IntN(4) {
		codes = append(codes, m.reason(t))
	}
	return codes
}

// properties returns some of those that may stand in in.
func (m maker) properties(in place) Properties {
	var p Properties
	if m.IntN(3) == 0 {
		return p
	}
	for n := range propertyTable {
		if rule := &propertyTable[n]; rule.in&in != 0 && m.IntN(3) == 0 {
			m.property(&p, PropertyID(n), rule, in)
		}
	}
	if p.Has(PropAuthenticationData) && !p.Has(PropAuthenticationMethod) {
		p.SetAuthenticationMethod(b("method"))
	}
	return p
}

// property sets one property to a legal value.
func (m maker) property(p *Properties, id PropertyID, rule *propertyRule, in place) {
	p.mark(id)
	switch rule.kind {
	case kindBit:
		*p.byteField(id) = byte(m.IntN(2))
	case kindBool:
		*p.boolField(id) = m.yes()
	case kindUint16:
		*p.uint16Field(id) = m.packetID()
	case kindUint32:
		*p.uint32Field(id) = 1 + uint32(m.Uint64N(1<<32-1))
	case kindVarint:
		p.SubscriptionIDs = append(p.SubscriptionIDs, 1+uint32(m.IntN(maxVarint)))
		for in == inPublish && !m.solid && m.yes() {
			p.SubscriptionIDs = append(p.SubscriptionIDs, 1+uint32(m.IntN(300)))
		}
	case kindText:
		*p.bytesField(id) = m.text(plain + "+#")
		if id == PropResponseTopic {
			p.ResponseTopic = m.topic()
		}
	case kindBinary:
		*p.bytesField(id) = m.bytes()
	case kindPair:
		for ok := true; ok; ok = m.yes() {
			p.User = append(p.User, UserProperty{Key: m.text(plain), Value: m.text(plain)})
		}
	}
}

// packet returns a packet of type t as version v can say it.
func (m maker) packet(t Type, v Version) Packet {
	properties := func(in place) (p Properties) {
		if v == V5 {
			p = m.properties(in)
		}
		return p
	}
	switch t {
	case CONNECT:
		return m.connect(v)
	case CONNACK:
		return m.connack(v, properties(inConnack))
	case PUBLISH:
		p := &Publish{QoS: QoS(m.IntN(3)), Retain: m.yes(), Topic: m.topic(), Payload: m.bytes(), Properties: properties(inPublish)}
		if p.QoS > 0 {
			p.Dup, p.PacketID = m.yes(), m.packetID()
		}
		if p.Properties.Has(PropTopicAlias) && m.yes() {
			p.Topic = []byte{}
		}
		return p
	case PUBACK, PUBREC, PUBREL, PUBCOMP:
		return m.ack(t, v, properties(placeOf(t)))
	case SUBSCRIBE:
		return m.subscribe(v, properties(inSubscribe))
	case SUBACK:
		return m.suback(v, properties(inSuback))
	case UNSUBSCRIBE:
		return m.unsubscribe(properties(inUnsubscribe))
	case UNSUBACK:
		p := &Unsuback{PacketID: m.packetID(), Properties: properties(inUnsuback)}
		if v == V5 {
			p.Codes = m.reasons(UNSUBACK)
		}
		return p
	case DISCONNECT:
		p := &Disconnect{Properties: properties(inDisconnect)}
		if v == V5 {
			p.Code = m.reason(DISCONNECT)
		}
		return p
	case AUTH:
		p := &Auth{Code: m.reason(AUTH), Properties: m.properties(inAuth)}
		if p.Code != Success || p.Properties.present != 0 {
			p.Properties.SetAuthenticationMethod(m.text(plain))
		}
		return p
	}
	return newPacket(t)
}

func (m maker) connect(v Version) *Connect {
	p := &Connect{Version: v, CleanStart: m.yes(), KeepAlive: uint16(m.IntN(65_536)), ClientID: string(m.text(plain))}
	if v == V5 {
		p.Properties = m.properties(inConnect)
	}
	if m.yes() {
		p.Will = &Will{QoS: QoS(m.IntN(3)), Retain: m.yes(), Topic: string(m.topic()), Payload: m.bytes()}
		if v == V5 {
			p.Will.Properties = m.properties(inWill)
		}
	}
	if m.yes() {
		p.HasUsername, p.Username = true, string(m.text(plain))
	}
	if m.yes() && (v == V5 || p.HasUsername) {
		p.HasPassword, p.Password = true, m.bytes()
	}
	return p
}

func (m maker) connack(v Version, properties Properties) *Connack {
	p := &Connack{Properties: properties}
	switch {
	case m.yes():
		p.SessionPresent = v != V31 && m.yes()
	case v == V5:
		p.Code = m.reason(CONNACK)
	default:
		p.Code = returnCodes[m.IntN(len(returnCodes))]
	}
	return p
}

func (m maker) ack(t Type, v Version, properties Properties) Packet {
	a := Puback{PacketID: m.packetID(), Properties: properties}
	if v == V5 {
		a.Code = m.reason(t)
	}
	switch t {
	case PUBREC:
		return (*Pubrec)(&a)
	case PUBREL:
		return (*Pubrel)(&a)
	case PUBCOMP:
		return (*Pubcomp)(&a)
	}
	return &a
}

func (m maker) subscribe(v Version, properties Properties) *Subscribe {
	p := &Subscribe{PacketID: m.packetID(), Properties: properties}
	for ok := true; ok; ok = m.yes() {
		s := Subscription{Filter: m.filter(), QoS: QoS(m.IntN(3))}
		if v == V5 {
			_, _, shared := SplitShared(s.Filter)
			s.NoLocal = !shared && m.yes()
			s.RetainAsPublished = m.yes()
			s.RetainHandling = byte(m.IntN(3))
		}
		p.Filters = append(p.Filters, s)
	}
	return p
}

func (m maker) suback(v Version, properties Properties) *Suback {
	p := &Suback{PacketID: m.packetID(), Properties: properties, Codes: m.reasons(SUBACK)}
	for i, code := range p.Codes {
		if v != V5 && code.Failed() {
			p.Codes[i] = UnspecifiedError
		}
	}
	return p
}

func (m maker) unsubscribe(properties Properties) *Unsubscribe {
	p := &Unsubscribe{PacketID: m.packetID(), Properties: properties}
	for ok := true; ok; ok = m.yes() {
		p.Filters = append(p.Filters, m.filter())
	}
	return p
}
