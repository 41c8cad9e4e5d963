package seglog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/persist/disk"
)

const testDir = "/data/log"

// typeMessage records are indexed, typeControl records are not.
const (
	typeMessage = 1
	typeControl = 2
)

// entry is one record as the model knows it.
type entry struct {
	pos  persist.Position
	typ  byte
	body []byte
}

func (e entry) String() string {
	return fmt.Sprintf("%d: type %d, %d bytes", e.pos, e.typ, len(e.body))
}

// message makes a body that the index function understands: key, expiry, then text.
func message(key uint64, expires int64, text string) []byte {
	b := binary.LittleEndian.AppendUint64(nil, key)
	b = binary.LittleEndian.AppendUint64(b, uint64(expires))
	return append(b, text...)
}

func testIndex(_ persist.Position, typ byte, body []byte) (key uint64, expires int64, ok bool) {
	if typ != typeMessage || len(body) < 16 {
		return 0, 0, false
	}
	return binary.LittleEndian.Uint64(body), int64(binary.LittleEndian.Uint64(body[8:])), true
}

func testOptions() Options {
	return Options{UUID: [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9}, SegmentSize: 4096, Incarnation: 1, Index: testIndex}
}

// rig is a log with a model of what it must hold.
type rig struct {
	t     testing.TB
	fs    disk.FS
	o     Options
	log   *Log
	group Group
	model []entry
}

// newRig opens a new log in memory.
func newRig(t testing.TB) *rig {
	t.Helper()
	fs := disk.NewMemory()
	if err := fs.MkdirAll("/data"); err != nil {
		t.Fatal(err)
	}
	return openRig(t, fs, testOptions(), nil)
}

// openRig opens the log that must hold the model.
func openRig(t testing.TB, fs disk.FS, o Options, model []entry) *rig {
	t.Helper()
	l, err := Open(fs, testDir, o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	r := &rig{t: t, fs: fs, o: o, log: l, model: model}
	t.Cleanup(func() { _ = l.Close() })
	return r
}

// add gathers a record in the group; its entry has the offset for position.
func (g *rig) add(typ byte, body []byte) entry {
	off := g.group.End(append(g.group.Begin(typ), body...))
	return entry{pos: persist.Position(off), typ: typ, body: bytes.Clone(body)}
}

// tryCommit commits the group with these entries and adds them to the model if it worked.
func (g *rig) tryCommit(sync bool, entries ...entry) error {
	base, err := g.log.Commit(&g.group, sync)
	if err != nil {
		return err
	}
	for _, e := range entries {
		e.pos += base
		g.model = append(g.model, e)
	}
	g.group.Reset()
	return nil
}

// commit writes one group of messages durably.
func (g *rig) commit(texts ...string) {
	g.t.Helper()
	var list []entry
	for i, text := range texts {
		list = append(list, g.add(typeMessage, message(uint64(i), 0, text)))
	}
	if err := g.tryCommit(true, list...); err != nil {
		g.t.Fatalf("commit: %v", err)
	}
}

// reopen closes the log and opens it again.
func (g *rig) reopen() {
	g.t.Helper()
	if err := g.log.Close(); err != nil {
		g.t.Fatalf("close: %v", err)
	}
	g.o.Incarnation++
	l, err := Open(g.fs, testDir, g.o)
	if err != nil {
		g.t.Fatalf("open: %v", err)
	}
	g.log = l
}

// scan returns what the log holds.
func (g *rig) scan(from persist.Position) []entry {
	g.t.Helper()
	list, err := scanLog(g.log, from)
	if err != nil {
		g.t.Fatalf("scan: %v", err)
	}
	return list
}

func scanLog(l *Log, from persist.Position) ([]entry, error) {
	var list []entry
	err := l.Scan(from, func(pos persist.Position, typ byte, body []byte) error {
		list = append(list, entry{pos, typ, bytes.Clone(body)})
		return nil
	})
	return list, err
}

// check compares the log with the model in every way there is to read it, and wants no damage.
func (g *rig) check() {
	g.t.Helper()
	wantEntries(g.t, "scan", g.scan(0), g.model)
	reader := g.log.NewReader()
	var buf []byte
	for _, e := range g.model {
		typ, body, grown, err := g.log.Read(e.pos, buf)
		wantRecord(g.t, "Log.Read", e, typ, body, err)
		buf = grown
		typ, body, err = reader.Read(e.pos)
		wantRecord(g.t, "Reader.Read", e, typ, body, err)
	}
	g.noDamage()
}

func (g *rig) noDamage() {
	g.t.Helper()
	if _, damage := g.log.Report(); damage != nil {
		g.t.Fatalf("damage reported:\n%s", strings.Join(damage, "\n"))
	}
}

func wantRecord(t testing.TB, how string, e entry, typ byte, body []byte, err error) {
	t.Helper()
	if err != nil || typ != e.typ || !bytes.Equal(body, e.body) {
		t.Fatalf("%s of %v: type %d, %d bytes, error %v", how, e, typ, len(body), err)
	}
}

func wantEntries(t testing.TB, what string, got, want []entry) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Fatalf("%s: %d entries, want %d; missing from %v", what, len(got), len(want), want[i])
		case i >= len(want):
			t.Fatalf("%s: %d entries, want %d; surplus from %v", what, len(got), len(want), got[i])
		case got[i].pos != want[i].pos || got[i].typ != want[i].typ || !bytes.Equal(got[i].body, want[i].body):
			t.Fatalf("%s: entry %d is %v, want %v", what, i, got[i], want[i])
		}
	}
}

// subset tells whether got is part of want, in order.
func subset(got, want []entry) error {
	i := 0
	for _, e := range got {
		for i < len(want) && want[i].pos < e.pos {
			i++
		}
		if i == len(want) || want[i].pos != e.pos || want[i].typ != e.typ || !bytes.Equal(want[i].body, e.body) {
			return fmt.Errorf("record that was never written: %v", e)
		}
	}
	return nil
}

// files lists the log's files by suffix.
func (g *rig) files(suffix string) []string {
	g.t.Helper()
	list, err := g.fs.ReadDir(testDir)
	if err != nil {
		g.t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		if filepath.Ext(e.Name) == suffix {
			names = append(names, filepath.Join(testDir, e.Name))
		}
	}
	return names
}

// sealed lists the bases of sealed segments.
func (g *rig) sealed() []persist.Position {
	var list []persist.Position
	for _, s := range g.log.Segments() {
		if s.Sealed {
			list = append(list, s.Base)
		}
	}
	return list
}

// trimmed waits until the log's goroutine has given back what sealed segments do not use: else the files still change.
func (g *rig) trimmed() {
	g.t.Helper()
	for {
		done := true
		for _, info := range g.log.Segments() {
			done = done && (!info.Sealed || info.Compacted || info.FileBytes <= int64(info.End-info.Base))
		}
		if done {
			return
		}
		runtime.Gosched()
	}
}

// alter changes the bytes of a file.
func alter(t testing.TB, fs disk.FS, name string, change func(b []byte) []byte) {
	t.Helper()
	file, err := fs.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	size, err := file.Size()
	b := make([]byte, size)
	if err == nil && size > 0 {
		_, err = file.ReadAt(b, 0)
	}
	if err == nil {
		b = change(b)
		err = file.Truncate(int64(len(b)))
	}
	if err == nil && len(b) > 0 {
		_, err = file.WriteAt(b, 0)
	}
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		t.Fatal(err)
	}
}

// create makes a file.
func create(t testing.TB, fs disk.FS, name string) disk.File {
	t.Helper()
	file, err := fs.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return file
}
