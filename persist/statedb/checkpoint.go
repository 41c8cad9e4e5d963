package statedb

import (
	"errors"
	"fmt"
	"maps"

	"github.com/dgraph-io/badger/v4"

	"github.com/holdfast-mqtt/holdfast/persist"
)

const (
	// flushBytes and flushKeys keep a transaction below what Badger takes with this memory table: 1.2 MB, 13,000 keys.
	flushBytes = 1 << 20
	flushKeys  = 8000
)

// Checkpoint brings the database from one state to a later one: a set of changes, all visible after Commit or none.
// Of several changes to one item the last counts. It belongs to one goroutine.
//
// Changes are written as they come, in transactions of a bounded size, each under a version of its own above all there
// were. Readers stay at the version of the last meta record, so nothing of it is visible until Commit writes the next.
// Errors are kept for Commit to return.
type Checkpoint struct {
	db  *DB
	err error
	// closed: it was committed or discarded.
	closed bool
	// wrote: there are versions of this checkpoint in the database.
	wrote bool
	// version of the last transaction.
	version uint64
	// txn gathers the next transaction, of size bytes in keys keys; it reads what came before.
	txn  *badger.Txn
	size int
	keys int
	// before reads the state before this checkpoint; made when first needed.
	before *iterator
	// subscribed are the sessions that this checkpoint put subscriptions to.
	subscribed map[persist.SessionID]struct{}
	// parts are the changes to the parts of long values.
	parts  map[string]int
	counts counts
}

// Begin starts a checkpoint. There is one at a time; it waits for the one before.
func (d *DB) Begin() *Checkpoint {
	d.writing.Lock()
	c := &Checkpoint{
		db:         d,
		version:    d.last,
		subscribed: make(map[persist.SessionID]struct{}),
		parts:      make(map[string]int),
	}
	d.mu.RLock()
	c.counts = d.mu.counts
	closed := d.mu.closed
	d.mu.RUnlock()
	switch {
	case closed:
		c.err = ErrClosed
	case d.failed != nil:
		c.err = d.failed
	default:
		c.txn = d.badger.NewTransactionAt(c.version, true)
		if d.torn {
			c.undo()
		}
	}
	return c
}

// PutSession writes who a session is: everything of the record but the subscriptions, the cursor and the received ids.
func (c *Checkpoint) PutSession(s *SessionRecord) {
	c.put(idKey(kindSession, uint64(s.ID)), appendSession(nil, s))
}

// PutCursor writes how far a session has come. Without one the session stands at its own id.
func (c *Checkpoint) PutCursor(id persist.SessionID, cursor Cursor) {
	c.put(idKey(kindCursor, uint64(id)), appendCursor(nil, &cursor))
}

// PutReceived writes the packet ids of a session that wait for PUBREL.
func (c *Checkpoint) PutReceived(id persist.SessionID, ids []uint16) {
	key := idKey(kindReceived, uint64(id))
	if len(ids) == 0 {
		c.delete(key)
		return
	}
	c.put(key, appendReceived(nil, ids))
}

// PutSubscription adds a subscription to a session, or replaces the one with its filter.
func (c *Checkpoint) PutSubscription(id persist.SessionID, s persist.Subscription) {
	c.subscribed[id] = struct{}{}
	c.put(subscriptionKey(id, s.Filter), appendSubscription(nil, &s))
}

// DeleteSubscription removes the subscription with that filter.
func (c *Checkpoint) DeleteSubscription(id persist.SessionID, filter string) {
	c.delete(subscriptionKey(id, filter))
}

// DeleteSession removes a session with all that belongs to it.
func (c *Checkpoint) DeleteSession(id persist.SessionID) {
	if c.err != nil {
		return
	}
	for _, key := range c.subscriptionsOf(id) {
		c.delete(key)
	}
	delete(c.subscribed, id)
	c.delete(idKey(kindCursor, uint64(id)))
	c.delete(idKey(kindReceived, uint64(id)))
	c.delete(idKey(kindSession, uint64(id)))
}

