package store

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// The state database writes through memory maps, and a process that does so on a full disk dies. So it refuses to write
// when little is left, and then the log cannot shrink. The guard stops taking messages early enough that checkpoints go
// on, and a reserve file is there to be given up if something else fills the disk.

// startBytes is what a start needs.
const startBytes = 64 << 20

// guard refuses messages while too little is free on the disk.
func (s *Store) guard() {
	free, err := s.options.FS.Free(s.dir)
	c := &s.checks
	if err != nil {
		if !c.blind {
			s.say("warning", fmt.Sprintf("free space of %s is not known: %v", s.dir, err))
		}
		c.blind = true
		s.in.setSpare(math.MaxInt64)
		return
	}
	c.blind = false
	s.in.setSpare(int64(free) - startBytes)
	limit := s.options.MinFree
	if c.full {
		limit += limit / 8 // so that it does not flicker
	}
	full := free < limit
	if full != c.full {
		c.full = full
		var why error
		if full {
			why = fmt.Errorf("disk nearly full, %d bytes are free in %s and %d are kept for settling: %w", free, s.dir, s.options.MinFree, persist.ErrFull)
			s.say("error", "messages are refused until there is room: "+why.Error())
		} else {
			s.say("info", "there is room on the disk again: messages are taken")
		}
		s.in.refuse(fullDisk, why)
	}
	if reserve := s.options.Reserve; !c.reserved && reserve > 0 && free > limit+2*uint64(reserve) {
		c.reserved = true // one try: it is a help, not a must
		if err := s.makeReserve(); err != nil {
			s.say("warning", fmt.Sprintf("no disk space could be reserved: %v", err))
		}
	}
}

// makeRoom gives up the reserve if there is not enough room to start.
func (s *Store) makeRoom() error {
	free, err := s.options.FS.Free(s.dir)
	if err != nil {
		return fmt.Errorf("measure free space: %w", err)
	}
	if free < startBytes {
		s.freeReserve()
	}
	return nil
}

func (s *Store) reservePath() string { return filepath.Join(s.dir, reserveFile) }

// makeReserve occupies space on the disk.
func (s *Store) makeReserve() error {
	f, err := s.options.FS.OpenFile(s.reservePath(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Allocate(0, s.options.Reserve), f.Close()); err != nil {
		return errors.Join(err, s.options.FS.Remove(s.reservePath()))
	}
	return nil
}

// freeReserve gives the reserve up, and tells whether there was one.
func (s *Store) freeReserve() bool {
	s.checks.reserved = false
	err := s.options.FS.Remove(s.reservePath())
	if err == nil {
		s.say("warning", "disk nearly full: the reserve was given up")
		return true
	}
	if !errors.Is(err, fs.ErrNotExist) {
		s.say("warning", fmt.Sprintf("the reserve could not be given up: %v", err))
	}
	return false
}
