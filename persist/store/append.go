package store

import (
	"errors"
	"fmt"
	"sync"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/persist/seglog"
)

const (
	// mostPending is the most bytes that are gathered for a group; more waits in Append.
	mostPending = 8 << 20
	// smallGroup is up to which size the memory of a group is kept for good. A larger one is given back when that many
	// groups in a row needed less than an eighth of it.
	smallGroup = 256 << 10
	mostSlack  = 100
)

// errNoSpare is why a message is refused that alone would fill the disk.
var errNoSpare = fmt.Errorf("message is larger than the room on the disk: %w", persist.ErrFull)

// inbox is where batches are gathered for the next group. Append writes each as one record straight into the group.
type inbox struct {
	mu sync.Mutex
	// room is signalled when a group left, and when the reason to refuse changed.
	room sync.Cond
	// group is being gathered.
	group *gathering
	// last is the last ticket given.
	last persist.Ticket
	// nextAudience is the next free audience number, and defined are the handles of those that the log knows.
	nextAudience uint64
	defined      map[uint64]*handle
	// most is how many bytes may be appended and not yet durable.
	most int
	// full is why messages are refused: several reasons may hold at a time. Nil error: they are taken.
	full [reasons]error
	// spare is the largest message that the disk has room for. A larger one would hold up everything behind it, also what
	// makes room.
	spare int64
	// failed is why everything is refused, and closed that the store was.
	failed error
	closed bool

	// urgent and soon wake the committer: somebody waits, or nobody does.
	urgent, soon chan struct{}
}

// gathering is one group on its way into the log.
type gathering struct {
	seglog.Group
	// first is the ticket of the first batch, batches how many there are.
	first   persist.Ticket
	batches int
	waiters []persist.Waiter
	// urgent: somebody waits for the group. told: the committer knows that there is one.
	urgent, told bool
	// peak is the largest group that this memory held, slack how many since were much smaller.
	peak, slack int
}

// Why messages are refused. Each reason has one owner, who sets and clears it.
type reason int

const (
	// fullLog: the group at hand, or the next segment, did not fit the disk. Owner: the committer.
	fullLog reason = iota
	// fullDisk: what is left on the disk is needed for the state. Owner: the checkpointer.
	fullDisk
	reasons
)

// Append implements persist.Store.
func (s *Store) Append(b *persist.Batch) (persist.Ticket, error) {
	var h *handle
	size := 0
	if b.Message != nil {
		size = len(b.Message.Topic) + len(b.Message.Properties) + len(b.Message.Payload)
		if size > s.options.LargestEntry {
			return 0, fmt.Errorf("append message of %d bytes: %w", size, persist.ErrTooLarge)
		}
		if b.Audience != nil {
			h = s.interns.handleOf(b.Audience)
		}
	}
	in := &s.in
	in.mu.Lock()
	if err := in.waitLocked(b, size); err != nil {
		in.mu.Unlock()
		return 0, err
	}
	g := in.group
	audience := uint64(0)
	if h != nil {
		audience = in.defineLocked(h)
	}
	g.End(appendBatch(g.Begin(typeBatch), b, audience))
	in.last++
	if h != nil {
		h.last = in.last
	}
	if g.batches == 0 {
		g.first = in.last
	}
	g.batches++
	if b.Waiter != nil {
		g.waiters = append(g.waiters, b.Waiter)
	}
	ticket := in.last
	// Messages are urgent whoever waits: their readers do.
	urgent := b.Waiter != nil || b.Message != nil
	wake := urgent && !g.urgent || !g.told
	g.urgent, g.told = g.urgent || urgent, true
	in.mu.Unlock()
	if wake {
		in.wake(urgent)
	}
	return ticket, nil
}

// waitLocked waits for room, and says why a batch with a message of the size is refused.
func (in *inbox) waitLocked(b *persist.Batch, size int) error {
	for {
		switch {
		case in.failed != nil:
			return in.failed
		case in.closed:
			return persist.ErrClosed
		}
		if b.Message != nil {
			for _, err := range in.full {
				if err != nil {
					return err
				}
			}
			if int64(size) > in.spare {
				return errNoSpare
			}
		}
		if in.group.Len() < in.most {
			return nil
		}
		in.room.Wait()
	}
}

// defineLocked returns the number of an audience in the log, and defines it there if the log does not know it.
func (in *inbox) defineLocked(h *handle) uint64 {
	if h.id == 0 {
		h.id = in.nextAudience
		in.nextAudience++
		in.defined[h.id] = h
		in.group.End(appendAudience(in.group.Begin(typeAudience), h.id, h.members))
	}
	return h.id
}

func (in *inbox) wake(urgent bool) {
	signal := in.soon
	if urgent {
		signal = in.urgent
	}
	select {
	case signal <- struct{}{}:
	default:
	}
}

// take hands the gathered group over, nil if there is none, or nobody waits for it and only urgent ones are asked for.
// The next is gathered with the memory of spare.
func (in *inbox) take(spare *gathering, urgent bool) *gathering {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.group.Records() == 0 || urgent && !in.group.urgent {
		return nil
	}
	g := in.group
	in.group = spare
	in.room.Broadcast()
	return g
}

// refuse sets or clears a reason to refuse messages, and tells whether it was another before.
func (in *inbox) refuse(r reason, why error) (changed bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	changed = (in.full[r] == nil) != (why == nil)
	in.full[r] = why
	if changed {
		in.room.Broadcast() // who waits for room with a message is refused now
	}
	return changed
}

// setSpare says which size of message the disk has room for.
func (in *inbox) setSpare(bytes int64) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.spare = bytes
}

// stalled is why messages are refused, nil if they are taken.
func (in *inbox) stalled() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	return errors.Join(in.full[:]...)
}

// recycle empties a group for reuse. Its memory is given back when it was much too large for a while.
func (g *gathering) recycle() *gathering {
	g.peak = max(g.peak, g.Len())
	if g.Len() >= g.peak/8 {
		g.slack = 0
	}
	if g.slack++; g.peak > smallGroup && g.slack > mostSlack || g.peak > 2*mostPending {
		return &gathering{}
	}
	g.Reset()
	clear(g.waiters)
	g.first, g.batches, g.urgent, g.told, g.waiters = 0, 0, false, false, g.waiters[:0]
	return g
}
