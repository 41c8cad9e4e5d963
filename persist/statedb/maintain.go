package statedb

import (
	"fmt"
	"os"
)

// Stats are the sizes of the database.
type Stats struct {
	// DiskBytes are what the files occupy.
	DiskBytes int64
	// Tables of Badger, the keys in them, every version counted, and how many of their bytes are of no use any more.
	Tables     int
	Keys       int
	TableBytes int64
	StaleBytes int64
	// Version of the last complete checkpoint.
	Version uint64
	// Sessions, Audiences and Retained at the last complete checkpoint.
	Sessions, Audiences, Retained uint64
}

// Stats measures the database.
func (d *DB) Stats() Stats {
	d.mu.RLock()
	defer d.mu.RUnlock()
	s := Stats{
		Version:   d.mu.version,
		Sessions:  d.mu.counts.Sessions,
		Audiences: d.mu.counts.Audiences,
		Retained:  d.mu.counts.Retained,
	}
	if d.mu.closed {
		return s
	}
	for _, t := range d.badger.Tables() {
		s.Tables++
		s.Keys += int(t.KeyCount)
		s.TableBytes += int64(t.OnDiskSize)
		s.StaleBytes += int64(t.StaleDataSize)
	}
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return s
	}
	for _, e := range entries {
		// A file may go between the listing and the look.
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			s.DiskBytes += allocated(info)
		}
	}
	return s
}

// Compact merges the levels of tables into one when much in them is of no use any more. Badger merges by itself, but
// only where it is written to. It takes seconds for a large database, in which checkpoints wait and reads go on, so it
// is for idle times. Markers of what was deleted in the last large checkpoint may stay until more is written.
func (d *DB) Compact() error {
	levels := make(map[int]bool)
	var bytes, stale int64
	for _, t := range d.badger.Tables() {
		levels[t.Level] = true
		bytes += int64(t.OnDiskSize)
		stale += int64(t.StaleDataSize)
	}
	// Flatten does nothing with a single level.
	if len(levels) < 2 || stale < 1<<20 || stale < bytes/4 {
		return nil
	}
	return d.flatten(int(bytes))
}

func (d *DB) flatten(bytes int) error {
	d.writing.Lock()
	defer d.writing.Unlock()
	if err := d.checkRoom(bytes); err != nil {
		return err
	}
	if err := d.badger.Flatten(1); err != nil {
		return fmt.Errorf("compact state database: %w", err)
	}
	return nil
}
