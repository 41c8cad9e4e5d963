package storetest

import (
	"fmt"
	"maps"
	"slices"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// match compares what a store shows with what a model says, and finds out at which positions the steps stand. It knows
// only what was certain before, so a comparison that fails has taught nothing wrong.
type match struct {
	steps []*step
	known map[int]persist.Position
	found map[int]persist.Position
}

// at returns the position of a step, if known.
func (m *match) at(number int) persist.Position {
	if p, ok := m.known[number]; ok {
		return p
	}
	return m.found[number]
}

// place says that a step stands at a position, and what is wrong about that.
func (m *match) place(number int, p persist.Position) string {
	if was := m.at(number); was != 0 && was != p {
		return fmt.Sprintf("step %d stands at %d, it was at %d", number, p, was)
	}
	m.found[number] = p
	return ""
}

// everything compares the whole store. Empty: it is what the model says.
func (m *match) everything(want *model, got dump) string {
	if len(got.sessions) != len(want.sessions) {
		return fmt.Sprintf("%d sessions, want %d", len(got.sessions), len(want.sessions))
	}
	for _, id := range slices.Sorted(maps.Keys(got.sessions)) {
		is := got.sessions[id]
		s := want.sessions[is.state.ClientID]
		if s == nil {
			return fmt.Sprintf("there is a session %d of %q, want none", id, is.state.ClientID)
		}
		if diff := m.session(s, is); diff != "" {
			return fmt.Sprintf("session %d of %q: %s", id, is.state.ClientID, diff)
		}
	}
	if len(got.retained) != len(want.retained) {
		return fmt.Sprintf("%d retained messages, want %d", len(got.retained), len(want.retained))
	}
	for topic, is := range got.retained {
		number, ok := want.retained[topic]
		if !ok {
			return fmt.Sprintf("topic %q is retained, want it not", topic)
		}
		diff := diffMessage(is.Message, *m.steps[number].batch.Message)
		if diff == "" {
			diff = m.place(number, is.Position)
		}
		if diff != "" {
			return fmt.Sprintf("retained message of %q: %s", topic, diff)
		}
	}
	return m.order()
}

// session compares one session with its queue.
func (m *match) session(want *modelSession, got sessionDump) string {
	if diff := m.place(want.number, persist.Position(got.state.ID)); diff != "" {
		return diff
	}
	if diff := m.place(want.epoch, persist.Position(got.state.Epoch)); diff != "" {
		return diff
	}
	readable := want.readable(0)
	if diff := m.deliveries(readable, got.queue); diff != "" {
		return diff
	}
	if len(got.queue) != len(readable) {
		return fmt.Sprintf("%d messages are queued, want %d", len(got.queue), len(readable))
	}
	state := want.state
	state.ID, state.Epoch, state.Floor = got.state.ID, got.state.Epoch, m.at(want.floor)
	state.Subscriptions = slices.Collect(maps.Values(want.subscriptions))
	state.Received = slices.Collect(maps.Keys(want.received))
	for _, q := range want.queue {
		if q.id != 0 {
			state.InFlight = append(state.InFlight, persist.InFlight{Position: m.at(q.message), PacketID: q.id, Released: q.released})
		}
	}
	return diffState(got.state, state)
}

// deliveries compares what was read with the first of what is to be read.
func (m *match) deliveries(want []modelQueued, got []delivery) string {
	if len(got) > len(want) {
		return fmt.Sprintf("%d messages came, want %d", len(got), len(want))
	}
	for i, d := range got {
		diff := diffMessage(d.message, *m.steps[want[i].message].batch.Message)
		if diff == "" {
			wantMember := want[i].member
			wantMember.Session = d.member.Session // whose queue it is was checked when it was read
			diff = diffMember(d.member, wantMember)
		}
		if diff == "" {
			diff = m.place(want[i].message, d.position)
		}
		if diff != "" {
			return fmt.Sprintf("message %d, of step %d: %s", i, want[i].message, diff)
		}
	}
	return ""
}

// order checks that positions are in the order of the steps, each its own.
func (m *match) order() string {
	all := maps.Clone(m.known)
	maps.Copy(all, m.found)
	var last persist.Position
	for _, number := range slices.Sorted(maps.Keys(all)) {
		if all[number] <= last {
			return fmt.Sprintf("step %d stands at %d, one before it at %d", number, all[number], last)
		}
		last = all[number]
	}
	return ""
}
