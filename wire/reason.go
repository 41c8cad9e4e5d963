package wire

import "fmt"

// ReasonCode says how an operation ended. Codes from 0x80 on are failures. It is a value, not an error.
type ReasonCode byte

// The reason codes of MQTT 5.0. 0x00 has three names, one for each family of packets that carries it.
const (
	Success                             ReasonCode = 0x00
	NormalDisconnection                 ReasonCode = 0x00
	GrantedQoS0                         ReasonCode = 0x00
	GrantedQoS1                         ReasonCode = 0x01
	GrantedQoS2                         ReasonCode = 0x02
	DisconnectWithWillMessage           ReasonCode = 0x04
	NoMatchingSubscribers               ReasonCode = 0x10
	NoSubscriptionExisted               ReasonCode = 0x11
	ContinueAuthentication              ReasonCode = 0x18
	ReAuthenticate                      ReasonCode = 0x19
	UnspecifiedError                    ReasonCode = 0x80
	MalformedPacket                     ReasonCode = 0x81
	ProtocolErrorCode                   ReasonCode = 0x82 // "Protocol Error"; the plain name is the Go error type
	ImplementationSpecificError         ReasonCode = 0x83
	UnsupportedProtocolVersion          ReasonCode = 0x84
	ClientIdentifierNotValid            ReasonCode = 0x85
	BadUserNameOrPassword               ReasonCode = 0x86
	NotAuthorized                       ReasonCode = 0x87
	ServerUnavailable                   ReasonCode = 0x88
	ServerBusy                          ReasonCode = 0x89
	Banned                              ReasonCode = 0x8A
	ServerShuttingDown                  ReasonCode = 0x8B
	BadAuthenticationMethod             ReasonCode = 0x8C
	KeepAliveTimeout                    ReasonCode = 0x8D
	SessionTakenOver                    ReasonCode = 0x8E
	TopicFilterInvalid                  ReasonCode = 0x8F
	TopicNameInvalid                    ReasonCode = 0x90
	PacketIdentifierInUse               ReasonCode = 0x91
	PacketIdentifierNotFound            ReasonCode = 0x92
	ReceiveMaximumExceeded              ReasonCode = 0x93
	TopicAliasInvalid                   ReasonCode = 0x94
	PacketTooLarge                      ReasonCode = 0x95
	MessageRateTooHigh                  ReasonCode = 0x96
	QuotaExceeded                       ReasonCode = 0x97
	AdministrativeAction                ReasonCode = 0x98
	PayloadFormatInvalid                ReasonCode = 0x99
	RetainNotSupported                  ReasonCode = 0x9A
	QoSNotSupported                     ReasonCode = 0x9B
	UseAnotherServer                    ReasonCode = 0x9C
	ServerMoved                         ReasonCode = 0x9D
	SharedSubscriptionsNotSupported     ReasonCode = 0x9E
	ConnectionRateExceeded              ReasonCode = 0x9F
	MaximumConnectTime                  ReasonCode = 0xA0
	SubscriptionIdentifiersNotSupported ReasonCode = 0xA1
	WildcardSubscriptionsNotSupported   ReasonCode = 0xA2
)

// Failed reports whether the code says that the operation did not happen.
func (c ReasonCode) Failed() bool { return c >= 0x80 }

// String returns the specification's name of the code.
func (c ReasonCode) String() string {
	if int(c) < len(reasonTable) && reasonTable[c].name != "" {
		return reasonTable[c].name
	}
	return fmt.Sprintf("reason code 0x%02X", byte(c))
}

// LegalIn reports whether a packet of type t may carry the code, sent by client or server.
func (c ReasonCode) LegalIn(t Type) bool {
	return int(c) < len(reasonTable) && reasonTable[c].in&placeOf(t) != 0
}

// The families of packets that share most of their codes.
const (
	inPublishAcks   = inPuback | inPubrec
	inReleaseAcks   = inPubrel | inPubcomp
	inSubscribeAcks = inSuback | inUnsuback
	inConnackEnd    = inConnack | inDisconnect
)

