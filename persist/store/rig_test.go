package store

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/persist/disk"
)

// errFrozen is what a file system answers whose process was killed.
var errFrozen = errors.New("killed")

// testFS is a file system on which time can be stopped, and which can claim to be full.
type testFS struct {
	disk.FS
	// lock is held shared by each call that changes something; to freeze is to hold it alone.
	lock sync.RWMutex
	dead atomic.Bool
	// free overrides what Free answers, if it is not nil.
	free atomic.Pointer[func() uint64]
}

func newTestFS() *testFS { return &testFS{FS: disk.OS{}} }

// change runs a call that changes something.
func (f *testFS) change(call func() error) error {
	f.lock.RLock()
	defer f.lock.RUnlock()
	if f.dead.Load() {
		return errFrozen
	}
	return call()
}

func (f *testFS) OpenFile(name string, flag int, perm os.FileMode) (file disk.File, err error) {
	if flag&os.O_CREATE == 0 {
		file, err = f.FS.OpenFile(name, flag, perm)
	} else {
		err = f.change(func() error { file, err = f.FS.OpenFile(name, flag, perm); return err })
	}
	if err != nil {
		return nil, err
	}
	return &testFile{File: file, fs: f}, nil
}

func (f *testFS) Rename(from, to string) error {
	return f.change(func() error { return f.FS.Rename(from, to) })
}
func (f *testFS) Remove(name string) error {
	return f.change(func() error { return f.FS.Remove(name) })
}
func (f *testFS) SyncDir(dir string) error {
	return f.change(func() error { return f.FS.SyncDir(dir) })
}
func (f *testFS) Free(dir string) (uint64, error) {
	if free := f.free.Load(); free != nil {
		return (*free)(), nil
	}
	return f.FS.Free(dir)
}

type testFile struct {
	disk.File
	fs *testFS
}

func (f *testFile) WriteAt(b []byte, off int64) (n int, err error) {
	err = f.fs.change(func() error { n, err = f.File.WriteAt(b, off); return err })
	return n, err
}
func (f *testFile) Sync() error { return f.fs.change(f.File.Sync) }
func (f *testFile) Truncate(n int64) error {
	return f.fs.change(func() error { return f.File.Truncate(n) })
}
func (f *testFile) Allocate(off, n int64) error {
	return f.fs.change(func() error { return f.File.Allocate(off, n) })
}

// small are options that reach every part of the store with little data.
func small() Options {
	return Options{
		SegmentSize:        256 << 10,
		CheckpointInterval: 20 * time.Millisecond,
		CheckpointBytes:    64 << 10,
		TailBytes:          600 << 10,
		LargestEntry:       20 << 20,
		Reserve:            -1,
	}
}

// open opens a store on the real file system, with a testFS in between.
func open(t testing.TB, dir string, o Options) *Store {
	t.Helper()
	if o.FS == nil {
		o.FS = newTestFS()
	}
	s, err := Open(dir, o)
	if err != nil {
		t.Fatalf("open %s: %v", dir, err)
	}
	return s
}

// image copies what is on the disk at this moment, as a kill would leave it.
func image(t testing.TB, s *Store) string {
	t.Helper()
	// No checkpoint is halfway: a copy of the database that takes time would mix two states of its files.
	hold := s.db.Begin()
	defer hold.Discard()
	if fs, ok := s.options.FS.(*testFS); ok {
		fs.lock.Lock()
		defer fs.lock.Unlock()
	}
	// Badger compacts when it likes: a copy counts if its list of tables did not change meanwhile.
	manifest := filepath.Join(s.dir, metaDir, "MANIFEST")
	for {
		before, _ := os.ReadFile(manifest)
		dir := copyDir(t, s.dir)
		after, _ := os.ReadFile(manifest)
		if string(before) == string(after) {
			return dir
		}
	}
}

