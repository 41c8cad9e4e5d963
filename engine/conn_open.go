package engine

import (
	"errors"
	"slices"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/wire"
)

// openSession creates or resumes the session. What is to be kept is durable when it returns; a session that ends with
// its connection and leaves no will is not stored.
func (c *conn) openSession(p *wire.Connect) (present bool, err error) {
	b := c.broker
	clean, err := c.discardOld(p.CleanStart)
	if err != nil {
		return false, err
	}
	c.session = b.sessions.volatile(c.clientID)
	stored := b.sessions.find(c.clientID)
	if c.expiry == 0 && p.Will == nil && (stored == nil || clean) {
		return false, c.endStored(stored)
	}
	ticket, err := b.store.Append(&persist.Batch{Waiter: b.fold.wake, Open: &persist.Open{
		ClientID: c.clientID, Username: c.who.Name, Clean: clean,
		ExpirySeconds: c.expiry, Will: storedWill(p.Will), At: b.opts.Now().UnixMilli(),
	}})
	if err != nil {
		return false, err
	}
	if err := b.fold.wait(ticket); err != nil {
		return false, err
	}
	b.sessions.mu.Lock()
	defer b.sessions.mu.Unlock()
	s := b.sessions.byClient[c.clientID]
	c.id, c.epoch = s.id, s.epoch
	c.kept = c.expiry > 0 || s.present
	if c.kept { // else only the will is stored: subscriptions and messages are the connection's own
		c.session = s
	}
	return s.present, nil
}

// discardOld publishes the will that a stored session leaves if it is due, or the session is not to be resumed. It
// tells whether the session must start clean: the client wants it so, or what is stored has expired.
func (c *conn) discardOld(cleanStart bool) (clean bool, err error) {
	b := c.broker
	if err := c.awaitClose(); err != nil {
		return cleanStart, err
	}
	now := b.opts.Now().UnixMilli()
	b.sessions.mu.Lock()
	s := b.sessions.byClient[c.clientID]
	if s == nil {
		b.sessions.mu.Unlock()
		return cleanStart, nil
	}
	end, ends := s.endsAt()
	clean = cleanStart || (ends && end <= now) || s.expirySeconds == 0
	// A will whose session ends is due now, except that a client which returns soon after a crash cancels it.
	at, due := s.willAt()
	if !due || now < s.notBefore || (!clean && now < at) {
		b.sessions.mu.Unlock()
		return clean, nil
	}
	step := &willStep{
		session: s.id, epoch: s.epoch, key: s.key, clientID: s.clientID, who: Identity{Name: s.username}, will: s.will, end: clean,
	}
	b.sessions.mu.Unlock()
	err = b.propose(step)
	switch {
	case errors.Is(err, persist.ErrFull): // better without its will than not at all: what it reads makes room
		b.stats.dropped.Add(1)
		b.opts.Log.Warn().Err(err).Str("client", shown(c.clientID)).Msg("will dropped")
		return clean, nil
	case err != nil:
		return clean, err
	case step.will == nil:
		return clean, b.fold.wait(step.ticket)
	}
	return clean, b.deliverWill(step)
}

// awaitClose waits until the end of the client's last connection has been folded: only then is it known what that
// leaves.
func (c *conn) awaitClose() error {
	b := c.broker
	b.sessions.mu.Lock()
	closing := persist.Ticket(0)
	if s := b.sessions.byClient[c.clientID]; s != nil && s.connected {
		closing = s.closing
	}
	b.sessions.mu.Unlock()
	return b.fold.wait(closing)
}

// endStored ends what is stored under the client identifier, durably, before a session that is not stored takes its
// place. [MQTT-3.1.2-4]
func (c *conn) endStored(s *session) error {
	if s == nil {
		return nil
	}
	b := c.broker
	b.sessions.mu.Lock()
	batch := persist.Batch{Session: s.id, Epoch: s.epoch, End: true, Waiter: b.fold.wake}
	b.sessions.mu.Unlock()
	ticket, err := b.store.Append(&batch)
	if err != nil {
		return err
	}
	return b.fold.wait(ticket)
}

// storedWill copies a will out of the packet; nil for none.
func storedWill(w *wire.Will) *persist.Will {
	if w == nil {
		return nil
	}
	return &persist.Will{
		Message: persist.Message{
			Topic: []byte(w.Topic), Payload: slices.Clone(w.Payload), QoS: w.QoS, Retain: w.Retain,
			Properties: w.Properties.AppendForward(nil),
		},
		DelaySeconds:         w.Properties.WillDelayInterval,
		MessageExpirySeconds: w.Properties.MessageExpiryInterval,
	}
}
