package disk

import (
	"errors"
	"io"
	"os"
	"runtime"
	"syscall"
)

// FS is what the log asks of a file system. Names are paths as for package os.
type FS interface {
	// OpenFile opens or creates a file, as os.OpenFile does. A new name is durable only after SyncDir.
	OpenFile(name string, flag int, perm os.FileMode) (File, error)
	// Rename replaces newName. It is durable only after SyncDir of the directory.
	Rename(oldName, newName string) error
	// Remove deletes a file. It is durable only after SyncDir.
	Remove(name string) error
	// ReadDir lists a directory by name.
	ReadDir(dir string) ([]Entry, error)
	// MkdirAll makes a directory and its parents, readable by the owner alone.
	MkdirAll(dir string) error
	// SyncDir makes the names in a directory durable.
	SyncDir(dir string) error
	// Free tells how many bytes this user may still write on the file system of dir.
	Free(dir string) (uint64, error)
}

// File is an open file, safe for concurrent use.
type File interface {
	io.ReaderAt
	io.WriterAt
	// Sync returns when the file's content and size are on stable storage (fdatasync).
	Sync() error
	// Truncate changes the size.
	Truncate(size int64) error
	// Allocate reserves blocks for n bytes from off, and raises the size to cover them. Bytes that were never written
	// read as zero. Where the file system cannot reserve, it does nothing. A full disk answers ENOSPC.
	Allocate(off, n int64) error
	// Size is the file's size.
	Size() (int64, error)
	Close() error
}

// Entry is one name in a directory.
type Entry struct {
	Name string
	Size int64
	Dir  bool
}

// IsFull tells whether a call failed because the disk, or the user's share of it, is full.
func IsFull(err error) bool {
	// 112 is ERROR_DISK_FULL, which Windows does not map to ENOSPC.
	const windowsDiskFull = syscall.Errno(112)
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) ||
		runtime.GOOS == "windows" && errors.Is(err, windowsDiskFull)
}
