package statedb

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// Why the database refuses. The error that wraps one of these says what to do.
var (
	// ErrInUse: another process has the folder open.
	ErrInUse = errors.New("folder is in use by another process")
	// ErrForeign: the folder holds something else.
	ErrForeign = errors.New("folder is not a state database of this broker")
	// ErrDamaged: the files do not fit together, or fail their checksums, so that the whole cannot be believed.
	ErrDamaged = errors.New("state database is damaged")
	// ErrNoRoom: there is not enough room to write safely. It is also persist.ErrFull.
	ErrNoRoom = fmt.Errorf("no room for the state: %w", persist.ErrFull)
	// ErrFailed: an earlier write failed in a way after which no later one can be believed until the next Open.
	ErrFailed = errors.New("state database has failed and must be opened anew")
	// ErrClosed: the database was closed.
	ErrClosed = errors.New("state database is closed")
)

const (
	memTableSize = 8 << 20
	blockSize    = 4 << 10
	// magic in Badger's MANIFEST tells our databases from other people's.
	magic = 0x4846
)

// Options of a database. The zero value is good.
type Options struct {
	// Logger gets Badger's own lines; level is "error", "warning", "info" or "debug". Some failures Badger only logs.
	// It may be called from any goroutine.
	Logger func(level, msg string)
	// FreeFloor is how many bytes must be free, besides what a checkpoint writes, before anything is written. Badger
	// writes through memory maps: on a full disk the process dies. Zero means four memory tables, 32 MiB.
	FreeFloor uint64
	// FreeBytes measures the free space of the folder. Nil asks the file system.
	FreeBytes func(dir string) (uint64, error)
}

// DB is the state of a store at some position of its log. Reads may be concurrent, with each other and with the one
// checkpoint that may be open.
type DB struct {
	dir     string
	options Options
	badger  *badger.DB

	// mu guards what the last complete checkpoint is. It is held while a read settles on a version, so that no
	// compaction may discard that version before the read has hold of the tables.
	mu struct {
		sync.RWMutex
		closed bool
		// version is where everything is read: that of the newest meta record.
		version uint64
		found   bool
		meta    Meta
		counts  counts
	}

	// Owned by the open checkpoint; writing serves to tell that there is one.
	writing sync.Mutex
	// last is the highest version that was ever written.
	last uint64
	// torn: there are versions above the last complete checkpoint.
	torn bool
	// failed is why no checkpoint is taken any more.
	failed error
	// parts is the number of further parts of the values that have some, by key.
	parts map[string]int

	damage damageList
}

// Open opens the database in dir, or makes one in a folder that is empty or missing. It never deletes anything but
// empty files that Badger cannot open and that carry nothing, and checks every table before Badger sees it: Badger
// leaves the process on some kinds of damage, and on others goes on without the table.
func Open(dir string, o Options) (*DB, error) {
	if o.FreeFloor == 0 {
		o.FreeFloor = 4 * memTableSize
	}
	if o.FreeBytes == nil {
		o.FreeBytes = freeBytes
	}
	d := &DB{dir: dir, options: o, parts: make(map[string]int)}
	if err := makeDir(dir); err != nil {
		return nil, fmt.Errorf("make folder of the state database: %w", err)
	}
	if err := d.checkRoom(0); err != nil {
		return nil, err
	}
	if err := d.preflight(); err != nil {
		return nil, fmt.Errorf("state database in %s: %w", dir, err)
	}
	if err := d.openBadger(); err != nil {
		return nil, fmt.Errorf("state database in %s: %w", dir, err)
	}
	if err := d.load(); err != nil {
		d.badger.Close()
		return nil, fmt.Errorf("state database in %s: %w", dir, err)
	}
	return d, nil
}

func makeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil || !os.IsNotExist(err) {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return syncDir(filepath.Dir(dir))
}

// badgerOptions keep Badger small: some 40 MB of memory, whatever the size of the state.
func (d *DB) badgerOptions() badger.Options {
	return badger.DefaultOptions(d.dir).
		WithSyncWrites(true).
		WithMemTableSize(memTableSize).
		WithNumMemtables(2).
		WithBlockSize(blockSize).
		WithNumLevelZeroTables(2).
		WithNumLevelZeroTablesStall(6).
		WithNumCompactors(2).
		WithBlockCacheSize(4 << 20).
		WithIndexCacheSize(2 << 20).
		WithCompression(options.Snappy).
		// Together with partSize: nothing ever reaches the value log.
		WithValueThreshold(1 << 20).
		WithValueLogFileSize(1 << 20).
		WithDetectConflicts(false).
		WithNumVersionsToKeep(1).
		WithCompactL0OnClose(true).
		// The tables as a whole were verified before.
		WithChecksumVerificationMode(options.OnBlockRead).
		WithVerifyValueChecksum(true).
		WithMetricsEnabled(false).
		WithExternalMagic(magic).
		WithLogger(logger(d.options.Logger))
}

