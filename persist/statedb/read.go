package statedb

import (
	"fmt"
	"path/filepath"
	"sync"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/badger/v4/y"
)

// iterator walks the keys of one kind as the last complete checkpoint left them. It keeps its view when another
// checkpoint is completed meanwhile: it holds the tables that it reads.
type iterator struct {
	txn *badger.Txn
	it  *badger.Iterator
}

func (d *DB) iterate(k kind) *iterator {
	d.mu.RLock()
	defer d.mu.RUnlock()
	txn := d.badger.NewTransactionAt(d.mu.version, false)
	return newIterator(txn, []byte{byte(k)})
}

func newIterator(txn *badger.Txn, prefix []byte) *iterator {
	// Values lie in the tables, so that fetching them ahead only costs goroutines.
	it := txn.NewIterator(badger.IteratorOptions{Prefix: prefix})
	it.Rewind()
	return &iterator{txn: txn, it: it}
}

func (i *iterator) valid() bool { return i.it.Valid() }
func (i *iterator) next()       { i.it.Next() }

// key is valid until next.
func (i *iterator) key() []byte { return i.it.Item().Key() }

// data reads and verifies what the key holds, all its parts.
func (i *iterator) data() ([]byte, error) { return unseal(i.txn, i.it.Item()) }

func (i *iterator) close() {
	i.it.Close()
	i.txn.Discard()
}

// read reads and verifies what key holds at the last complete checkpoint.
func (d *DB) read(key []byte) ([]byte, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.mu.closed {
		return nil, ErrClosed
	}
	txn := d.badger.NewTransactionAt(d.mu.version, false)
	defer txn.Discard()
	item, err := txn.Get(key)
	if err != nil {
		return nil, err
	}
	return unseal(txn, item)
}

// unseal returns a copy of the data of an item, with all its parts, verified.
func unseal(txn *badger.Txn, item *badger.Item) ([]byte, error) {
	key := item.Key()
	value, err := item.ValueCopy(nil)
	if err != nil {
		return nil, err
	}
	length, err := sealedLength(value)
	if err != nil {
		return nil, err
	}
	data := value[sealSize:]
	if length > partSize {
		data, err = appendParts(txn, key, append(make([]byte, 0, length), data...), length)
		if err != nil {
			return nil, err
		}
	}
	return data, verify(key, value, data)
}

// appendParts reads the parts of a long value behind its first.
func appendParts(txn *badger.Txn, key, data []byte, length int) ([]byte, error) {
	for number := 1; len(data) < length; number++ {
		at := partKey(key, number)
		item, err := txn.Get(at)
		if err != nil {
			return nil, fmt.Errorf("part %d: %w", number, noPart(err))
		}
		value, err := item.ValueCopy(nil)
		if err != nil {
			return nil, fmt.Errorf("part %d: %w", number, err)
		}
		n, err := sealedLength(value)
		if err == nil && n != min(partSize, length-len(data)) {
			err = errLength
		}
		if err == nil {
			err = verify(at, value, value[sealSize:])
		}
		if err != nil {
			return nil, fmt.Errorf("part %d: %w", number, err)
		}
		data = append(data, value[sealSize:]...)
	}
	return data, nil
}

// checkCount compares how many keys of a kind were found with how many the checkpoint left. Badger leaves no other
// trace of a key that it lost.
func (d *DB) checkCount(k kind, it *iterator, found uint64) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	want := *d.mu.counts.of(k)
	if it.txn.ReadTs() == d.mu.version && found != want {
		d.damage.add(fmt.Sprintf("the last checkpoint left %d keys for each %s, %d were found", want, k, found))
	}
}

// noPart keeps a missing part from reading like a missing value.
func noPart(err error) error {
	if err == badger.ErrKeyNotFound {
		return errShort
	}
	return err
}

// mostDamage bounds how many damaged items are named.
const mostDamage = 1000

// damageList is the damage that was met, each item once.
type damageList struct {
	mu    sync.Mutex
	seen  map[string]struct{}
	lines []string
	more  int
}

func (l *damageList) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.seen[line]; ok {
		return
	}
	if len(l.lines) == mostDamage {
		l.more++
		return
	}
	if l.seen == nil {
		l.seen = make(map[string]struct{})
	}
	l.seen[line] = struct{}{}
	l.lines = append(l.lines, line)
}

// Damage names what could not be believed since Open, each item once.
func (d *DB) Damage() []string {
	d.damage.mu.Lock()
	defer d.damage.mu.Unlock()
	lines := append([]string(nil), d.damage.lines...)
	if d.damage.more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", d.damage.more))
	}
	return lines
}

// damaged names the item of key as damaged.
func (d *DB) damaged(key []byte, err error) *DamageError {
	e := &DamageError{Item: describeKey(key), Files: d.filesOf(key), Err: err}
	d.damage.add(e.Error())
	return e
}

// filesOf names the files that may hold a key. Badger does not tell which of them it read.
func (d *DB) filesOf(key []byte) []string {
	files := []string{filepath.Join(d.dir, "*.mem")}
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.mu.closed {
		return files
	}
	for _, t := range d.badger.Tables() {
		if string(y.ParseKey(t.Left)) <= string(key) && string(key) <= string(y.ParseKey(t.Right)) {
			files = append(files, table.NewFilename(t.ID, d.dir))
		}
	}
	return files
}