// subscriptionsOf lists the keys of the subscriptions of a session.
func (c *Checkpoint) subscriptionsOf(id persist.SessionID) (keys [][]byte) {
	prefix := idKey(kindSubscription, uint64(id))
	it := c.before
	if _, changed := c.subscribed[id]; changed {
		// Some may be in this very checkpoint. Iterators over a transaction sort what it has gathered; few sessions
		// end in the checkpoint in which they subscribed.
		it = newIterator(c.txn, prefix)
		defer it.it.Close()
	} else if it == nil {
		it = c.db.iterate(kindSubscription)
		c.before = it
	}
	for it.it.Seek(prefix); it.it.ValidForPrefix(prefix); it.next() {
		keys = append(keys, it.it.Item().KeyCopy(nil))
	}
	return keys
}

// PutAudience writes the members of an audience.
func (c *Checkpoint) PutAudience(id uint64, members []persist.Member) {
	c.put(idKey(kindAudience, id), appendAudience(nil, members))
}

// DeleteAudience removes an audience.
func (c *Checkpoint) DeleteAudience(id uint64) { c.delete(idKey(kindAudience, id)) }

// PutRetained sets the retained message of a topic.
func (c *Checkpoint) PutRetained(topic string, r persist.Retained) {
	c.put(topicKey(kindValue, topic), appendRetained(make([]byte, 0, messageSize(&r.Message)), &r))
	c.put(topicKey(kindRetained, topic), appendRetainedTopic(nil, topic, r.Position))
}

// DeleteRetained removes the retained message of a topic.
func (c *Checkpoint) DeleteRetained(topic string) {
	c.delete(topicKey(kindValue, topic))
	c.delete(topicKey(kindRetained, topic))
}

// Commit makes the checkpoint the state of the database. Nothing of it is visible when it returns an error, and
// another may be tried with all of the changes, unless the error is ErrFailed: then whether it counts is found out at
// the next Open, and either will do as long as the log is still there.
func (c *Checkpoint) Commit(m Meta) error {
	if c.closed {
		panic("statedb: commit of a checkpoint that is over")
	}
	defer c.Discard()
	c.flush()
	if c.err == nil && c.wrote {
		// A name that is lost with its log, while a later log with the meta record is kept, would leave a hole.
		c.syncDir()
	}
	c.putMeta(&m)
	c.syncDir()
	if c.err != nil {
		return fmt.Errorf("write checkpoint at position %d: %w", m.Applied, c.err)
	}
	d := c.db
	d.mu.Lock()
	d.mu.version, d.mu.found = c.version, true
	d.mu.meta, d.mu.counts = m, c.counts
	d.badger.SetDiscardTs(c.version)
	d.mu.Unlock()
	d.torn, c.wrote = false, false
	maps.Copy(d.parts, c.parts)
	maps.DeleteFunc(d.parts, func(_ string, n int) bool { return n == 0 })
	return nil
}

// Discard ends the checkpoint without effect. After Commit it does nothing.
func (c *Checkpoint) Discard() {
	if c.closed {
		return
	}
	c.closed = true
	if c.before != nil {
		c.before.close()
	}
	if c.txn != nil {
		c.txn.Discard()
	}
	c.db.last = c.version
	c.db.torn = c.db.torn || c.wrote
	c.db.writing.Unlock()
}

// put stages data under key, in as many parts as it takes.
func (c *Checkpoint) put(key, data []byte) {
	if len(data) > longestData && c.err == nil {
		c.err = fmt.Errorf("%s has %d bytes: %w", describeKey(key), len(data), persist.ErrTooLarge)
	}
	if k := kind(key[0]); k.counted() && !c.exists(key) {
		*c.counts.of(k)++
	}
	value, parts := seal(key, data)
	c.putParts(key, data, parts)
	c.set(key, value)
}

// putParts stages what of data follows its first part.
func (c *Checkpoint) putParts(key, data []byte, parts int) {
	for n := 1; n <= parts; n++ {
		at := partKey(key, n)
		part, _ := seal(at, partOf(data, n))
		c.set(at, part)
	}
	c.setParts(key, parts)
}

