package wire

// Properties are the MQTT 5.0 properties of one packet or will. The fields are for reading: after Decode the byte slices,
// those of User included, point into the frame. Writing goes through the Set and Add methods, which also mark the property as present.
//
// It has more fields than a struct should: one per property, so that one table can drive all packets.
type Properties struct {
	present uint64 // bit n: the property with identifier n is there

	PayloadFormatIndicator          byte
	MaximumQoS                      QoS
	RequestProblemInformation       bool
	RequestResponseInformation      bool
	RetainAvailable                 bool
	WildcardSubscriptionAvailable   bool
	SubscriptionIdentifierAvailable bool
	SharedSubscriptionAvailable     bool

	ServerKeepAlive   uint16 // seconds
	ReceiveMaximum    uint16
	TopicAliasMaximum uint16
	TopicAlias        uint16

	MessageExpiryInterval uint32 // seconds
	SessionExpiryInterval uint32 // seconds
	WillDelayInterval     uint32 // seconds
	MaximumPacketSize     uint32 // bytes

	ContentType              []byte
	ResponseTopic            []byte
	CorrelationData          []byte
	AssignedClientIdentifier []byte
	AuthenticationMethod     []byte
	AuthenticationData       []byte
	ResponseInformation      []byte
	ServerReference          []byte
	ReasonString             []byte

	SubscriptionIDs []uint32
	User            []UserProperty
}

// UserProperty is one name-value pair; names may repeat and order matters. [MQTT-3.3.2-18]
type UserProperty struct {
	Key, Value []byte
}

// keptCapacity bounds what Reset keeps for reuse, so that one hostile packet does not leave a large slice behind on a connection.
const keptCapacity = 64

// Has reports whether the property is present, whatever its value.
func (p *Properties) Has(id PropertyID) bool {
	return id < 64 && p.present&(1<<id) != 0
}

// Reset removes every property and lets go of the frame that they pointed into.
func (p *Properties) Reset() {
	if p.present == 0 {
		return
	}
	*p = Properties{SubscriptionIDs: emptied(p.SubscriptionIDs), User: emptied(p.User)}
}

// emptied returns s with no elements and no pointers, for reuse unless it is large.
func emptied[T any](s []T) []T {
	if cap(s) > keptCapacity {
		return nil
	}
	clear(s)
	return s[:0]
}
