package ledger

import (
	"fmt"
	"sync"
)

// Mark is a moment in the ledger's own time: a line written later has a higher mark. 0 is never.
type Mark uint64

// Ledger is one history. The zero value is not ready; use New.
type Ledger struct {
	mu sync.Mutex
	// All below is guarded by mu.
	now        Mark
	topics     []string       // by topic number
	topicIndex map[string]int // topic number by name
	publishers map[string]*publisher
	sessions   map[string]*session
	values     map[string]*value
	faults     []Fault
	counts     Counts
}

// New returns an empty ledger.
func New() *Ledger {
	return &Ledger{
		topicIndex: map[string]int{},
		publishers: map[string]*publisher{},
		sessions:   map[string]*session{},
		values:     map[string]*value{},
	}
}

// tickLocked is the next moment.
func (l *Ledger) tickLocked() Mark {
	l.now++
	return l.now
}

// faultLocked writes down a broken promise at the moment it shows.
func (l *Ledger) faultLocked(kind Kind, format string, args ...any) {
	l.faults = append(l.faults, Fault{Kind: kind, At: l.now, Detail: fmt.Sprintf(format, args...)})
}

// topicLocked gives a topic its number, so that a message costs a few bytes and not a string.
func (l *Ledger) topicLocked(name string) int {
	n, known := l.topicIndex[name]
	if !known {
		n = len(l.topics)
		l.topics = append(l.topics, name)
		l.topicIndex[name] = n
	}
	return n
}
