package memstore

import (
	"bytes"
	"slices"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// cloneBatch copies all that the caller may reuse after Append. Audiences are shared: they never change.
func cloneBatch(b *persist.Batch) *persist.Batch {
	c := *b
	if b.Open != nil {
		open := *b.Open
		open.Will = cloneWill(b.Open.Will)
		c.Open = &open
	}
	if b.Close != nil {
		gone := *b.Close
		c.Close = &gone
	}
	if b.Message != nil {
		m := cloneMessage(b.Message)
		c.Message = &m
	}
	c.Subscribe = slices.Clone(b.Subscribe)
	c.Unsubscribe = slices.Clone(b.Unsubscribe)
	c.Sent = slices.Clone(b.Sent)
	c.Released = slices.Clone(b.Released)
	c.Settled.Above = slices.Clone(b.Settled.Above)
	return &c
}

func cloneMessage(m *persist.Message) persist.Message {
	c := *m
	c.Topic = bytes.Clone(m.Topic)
	c.Properties = bytes.Clone(m.Properties)
	c.Payload = bytes.Clone(m.Payload)
	return c
}

func cloneWill(w *persist.Will) *persist.Will {
	if w == nil {
		return nil
	}
	c := *w
	c.Message = cloneMessage(&w.Message)
	return &c
}

func messageBytes(m *persist.Message) int { return len(m.Topic) + len(m.Properties) + len(m.Payload) }