func (d *DB) openBadger() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: badger gave up opening it: %v; %s", ErrDamaged, r, restoreHint)
		}
	}()
	d.badger, err = badger.OpenManaged(d.badgerOptions())
	if err != nil {
		return fmt.Errorf("open badger: %w; %s", err, restoreHint)
	}
	return nil
}

// load finds the last complete checkpoint.
func (d *DB) load() error {
	txn := d.badger.NewTransactionAt(^uint64(0), false)
	defer txn.Discard()
	item, err := txn.Get(metaKey())
	switch {
	case errors.Is(err, badger.ErrKeyNotFound):
		// Nothing was ever complete: everything is read at version 0, where there is nothing.
	case err != nil:
		return fmt.Errorf("read where the state stands: %w", err)
	default:
		// Its parts as they were then: those of a later one, that was torn, may lie above them.
		then := d.badger.NewTransactionAt(item.Version(), false)
		defer then.Discard()
		data, err := unseal(then, item)
		if err == nil {
			d.mu.meta, d.mu.counts, err = parseMeta(data)
		}
		if err != nil {
			return fmt.Errorf("%w: %w; %s", ErrDamaged, d.damaged(metaKey(), err), restoreHint)
		}
		d.mu.version, d.mu.found = item.Version(), true
	}
	if err := d.checkOrphans(); err != nil {
		return err
	}
	d.last = max(d.badger.MaxVersion(), d.mu.version)
	d.torn = d.last > d.mu.version
	d.badger.SetDiscardTs(d.mu.version)
	return d.loadParts()
}

// loadParts counts the parts of the values that have some. They are few: it takes 256 KiB to make one.
func (d *DB) loadParts() error {
	it := d.iterate(kindPart)
	defer it.close()
	for ; it.valid(); it.next() {
		key := it.key()
		if len(key) < 6 {
			continue
		}
		d.parts[string(key[1:len(key)-4])]++
	}
	return nil
}

// Meta returns the meta record of the last complete checkpoint; false: there is none, the database is empty.
func (d *DB) Meta() (Meta, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.mu.meta, d.mu.found
}

// Close closes the database. No checkpoint may be open, no iteration running. Everything that was committed is durable
// already; closing moves it from log to table, which needs room. Without room it answers ErrNoRoom and leaves the files
// as they are, open until the process ends: the next Open does the rest.
func (d *DB) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mu.closed {
		return nil
	}
	d.mu.closed = true
	if err := d.checkRoom(memTableSize); err != nil {
		return fmt.Errorf("close state database: %w", err)
	}
	if err := d.badger.Close(); err != nil {
		return fmt.Errorf("close state database: %w", err)
	}
	return nil
}

// checkRoom refuses when bytes more could bring the disk near its end.
func (d *DB) checkRoom(bytes int) error {
	free, err := d.options.FreeBytes(d.dir)
	if err != nil {
		return fmt.Errorf("measure free space for the state: %w", err)
	}
	// Each byte is written to Badger's log, and then to a table.
	if need := d.options.FreeFloor + 2*uint64(bytes); free < need {
		return fmt.Errorf("%w: %d bytes free in %s, %d needed; free some space", ErrNoRoom, free, d.dir, need)
	}
	return nil
}

// logger hands Badger's lines on.
type logger func(level, msg string)

func (l logger) line(level, format string, args []any) {
	if l != nil {
		l(level, strings.TrimRight(fmt.Sprintf(format, args...), "\n"))
	}
}

// Errorf is one of the methods that Badger asks for.
func (l logger) Errorf(format string, args ...any) { l.line("error", format, args) }

// Warningf is one of the methods that Badger asks for.
func (l logger) Warningf(format string, args ...any) { l.line("warning", format, args) }

// Infof is one of the methods that Badger asks for.
func (l logger) Infof(format string, args ...any) { l.line("info", format, args) }

// Debugf is one of the methods that Badger asks for.
func (l logger) Debugf(format string, args ...any) { l.line("debug", format, args) }
