package engine

import (
	"strings"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/wire"
)

// handleSubscribe adds subscriptions, then sends the retained messages that they ask for. Those of a kept session are
// durable, and have taken effect, before SUBACK.
func (c *conn) handleSubscribe(frame wire.Frame) error {
	var p wire.Subscribe
	if err := p.Decode(frame, c.version); err != nil {
		return err
	}
	answer := &wire.Suback{PacketID: p.PacketID, Codes: make([]wire.ReasonCode, 0, len(p.Filters))}
	id := uint32(0)
	if len(p.Properties.SubscriptionIDs) > 0 {
		id = p.Properties.SubscriptionIDs[0]
	}
	granted := make([]persist.Subscription, 0, len(p.Filters))
	fresh := make([]bool, 0, len(p.Filters)) // by granted: the subscription is new
	places := make(map[string]int)           // in granted
	added := 0
	for _, f := range p.Filters {
		sub := persist.Subscription{
			Filter: f.Filter, QoS: f.QoS, NoLocal: f.NoLocal,
			RetainAsPublished: f.RetainAsPublished, RetainHandling: f.RetainHandling, ID: id,
		}
		at, again := places[f.Filter]
		known := again || c.broker.indexHas(c.session, f.Filter)
		code := c.checkFilter(f.Filter)
		if code == wire.Success && !known && c.subscriptions()+added >= c.broker.opts.MaxSubscriptions {
			code = wire.QuotaExceeded
		}
		if code != wire.Success {
			answer.Codes = append(answer.Codes, code)
			continue
		}
		answer.Codes = append(answer.Codes, wire.ReasonCode(f.QoS))
		if again { // the last one holds, and its retained messages are sent once
			granted[at] = sub
			continue
		}
		if !known {
			added++
		}
		places[f.Filter] = len(granted)
		granted, fresh = append(granted, sub), append(fresh, !known)
	}
	ticket, err := c.subscribe(granted)
	last := persist.Ticket(0)
	if err != nil {
		c.refuseAll(answer, granted, storeCode(err)) // promises nothing, so it waits for nothing but those before it
	} else if err := c.sendRetained(granted, fresh); err != nil {
		return err
	} else {
		last = max(ticket, c.in.last) // the copies of retained messages are promised too
	}
	c.acknowledge(pendingAck{ticket: uint64(last), packetID: p.PacketID, kind: wire.SUBACK, packet: answer})
	return nil
}

// checkFilter decides whether the client may have a subscription.
func (c *conn) checkFilter(filter string) wire.ReasonCode {
	o := &c.broker.opts
	if strings.HasPrefix(filter, "$queue/") {
		return wire.TopicFilterInvalid // ambiguous between brokers; $share says what is meant
	}
	_, rest, _ := wire.SplitShared(filter)
	if strings.Count(rest, "/")+1 > o.MaxTopicLevels {
		return wire.TopicFilterInvalid
	}
	if !o.Authorizer.MaySubscribe(c.who, c.clientID, rest) {
		c.broker.stats.denied.Add(1)
		return wire.NotAuthorized
	}
	return wire.Success
}

// subscriptions counts those of the session.
func (c *conn) subscriptions() int {
	if !c.kept {
		return len(c.in.filters)
	}
	c.broker.sessions.mu.Lock()
	defer c.broker.sessions.mu.Unlock()
	return len(c.session.filters)
}

// subscribe puts subscriptions into effect. For a kept session it waits until they are durable.
func (c *conn) subscribe(subs []persist.Subscription) (persist.Ticket, error) {
	if len(subs) == 0 {
		return 0, nil
	}
	b := c.broker
	if !c.kept {
		for i := range subs {
			b.indexAdd(c.session, &subs[i], false)
			c.in.filters[subs[i].Filter] = struct{}{}
		}
		return 0, nil
	}
	return c.appendAndWait(&persist.Batch{Session: c.id, Epoch: c.epoch, Subscribe: subs})
}

// appendAndWait appends a step and waits until it has been folded. The writer is woken first: it may have to write what
// the wait is for.
func (c *conn) appendAndWait(batch *persist.Batch) (persist.Ticket, error) {
	b := c.broker
	c.in.touched.wake()
	c.wakeWriter()
	batch.Waiter = b.fold.wake
	ticket, err := c.append(batch)
	if err != nil {
		return 0, err
	}
	return ticket, b.fold.wait(ticket)
}

// refuseAll puts a reason code in the place of every subscription that was granted.
func (c *conn) refuseAll(answer *wire.Suback, granted []persist.Subscription, code wire.ReasonCode) {
	if !code.LegalIn(wire.SUBACK) {
		code = wire.ImplementationSpecificError
	}
	for i := range answer.Codes {
		if !answer.Codes[i].Failed() {
			answer.Codes[i] = code
		}
	}
	c.broker.refusals.Warn().Str("client", shown(c.clientID)).Int("subscriptions", len(granted)).Stringer("reason", code).
		Msg("subscriptions could not be stored")
}

// handleUnsubscribe removes subscriptions; those of a kept session durably before UNSUBACK. [MQTT-3.10.4-4]
func (c *conn) handleUnsubscribe(frame wire.Frame) error {
	var p wire.Unsubscribe
	if err := p.Decode(frame, c.version); err != nil {
		return err
	}
	answer := &wire.Unsuback{PacketID: p.PacketID, Codes: make([]wire.ReasonCode, len(p.Filters))}
	var known []string
	for i, filter := range p.Filters {
		if c.broker.indexHas(c.session, filter) {
			known = append(known, filter)
		} else {
			answer.Codes[i] = wire.NoSubscriptionExisted
		}
	}
	for _, filter := range known {
		c.forgetRetained(filter)
	}
	err := c.unsubscribe(known)
	last := c.in.last
	if err != nil {
		if c.version != wire.V5 {
			return errStoreRefused // MQTT 3 cannot be told: it will ask again
		}
		for i := range answer.Codes {
			answer.Codes[i] = wire.ImplementationSpecificError
		}
		last = 0 // promises nothing, so it waits for nothing but those before it
	}
	c.acknowledge(pendingAck{ticket: uint64(last), packetID: p.PacketID, kind: wire.UNSUBACK, packet: answer})
	return nil
}

// unsubscribe ends subscriptions that exist.
func (c *conn) unsubscribe(filters []string) error {
	if len(filters) == 0 {
		return nil
	}
	if !c.kept {
		for _, filter := range filters {
			c.broker.indexRemove(c.session, filter)
			delete(c.in.filters, filter)
		}
		return nil
	}
	_, err := c.appendAndWait(&persist.Batch{Session: c.id, Epoch: c.epoch, Unsubscribe: filters})
	return err
}
