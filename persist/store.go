package persist

// Store keeps what the broker promised. All methods are safe for concurrent use.
type Store interface {
	// Append submits one atomic step and returns its ticket. It waits while too much is not yet durable, so callers
	// hold no lock. It returns ErrFull, ErrTooLarge, ErrFailed or ErrClosed, and then nothing was submitted.
	Append(b *Batch) (Ticket, error)
	// Durable is the highest ticket that is durable and visible. It only rises; it may stand still for seconds on a
	// slow or stalled disk, and stands still for good once Err is not nil.
	Durable() Ticket
	// Err is why the store has failed, nil while it has not.
	Err() error
	// Entries appends the control steps that became visible since the last call to dst, in log order. There is one
	// consumer. When it returns none, w is woken once as soon as there are some, or the store fails.
	Entries(dst []Entry, w Waiter) []Entry

	// Audience interns a set of members, ascending by session. Nil for none.
	Audience(members []Member) *Audience
	// Attach opens the queue of a session for its one reader, at the session's floor. The waiter is woken when
	// something may have been added. Attaching again detaches the reader before. ErrNoSession.
	Attach(id SessionID, w Waiter) (Queue, error)
	// Session returns the visible state of a session. ErrNoSession.
	Session(id SessionID) (SessionState, error)
	// Sessions calls fn with every session, until fn returns false. It is for the start, before Append is used.
	Sessions(fn func(SessionState) bool) error
	// Retained reads the retained message of a topic; its bytes are the caller's. ErrNotRetained.
	Retained(topic string) (Retained, error)
	// RetainedTopics calls fn with every topic that has a retained message, until fn returns false. It is for the
	// start, before Append is used.
	RetainedTopics(fn func(topic string) bool) error

	// Stats returns what the store counts.
	Stats() Stats
	// Close makes everything durable, checkpoints and releases the store.
	Close() error
}

// Queue reads the messages of one session in log order. It belongs to one goroutine.
type Queue interface {
	// Next fills the page with the messages behind those it returned before: at first those above the session's floor
	// that are neither settled nor released. An empty page means that the reader has caught up; the waiter is woken
	// when there is more. An error other than ErrNoSession is a failed read and may be tried again.
	Next(page *Page) error
	// Detach ends the reading; the waiter is not woken any more.
	Detach()
}

// Waiter is woken when there is something to look at. Wake never blocks and may come too often, also late.
type Waiter interface{ Wake() }
