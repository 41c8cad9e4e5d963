package wire

// mark makes the property present.
func (p *Properties) mark(id PropertyID) { p.present |= 1 << id }

// AddUser appends a user property; their order is kept.
func (p *Properties) AddUser(key, value []byte) {
	p.User = append(p.User, UserProperty{Key: key, Value: value})
	p.mark(PropUserProperty)
}

// AddSubscriptionID appends a subscription identifier. A SUBSCRIBE has at most one, a PUBLISH one for each subscription that matched.
func (p *Properties) AddSubscriptionID(id uint32) {
	p.SubscriptionIDs = append(p.SubscriptionIDs, id)
	p.mark(PropSubscriptionIdentifier)
}

// SetPayloadFormatIndicator marks the payload as unspecified bytes (0) or UTF-8 text (1).
func (p *Properties) SetPayloadFormatIndicator(v byte) {
	p.PayloadFormatIndicator = v
	p.mark(PropPayloadFormatIndicator)
}

// SetMessageExpiryInterval sets the seconds that the message may still be delivered.
func (p *Properties) SetMessageExpiryInterval(v uint32) {
	p.MessageExpiryInterval = v
	p.mark(PropMessageExpiryInterval)
}

// SetContentType describes the payload.
func (p *Properties) SetContentType(v []byte) {
	p.ContentType = v
	p.mark(PropContentType)
}

// SetResponseTopic names the topic for an answer.
func (p *Properties) SetResponseTopic(v []byte) {
	p.ResponseTopic = v
	p.mark(PropResponseTopic)
}

// SetCorrelationData sets what the answer will repeat.
func (p *Properties) SetCorrelationData(v []byte) {
	p.CorrelationData = v
	p.mark(PropCorrelationData)
}

// SetSessionExpiryInterval sets the seconds that the session outlives its connection.
func (p *Properties) SetSessionExpiryInterval(v uint32) {
	p.SessionExpiryInterval = v
	p.mark(PropSessionExpiryInterval)
}

// SetAssignedClientIdentifier tells a client the identifier that the server chose for it.
func (p *Properties) SetAssignedClientIdentifier(v []byte) {
	p.AssignedClientIdentifier = v
	p.mark(PropAssignedClientIdentifier)
}

// SetServerKeepAlive overrides the client's keep alive, in seconds.
func (p *Properties) SetServerKeepAlive(v uint16) {
	p.ServerKeepAlive = v
	p.mark(PropServerKeepAlive)
}

// SetAuthenticationMethod names the method of extended authentication.
func (p *Properties) SetAuthenticationMethod(v []byte) {
	p.AuthenticationMethod = v
	p.mark(PropAuthenticationMethod)
}

// SetAuthenticationData carries what the authentication method needs.
func (p *Properties) SetAuthenticationData(v []byte) {
	p.AuthenticationData = v
	p.mark(PropAuthenticationData)
}

// SetRequestProblemInformation says whether reason strings and user properties may come with any answer.
func (p *Properties) SetRequestProblemInformation(v bool) {
	p.RequestProblemInformation = v
	p.mark(PropRequestProblemInformation)
}

// SetWillDelayInterval sets the seconds between the end of the connection and its will.
func (p *Properties) SetWillDelayInterval(v uint32) {
	p.WillDelayInterval = v
	p.mark(PropWillDelayInterval)
}

// SetRequestResponseInformation asks for Response Information in the CONNACK.
func (p *Properties) SetRequestResponseInformation(v bool) {
	p.RequestResponseInformation = v
	p.mark(PropRequestResponseInformation)
}

// SetResponseInformation gives the client the base of its response topics.
func (p *Properties) SetResponseInformation(v []byte) {
	p.ResponseInformation = v
	p.mark(PropResponseInformation)
}

// SetServerReference names another server to use.
func (p *Properties) SetServerReference(v []byte) {
	p.ServerReference = v
	p.mark(PropServerReference)
}

// SetReasonString explains the reason code to a person.
func (p *Properties) SetReasonString(v []byte) {
	p.ReasonString = v
	p.mark(PropReasonString)
}

// SetReceiveMaximum sets how many QoS 1 and 2 messages may be unacknowledged at once.
func (p *Properties) SetReceiveMaximum(v uint16) {
	p.ReceiveMaximum = v
	p.mark(PropReceiveMaximum)
}

// SetTopicAliasMaximum sets the highest topic alias accepted.
func (p *Properties) SetTopicAliasMaximum(v uint16) {
	p.TopicAliasMaximum = v
	p.mark(PropTopicAliasMaximum)
}

// SetTopicAlias stands for a topic name on this connection.
func (p *Properties) SetTopicAlias(v uint16) {
	p.TopicAlias = v
	p.mark(PropTopicAlias)
}

// SetMaximumQoS sets the highest QoS the server supports, 0 or 1; absent means 2.
func (p *Properties) SetMaximumQoS(v QoS) {
	p.MaximumQoS = v
	p.mark(PropMaximumQoS)
}

// SetRetainAvailable says whether the server supports retained messages.
func (p *Properties) SetRetainAvailable(v bool) {
	p.RetainAvailable = v
	p.mark(PropRetainAvailable)
}

// SetMaximumPacketSize sets the largest packet accepted, in bytes.
func (p *Properties) SetMaximumPacketSize(v uint32) {
	p.MaximumPacketSize = v
	p.mark(PropMaximumPacketSize)
}

// SetWildcardSubscriptionAvailable says whether the server supports wildcard subscriptions.
func (p *Properties) SetWildcardSubscriptionAvailable(v bool) {
	p.WildcardSubscriptionAvailable = v
	p.mark(PropWildcardSubscriptionAvailable)
}

// SetSubscriptionIdentifierAvailable says whether the server supports subscription identifiers.
func (p *Properties) SetSubscriptionIdentifierAvailable(v bool) {
	p.SubscriptionIdentifierAvailable = v
	p.mark(PropSubscriptionIdentifierAvailable)
}

// SetSharedSubscriptionAvailable says whether the server supports shared subscriptions.
func (p *Properties) SetSharedSubscriptionAvailable(v bool) {
	p.SharedSubscriptionAvailable = v
	p.mark(PropSharedSubscriptionAvailable)
}
