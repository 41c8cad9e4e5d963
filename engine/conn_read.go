package engine

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/wire"
)

// readLoop handles the client's packets until the connection ends, and returns why it did.
func (c *conn) readLoop() (err error) {
	defer func() { c.in.touched.wake() }()
	for {
		if !c.in.reader.Ready() {
			if err := c.endBatch(); err != nil {
				return err
			}
		}
		frame, err := c.in.reader.Next()
		if err != nil {
			return err
		}
		if err := c.handle(frame); err != nil {
			return err
		}
	}
}

// guarded runs a step of the connection and turns a panic into its error: a defect of ours ends one connection, not the
// broker.
func (c *conn) guarded(step func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			c.broker.stats.panics.Add(1)
			c.broker.opts.Log.Error().Interface("cause", cause).Bytes("stack", debug.Stack()).Str("client", shown(c.clientID)).
				Msg("defect while serving a connection; it is ended")
			err = fmt.Errorf("defect: %v", cause)
		}
	}()
	return step()
}

// endBatch is called when everything that had arrived is handled, before the loop waits for more.
func (c *conn) endBatch() error {
	c.in.touched.wake()
	c.flushSettled()
	c.wakeWriter()
	if err := c.awaitRoom(); err != nil {
		return err
	}
	c.in.letGo()
	c.in.reader.Release()
	if c.broker.router.remembered.Load() > maxRemembered {
		c.forgetPlans()
	}
	c.in.keepAlive.packet(time.Now()) // not before: a disk that let the handling wait is not the client's silence
	if c.superseded.Load() {
		return nil // its deadline is set
	}
	return c.nc.SetReadDeadline(c.in.keepAlive.deadline())
}

// awaitRoom waits while too many acknowledgements wait for the disk: so TCP slows the publisher down.
func (c *conn) awaitRoom() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.crowdedLocked() {
		if c.ended || c.stopped() {
			return ErrStopped
		}
		c.room.Wait()
	}
	return nil
}

// crowdedLocked tells whether too many acknowledgements wait.
func (c *conn) crowdedLocked() bool {
	return c.acks.len() >= maxPendingAcks || c.answerBytes >= maxAnswerBytes
}

// handle handles one packet.
func (c *conn) handle(frame wire.Frame) error {
	switch frame.Type() {
	case wire.PUBLISH:
		return c.handlePublish(frame)
	case wire.PUBACK:
		return c.handlePuback(frame)
	case wire.PUBREC:
		return c.handlePubrec(frame)
	case wire.PUBREL:
		return c.handlePubrel(frame)
	case wire.PUBCOMP:
		return c.handlePubcomp(frame)
	case wire.SUBSCRIBE:
		return c.handleSubscribe(frame)
	case wire.UNSUBSCRIBE:
		return c.handleUnsubscribe(frame)
	case wire.PINGREQ:
		if _, err := wire.Decode(frame, c.version); err != nil {
			return err
		}
		return c.pong()
	case wire.DISCONNECT:
		return c.handleDisconnect(frame)
	case wire.CONNECT: // [MQTT-3.1.0-2]
		return protocolError(wire.CONNECT, wire.ProtocolErrorCode, "second CONNECT")
	case wire.AUTH:
		return protocolError(wire.AUTH, wire.ProtocolErrorCode, "no enhanced authentication was agreed on")
	}
	return protocolError(frame.Type(), wire.ProtocolErrorCode, "a client does not send this packet")
}

// handleDisconnect takes the client's leave. [MQTT-3.14.4-1]
func (c *conn) handleDisconnect(frame wire.Frame) error {
	leave := new(wire.Disconnect)
	if err := leave.Decode(frame, c.version); err != nil {
		return err
	}
	if leave.Properties.Has(wire.PropSessionExpiryInterval) && c.expiry == 0 && leave.Properties.SessionExpiryInterval > 0 {
		return protocolError(wire.DISCONNECT, wire.ProtocolErrorCode, "session expiry cannot be set where CONNECT had none") // [MQTT-3.14.2-2]
	}
	c.in.leave = leave
	return errDisconnected
}

// pong answers PINGREQ, past the acknowledgements that wait for the disk. [MQTT-3.12.4-1]
func (c *conn) pong() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.outbox.frames == nil {
		c.outbox.frames = newBuffer()
	}
	if len(c.outbox.frames) > c.broker.opts.MaxPending {
		return nil // it does not read what it asks for
	}
	frames, err := (&wire.Pingresp{}).Append(c.outbox.frames, c.version)
	c.outbox.frames = frames
	return err
}

// acknowledge queues an answer.
func (c *conn) acknowledge(a pendingAck) {
	c.mu.Lock()
	c.acks.push(a)
	c.answerBytes += a.size()
	c.mu.Unlock()
}

// wakeWriter wakes the write loop if there is something for it.
func (c *conn) wakeWriter() {
	c.mu.Lock()
	pending := c.acks.len() > 0 || len(c.outbox.frames) > 0 || (c.outbox.starved && c.window.room() > 0)
	c.mu.Unlock()
	if pending {
		c.wake.Wake()
	}
}

// append submits a step of this connection. Its ticket is what later answers wait for at least.
func (c *conn) append(batch *persist.Batch) (persist.Ticket, error) {
	c.in.touched.wake() // Append may wait for the disk: who was given something before must not
	ticket, err := c.broker.store.Append(batch)
	if err == nil {
		c.in.last = ticket
	}
	return ticket, err
}

// endCode returns the reason code that a connection is ended with for an error of its read loop; Success where the
// client is not to be told.
func (c *conn) endCode(err error) wire.ReasonCode {
	var broken *wire.ProtocolError
	switch {
	case errors.Is(err, errDisconnected):
		return wire.Success
	case c.superseded.Load():
		return wire.SessionTakenOver
	case errors.As(err, &broken):
		return broken.Code
	case errors.Is(err, os.ErrDeadlineExceeded):
		return wire.KeepAliveTimeout
	case errors.Is(err, errStoreRefused):
		return wire.QuotaExceeded
	}
	return wire.Success
}

// quietly returns err unless it is the ordinary end of a connection.
func quietly(err error) error {
	if errors.Is(err, errDisconnected) || errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
