package engine

import (
	"fmt"
	"hash/crc32"
	"strings"

	"github.com/holdfast-mqtt/holdfast/wire"
)

// connectOption changes a CONNECT.
type connectOption func(*wire.Connect)

// publishOption changes a PUBLISH.
type publishOption func(*wire.Publish)

// subscribeOption changes a SUBSCRIBE of one filter.
type subscribeOption func(*wire.Subscribe)

// The protocol versions but 5, which is the default.
func v311(p *wire.Connect) { p.Version = wire.V311 }
func v31(p *wire.Connect)  { p.Version = wire.V31 }

// clean asks for a new session.
func clean(p *wire.Connect) { p.CleanStart = true }

// kept asks for the session that is there, and to keep it for an hour (MQTT 5) or as long as the broker does.
func kept(p *wire.Connect) { keptFor(3600)(p) }

// keptFor is kept for a time in seconds.
func keptFor(seconds uint32) connectOption {
	return func(p *wire.Connect) {
		p.CleanStart = false
		if seconds > 0 {
			p.Properties.SetSessionExpiryInterval(seconds)
		}
	}
}

func keepAliveOf(seconds uint16) connectOption {
	return func(p *wire.Connect) { p.KeepAlive = seconds }
}

func receiveMaximum(n uint16) connectOption {
	return func(p *wire.Connect) { p.Properties.SetReceiveMaximum(n) }
}

func maximumPacketSize(n uint32) connectOption {
	return func(p *wire.Connect) { p.Properties.SetMaximumPacketSize(n) }
}

func aliasMaximum(n uint16) connectOption {
	return func(p *wire.Connect) { p.Properties.SetTopicAliasMaximum(n) }
}

// willing leaves a will, changed by options.
func willing(topic, payload string, qos byte, options ...func(*wire.Will)) connectOption {
	return func(p *wire.Connect) {
		p.Will = &wire.Will{Topic: topic, Payload: []byte(payload), QoS: qos}
		for _, option := range options {
			option(p.Will)
		}
	}
}

func delayed(seconds uint32) func(*wire.Will) {
	return func(w *wire.Will) { w.Properties.SetWillDelayInterval(seconds) }
}

func retainedWill(w *wire.Will) { w.Retain = true }

// publish makes a PUBLISH.
func publish(topic, payload string, qos byte, options ...publishOption) *wire.Publish {
	p := &wire.Publish{Topic: []byte(topic), Payload: []byte(payload), QoS: qos}
	for _, option := range options {
		option(p)
	}
	return p
}

func dup(p *wire.Publish)    { p.Dup = true }
func retain(p *wire.Publish) { p.Retain = true }

func withID(id uint16) publishOption { return func(p *wire.Publish) { p.PacketID = id } }

func expiring(seconds uint32) publishOption {
	return func(p *wire.Publish) { p.Properties.SetMessageExpiryInterval(seconds) }
}

func aliased(alias uint16) publishOption {
	return func(p *wire.Publish) { p.Properties.SetTopicAlias(alias) }
}

func identified(ids ...uint32) publishOption {
	return func(p *wire.Publish) {
		for _, id := range ids {
			p.Properties.AddSubscriptionID(id)
		}
	}
}

func userProperty(key, value string) publishOption {
	return func(p *wire.Publish) { p.Properties.AddUser([]byte(key), []byte(value)) }
}

// subscription1 makes a SUBSCRIBE of one filter.
func subscription1(id uint16, filter string, qos byte, options ...subscribeOption) *wire.Subscribe {
	p := &wire.Subscribe{PacketID: id, Filters: []wire.Subscription{{Filter: filter, QoS: qos}}}
	for _, option := range options {
		option(p)
	}
	return p
}

func noLocal(p *wire.Subscribe)           { p.Filters[0].NoLocal = true }
func retainAsPublished(p *wire.Subscribe) { p.Filters[0].RetainAsPublished = true }

func retainHandling(n byte) subscribeOption {
	return func(p *wire.Subscribe) { p.Filters[0].RetainHandling = n }
}

func subscriptionID(id uint32) subscribeOption {
	return func(p *wire.Subscribe) { p.Properties.AddSubscriptionID(id) }
}

