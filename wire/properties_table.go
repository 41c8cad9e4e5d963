package wire

import "fmt"

// PropertyID is the number by which a property is known on the wire.
type PropertyID byte

// The properties of MQTT 5.0.
const (
	PropPayloadFormatIndicator          PropertyID = 0x01
	PropMessageExpiryInterval           PropertyID = 0x02
	PropContentType                     PropertyID = 0x03
	PropResponseTopic                   PropertyID = 0x08
	PropCorrelationData                 PropertyID = 0x09
	PropSubscriptionIdentifier          PropertyID = 0x0B
	PropSessionExpiryInterval           PropertyID = 0x11
	PropAssignedClientIdentifier        PropertyID = 0x12
	PropServerKeepAlive                 PropertyID = 0x13
	PropAuthenticationMethod            PropertyID = 0x15
	PropAuthenticationData              PropertyID = 0x16
	PropRequestProblemInformation       PropertyID = 0x17
	PropWillDelayInterval               PropertyID = 0x18
	PropRequestResponseInformation      PropertyID = 0x19
	PropResponseInformation             PropertyID = 0x1A
	PropServerReference                 PropertyID = 0x1C
	PropReasonString                    PropertyID = 0x1F
	PropReceiveMaximum                  PropertyID = 0x21
	PropTopicAliasMaximum               PropertyID = 0x22
	PropTopicAlias                      PropertyID = 0x23
	PropMaximumQoS                      PropertyID = 0x24
	PropRetainAvailable                 PropertyID = 0x25
	PropUserProperty                    PropertyID = 0x26
	PropMaximumPacketSize               PropertyID = 0x27
	PropWildcardSubscriptionAvailable   PropertyID = 0x28
	PropSubscriptionIdentifierAvailable PropertyID = 0x29
	PropSharedSubscriptionAvailable     PropertyID = 0x2A
)

// kind is how the value of a property is encoded.
type kind byte

const (
	kindNone   kind = iota // not a property
	kindBit                // a byte that may be 0 or 1, read as a number
	kindBool               // a byte that may be 0 or 1, read as a claim
	kindUint16             // two byte integer
	kindUint32             // four byte integer
	kindVarint             // variable byte integer; only Subscription Identifier
	kindText               // UTF-8 encoded string
	kindBinary             // binary data
	kindPair               // UTF-8 string pair; only User Property
)

// propertyRule says how a property is encoded and where it may stand.
type propertyRule struct {
	name    string
	kind    kind
	in      place      // where it may stand
	repeats place      // where it may stand more than once
	notZero ReasonCode // the code for a zero that is forbidden; 0 where zero is allowed
}

// The places that share properties.
const (
	inMessage = inPublish | inWill
	inSetup   = inConnect | inConnack
	inAnswer  = inConnack | inPublishAcks | inReleaseAcks | inSubscribeAcks | inDisconnect | inAuth
	inAny     = inSetup | inMessage | inAnswer | inSubscribe | inUnsubscribe
)

