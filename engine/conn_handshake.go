package engine

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/wire"
)

// handshake reads CONNECT, takes the session over and answers CONNACK. An error ends the connection; the client has
// been told then as far as it can be.
func (c *conn) handshake() error {
	b := c.broker
	_ = c.nc.SetReadDeadline(time.Now().Add(b.opts.ConnectTimeout)) // for all of it: bytes do not renew it
	c.in.reader = wire.NewReader(c.nc, b.opts.MaxConnectPacketSize)
	frame, err := c.in.reader.Next()
	if err != nil {
		return fmt.Errorf("read CONNECT: %w", err)
	}
	if frame.Type() != wire.CONNECT { // [MQTT-3.1.0-1]
		return protocolError(frame.Type(), wire.ProtocolErrorCode, "the first packet is not CONNECT")
	}
	var connect wire.Connect
	err = connect.Decode(frame, 0)
	c.version = connect.Version
	if err != nil {
		if c.version == 0 && unknownLevel(frame) {
			c.version = wire.V311 // its refusal is understood by all [MQTT-3.1.2-2 of 3.1.1]
		}
		return c.refuse(refusalCode(err), err)
	}
	if err := c.admit(&connect); err != nil {
		return err
	}
	assigned := c.clientID == ""
	if assigned {
		c.clientID = newClientID()
	}
	if err := b.sessions.claim(c); err != nil {
		if errors.Is(err, errNotTheirs) {
			return c.refuse(wire.NotAuthorized, err)
		}
		return err
	}
	if err := c.takeSession(&connect, assigned); err != nil {
		b.sessions.release(c)
		return err
	}
	return nil
}

// admit decides whether the client may connect under its identifier, and with its will.
func (c *conn) admit(p *wire.Connect) error {
	b := c.broker
	c.clientID = p.ClientID
	if code, detail := checkClientID(p); code != wire.Success {
		return c.refuse(code, errors.New(detail))
	}
	who, code := b.opts.Authenticator.Authenticate(&Credentials{
		ClientID: p.ClientID, HasUsername: p.HasUsername, Username: p.Username,
		HasPassword: p.HasPassword, Password: p.Password,
		Remote: c.nc.RemoteAddr(), AllowAnonymous: c.peer.AllowAnonymous,
	})
	if code != wire.Success {
		return c.refuse(code, fmt.Errorf("client %q is not let in: %s", shown(p.ClientID), code))
	}
	c.who = who
	if p.Properties.Has(wire.PropAuthenticationMethod) {
		return c.refuse(wire.BadAuthenticationMethod, errors.New("enhanced authentication is not offered"))
	}
	if w := p.Will; w != nil {
		if c.levels([]byte(w.Topic)) > b.opts.MaxTopicLevels {
			return c.refuse(wire.TopicNameInvalid, errors.New("will topic has too many levels"))
		}
		if !b.opts.Authorizer.MayPublish(who, p.ClientID, []byte(w.Topic)) {
			return c.refuse(wire.NotAuthorized, fmt.Errorf("will topic %q is not allowed", shown(w.Topic)))
		}
	}
	return nil
}

// checkClientID applies the versions' rules for client identifiers. [MQTT-3.1.3-5..8]
func checkClientID(p *wire.Connect) (wire.ReasonCode, string) {
	switch {
	case len(p.ClientID) > 0: // clients of MQTT 3.1 in the field use more than its 23 characters
		return wire.Success, ""
	case p.Version == wire.V31:
		return wire.ClientIdentifierNotValid, "client identifier is empty, which MQTT 3.1 does not allow"
	case p.Version == wire.V311 && !p.CleanStart:
		return wire.ClientIdentifierNotValid, "client identifier is empty and clean session is 0"
	}
	return wire.Success, ""
}

// takeSession makes the session of the client identifier this connection's, answers CONNACK, and prepares what is to
// be sent again. The identifier has been claimed.
func (c *conn) takeSession(p *wire.Connect, assigned bool) error {
	c.expiry = c.sessionExpiry(p)
	present, err := c.openSession(p)
	if err != nil {
		return c.refuse(storeCode(err), fmt.Errorf("open session: %w", err))
	}
	c.configure(p)
	if err := c.resume(present); err != nil {
		return c.refuse(wire.ServerUnavailable, fmt.Errorf("resume session: %w", err))
	}
	return c.accept(p, present, assigned)
}

// sessionExpiry returns how long the session outlives the connection, in seconds.
func (c *conn) sessionExpiry(p *wire.Connect) uint32 {
	switch {
	case c.version == wire.V5:
		return c.broker.capExpiry(p.Properties.SessionExpiryInterval)
	case p.CleanStart:
		return 0
	}
	return c.broker.capExpiry(persist.NeverExpires)
}

// capExpiry lowers a session expiry interval to the configured maximum. [MQTT-3.2.2-21]
func (b *Broker) capExpiry(seconds uint32) uint32 {
	return uint32(min(int64(seconds), int64(b.opts.MaxSessionExpiry/time.Second)))
}

// configure sets what CONNECT asked of the connection.
func (c *conn) configure(p *wire.Connect) {
	o := &c.broker.opts
	limit := int(o.MaxInflight)
	if p.Properties.Has(wire.PropReceiveMaximum) {
		limit = min(limit, int(p.Properties.ReceiveMaximum))
	}
	c.window = newWindow(limit)
	if p.Properties.Has(wire.PropMaximumPacketSize) {
		c.maxPacket = int(p.Properties.MaximumPacketSize)
	}
	c.in.aliases = newInboundAliases(o.TopicAliasMaximum)
	c.out.aliases = newOutboundAliases(min(p.Properties.TopicAliasMaximum, o.TopicAliasMaximum), maxAliasBytes)
	c.in.keepAlive = newKeepAlive(c.keepAliveSeconds(p), time.Now())
	c.in.reader.SetLimit(o.MaxPacketSize)
	if !c.kept {
		c.in.filters = make(map[string]struct{})
	}
}

