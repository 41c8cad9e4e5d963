package engine

import (
	"github.com/holdfast-mqtt/holdfast/persist"
)

// willStep is what is proposed for a session that is due: its will, its end, or both in one step.
type willStep struct {
	session  persist.SessionID
	epoch    persist.Epoch
	key      uint64
	clientID string
	who      Identity
	will     *persist.Will
	end      bool

	pub    publication
	plan   *plan
	ticket persist.Ticket
}

// propose appends the step. It is void if the client has come back by the time it is folded.
func (b *Broker) propose(step *willStep) error {
	batch := persist.Batch{Session: step.session, Epoch: step.epoch, End: step.end}
	if step.will != nil && !b.opts.Authorizer.MayPublish(step.who, step.clientID, step.will.Message.Topic) {
		b.stats.denied.Add(1)
		step.will = nil // the rights were taken away since CONNECT
		if !step.end {
			return nil
		}
	}
	if step.will != nil {
		m := step.will.Message
		if n := step.will.MessageExpirySeconds; n > 0 {
			m.Expires = b.opts.Now().UnixMilli() + int64(n)*1000
		}
		step.pub = publication{message: m, expirySeconds: step.will.MessageExpirySeconds}
		if m.Retain {
			inside := b.gate.enter()
			defer func() { b.gate.leave(inside, step.ticket) }()
		}
		step.plan = b.router.plan(m.Topic, step.key)
		batch.WillOf = true
		batch.Message = &step.pub.message
		batch.Retain = retainAction(&m)
		if m.QoS > 0 {
			batch.Audience = b.router.audience(step.plan)
		}
		batch.Waiter = b.fold.wake
	}
	ticket, err := b.store.Append(&batch)
	step.ticket = ticket
	return err
}

// deliverWill hands a will that was published to the clients that take it without the store.
func (b *Broker) deliverWill(step *willStep) error {
	if err := b.fold.wait(step.ticket); err != nil {
		return err
	}
	if b.fold.willWasVoid(step.ticket) {
		return nil
	}
	b.stats.wills.Add(1)
	var touched wakeList
	b.router.deliverNow(step.plan, &step.pub, &touched)
	touched.wake()
	return nil
}

// retainAction returns what a message does to the retained message of its topic. [MQTT-3.3.1-6] [MQTT-3.3.1-8]
func retainAction(m *persist.Message) persist.RetainAction {
	switch {
	case !m.Retain:
		return persist.RetainNone
	case len(m.Payload) == 0:
		return persist.RetainClear
	default:
		return persist.RetainSet
	}
}
