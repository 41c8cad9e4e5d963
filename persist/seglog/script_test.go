package seglog

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/persist/disk"
)

// script is a workload that touches everything the log writes, with the knowledge of what was acknowledged.
type script struct {
	fs    disk.FS
	o     Options
	log   *Log
	rng   *rand.Rand
	group Group
	// acked were committed durably; pending are in the group, tried those of a commit that failed.
	acked, tried []entry
	// applied is the checkpoint: segments before it may be removed or compacted.
	applied persist.Position
	// dead are positions that nobody wants any more.
	dead map[persist.Position]bool
	// removed are the bases of segments that were removed.
	removed []SegmentInfo
}

func newScript(fs disk.FS, seed uint64) *script {
	return &script{fs: fs, o: testOptions(), rng: rand.New(rand.NewPCG(seed, 1)), dead: map[persist.Position]bool{}}
}

// open opens the log.
func (s *script) open() (err error) {
	s.o.Replay = s.applied
	s.log, err = Open(s.fs, testDir, s.o)
	return err
}

// commit writes one group of random records.
func (s *script) commit() error {
	s.group.Reset()
	var list []entry
	for range 1 + s.rng.IntN(5) {
		typ, size := byte(1+s.rng.IntN(2)), s.rng.IntN(300)
		if s.rng.IntN(40) == 0 {
			size = 3000 + s.rng.IntN(4000)
		}
		body := message(uint64(s.rng.IntN(3)), int64(s.rng.IntN(2)*1000), "")
		for range size {
			body = append(body, byte(s.rng.IntN(4)))
		}
		off := s.group.End(append(s.group.Begin(typ), body...))
		list = append(list, entry{persist.Position(off), typ, body})
	}
	base, err := s.log.Commit(&s.group, true)
	if err != nil {
		if s.tried == nil {
			s.tried = list
		}
		return err
	}
	for i := range list {
		list[i].pos += base
	}
	s.acked = append(s.acked, list...)
	return nil
}

