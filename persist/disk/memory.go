package disk

import (
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// Memory is a file system in memory that remembers what is durable: Crash tells what a power cut may leave of it.
// Directories are durable as soon as they are made; names in them only after SyncDir.
type Memory struct {
	mu    sync.Mutex // guards everything, the files too
	dirs  map[string]bool
	names map[string]*inode
	// durable are the names that were there at the last SyncDir of their directory, pending what happened since, by
	// directory.
	durable  map[string]*inode
	pending  map[string][]nameChange
	capacity int64
}

var _ FS = (*Memory)(nil)

// nameChange is a change of names that was not synced: node got the name (from another name), or lost it.
type nameChange struct {
	name, from string
	node       *inode
	removed    bool
}

// NewMemory returns an empty file system.
func NewMemory() *Memory {
	return &Memory{
		dirs:    map[string]bool{".": true, "/": true},
		names:   map[string]*inode{},
		durable: map[string]*inode{},
		pending: map[string][]nameChange{},
	}
}

// SetCapacity limits the bytes in all files; 0 is no limit. Beyond it, writes and allocations answer ENOSPC.
func (m *Memory) SetCapacity(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.capacity = bytes
}

// Used is the sum of all file sizes.
func (m *Memory) Used() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.usedLocked()
}

func (m *Memory) usedLocked() int64 {
	var used int64
	for _, node := range m.names {
		used += int64(len(node.data))
	}
	return used
}

// roomLocked is how many of n further bytes fit.
func (m *Memory) roomLocked(n int64) int64 {
	if m.capacity == 0 {
		return n
	}
	return max(0, min(n, m.capacity-m.usedLocked()))
}

// OpenFile implements FS.
func (m *Memory) OpenFile(name string, flag int, _ os.FileMode) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name = filepath.Clean(name)
	node, ok := m.names[name]
	fail := func(err error) (File, error) { return nil, &os.PathError{Op: "open", Path: name, Err: err} }
	switch {
	case !ok && flag&os.O_CREATE == 0, !m.dirs[filepath.Dir(name)]:
		return fail(fs.ErrNotExist)
	case ok && flag&os.O_CREATE != 0 && flag&os.O_EXCL != 0:
		return fail(fs.ErrExist)
	case !ok:
		node = &inode{}
		m.names[name] = node
		m.changedLocked(nameChange{name: name, node: node})
	case flag&os.O_TRUNC != 0:
		node.change(change{kind: resize})
	}
	return &memoryFile{fs: m, node: node, name: name, readOnly: flag&(os.O_WRONLY|os.O_RDWR) == 0}, nil
}

func (m *Memory) changedLocked(c nameChange) {
	dir := filepath.Dir(c.name)
	m.pending[dir] = append(m.pending[dir], c)
}

// Rename implements FS.
func (m *Memory) Rename(oldName, newName string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	oldName, newName = filepath.Clean(oldName), filepath.Clean(newName)
	node, ok := m.names[oldName]
	if !ok {
		return &os.LinkError{Op: "rename", Old: oldName, New: newName, Err: fs.ErrNotExist}
	}
	delete(m.names, oldName)
	m.names[newName] = node
	m.changedLocked(nameChange{name: newName, from: oldName, node: node})
	return nil
}

// Remove implements FS.
func (m *Memory) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	name = filepath.Clean(name)
	node, ok := m.names[name]
	if !ok {
		return &os.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	delete(m.names, name)
	m.changedLocked(nameChange{name: name, node: node, removed: true})
	return nil
}

// ReadDir implements FS.
func (m *Memory) ReadDir(dir string) ([]Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir = filepath.Clean(dir)
	if !m.dirs[dir] {
		return nil, &os.PathError{Op: "readdir", Path: dir, Err: fs.ErrNotExist}
	}
	var entries []Entry
	for name, node := range m.names {
		if filepath.Dir(name) == dir {
			entries = append(entries, Entry{Name: filepath.Base(name), Size: int64(len(node.data))})
		}
	}
	for name := range m.dirs {
		if filepath.Dir(name) == dir && name != dir {
			entries = append(entries, Entry{Name: filepath.Base(name), Dir: true})
		}
	}
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return entries, nil
}

// MkdirAll implements FS.
func (m *Memory) MkdirAll(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for dir = filepath.Clean(dir); !m.dirs[dir]; dir = filepath.Dir(dir) {
		m.dirs[dir] = true
	}
	return nil
}

// SyncDir implements FS.
func (m *Memory) SyncDir(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir = filepath.Clean(dir)
	if !m.dirs[dir] {
		return &os.PathError{Op: "fsync", Path: dir, Err: fs.ErrNotExist}
	}
	for _, c := range m.pending[dir] {
		c.apply(m.durable)
	}
	delete(m.pending, dir)
	return nil
}

// apply makes the change in a set of names.
func (c nameChange) apply(names map[string]*inode) {
	switch {
	case c.removed:
		if names[c.name] == c.node {
			delete(names, c.name)
		}
	default:
		if c.from != "" && names[c.from] == c.node {
			delete(names, c.from)
		}
		names[c.name] = c.node
	}
}

// Free implements FS.
func (m *Memory) Free(string) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return uint64(m.roomLocked(math.MaxInt64)), nil
}
