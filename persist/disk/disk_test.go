package disk

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// systems are the file systems that must behave alike, each with an empty directory.
func systems(t *testing.T) map[string]func() (FS, string) {
	return map[string]func() (FS, string){
		"os": func() (FS, string) { return OS{}, t.TempDir() },
		"memory": func() (FS, string) {
			m := NewMemory()
			_ = m.MkdirAll("/dir")
			return m, "/dir"
		},
		"faulty": func() (FS, string) { return NewFaulty(OS{}, Fault{}), t.TempDir() },
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func create(t *testing.T, fsys FS, name, content string) File {
	t.Helper()
	f, err := fsys.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	must(t, err)
	_, err = f.WriteAt([]byte(content), 0)
	must(t, err)
	return f
}

func content(t *testing.T, fsys FS, name string) string {
	t.Helper()
	f, err := fsys.OpenFile(name, os.O_RDONLY, 0)
	must(t, err)
	size, err := f.Size()
	must(t, err)
	b := make([]byte, size)
	_, err = f.ReadAt(b, 0)
	if size > 0 {
		must(t, err)
	}
	must(t, f.Close())
	return string(b)
}

func TestFilesKeepWhatIsWritten(t *testing.T) {
	for name, system := range systems(t) {
		t.Run(name, func(t *testing.T) {
			fsys, dir := system()
			f := create(t, fsys, filepath.Join(dir, "a"), "hello")
			must(t, f.Sync())
			must(t, f.Allocate(0, 100))
			size, err := f.Size()
			must(t, err)
			if size != 5 && size != 100 {
				t.Fatalf("size %d after Allocate", size)
			}
			must(t, f.Truncate(4))
			must(t, f.Truncate(6))
			must(t, f.Close())
			if got := content(t, fsys, filepath.Join(dir, "a")); got != "hell\x00\x00" {
				t.Fatalf("content %q", got)
			}
			if err := f.Sync(); !errors.Is(err, fs.ErrClosed) && !errors.Is(err, syscall.EBADF) {
				t.Fatalf("sync of a closed file: %v", err)
			}
			f, err = fsys.OpenFile(filepath.Join(dir, "a"), os.O_RDWR|os.O_TRUNC, 0)
			must(t, err)
			must(t, f.Close())
			if got := content(t, fsys, filepath.Join(dir, "a")); got != "" {
				t.Fatalf("content %q after O_TRUNC", got)
			}
		})
	}
}

func TestReadsEndLikeAFile(t *testing.T) {
	for name, system := range systems(t) {
		t.Run(name, func(t *testing.T) {
			fsys, dir := system()
			f := create(t, fsys, filepath.Join(dir, "a"), "hello")
			b := make([]byte, 10)
			if n, err := f.ReadAt(b, 2); n != 3 || !errors.Is(err, io.EOF) {
				t.Fatalf("read across the end: %d, %v", n, err)
			}
			if n, err := f.ReadAt(b, 5); n != 0 || !errors.Is(err, io.EOF) {
				t.Fatalf("read at the end: %d, %v", n, err)
			}
			if n, err := f.ReadAt(b[:5], 0); n != 5 || err != nil {
				t.Fatalf("read of all: %d, %v", n, err)
			}
			must(t, f.Close())
		})
	}
}

func TestNamesChange(t *testing.T) {
	for name, system := range systems(t) {
		t.Run(name, func(t *testing.T) {
			fsys, dir := system()
			sub := filepath.Join(dir, "x", "y")
			must(t, fsys.MkdirAll(sub))
			must(t, create(t, fsys, filepath.Join(sub, "a"), "A").Close())
			must(t, create(t, fsys, filepath.Join(sub, "b"), "B").Close())
			must(t, fsys.Rename(filepath.Join(sub, "a"), filepath.Join(sub, "b")))
			must(t, create(t, fsys, filepath.Join(sub, "c"), "CC").Close())
			must(t, fsys.SyncDir(sub))
			list, err := fsys.ReadDir(sub)
			must(t, err)
			if !slices.Equal(list, []Entry{{Name: "b", Size: 1}, {Name: "c", Size: 2}}) {
				t.Fatalf("directory: %v", list)
			}
			if got := content(t, fsys, filepath.Join(sub, "b")); got != "A" {
				t.Fatalf("renamed file has %q", got)
			}
			must(t, fsys.Remove(filepath.Join(sub, "b")))
			if _, err := fsys.OpenFile(filepath.Join(sub, "b"), os.O_RDONLY, 0); !errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("open of a removed file: %v", err)
			}
			for _, err := range []error{
				fsys.Remove(filepath.Join(sub, "b")), fsys.Rename(filepath.Join(sub, "b"), filepath.Join(sub, "d")),
				fsys.SyncDir(filepath.Join(dir, "missing")),
			} {
				if !errors.Is(err, fs.ErrNotExist) {
					t.Fatalf("missing file: %v", err)
				}
			}
			if free, err := fsys.Free(dir); err != nil || free == 0 {
				t.Fatalf("free: %d, %v", free, err)
			}
		})
	}
}

func TestRemovedFileStaysReadableWhileOpen(t *testing.T) {
	for name, system := range systems(t) {
		t.Run(name, func(t *testing.T) {
			fsys, dir := system()
			f := create(t, fsys, filepath.Join(dir, "a"), "hello")
			must(t, fsys.Remove(filepath.Join(dir, "a")))
			b := make([]byte, 5)
			if _, err := f.ReadAt(b, 0); err != nil || string(b) != "hello" {
				t.Fatalf("read %q, %v", b, err)
			}
			must(t, f.Close())
		})
	}
}

func TestSecondLockIsRefusedWithThePid(t *testing.T) {
	dir := t.TempDir()
	release, err := Lock(dir)
	must(t, err)
	cmd := exec.Command(os.Args[0], "-test.run=^TestLockInAnotherProcess$", "-test.v")
	cmd.Env = append(os.Environ(), "HOLDFAST_LOCK_DIR="+dir)
	out, err := cmd.CombinedOutput()
	must(t, err)
	want := (&InUseError{Dir: dir, PID: os.Getpid()}).Error()
	if !strings.Contains(string(out), want) {
		t.Fatalf("the other process says %q, want %q", out, want)
	}
	if _, err := Lock(dir); !errors.Is(err, ErrInUse) {
		t.Fatalf("second lock in this process: %v", err)
	}
	must(t, release())
	release, err = Lock(dir)
	must(t, err)
	must(t, release())
	if _, err := Lock(filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("lock of a missing directory: %v", err)
	}
}

// TestLockInAnotherProcess is the other process of TestSecondLockIsRefusedWithThePid.
func TestLockInAnotherProcess(t *testing.T) {
	dir := os.Getenv("HOLDFAST_LOCK_DIR")
	if dir == "" {
		t.Skip("runs only as the other process")
	}
	_, err := Lock(dir)
	if !errors.Is(err, ErrInUse) {
		t.Fatalf("lock: %v", err)
	}
	t.Log(err)
}

func TestNthCallFails(t *testing.T) {
	calls := map[string]struct {
		kind Kind
		call func(FS, File) error
	}{
		"write":    {OnWrite, func(_ FS, f File) error { _, err := f.WriteAt([]byte("x"), 0); return err }},
		"sync":     {OnSync, func(_ FS, f File) error { return f.Sync() }},
		"truncate": {OnTruncate, func(_ FS, f File) error { return f.Truncate(3) }},
		"allocate": {OnAllocate, func(_ FS, f File) error { return f.Allocate(0, 10) }},
		"syncdir":  {OnSyncDir, func(m FS, _ File) error { return m.SyncDir("/dir") }},
		"mkdir":    {OnMkdir, func(m FS, _ File) error { return m.MkdirAll("/dir/x") }},
		"create": {OnCreate, func(m FS, _ File) error {
			f, err := m.OpenFile("/dir/new", os.O_RDWR|os.O_CREATE, 0o600)
			if err == nil {
				err = f.Close()
			}
			return err
		}},
		"rename": {OnRename, func(m FS, _ File) error {
			return errors.Join(m.Rename("/dir/a", "/dir/a"))
		}},
		"remove": {OnRemove, func(m FS, _ File) error {
			err := m.Remove("/dir/a")
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}},
	}
	for name, c := range calls {
		t.Run(name, func(t *testing.T) {
			m := NewMemory()
			must(t, m.MkdirAll("/dir"))
			f := NewFaulty(m, Fault{})
			file := create(t, f, "/dir/a", "content")
			for _, sticky := range []bool{false, true} {
				f.Arm(Fault{Kinds: c.kind, Call: 2, Err: syscall.EIO, Sticky: sticky})
				must(t, c.call(f, file))
				if f.Fired() {
					t.Fatal("fired at the first call")
				}
				if err := c.call(f, file); !errors.Is(err, syscall.EIO) || !f.Fired() || f.Calls() != 2 {
					t.Fatalf("second call: %v, fired %t, %d calls", err, f.Fired(), f.Calls())
				}
				if err := c.call(f, file); errors.Is(err, syscall.EIO) != sticky {
					t.Fatalf("third call, sticky %t: %v", sticky, err)
				}
			}
			f.Arm(Fault{Kinds: OnAny &^ c.kind, Call: 1, Err: syscall.EIO, Sticky: true})
			must(t, c.call(f, file))
		})
	}
}

func TestShortWriteWritesHalf(t *testing.T) {
	m := NewMemory()
	must(t, m.MkdirAll("/dir"))
	f := NewFaulty(m, Fault{Kinds: OnWrite, Call: 2, Err: syscall.ENOSPC, Short: true})
	file := create(t, f, "/dir/a", "........")
	if n, err := file.WriteAt([]byte("12345678"), 0); n != 4 || !IsFull(err) {
		t.Fatalf("%d, %v", n, err)
	}
	if got := content(t, m, "/dir/a"); got != "1234...." {
		t.Fatalf("content %q", got)
	}
}