// upkeep does to sealed segments what the store does: index, compaction, removal.
func (s *script) upkeep() error {
	s.applied = s.log.End()
	for _, info := range s.log.Segments() {
		if !info.Sealed {
			continue
		}
		switch s.rng.IntN(6) {
		case 0:
			if err := s.log.WriteIndex(info.Base); err != nil {
				return err
			}
		case 1:
			for _, e := range s.acked {
				if e.pos >= info.Base && e.pos < info.End && (e.typ != typeMessage || s.rng.IntN(3) > 0) {
					s.dead[e.pos] = true
				}
			}
			if err := s.log.Compact(info.Base, func(pos persist.Position) bool { return !s.dead[pos] }); err != nil {
				return err
			}
		case 2:
			if s.rng.IntN(2) == 0 {
				s.removed = append(s.removed, info)
				if err := s.log.Remove(info.Base); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// run is the whole workload. It ends with the first error.
func (s *script) run(steps int) error {
	if err := s.open(); err != nil {
		return err
	}
	defer func() { _ = s.log.Close() }()
	for range steps {
		var err error
		switch n := s.rng.IntN(20); {
		case n < 15:
			err = s.commit()
		case n < 18:
			err = s.upkeep()
		case n < 19:
			err = s.log.Seal()
		default:
			err = s.log.Prepare()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// verify opens what is left and checks that nothing acknowledged is lost and nothing is wrong.
func (s *script) verify(fs disk.FS) error {
	o := s.o
	o.Incarnation, o.Replay = 99, s.applied
	l, err := Open(fs, testDir, o)
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	got, err := scanLog(l, 0)
	if err != nil {
		return err
	}
	if damage := l.Damage(); damage != nil {
		return fmt.Errorf("damage reported: %v", damage[0].Error())
	}
	have := map[persist.Position]entry{}
	for _, e := range got {
		have[e.pos] = e
	}
	for _, e := range s.acked {
		h, ok := have[e.pos]
		if ok && (h.typ != e.typ || !bytes.Equal(h.body, e.body)) {
			return fmt.Errorf("%v is wrong", e)
		}
		delete(have, e.pos)
		if ok || s.dead[e.pos] || s.wasRemoved(e.pos) {
			continue
		}
		return fmt.Errorf("acknowledged %v is lost", e)
	}
	// What is left was never acknowledged: at most the records of the commit that failed, in their order.
	var rest []entry
	for _, e := range got {
		if _, ok := have[e.pos]; ok {
			rest = append(rest, e)
		}
	}
	if len(rest) != 0 && len(rest) != len(s.tried) {
		return fmt.Errorf("%d records nobody knows, first %v", len(rest), rest[0])
	}
	for i, e := range rest {
		if e.typ != s.tried[i].typ || !bytes.Equal(e.body, s.tried[i].body) {
			return fmt.Errorf("%v was never written", e)
		}
	}
	return s.verifyReads(l, got)
}

// verifyReads reads every record by its position, and every index.
func (s *script) verifyReads(l *Log, got []entry) error {
	reader := l.NewReader()
	indexed := map[persist.Position]bool{}
	for _, info := range l.Segments() {
		if err := l.LoadIndex(info.Base, func(pos persist.Position, _ uint64, _ int64) { indexed[pos] = true }); err != nil {
			return err
		}
	}
	for _, e := range got {
		typ, body, err := reader.Read(e.pos)
		if err != nil || typ != e.typ || !bytes.Equal(body, e.body) {
			return fmt.Errorf("read of %v: type %d, %d bytes, error %w", e, typ, len(body), err)
		}
		if indexed[e.pos] != (e.typ == typeMessage) {
			return fmt.Errorf("%v: in an index: %t", e, indexed[e.pos])
		}
		delete(indexed, e.pos)
	}
	for pos := range indexed {
		return fmt.Errorf("index has %d, the log has not", pos)
	}
	r := &rig{log: l}
	e := r.add(typeControl, []byte("goes on"))
	return r.tryCommit(true, e)
}

func (s *script) wasRemoved(pos persist.Position) bool {
	for _, info := range s.removed {
		if pos >= info.Base && pos <= info.End {
			return true
		}
	}
	return false
}

func newMemory(t testing.TB) *disk.Memory {
	t.Helper()
	fs := disk.NewMemory()
	if err := fs.MkdirAll("/data"); err != nil {
		t.Fatal(err)
	}
	return fs
}

// killedThenCut opens what a killed process leaves; then the power goes.
func (s *script) killedThenCut(fs *disk.Memory, seed uint64) error {
	killed := fs.Image()
	o := s.o
	o.Replay = s.applied
	l, err := Open(killed, testDir, o)
	if err != nil {
		return err
	}
	list, err := scanLog(l, 0)
	if err != nil {
		return err
	}
	left := killed.Crash(seed)
	if err := l.Close(); err != nil {
		return err
	}
	if l, err = Open(left.Image(), testDir, o); err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	again, err := scanLog(l, 0)
	if err != nil {
		return err
	}
	// What the first start found, others may have been told.
	if err := subset(list, again); err != nil {
		return fmt.Errorf("found by the first start, not by the second: %w", err)
	}
	return s.verify(left)
}

// runThroughFaults goes on after errors that are not final, as the store does, and checks that final ones are.
func (s *script) runThroughFaults(steps int) error {
	var failed error
	for range 2 {
		if failed = s.open(); failed == nil {
			break
		}
	}
	if failed != nil {
		return failed
	}
	defer func() { _ = s.log.Close() }()
	for range steps {
		var err error
		switch n := s.rng.IntN(20); {
		case n < 15:
			before := len(s.acked)
			err = s.commit()
			if errors.Is(err, ErrNoSpace) {
				// The same group again, now that there is room.
				base, again := s.log.Commit(&s.group, true)
				if again == nil {
					for _, e := range s.tried {
						e.pos += base
						s.acked = append(s.acked, e)
					}
					s.tried = nil
				}
				err = again
			}
			if failed != nil && len(s.acked) != before {
				return errors.New("a commit worked after the log had failed")
			}
		case n < 18:
			err = s.upkeep()
		case n < 19:
			err = s.log.Seal()
		default:
			err = s.log.Prepare()
		}
		if failed != nil && err == nil && s.log.Err() == nil {
			return errors.New("a failure was not final")
		}
		if errors.Is(err, ErrPoisoned) {
			failed = err
		}
	}
	return failed
}
