package disk

import (
	"os"
	"sync"
)

// Kind is a set of calls that change a file system.
type Kind uint

// The calls that Faulty counts.
const (
	OnWrite Kind = 1 << iota
	OnSync
	OnRename
	OnCreate
	OnRemove
	OnTruncate
	OnAllocate
	OnSyncDir
	OnMkdir
	// OnAny is every one of them.
	OnAny = 1<<iota - 1
)

// Fault says which call fails and how.
type Fault struct {
	// Kinds are the calls that count. Call is which of them fails, 1 for the first; 0 fails none and only counts.
	Kinds Kind
	Call  int
	// Err is what the call answers.
	Err error
	// Sticky: all later calls of these kinds fail as well.
	Sticky bool
	// Short: a failing write writes the first half of its bytes before it fails.
	Short bool
}

// Faulty is a file system whose n-th changing call fails.
type Faulty struct {
	fs FS

	mu    sync.Mutex // guards what follows
	fault Fault
	calls int
	fired bool
}

var _ FS = (*Faulty)(nil)

// NewFaulty wraps fs.
func NewFaulty(fs FS, fault Fault) *Faulty { return &Faulty{fs: fs, fault: fault} }

// Arm replaces the fault, and counts from 0 again. The zero Fault heals the file system.
func (f *Faulty) Arm(fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault, f.calls, f.fired = fault, 0, false
}

// Calls is how many calls of the fault's kinds there were.
func (f *Faulty) Calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// Fired tells whether a call has failed.
func (f *Faulty) Fired() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fired
}

// check counts a call and returns the error that it must answer.
func (f *Faulty) check(kind Kind) (short bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fault.Kinds&kind == 0 {
		return false, nil
	}
	f.calls++
	if f.fault.Call == 0 || f.calls < f.fault.Call || f.calls > f.fault.Call && !f.fault.Sticky {
		return false, nil
	}
	f.fired = true
	return f.fault.Short, f.fault.Err
}

// OpenFile implements FS; only opening with os.O_CREATE can fail.
func (f *Faulty) OpenFile(name string, flag int, perm os.FileMode) (File, error) {
	if flag&os.O_CREATE != 0 {
		if _, err := f.check(OnCreate); err != nil {
			return nil, &os.PathError{Op: "open", Path: name, Err: err}
		}
	}
	file, err := f.fs.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &faultyFile{File: file, fs: f, name: name}, nil
}

// Rename implements FS.
func (f *Faulty) Rename(oldName, newName string) error {
	if _, err := f.check(OnRename); err != nil {
		return &os.LinkError{Op: "rename", Old: oldName, New: newName, Err: err}
	}
	return f.fs.Rename(oldName, newName)
}

// Remove implements FS.
func (f *Faulty) Remove(name string) error {
	if _, err := f.check(OnRemove); err != nil {
		return &os.PathError{Op: "remove", Path: name, Err: err}
	}
	return f.fs.Remove(name)
}

// ReadDir implements FS.
func (f *Faulty) ReadDir(dir string) ([]Entry, error) { return f.fs.ReadDir(dir) }

// MkdirAll implements FS.
func (f *Faulty) MkdirAll(dir string) error {
	if _, err := f.check(OnMkdir); err != nil {
		return &os.PathError{Op: "mkdir", Path: dir, Err: err}
	}
	return f.fs.MkdirAll(dir)
}

// SyncDir implements FS.
func (f *Faulty) SyncDir(dir string) error {
	if _, err := f.check(OnSyncDir); err != nil {
		return &os.PathError{Op: "fsync", Path: dir, Err: err}
	}
	return f.fs.SyncDir(dir)
}

// Free implements FS.
func (f *Faulty) Free(dir string) (uint64, error) { return f.fs.Free(dir) }

// faultyFile is a file of Faulty.
type faultyFile struct {
	File
	fs   *Faulty
	name string
}

// WriteAt implements File.
func (f *faultyFile) WriteAt(p []byte, off int64) (int, error) {
	short, err := f.fs.check(OnWrite)
	if err == nil {
		return f.File.WriteAt(p, off)
	}
	err = &os.PathError{Op: "write", Path: f.name, Err: err}
	if !short {
		return 0, err
	}
	n, _ := f.File.WriteAt(p[:len(p)/2], off)
	return n, err
}

// Sync implements File.
func (f *faultyFile) Sync() error {
	if _, err := f.fs.check(OnSync); err != nil {
		return &os.PathError{Op: "fdatasync", Path: f.name, Err: err}
	}
	return f.File.Sync()
}

// Truncate implements File.
func (f *faultyFile) Truncate(size int64) error {
	if _, err := f.fs.check(OnTruncate); err != nil {
		return &os.PathError{Op: "truncate", Path: f.name, Err: err}
	}
	return f.File.Truncate(size)
}

// Allocate implements File.
func (f *faultyFile) Allocate(off, n int64) error {
	if _, err := f.fs.check(OnAllocate); err != nil {
		return &os.PathError{Op: "fallocate", Path: f.name, Err: err}
	}
	return f.File.Allocate(off, n)
}
