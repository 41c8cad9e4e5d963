package store

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/holdfast-mqtt/holdfast/persist/disk"
	"github.com/holdfast-mqtt/holdfast/persist/statedb"
)

// What stands in a data directory.
const (
	identFile   = "IDENT"
	lockFile    = "LOCK"
	reserveFile = "RESERVE"
	metaDir     = "meta"
	logDir      = "log"
)

// formatVersion is the version of the directory as a whole.
const formatVersion = 1

// identMagic begins the file that says whose directory this is.
const identMagic = "HOLDFAST"

// identSize is the size of that file:
//
//	8 B magic | u32 format | u32 ready | 16 B uuid | u32 crc32c of all before
const identSize = 36

// identity says which store a directory holds.
type identity struct {
	uuid [16]byte
	// used: the store has been served from, so log and state must be there.
	used    bool
	release func() error
}

// claim locks a directory for this process and reads whose it is. A directory that is empty or missing becomes ours.
func claim(dir string, fsys disk.FS) (id identity, err error) {
	// The lock is on the real file system, wherever the log is.
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return id, fmt.Errorf("make data directory: %w", err)
	}
	if err := fsys.MkdirAll(dir); err != nil {
		return id, fmt.Errorf("make data directory: %w", err)
	}
	if err := checkForeign(dir, fsys); err != nil {
		return id, err // before a lock file is left in somebody's directory
	}
	release, err := disk.Lock(dir)
	if err != nil {
		return id, err
	}
	id, err = readIdent(dir, fsys)
	if errors.Is(err, fs.ErrNotExist) {
		id, err = createIdent(dir, fsys)
	}
	if err == nil {
		err = id.checkParts(dir, fsys)
	}
	if err != nil {
		return id, errors.Join(err, release())
	}
	id.release = release
	return id, nil
}

// checkForeign refuses a directory without identity that holds anything else.
func checkForeign(dir string, fsys disk.FS) error {
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("read data directory: %w", err)
	}
	other := ""
	for _, e := range entries {
		switch e.Name {
		case identFile:
			return nil
		case lockFile, identFile + ".tmp", "lost+found":
		default:
			other = e.Name
		}
	}
	switch other {
	case "":
		return nil
	case metaDir, logDir, reserveFile:
		return fmt.Errorf("data directory %s has lost its %s file: restore the whole directory from a backup", dir, identFile)
	}
	return fmt.Errorf("%s is not a data directory of this broker (it holds %s): name an empty directory, or one that does not exist", dir, other)
}

func readIdent(dir string, fsys disk.FS) (id identity, err error) {
	name := filepath.Join(dir, identFile)
	f, err := fsys.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return id, fmt.Errorf("read identity: %w", err)
	}
	var b [identSize]byte
	_, err = f.ReadAt(b[:], 0)
	if err := errors.Join(err, f.Close()); err != nil {
		return id, fmt.Errorf("read %s: %w: restore the whole directory from a backup", name, err)
	}
	sum := crc32.Checksum(b[:identSize-4], crc32.MakeTable(crc32.Castagnoli))
	if string(b[:8]) != identMagic || binary.LittleEndian.Uint32(b[identSize-4:]) != sum {
		return id, fmt.Errorf("%s is damaged: restore the whole directory from a backup", name)
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v != formatVersion {
		return id, fmt.Errorf("data directory %s has format %d, this version knows format %d: use the version that wrote it", dir, v, formatVersion)
	}
	id.used = binary.LittleEndian.Uint32(b[12:]) != 0
	copy(id.uuid[:], b[16:32])
	return id, nil
}

func createIdent(dir string, fsys disk.FS) (id identity, err error) {
	rand.Read(id.uuid[:])
	return id, id.write(dir, fsys)
}

// write replaces the file at once: it is never there in part.
func (id *identity) write(dir string, fsys disk.FS) error {
	b := make([]byte, 0, identSize)
	b = append(b, identMagic...)
	b = binary.LittleEndian.AppendUint32(b, formatVersion)
	used := uint32(0)
	if id.used {
		used = 1
	}
	b = binary.LittleEndian.AppendUint32(b, used)
	b = append(b, id.uuid[:]...)
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	name := filepath.Join(dir, identFile)
	f, err := fsys.OpenFile(name+".tmp", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write identity: %w", err)
	}
	_, err = f.WriteAt(b, 0)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = fsys.Rename(name+".tmp", name)
	}
	if err == nil {
		err = fsys.SyncDir(dir)
	}
	if err != nil {
		return fmt.Errorf("write identity: %w", err)
	}
	return nil
}

// checkParts refuses a store that has been used and has lost its log or its state: the other part alone would look like
// a store in which nothing ever happened.
func (id *identity) checkParts(dir string, fsys disk.FS) error {
	if !id.used {
		return nil
	}
	const restore = "restore the whole directory from a backup, or start with an empty one"
	segments := 0
	entries, err := fsys.ReadDir(filepath.Join(dir, logDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read log directory: %w", err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name, "seg") {
			segments++
		}
	}
	if segments == 0 {
		return fmt.Errorf("the message log of %s is missing (%s is empty): %s", dir, logDir, restore)
	}
	if names, err := os.ReadDir(filepath.Join(dir, metaDir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read state directory: %w", err)
	} else if len(names) == 0 {
		return fmt.Errorf("the state of %s is missing (%s is empty): %s", dir, metaDir, restore)
	}
	return nil
}

// matches checks that the state database belongs to this directory.
func (id *identity) matches(m statedb.Meta, found bool) error {
	switch {
	case !found && id.used:
		return fmt.Errorf("the state has lost everything, though the store has been used: restore the whole directory from a backup")
	case found && m.UUID != id.uuid:
		return fmt.Errorf("the state (%s) belongs to another store than %s says: restore the whole directory from a backup", metaDir, identFile)
	case found && m.Format != formatVersion:
		return fmt.Errorf("the state has format %d, this version knows format %d: use the version that wrote it", m.Format, formatVersion)
	}
	return nil
}

// ready notes that the store is used from now on.
func (id *identity) ready(dir string, fsys disk.FS) error {
	if id.used {
		return nil
	}
	id.used = true
	return id.write(dir, fsys)
}
