package statedb

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/badger/v4/y"
)

// An orphan is a table that MANIFEST does not name. A crash leaves one when it comes between the writing of a table and
// its entry in MANIFEST; what it holds is then still in the log or the tables that it was made from, and Badger deletes
// it. But when the end of MANIFEST was lost, it is the only place of what it holds, and Badger deletes it all the same.
//
// So orphans are put aside, into this folder, until it is known that they are not missed.
const orphanFolder = "orphans"

// removeLeftOver removes the orphans of an earlier start of which MANIFEST says that they were removed.
func (d *DB) removeLeftOver(removed map[uint64]bool) error {
	folder := filepath.Join(d.dir, orphanFolder)
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if id, isTable := table.ParseFileID(e.Name()); isTable && removed[id] {
			if err := os.Remove(filepath.Join(folder, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// keepOrphans moves the tables of the folder that MANIFEST does not name out of Badger's sight. Those that it says were
// removed are left to Badger, which deletes them.
func (d *DB) keepOrphans(entries []os.DirEntry, tables map[uint64]badger.TableManifest, removed map[uint64]bool) error {
	folder := filepath.Join(d.dir, orphanFolder)
	moved := false
	for _, e := range entries {
		id, isTable := table.ParseFileID(e.Name())
		if _, named := tables[id]; !isTable || named || removed[id] {
			continue
		}
		if err := os.Mkdir(folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := os.Rename(filepath.Join(d.dir, e.Name()), filepath.Join(folder, e.Name())); err != nil {
			return err
		}
		moved = true
	}
	if !moved {
		return nil
	}
	return errors.Join(syncDir(folder), syncDir(d.dir))
}

// checkOrphans removes the orphans that are not missed. It must run while Badger may not discard any version yet, so
// that whatever an orphan was made from is still there.
func (d *DB) checkOrphans() error {
	folder := filepath.Join(d.dir, orphanFolder)
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(folder, e.Name())
		if _, isTable := table.ParseFileID(path); !isTable {
			continue
		}
		if err := d.checkOrphan(path); err != nil {
			return err
		}
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return nil
}

func (d *DB) checkOrphan(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	f.Close()
	missed := 0
	err = readTable(path, options.Snappy, func(t *table.Table) error {
		missed = d.missedFrom(t)
		return nil
	})
	if err != nil {
		// It was not finished when the process died.
		logger(d.options.Logger).Warningf("table %s is no table: %v", path, err)
	}
	if missed > 0 {
		return fmt.Errorf("%w: MANIFEST has lost table %s, in which %d keys are that are nowhere else; %s", ErrDamaged, path, missed, restoreHint)
	}
	return nil
}

// missedFrom counts the keys of a table of which the database has no version as new, up to the last checkpoint.
func (d *DB) missedFrom(t *table.Table) (missed int) {
	txn := d.badger.NewTransactionAt(d.mu.version, false)
	defer txn.Discard()
	it := t.NewIterator(0)
	defer it.Close()
	var last []byte
	for it.Rewind(); it.Valid(); it.Next() {
		key, version := y.ParseKey(it.Key()), y.ParseTs(it.Key())
		if version > d.mu.version || string(key) == string(last) {
			continue
		}
		last = append(last[:0], key...)
		if newest(txn, last) < version {
			missed++
		}
	}
	return missed
}

// newest returns the version of a key that the transaction sees, also if it is that of a deletion.
func newest(txn *badger.Txn, key []byte) uint64 {
	it := txn.NewKeyIterator(key, badger.IteratorOptions{})
	defer it.Close()
	it.Rewind()
	if !it.Valid() {
		return 0
	}
	return it.Item().Version()
}
