package disk

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// inode is the content of a file of Memory. Its file system's lock guards it.
type inode struct {
	// data is what reads see, stable what is on stable storage; changes lead from stable to data.
	data, stable []byte
	changes      []change
}

// changeKind is what a change does to a file.
type changeKind byte

const (
	write changeKind = iota
	// resize cuts or extends to a size, extend only raises it.
	resize
	extend
)

// change is one change that was not synced.
type change struct {
	kind changeKind
	off  int64
	data []byte
	size int64
}

// change makes a change that is not durable yet.
func (n *inode) change(c change) {
	n.data = c.apply(n.data)
	n.changes = append(n.changes, c)
}

// apply makes the change in the content of a file and returns the new content.
func (c change) apply(data []byte) []byte {
	switch c.kind {
	case write:
		data = extended(data, c.off+int64(len(c.data)))
		copy(data[c.off:], c.data)
	case resize:
		if c.size <= int64(len(data)) {
			return data[:c.size]
		}
		data = extended(data, c.size)
	case extend:
		data = extended(data, c.size)
	}
	return data
}

// extended raises the size; the new bytes are zero.
func extended(data []byte, size int64) []byte {
	old := int64(len(data))
	if size <= old {
		return data
	}
	if size > int64(cap(data)) {
		grown := make([]byte, size, size+size/4)
		copy(grown, data)
		return grown
	}
	data = data[:size]
	clear(data[old:])
	return data
}

// memoryFile is an open file of Memory.
type memoryFile struct {
	fs       *Memory
	node     *inode
	name     string
	readOnly bool
	closed   bool
}

func (f *memoryFile) fail(op string, err error) error {
	return &os.PathError{Op: op, Path: f.name, Err: err}
}

// usableLocked tells why the file cannot be used.
func (f *memoryFile) usableLocked(op string, change bool) error {
	switch {
	case f.closed:
		return f.fail(op, fs.ErrClosed)
	case change && f.readOnly:
		return f.fail(op, fs.ErrPermission)
	}
	return nil
}

// ReadAt implements File.
func (f *memoryFile) ReadAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.usableLocked("read", false); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, f.fail("read", errors.New("negative offset"))
	}
	if off >= int64(len(f.node.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.node.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements File.
func (f *memoryFile) WriteAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.usableLocked("write", true); err != nil {
		return 0, err
	}
	grow := max(0, off+int64(len(p))-int64(len(f.node.data)))
	missing := grow - f.fs.roomLocked(grow)
	n := max(0, len(p)-int(missing))
	if n > 0 || len(p) == 0 {
		f.node.change(change{kind: write, off: off, data: append([]byte(nil), p[:n]...)})
	}
	if n < len(p) {
		return n, f.fail("write", syscall.ENOSPC)
	}
	return n, nil
}

// Sync implements File.
func (f *memoryFile) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.usableLocked("fdatasync", false); err != nil {
		return err
	}
	for _, c := range f.node.changes {
		f.node.stable = c.apply(f.node.stable)
	}
	f.node.changes = nil
	return nil
}

// Truncate implements File.
func (f *memoryFile) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.usableLocked("truncate", true); err != nil {
		return err
	}
	f.node.change(change{kind: resize, size: size})
	return nil
}

// Allocate implements File.
func (f *memoryFile) Allocate(off, n int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.usableLocked("fallocate", true); err != nil {
		return err
	}
	grow := max(0, off+n-int64(len(f.node.data)))
	if f.fs.roomLocked(grow) < grow {
		return f.fail("fallocate", syscall.ENOSPC)
	}
	f.node.change(change{kind: extend, size: off + n})
	return nil
}

// Size implements File.
func (f *memoryFile) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.usableLocked("stat", false); err != nil {
		return 0, err
	}
	return int64(len(f.node.data)), nil
}

// Close implements File.
func (f *memoryFile) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.usableLocked("close", false); err != nil {
		return err
	}
	f.closed = true
	return nil
}
