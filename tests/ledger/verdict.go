package ledger

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Kind is a way to break the promise.
type Kind string

// The kinds of faults.
const (
	Lost         Kind = "lost"         // an acknowledged message that was due never came
	Duplicate    Kind = "duplicate"    // a QoS 2 message came twice
	Order        Kind = "order"        // a message came after a later one of its stream
	Session      Kind = "session"      // a session was forgotten, or invented
	Retained     Kind = "retained"     // a retained value went back in time
	Subscription Kind = "subscription" // a subscription was lost, or is back from the dead
	Stray        Kind = "stray"        // something came that nobody sent
	Protocol     Kind = "protocol"     // something came that the protocol forbids
)

// Kinds are all kinds of faults, in the order of a report.
func Kinds() []Kind {
	return []Kind{Lost, Duplicate, Order, Session, Retained, Subscription, Stray, Protocol}
}

// Fault is one broken promise.
type Fault struct {
	Kind   Kind
	At     Mark
	Detail string
}

// Counts says how much a verdict stands on.
type Counts struct {
	Sent, Acked              int // messages, wills among them
	Delivered, Repeats       int // deliveries to applications; those at QoS 1 that were not the first
	Connects                 int
	Subscribed, Unsubscribed int
	Reads                    int // of retained values
}

// Verdict is the judgement of a history.
type Verdict struct {
	Counts Counts
	Faults []Fault
}

// Judge gives the verdict on everything written so far. Call it when all that is due had its time to come.
func (l *Ledger) Judge() Verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := Verdict{Counts: l.counts, Faults: slices.Clone(l.faults)}
	l.missingLocked(func(s *session, publisher string, seq uint64, sent *sending) {
		kind := Lost
		if sent.probe {
			kind = Subscription
		}
		v.Faults = append(v.Faults, Fault{Kind: kind, At: l.now, Detail: fmt.Sprintf("%s never received message %d of %s on %s (QoS %d)",
			s.name, seq, publisher, l.topics[sent.topic], sent.qos)})
	})
	return v
}

// Owed counts the deliveries that are due and have not come yet.
func (l *Ledger) Owed() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	l.missingLocked(func(*session, string, uint64, *sending) { n++ })
	return n
}

// Unacknowledged counts the messages that were sent and neither acknowledged nor withdrawn.
func (l *Ledger) Unacknowledged() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, p := range l.publishers {
		for i := range p.sent {
			if p.sent[i].acked == 0 && p.sent[i].withdrawn == 0 {
				n++
			}
		}
	}
	return n
}

// Counts returns how much was written so far.
func (l *Ledger) Counts() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts
}

// missingLocked calls found for every delivery that is due and did not come, in a stable order.
func (l *Ledger) missingLocked(found func(*session, string, uint64, *sending)) {
	for _, client := range slices.Sorted(maps.Keys(l.sessions)) {
		l.missingOfLocked(l.sessions[client], found)
	}
}

// missingOfLocked does the same for one session.
func (l *Ledger) missingOfLocked(s *session, found func(*session, string, uint64, *sending)) {
	for _, name := range slices.Sorted(maps.Keys(l.publishers)) {
		p, page := l.publishers[name], s.arrived[name]
		for i := range p.sent {
			sent := &p.sent[i]
			if sent.acked == 0 || sent.withdrawn != 0 || i < len(page) && page[i] > 0 {
				continue
			}
			if slices.ContainsFunc(l.coversLocked(s, sent.topic), func(sub *subscription) bool { return sub.due(sent.first) }) {
				found(s, name, uint64(i)+1, sent)
			}
		}
	}
}

// Kept reports whether the promise was kept.
func (v Verdict) Kept() bool { return len(v.Faults) == 0 }

// Of counts the faults of one kind.
func (v Verdict) Of(kind Kind) int {
	n := 0
	for _, f := range v.Faults {
		if f.Kind == kind {
			n++
		}
	}
	return n
}

// String sums the verdict up in a line, and names the first faults of each kind below it.
func (v Verdict) String() string {
	const shown = 8
	var b strings.Builder
	c := v.Counts
	fmt.Fprintf(&b, "sent %d, acknowledged %d, delivered %d (repeated at QoS 1: %d), connects %d, subscribes %d, unsubscribes %d, retained reads %d;",
		c.Sent, c.Acked, c.Delivered, c.Repeats, c.Connects, c.Subscribed, c.Unsubscribed, c.Reads)
	for i, kind := range Kinds() {
		sep := ","
		if i == 0 {
			sep = ""
		}
		fmt.Fprintf(&b, "%s %s %d", sep, kind, v.Of(kind))
	}
	for _, kind := range Kinds() {
		n := 0
		for _, f := range v.Faults {
			if f.Kind != kind {
				continue
			}
			if n++; n <= shown {
				fmt.Fprintf(&b, "\n  %s at %d: %s", f.Kind, f.At, f.Detail)
			}
		}
		if n > shown {
			fmt.Fprintf(&b, "\n  %s: and %d more", kind, n-shown)
		}
	}
	return b.String()
}

// utoa writes a sequence number.
func utoa(n uint64) string { return strconv.FormatUint(n, 10) }