// reasonTable says for every code its name and the packets that it may stand in.
var reasonTable = [...]struct {
	name string
	in   place
}{
	Success:                             {"Success", inConnackEnd | inPublishAcks | inReleaseAcks | inSubscribeAcks | inAuth},
	GrantedQoS1:                         {"Granted QoS 1", inSuback},
	GrantedQoS2:                         {"Granted QoS 2", inSuback},
	DisconnectWithWillMessage:           {"Disconnect with Will Message", inDisconnect},
	NoMatchingSubscribers:               {"No matching subscribers", inPublishAcks},
	NoSubscriptionExisted:               {"No subscription existed", inUnsuback},
	ContinueAuthentication:              {"Continue authentication", inAuth},
	ReAuthenticate:                      {"Re-authenticate", inAuth},
	UnspecifiedError:                    {"Unspecified error", inConnackEnd | inPublishAcks | inSubscribeAcks},
	MalformedPacket:                     {"Malformed Packet", inConnackEnd},
	ProtocolErrorCode:                   {"Protocol Error", inConnackEnd},
	ImplementationSpecificError:         {"Implementation specific error", inConnackEnd | inPublishAcks | inSubscribeAcks},
	UnsupportedProtocolVersion:          {"Unsupported Protocol Version", inConnack},
	ClientIdentifierNotValid:            {"Client Identifier not valid", inConnack},
	BadUserNameOrPassword:               {"Bad User Name or Password", inConnack},
	NotAuthorized:                       {"Not authorized", inConnackEnd | inPublishAcks | inSubscribeAcks},
	ServerUnavailable:                   {"Server unavailable", inConnack},
	ServerBusy:                          {"Server busy", inConnackEnd},
	Banned:                              {"Banned", inConnack},
	ServerShuttingDown:                  {"Server shutting down", inDisconnect},
	BadAuthenticationMethod:             {"Bad authentication method", inConnackEnd},
	KeepAliveTimeout:                    {"Keep Alive timeout", inDisconnect},
	SessionTakenOver:                    {"Session taken over", inDisconnect},
	TopicFilterInvalid:                  {"Topic Filter invalid", inSubscribeAcks | inDisconnect},
	TopicNameInvalid:                    {"Topic Name invalid", inConnackEnd | inPublishAcks},
	PacketIdentifierInUse:               {"Packet Identifier in use", inPublishAcks | inSubscribeAcks},
	PacketIdentifierNotFound:            {"Packet Identifier not found", inReleaseAcks},
	ReceiveMaximumExceeded:              {"Receive Maximum exceeded", inDisconnect},
	TopicAliasInvalid:                   {"Topic Alias invalid", inDisconnect},
	PacketTooLarge:                      {"Packet too large", inConnackEnd},
	MessageRateTooHigh:                  {"Message rate too high", inDisconnect},
	QuotaExceeded:                       {"Quota exceeded", inConnackEnd | inPublishAcks | inSuback},
	AdministrativeAction:                {"Administrative action", inDisconnect},
	PayloadFormatInvalid:                {"Payload format invalid", inConnackEnd | inPublishAcks},
	RetainNotSupported:                  {"Retain not supported", inConnackEnd},
	QoSNotSupported:                     {"QoS not supported", inConnackEnd},
	UseAnotherServer:                    {"Use another server", inConnackEnd},
	ServerMoved:                         {"Server moved", inConnackEnd},
	SharedSubscriptionsNotSupported:     {"Shared Subscriptions not supported", inSuback | inDisconnect},
	ConnectionRateExceeded:              {"Connection rate exceeded", inConnackEnd},
	MaximumConnectTime:                  {"Maximum connect time", inDisconnect},
	SubscriptionIdentifiersNotSupported: {"Subscription Identifiers not supported", inSuback | inDisconnect},
	WildcardSubscriptionsNotSupported:   {"Wildcard Subscriptions not supported", inSuback | inDisconnect},
}
