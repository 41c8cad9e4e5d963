package engine

import (
	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/wire"
)

// handlePuback ends an outbound QoS 1 message. [MQTT-4.3.2-5]
func (c *conn) handlePuback(frame wire.Frame) error {
	var p wire.Puback
	if err := p.Decode(frame, c.version); err != nil {
		return err
	}
	c.mu.Lock()
	c.window.acknowledge(p.PacketID, 1) // an unknown identifier is an answer to an earlier connection's message
	c.mu.Unlock()
	return nil
}

// handlePubrec notes that an outbound QoS 2 message is the client's; PUBREL leaves when that is durable. [MQTT-4.3.3-4]
func (c *conn) handlePubrec(frame wire.Frame) error {
	var p wire.Pubrec
	if err := p.Decode(frame, c.version); err != nil {
		return err
	}
	c.mu.Lock()
	if p.Code.Failed() { // the client does not want it [MQTT-4.3.3-9]
		c.window.acknowledge(p.PacketID, 2)
		c.mu.Unlock()
		return nil
	}
	again, known := c.window.release(p.PacketID)
	c.mu.Unlock()
	answer := pendingAck{packetID: p.PacketID, kind: wire.PUBREL, ticket: uint64(c.in.last)}
	if !known {
		answer.code = wire.PacketIdentifierNotFound
	}
	if known && !again && c.kept {
		c.in.batch = persist.Batch{Waiter: c.wake, Session: c.id, Epoch: c.epoch, Released: c.in.id(p.PacketID)}
		ticket, err := c.append(&c.in.batch)
		if err != nil {
			return errStoreRefused
		}
		answer.ticket = uint64(ticket)
	}
	c.acknowledge(answer)
	return nil
}

// handlePubrel releases the identifier of an inbound QoS 2 message. The release is durable before PUBCOMP: a reused
// identifier must read as a new message. [MQTT-4.3.3-12]
func (c *conn) handlePubrel(frame wire.Frame) error {
	var p wire.Pubrel
	if err := p.Decode(frame, c.version); err != nil {
		return err
	}
	answer := pendingAck{packetID: p.PacketID, kind: wire.PUBCOMP, ticket: uint64(c.in.last)}
	if !c.in.received.remove(p.PacketID) {
		answer.code = wire.PacketIdentifierNotFound
	} else if c.kept {
		c.in.batch = persist.Batch{Waiter: c.wake, Session: c.id, Epoch: c.epoch, ReleasedID: p.PacketID}
		ticket, err := c.append(&c.in.batch)
		if err != nil {
			return errStoreRefused
		}
		answer.ticket = uint64(ticket)
	}
	c.acknowledge(answer)
	return nil
}

// handlePubcomp ends an outbound QoS 2 message.
func (c *conn) handlePubcomp(frame wire.Frame) error {
	var p wire.Pubcomp
	if err := p.Decode(frame, c.version); err != nil {
		return err
	}
	c.mu.Lock()
	c.window.complete(p.PacketID)
	c.mu.Unlock()
	return nil
}

// flushSettled appends what was acknowledged since the last call. Nobody waits for it: an outbound message whose
// acknowledgement is lost in a crash is sent again.
func (c *conn) flushSettled() {
	if !c.kept {
		return
	}
	c.mu.Lock()
	settled, ok := c.window.takeSettled()
	c.mu.Unlock()
	if !ok {
		return
	}
	batch := persist.Batch{Session: c.id, Epoch: c.epoch, Settled: settled}
	if _, err := c.broker.store.Append(&batch); err != nil {
		c.broker.opts.Log.Debug().Err(err).Str("client", shown(c.clientID)).Msg("acknowledgements could not be stored")
	}
}
