package statedb

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Badger writes to a log (.mem) first. When it meets an entry there that it cannot read it takes the log to end there,
// cuts it off and says nothing, whether the entry was the last one, torn by a power cut, or one that was durable long
// ago. The versions of our transactions tell the two apart, because they have no gaps and each was synced before the
// next was written: at most the one behind the last readable can be torn.
//
//	log:   20 B header | entries | zeros
//	entry: u8 meta | u8 user meta | uvarint key length, value length, expiry | key | value | u32 crc32c
//
// A transaction ends with an entry under the key below; its value is the version in decimal.
const (
	logHeaderSize = 20
	logEndMeta    = 1 << 7
	logEndKey     = "!badger!txn"
	// logEndHead is how far before its key the last entry of a transaction begins.
	logEndHead = 5
)

// logScan is what a log holds.
type logScan struct {
	name string
	id   int
	// first and last are the versions of the transactions that can be read, 0 for none.
	first, last uint64
	// end is where they end.
	end int
	// lost counts the transactions behind end that were durable.
	lost int
	data []byte
}

// checkLogs finds out whether Badger will lose something of its logs. If it is at the very end, the state goes back to
// an earlier checkpoint: the log of messages may well bridge that, so it is named as damage, and a copy is kept of what
// Badger is going to cut off. If something newer comes behind, no state would be right.
func (d *DB) checkLogs(entries []os.DirEntry) error {
	var before *logScan
	for _, log := range logsIn(entries) {
		data, err := os.ReadFile(filepath.Join(d.dir, log.name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // It was empty, and has just been removed.
		}
		if err != nil {
			return err
		}
		s := scanLog(data)
		s.name, s.id = log.name, log.id
		if before != nil && s.first != 0 && before.hole(s) {
			return fmt.Errorf("%w: log %s is damaged at offset %d, and %s has newer entries; %s",
				ErrDamaged, before.name, before.end, s.name, restoreHint)
		}
		if s.lost > 0 {
			if err := d.keepLog(s); err != nil {
				return err
			}
		}
		if s.first != 0 || s.lost > 0 {
			s.data, before = nil, s
		}
	}
	return nil
}

// logsIn lists the logs of a folder in the order in which they were written.
func logsIn(entries []os.DirEntry) (logs []logScan) {
	for _, e := range entries {
		id, err := strconv.Atoi(strings.TrimSuffix(e.Name(), ".mem"))
		if err == nil && filepath.Ext(e.Name()) == ".mem" {
			logs = append(logs, logScan{name: e.Name(), id: id})
		}
	}
	slices.SortFunc(logs, func(a, b logScan) int { return cmp.Compare(a.id, b.id) })
	return logs
}

// hole tells whether something is missing between two logs.
func (s *logScan) hole(next *logScan) bool {
	if s.lost > 0 {
		return true
	}
	// Logs between the two may have become tables.
	return next.id == s.id+1 && s.last != 0 && next.first > s.last+1
}

// keepLog names the damage and keeps the log as it is, before Badger cuts it.
func (d *DB) keepLog(s *logScan) error {
	folder := filepath.Join(d.dir, orphanFolder)
	if err := os.Mkdir(folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	path := filepath.Join(folder, s.name)
	if err := os.WriteFile(path, bytes.TrimRight(s.data, "\x00"), 0o600); err != nil {
		return err
	}
	d.damage.add(fmt.Sprintf("log %s is damaged at offset %d: %d transactions behind it are lost, and the state is that "+
		"of an earlier checkpoint; a copy is kept in %s", filepath.Join(d.dir, s.name), s.end, s.lost, path))
	return nil
}

// scanLog reads a log as Badger does, and then looks for what Badger would not reach.
func scanLog(data []byte) *logScan {
	s := &logScan{data: data, end: min(logHeaderSize, len(data))}
	for at := s.end; ; {
		key, value, size := logEntry(data[at:])
		if size == 0 {
			break
		}
		at += size
		if data[at-size]&logEndMeta == 0 || !bytes.HasPrefix(key, []byte(logEndKey)) {
			continue
		}
		version, err := strconv.ParseUint(string(value), 10, 64)
		if err != nil {
			break
		}
		if s.first == 0 {
			s.first = version
		}
		s.last, s.end = version, at
	}
	behind := endsIn(data[s.end:])
	if len(behind) == 0 {
		return s
	}
	torn := s.last + 1
	if s.last == 0 {
		torn = behind[0]
	}
	for _, version := range behind {
		if version > torn {
			// The one that cannot be read was synced before this.
			s.lost = len(behind)
		}
	}
	return s
}

// endsIn lists the versions of the transactions that end in data, wherever they begin.
func endsIn(data []byte) (versions []uint64) {
	for at := 0; ; at++ {
		i := bytes.Index(data[at:], []byte(logEndKey))
		if i < 0 {
			return versions
		}
		at += i
		if at < logEndHead || data[at-logEndHead]&logEndMeta == 0 {
			continue
		}
		_, value, size := logEntry(data[at-logEndHead:])
		if size == 0 {
			continue
		}
		version, err := strconv.ParseUint(string(value), 10, 64)
		if err == nil && !slices.Contains(versions, version) {
			versions = append(versions, version)
		}
	}
}

// logEntry reads the entry that data begins with; size 0: there is none that can be read.
func logEntry(data []byte) (key, value []byte, size int) {
	if len(data) < 2 {
		return nil, nil, 0
	}
	at := 2
	var lengths [3]uint64 // key, value, expiry
	for i := range lengths {
		v, n := binary.Uvarint(data[at:])
		if n <= 0 {
			return nil, nil, 0
		}
		lengths[i], at = v, at+n
	}
	rest := uint64(len(data) - at)
	if lengths[0] == 0 || lengths[0] > 1<<16 || lengths[1] > rest || lengths[0]+lengths[1]+crc32.Size > rest {
		return nil, nil, 0
	}
	key = data[at : at+int(lengths[0])]
	at += len(key)
	value = data[at : at+int(lengths[1])]
	at += len(value)
	sum := crc32.Checksum(data[:at], crc32.MakeTable(crc32.Castagnoli))
	if sum != binary.BigEndian.Uint32(data[at:]) {
		return nil, nil, 0
	}
	return key, value, at + crc32.Size
}