// The acknowledgements, with Success unless a code is given.
func puback(id uint16, code ...wire.ReasonCode) *wire.Puback {
	return &wire.Puback{PacketID: id, Code: firstCode(code)}
}

func pubrec(id uint16, code ...wire.ReasonCode) *wire.Pubrec {
	return &wire.Pubrec{PacketID: id, Code: firstCode(code)}
}

func pubrel(id uint16, code ...wire.ReasonCode) *wire.Pubrel {
	return &wire.Pubrel{PacketID: id, Code: firstCode(code)}
}

func pubcomp(id uint16, code ...wire.ReasonCode) *wire.Pubcomp {
	return &wire.Pubcomp{PacketID: id, Code: firstCode(code)}
}

func firstCode(codes []wire.ReasonCode) wire.ReasonCode {
	if len(codes) == 0 {
		return wire.Success
	}
	return codes[0]
}

func suback(id uint16, codes ...wire.ReasonCode) *wire.Suback {
	return &wire.Suback{PacketID: id, Codes: codes}
}

// describe says all of a packet that a test compares.
func describe(p wire.Packet, withID bool) string {
	switch p := p.(type) {
	case *wire.Publish:
		return describePublish(p, withID)
	case *wire.Puback:
		return fmt.Sprintf("PUBACK %d %v", p.PacketID, p.Code)
	case *wire.Pubrec:
		return fmt.Sprintf("PUBREC %d %v", p.PacketID, p.Code)
	case *wire.Pubrel:
		return fmt.Sprintf("PUBREL %d %v", p.PacketID, p.Code)
	case *wire.Pubcomp:
		return fmt.Sprintf("PUBCOMP %d %v", p.PacketID, p.Code)
	case *wire.Suback:
		return fmt.Sprintf("SUBACK %d %v", p.PacketID, p.Codes)
	case *wire.Unsuback:
		return fmt.Sprintf("UNSUBACK %d %v", p.PacketID, p.Codes)
	case *wire.Connack:
		return fmt.Sprintf("CONNACK %v, session present %v", p.Code, p.SessionPresent)
	case *wire.Disconnect:
		return fmt.Sprintf("DISCONNECT %v", p.Code)
	}
	return p.Type().String()
}

func describePublish(p *wire.Publish, withID bool) string {
	var s strings.Builder
	fmt.Fprintf(&s, "PUBLISH %q %s QoS %d", p.Topic, brief(p.Payload), p.QoS)
	if withID {
		fmt.Fprintf(&s, " id %d", p.PacketID)
	}
	if p.Dup {
		s.WriteString(" DUP")
	}
	if p.Retain {
		s.WriteString(" RETAIN")
	}
	q := &p.Properties
	for _, number := range []struct {
		id    wire.PropertyID
		value uint32
	}{
		{wire.PropPayloadFormatIndicator, uint32(q.PayloadFormatIndicator)},
		{wire.PropMessageExpiryInterval, q.MessageExpiryInterval},
		{wire.PropTopicAlias, uint32(q.TopicAlias)},
	} {
		if q.Has(number.id) {
			fmt.Fprintf(&s, " %v=%d", number.id, number.value)
		}
	}
	if q.Has(wire.PropSubscriptionIdentifier) {
		fmt.Fprintf(&s, " subscriptions=%v", q.SubscriptionIDs)
	}
	fmt.Fprintf(&s, " %q %q %q", q.ContentType, q.ResponseTopic, q.CorrelationData)
	for _, u := range q.User {
		fmt.Fprintf(&s, " %q:%q", u.Key, u.Value)
	}
	return s.String()
}

// brief shows a payload, or the measure of a long one.
func brief(payload []byte) string {
	if len(payload) <= 40 {
		return fmt.Sprintf("%q", payload)
	}
	return fmt.Sprintf("%d bytes (%08x)", len(payload), crc32.ChecksumIEEE(payload))
}

func describeAll(packets []wire.Packet) string {
	all := make([]string, 0, len(packets))
	for _, p := range packets {
		all = append(all, describe(p, true))
		if len(all) == 12 {
			all = append(all, fmt.Sprintf("… and %d more", len(packets)-12))
			break
		}
	}
	return strings.Join(all, "; ")
}