// kill ends a store without any of the things that Close does, and returns what it left.
func kill(t testing.TB, s *Store) string {
	t.Helper()
	dir := image(t, s)
	s.options.FS.(*testFS).dead.Store(true)
	_ = s.Close() // it cannot: the file system is gone
	return dir
}

func copyDir(t testing.TB, from string) string {
	t.Helper()
	to := t.TempDir()
	if err := copyTree(from, to); err != nil {
		t.Fatalf("copy %s: %v", from, err)
	}
	return to
}

func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		if err := copyFile(path, filepath.Join(to, rel)); !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	})
}

// copyFile copies a file and keeps its holes.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	buf := make([]byte, 256<<10)
	for off := int64(0); off < info.Size(); {
		n, err := in.ReadAt(buf, off)
		if n > 0 && !allZero(buf[:n]) {
			if _, err := out.WriteAt(buf[:n], off); err != nil {
				return err
			}
		}
		off += int64(n)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	return out.Truncate(info.Size())
}

func allZero(b []byte) bool {
	for _, v := range b {
		if v != 0 {
			return false
		}
	}
	return true
}

// signal is a waiter that remembers that it was woken.
type signal chan struct{}

func newSignal() signal { return make(signal, 1) }

func (s signal) Wake() {
	select {
	case s <- struct{}{}:
	default:
	}
}

const patience = 20 * time.Second

// commit appends a batch and waits until it is durable.
func commit(t testing.TB, s *Store, b persist.Batch) persist.Ticket {
	t.Helper()
	w := newSignal()
	b.Waiter = w
	ticket, err := s.Append(&b)
	if err != nil {
		t.Fatalf("append: %v", err)
	}
	await(t, s, ticket, w)
	return ticket
}

func await(t testing.TB, s *Store, ticket persist.Ticket, w signal) {
	t.Helper()
	for s.Durable() < ticket {
		select {
		case <-w:
		case <-time.After(patience):
			t.Fatalf("ticket %d is not durable after %v, durable is %d, error %v", ticket, patience, s.Durable(), s.Err())
		}
		if err := s.Err(); err != nil {
			t.Fatalf("ticket %d: %v", ticket, err)
		}
	}
}

// flush waits until everything that was appended is durable.
func flush(t testing.TB, s *Store) { t.Helper(); commit(t, s, persist.Batch{}) }

// eventually waits until something holds that another goroutine brings about.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("after %v still not: %s", patience, what)
		}
		time.Sleep(time.Millisecond)
	}
}

// openSession opens the session of a client id and returns it.
func openSession(t testing.TB, s *Store, clientID string) persist.SessionState {
	t.Helper()
	commit(t, s, persist.Batch{Open: &persist.Open{ClientID: clientID, ExpirySeconds: persist.NeverExpires}})
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.state.clients[clientID].snapshot()
}

// members makes a set of sessions, each at QoS 1.
func members(states ...persist.SessionState) []persist.Member {
	var all []persist.Member
	for _, st := range states {
		all = append(all, persist.Member{Session: st.ID, QoS: 1})
	}
	return all
}

func message(topic, payload string) *persist.Message {
	return &persist.Message{Topic: []byte(topic), Payload: []byte(payload), QoS: 1}
}

// readAll reads the queue of a session from its floor.
func readAll(t testing.TB, s *Store, id persist.SessionID) (positions []persist.Position, payloads []string) {
	t.Helper()
	q, err := s.Attach(id, newSignal())
	if err != nil {
		t.Fatal(err)
	}
	defer q.Detach()
	return drain(t, q)
}

func drain(t testing.TB, q persist.Queue) (positions []persist.Position, payloads []string) {
	t.Helper()
	var page persist.Page
	for {
		if err := q.Next(&page); err != nil {
			t.Fatal(err)
		}
		if len(page.Deliveries) == 0 {
			return positions, payloads
		}
		for _, d := range page.Deliveries {
			positions = append(positions, d.Position)
			payloads = append(payloads, string(d.Message.Payload))
		}
	}
}
