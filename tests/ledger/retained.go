package ledger

// value is the history of one retained topic.
type value struct {
	changes []change // in the order of sending
}

// change sets or clears a retained value.
type change struct {
	seq   uint64
	sent  Mark
	clear bool
	acked bool
}

// Nothing is what a read returns when no retained message came.
const Nothing uint64 = 0

// retainSentLocked writes down a change that is about to be sent.
func (l *Ledger) retainSentLocked(m Message) {
	v := l.values[m.Topic]
	if v == nil {
		v = &value{}
		l.values[m.Topic] = v
	}
	v.changes = append(v.changes, change{seq: m.Seq, sent: l.now, clear: m.Clear})
}

// acknowledge notes that the broker confirmed the change with this sequence number.
func (v *value) acknowledge(seq uint64) {
	for i := len(v.changes) - 1; i >= 0; i-- {
		if v.changes[i].seq == seq {
			v.changes[i].acked = true
			return
		}
	}
}

// settled counts the changes that are acknowledged without a gap: what is sent again behind a gap may undo the rest
// for a while.
func (v *value) settled() int {
	n := 0
	for n < len(v.changes) && v.changes[n].acked {
		n++
	}
	return n
}

// Read is a look at one retained topic, begun and not yet ended.
type Read struct {
	topic string
	floor int // changes settled when it began
}

// ReadBegins writes down that somebody is about to subscribe in order to read the retained value.
func (l *Ledger) ReadBegins(topic string) Read {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tickLocked()
	r := Read{topic: topic}
	if v := l.values[topic]; v != nil {
		r.floor = v.settled()
	}
	return r
}

// Due tells whether the read must return a value: Nothing would be wrong.
func (l *Ledger) Due(r Read) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.rightLocked(r, Nothing)
}

// ReadEnds writes down what the read returned, the sequence number of the message or Nothing, and judges it.
func (l *Ledger) ReadEnds(reader string, r Read, got uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tickLocked()
	l.counts.Reads++
	if l.rightLocked(r, got) {
		return
	}
	latest := "no value was ever confirmed"
	if r.floor > 0 {
		c := l.values[r.topic].changes[r.floor-1]
		latest = "message " + utoa(c.seq) + " had set it"
		if c.clear {
			latest = "message " + utoa(c.seq) + " had cleared it"
		}
	}
	if got == Nothing {
		l.faultLocked(Retained, "%s found no retained value on %s: %s", reader, r.topic, latest)
		return
	}
	l.faultLocked(Retained, "%s found message %d retained on %s: %s", reader, got, r.topic, latest)
}

// rightLocked tells whether a read may return what it did: the newest settled change, or any later one.
func (l *Ledger) rightLocked(r Read, got uint64) bool {
	v := l.values[r.topic]
	if v == nil {
		return got == Nothing
	}
	if got == Nothing && r.floor == 0 {
		return true
	}
	for i := max(r.floor-1, 0); i < len(v.changes); i++ {
		c := v.changes[i]
		if c.clear && got == Nothing || !c.clear && got == c.seq {
			return true
		}
	}
	return false
}