// keepAliveSeconds returns the keep alive in force: the client's, or the configured maximum where that is less and the
// client can be told. [MQTT-3.1.2-21]
func (c *conn) keepAliveSeconds(p *wire.Connect) uint16 {
	limit := c.broker.opts.MaxKeepAlive / time.Second
	if c.version != wire.V5 { // could not be told, and would be cut off for keeping to its own
		return p.KeepAlive
	}
	if limit <= 0 || limit > 65535 || (p.KeepAlive != 0 && time.Duration(p.KeepAlive) <= limit) {
		return p.KeepAlive
	}
	return uint16(limit)
}

// newClientID returns an identifier for a client that left the choice to the broker. [MQTT-3.1.3-6]
func newClientID() string {
	var random [10]byte
	_, _ = rand.Read(random[:]) // never fails
	return "auto-" + hex.EncodeToString(random[:])
}

// accept answers CONNACK and opens the connection for deliveries.
func (c *conn) accept(p *wire.Connect, present, assigned bool) error {
	o := &c.broker.opts
	answer := wire.Connack{SessionPresent: present}
	if c.version == wire.V5 {
		props := &answer.Properties
		if c.expiry != p.Properties.SessionExpiryInterval {
			props.SetSessionExpiryInterval(c.expiry)
		}
		props.SetReceiveMaximum(o.ReceiveMaximum)
		props.SetMaximumPacketSize(uint32(o.MaxPacketSize))
		if o.TopicAliasMaximum > 0 {
			props.SetTopicAliasMaximum(o.TopicAliasMaximum)
		}
		if assigned {
			props.SetAssignedClientIdentifier([]byte(c.clientID))
		}
		if k := c.keepAliveSeconds(p); k != p.KeepAlive {
			props.SetServerKeepAlive(k)
		}
	}
	c.mu.Lock()
	c.written = true // from here on the write loop has the last word
	c.mu.Unlock()
	// Before CONNACK: what is published once the client knows that it is connected must reach it. It waits for the write
	// loop.
	c.session.conn.Store(c)
	if err := c.writeDirect(&answer); err != nil {
		c.session.conn.Store(nil)
		c.closeOutbox()
		c.abandonSession()
		return fmt.Errorf("write CONNACK: %w", err)
	}
	c.broker.opts.Log.Info().Str("client", shown(c.clientID)).Str("remote", c.remote()).Str("listener", c.peer.Listener).
		Stringer("version", c.version).Bool("kept", c.kept).Bool("present", present).Msg("client connected")
	return nil
}

// abandonSession closes a session whose connection never came to be.
func (c *conn) abandonSession() {
	if c.out.queue != nil {
		c.out.queue.Detach()
	}
	if c.id != 0 {
		c.close(false)
	}
}

// refuse answers CONNECT with a reason code, as far as the version has one, and returns why.
func (c *conn) refuse(code wire.ReasonCode, why error) error {
	c.abandonSession()
	if c.version != 0 && (c.version == wire.V5 || answeredBefore5(code)) {
		_ = c.writeDirect(&wire.Connack{Code: code}) // it is refused whether it hears it or not
	}
	return why
}

// answeredBefore5 tells whether CONNACK of MQTT 3.1 and 3.1.1 has a return code for the reason. What is malformed gets
// none: the connection is closed. [MQTT-4.8.0-1 of 3.1.1]
func answeredBefore5(code wire.ReasonCode) bool {
	switch code {
	case wire.MalformedPacket, wire.ProtocolErrorCode, wire.TopicNameInvalid, wire.PacketTooLarge:
		return false
	}
	return true
}

// writeDirect writes one packet before the write loop runs.
func (c *conn) writeDirect(p wire.Packet) error {
	frame, err := p.Append(nil, c.version)
	if err != nil {
		return err
	}
	_ = c.nc.SetWriteDeadline(time.Now().Add(c.broker.opts.ConnectTimeout))
	if _, err = c.nc.Write(frame); err != nil {
		return err
	}
	if c.stopped() {
		return nil // with the deadline that it has
	}
	return c.nc.SetWriteDeadline(time.Time{})
}

// unknownLevel tells whether a CONNECT is MQTT of another version: the protocol name is right, the level is not.
func unknownLevel(frame wire.Frame) bool {
	const name = "\x00\x04MQTT"
	return len(frame.Body) > len(name) && string(frame.Body[:len(name)]) == name
}

// refusalCode returns the CONNACK code for a CONNECT that could not be read.
func refusalCode(err error) wire.ReasonCode {
	var broken *wire.ProtocolError
	if errors.As(err, &broken) {
		return broken.Code
	}
	return wire.UnspecifiedError
}

// storeCode returns the reason code for a step that the store did not take.
func storeCode(err error) wire.ReasonCode {
	switch {
	case errors.Is(err, persist.ErrFull):
		return wire.QuotaExceeded
	case errors.Is(err, persist.ErrTooLarge):
		return wire.PacketTooLarge
	case errors.Is(err, ErrStopped):
		return wire.ServerShuttingDown
	}
	return wire.ImplementationSpecificError
}
