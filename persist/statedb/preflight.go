package statedb

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/ristretto/v2/z"
)

const restoreHint = "nothing was deleted; restore the whole data directory from a backup"

// preflight looks at the folder before Badger does.
func (d *DB) preflight() error {
	release, err := lockDir(d.dir)
	if err != nil {
		return err
	}
	defer release()
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return err
	}
	manifest := slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == badger.ManifestFilename })
	if !manifest {
		return checkFresh(entries)
	}
	if err := removeEmpty(d.dir, entries); err != nil {
		return err
	}
	if err := d.checkLogs(entries); err != nil {
		return err
	}
	return d.checkTables(entries)
}

// checkFresh allows what a crash within the very first Open leaves, and nothing else: Badger would take any folder
// without MANIFEST for a new database, and delete the tables in it.
func checkFresh(entries []os.DirEntry) error {
	for _, e := range entries {
		switch name := e.Name(); {
		case name == "LOCK" || name == "MANIFEST-REWRITE" || name == "lost+found":
		case name == "KEYREGISTRY" || name == "DISCARD" || isData(name):
			return fmt.Errorf("%w: MANIFEST is missing beside %s; %s", ErrDamaged, name, restoreHint)
		default:
			return fmt.Errorf("%w: it holds %s; name another folder, or empty this one", ErrForeign, name)
		}
	}
	return nil
}

func isData(name string) bool {
	switch filepath.Ext(name) {
	case ".sst", ".mem", ".vlog":
		return true
	}
	return false
}

// removeEmpty removes logs of length 0: a crash between their creation and their first growth leaves them, and Badger
// does not open with one.
func removeEmpty(dir string, entries []os.DirEntry) error {
	removed := false
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); ext != ".mem" && ext != ".vlog" {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() || info.Size() != 0 {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
		removed = true
	}
	if !removed {
		return nil
	}
	return syncDir(dir)
}

// checkTables reads MANIFEST and every block of every table that it names. Badger would do it too, but in goroutines of
// its own, where what it panics on takes the process along; and an iteration that meets a damaged block ends there, as
// if the table did.
func (d *DB) checkTables(entries []os.DirEntry) error {
	f, err := os.Open(filepath.Join(d.dir, badger.ManifestFilename))
	if err != nil {
		return err
	}
	defer f.Close()
	m, end, err := badger.ReplayManifestFile(f, magic, d.badgerOptions())
	if err != nil {
		if strings.Contains(err.Error(), "external magic") {
			return fmt.Errorf("%w: %w", ErrForeign, err)
		}
		return fmt.Errorf("%w: read MANIFEST: %w; %s", ErrDamaged, err, restoreHint)
	}
	if info, err := f.Stat(); err != nil {
		return err
	} else if info.Size() > end {
		logger(d.options.Logger).Warningf("MANIFEST ends in the middle of a record, %d bytes are void", info.Size()-end)
	}
	for id, t := range m.Tables {
		name := table.NewFilename(id, d.dir)
		err := readTable(name, t.Compression, func(t *table.Table) error { return t.VerifyChecksum() })
		if err != nil {
			return fmt.Errorf("%w: table %s: %w; %s", ErrDamaged, filepath.Base(name), err, restoreHint)
		}
	}
	removed, err := removedTables(f, end)
	if err != nil {
		return fmt.Errorf("%w: read MANIFEST: %w; %s", ErrDamaged, err, restoreHint)
	}
	if err := d.removeLeftOver(removed); err != nil {
		return err
	}
	return d.keepOrphans(entries, m.Tables, removed)
}

// readTable calls fn with a table.
func readTable(name string, compression options.CompressionType, fn func(*table.Table) error) (err error) {
	// Badger's table code panics, or steps on a nil pointer, on some damaged files.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("unreadable: %.200v", r)
		}
	}()
	f, err := z.OpenMmapFile(name, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	if len(f.Data) == 0 {
		f.Close(-1)
		return errShort
	}
	t, err := table.OpenTable(f, table.Options{
		ReadOnly:    true,
		BlockSize:   blockSize,
		Compression: compression,
		ChkMode:     options.NoVerification,
	})
	if err != nil {
		return err
	}
	defer t.Close(-1)
	return fn(t)
}