// propertyTable is the one place that knows what each property is and where it may stand.
var propertyTable = [...]propertyRule{
	PropPayloadFormatIndicator:          {name: "Payload Format Indicator", kind: kindBit, in: inMessage | inForward},
	PropMessageExpiryInterval:           {name: "Message Expiry Interval", kind: kindUint32, in: inMessage},
	PropContentType:                     {name: "Content Type", kind: kindText, in: inMessage | inForward},
	PropResponseTopic:                   {name: "Response Topic", kind: kindText, in: inMessage | inForward},
	PropCorrelationData:                 {name: "Correlation Data", kind: kindBinary, in: inMessage | inForward},
	PropSubscriptionIdentifier:          {name: "Subscription Identifier", kind: kindVarint, in: inPublish | inSubscribe, repeats: inPublish, notZero: ProtocolErrorCode},
	PropSessionExpiryInterval:           {name: "Session Expiry Interval", kind: kindUint32, in: inSetup | inDisconnect},
	PropAssignedClientIdentifier:        {name: "Assigned Client Identifier", kind: kindText, in: inConnack},
	PropServerKeepAlive:                 {name: "Server Keep Alive", kind: kindUint16, in: inConnack},
	PropAuthenticationMethod:            {name: "Authentication Method", kind: kindText, in: inSetup | inAuth},
	PropAuthenticationData:              {name: "Authentication Data", kind: kindBinary, in: inSetup | inAuth},
	PropRequestProblemInformation:       {name: "Request Problem Information", kind: kindBool, in: inConnect},
	PropWillDelayInterval:               {name: "Will Delay Interval", kind: kindUint32, in: inWill},
	PropRequestResponseInformation:      {name: "Request Response Information", kind: kindBool, in: inConnect},
	PropResponseInformation:             {name: "Response Information", kind: kindText, in: inConnack},
	PropServerReference:                 {name: "Server Reference", kind: kindText, in: inConnackEnd},
	PropReasonString:                    {name: "Reason String", kind: kindText, in: inAnswer},
	PropReceiveMaximum:                  {name: "Receive Maximum", kind: kindUint16, in: inSetup, notZero: ProtocolErrorCode},
	PropTopicAliasMaximum:               {name: "Topic Alias Maximum", kind: kindUint16, in: inSetup},
	PropTopicAlias:                      {name: "Topic Alias", kind: kindUint16, in: inPublish, notZero: TopicAliasInvalid},
	PropMaximumQoS:                      {name: "Maximum QoS", kind: kindBit, in: inConnack},
	PropRetainAvailable:                 {name: "Retain Available", kind: kindBool, in: inConnack},
	PropUserProperty:                    {name: "User Property", kind: kindPair, in: inAny | inForward, repeats: inAny | inForward},
	PropMaximumPacketSize:               {name: "Maximum Packet Size", kind: kindUint32, in: inSetup, notZero: ProtocolErrorCode},
	PropWildcardSubscriptionAvailable:   {name: "Wildcard Subscription Available", kind: kindBool, in: inConnack},
	PropSubscriptionIdentifierAvailable: {name: "Subscription Identifier Available", kind: kindBool, in: inConnack},
	PropSharedSubscriptionAvailable:     {name: "Shared Subscription Available", kind: kindBool, in: inConnack},
}

// String returns the specification's name of the property.
func (id PropertyID) String() string {
	if int(id) < len(propertyTable) && propertyTable[id].kind != kindNone {
		return propertyTable[id].name
	}
	return fmt.Sprintf("property 0x%02X", byte(id))
}

// byteField returns where a property of kindBit is kept.
func (p *Properties) byteField(id PropertyID) *byte {
	if id == PropMaximumQoS {
		return &p.MaximumQoS
	}
	return &p.PayloadFormatIndicator
}

// boolField returns where a property of kindBool is kept.
func (p *Properties) boolField(id PropertyID) *bool {
	switch id {
	case PropRequestProblemInformation:
		return &p.RequestProblemInformation
	case PropRequestResponseInformation:
		return &p.RequestResponseInformation
	case PropRetainAvailable:
		return &p.RetainAvailable
	case PropWildcardSubscriptionAvailable:
		return &p.WildcardSubscriptionAvailable
	case PropSubscriptionIdentifierAvailable:
		return &p.SubscriptionIdentifierAvailable
	}
	return &p.SharedSubscriptionAvailable
}

// uint16Field returns where a property of kindUint16 is kept.
func (p *Properties) uint16Field(id PropertyID) *uint16 {
	switch id {
	case PropServerKeepAlive:
		return &p.ServerKeepAlive
	case PropReceiveMaximum:
		return &p.ReceiveMaximum
	case PropTopicAliasMaximum:
		return &p.TopicAliasMaximum
	}
	return &p.TopicAlias
}

// uint32Field returns where a property of kindUint32 is kept.
func (p *Properties) uint32Field(id PropertyID) *uint32 {
	switch id {
	case PropMessageExpiryInterval:
		return &p.MessageExpiryInterval
	case PropSessionExpiryInterval:
		return &p.SessionExpiryInterval
	case PropWillDelayInterval:
		return &p.WillDelayInterval
	}
	return &p.MaximumPacketSize
}

// bytesField returns where a property of kindText or kindBinary is kept.
func (p *Properties) bytesField(id PropertyID) *[]byte {
	switch id {
	case PropContentType:
		return &p.ContentType
	case PropResponseTopic:
		return &p.ResponseTopic
	case PropCorrelationData:
		return &p.CorrelationData
	case PropAssignedClientIdentifier:
		return &p.AssignedClientIdentifier
	case PropAuthenticationMethod:
		return &p.AuthenticationMethod
	case PropAuthenticationData:
		return &p.AuthenticationData
	case PropResponseInformation:
		return &p.ResponseInformation
	case PropServerReference:
		return &p.ServerReference
	}
	return &p.ReasonString
}