// putMeta writes the meta record. Its first part makes the checkpoint count, so it is in a transaction of its own behind
// its other parts, however many transactions those take.
func (c *Checkpoint) putMeta(m *Meta) {
	key, data := metaKey(), appendMeta(nil, m, &c.counts)
	value, parts := seal(key, data)
	c.putParts(key, data, parts)
	if c.keys > 0 {
		c.flush()
		c.syncDir()
	}
	c.set(key, value)
	c.flush()
}

// delete stages the end of a key. What is not there needs no marker, which would be kept for long.
func (c *Checkpoint) delete(key []byte) {
	if !c.exists(key) {
		return
	}
	if k := kind(key[0]); k.counted() {
		*c.counts.of(k)--
	}
	c.set(key, nil)
	c.setParts(key, 0)
}

// setParts removes the parts of a longer value that was under the key before.
func (c *Checkpoint) setParts(key []byte, parts int) {
	before, changed := c.parts[string(key)]
	if !changed {
		before = c.db.parts[string(key)]
	}
	for n := parts + 1; n <= before; n++ {
		c.set(partKey(key, n), nil)
	}
	if parts != before {
		c.parts[string(key)] = parts
	}
}

// exists tells whether there is a value under key, as this checkpoint has it so far.
func (c *Checkpoint) exists(key []byte) bool {
	if c.err != nil {
		return false
	}
	_, err := c.txn.Get(key)
	if err != nil && !errors.Is(err, badger.ErrKeyNotFound) {
		c.err = fmt.Errorf("look up %s: %w", describeKey(key), err)
	}
	return err == nil
}

// set stages one key as Badger shall hold it; a nil value removes it. Key and value now belong to the transaction.
func (c *Checkpoint) set(key, value []byte) {
	size := len(key) + len(value) + 64
	if c.err == nil && (c.size+size > flushBytes || c.keys == flushKeys) {
		c.flush()
	}
	if c.err != nil {
		return
	}
	if value == nil {
		c.err = c.txn.Delete(key)
	} else {
		c.err = c.txn.Set(key, value)
	}
	c.size, c.keys = c.size+size, c.keys+1
}

// flush writes the transaction that was gathered, and begins another.
func (c *Checkpoint) flush() {
	if c.err != nil || c.keys == 0 {
		return
	}
	if c.err = c.db.checkRoom(c.size); c.err != nil {
		return
	}
	c.version++
	c.wrote = true
	if err := c.txn.CommitAt(c.version, nil); err != nil {
		c.fail(err)
		return
	}
	c.txn = c.db.badger.NewTransactionAt(c.version, true)
	c.size, c.keys = 0, 0
}

func (c *Checkpoint) syncDir() {
	if c.err != nil {
		return
	}
	if err := syncDir(c.db.dir); err != nil {
		c.fail(err)
	}
}

// fail gives the database up. After a failed sync the kernel may have dropped what it could not write, and a later
// sync of the same file would succeed over the hole; so nothing that is written from now on could be believed.
func (c *Checkpoint) fail(err error) {
	c.db.failed = fmt.Errorf("%w: %w", ErrFailed, err)
	c.err = c.db.failed
}

// undo writes what was before over everything that an incomplete checkpoint left. It would become visible with the next
// complete one, wherever that does not write the same keys.
func (c *Checkpoint) undo() {
	d := c.db
	strays := d.strays()
	txn := d.badger.NewTransactionAt(d.mu.version, false)
	defer txn.Discard()
	for _, key := range strays {
		item, err := txn.Get(key)
		var value []byte
		if err == nil {
			value, err = item.ValueCopy(nil)
		}
		if err != nil && !errors.Is(err, badger.ErrKeyNotFound) {
			c.err = fmt.Errorf("undo an incomplete checkpoint: %s: %w", describeKey(key), err)
			return
		}
		c.set(key, value)
	}
}

// strays lists the keys that have a version above the last complete checkpoint.
func (d *DB) strays() (keys [][]byte) {
	txn := d.badger.NewTransactionAt(^uint64(0), false)
	defer txn.Discard()
	it := txn.NewIterator(badger.IteratorOptions{AllVersions: true, SinceTs: d.mu.version})
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		key := it.Item().Key()
		if len(keys) == 0 || string(keys[len(keys)-1]) != string(key) {
			keys = append(keys, it.Item().KeyCopy(nil))
		}
	}
	return keys
}
