package seglog

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/persist/disk"
)

// recovery is a log being opened.
type recovery struct {
	*Log
	// headless are segments whose header is damaged.
	headless map[*segment]bool
	// ends is what was found in the last segments.
	ends map[*segment]segmentEnd
}

// Open opens the log in a directory, and makes it if there is none. It finds the end: a group that was not completely
// written is cut off, and what is there is durable when Open returns. Only the last segment that holds groups is read.
//
// Damage is reported, see Log.Damage, and does not keep the log from opening, unless Options.Refuse is set.
func Open(fsys disk.FS, dir string, o Options) (*Log, error) {
	if o.SegmentSize == 0 {
		o.SegmentSize = defaultSegment
	}
	if o.SegmentSize < 0 || o.SegmentSize > MaxGroup {
		return nil, fmt.Errorf("open log: segment size %d is out of range", o.SegmentSize)
	}
	o.SegmentSize = aligned(o.SegmentSize, segmentAlign)
	r := &recovery{
		Log:      &Log{fs: fsys, dir: dir, o: o, id: newIdentity(o.UUID), handles: newHandles(fsys), covered: o.Replay},
		headless: map[*segment]bool{},
		ends:     map[*segment]segmentEnd{},
	}
	err := r.run()
	if damage := r.report.first(); err == nil && o.Refuse && damage != nil {
		err = damage
	}
	if err != nil {
		r.handles.closeAll(true)
		return nil, fmt.Errorf("open log: %w", err)
	}
	r.startTidier()
	return r.Log, nil
}

// run brings the log into a state that can be written to.
func (r *recovery) run() error {
	files, err := r.list()
	if err != nil {
		return err
	}
	for _, base := range slices.Sorted(maps.Keys(files)) {
		if err := r.load(base, files[base]); err != nil {
			return err
		}
	}
	if err := r.checkRanges(); err != nil {
		return err
	}
	if err := r.findOpen(); err != nil {
		return err
	}
	if err := r.continueOpen(); err != nil {
		return err
	}
	return r.coverReplay()
}

// list reads the directory: file sizes by base and suffix. What a crash left half made is deleted.
func (r *recovery) list() (map[persist.Position]map[string]int64, error) {
	entries, err := r.fs.ReadDir(r.dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err = r.fs.MkdirAll(r.dir); err == nil {
			err = r.fs.SyncDir(filepath.Dir(r.dir))
		}
	}
	if err != nil {
		return nil, err
	}
	files := map[persist.Position]map[string]int64{}
	for _, e := range entries {
		base, suffix, ok := parseName(e.Name)
		if !ok || e.Dir {
			continue
		}
		switch suffix {
		case segmentSuffix, compactSuffix, indexSuffix:
			if files[base] == nil {
				files[base] = map[string]int64{}
			}
			files[base][suffix] = e.Size
		case indexSuffix + tempSuffix, compactSuffix + tempSuffix:
			if err := r.fs.Remove(filepath.Join(r.dir, e.Name)); err != nil {
				return nil, err
			}
		}
	}
	// A name that was not durable might go away after this start has built on it, or a removed one come back.
	return files, r.fs.SyncDir(r.dir)
}

// load puts one segment into the table.
func (r *recovery) load(base persist.Position, files map[string]int64) error {
	size, plain := files[segmentSuffix]
	compactSize, compact := files[compactSuffix]
	var seg *segment
	if compact {
		found, err := r.loadCompact(base, compactSize)
		if err != nil {
			return err
		}
		seg = found
		// With the compacted segment complete the other is not needed; with the other there, the torn one is not.
		switch {
		case seg != nil && plain:
			err = r.fs.Remove(r.fileName(base, segmentSuffix))
		case seg == nil && plain:
			err = r.fs.Remove(r.fileName(base, compactSuffix))
		case seg == nil:
			r.report.add(Damage{
				File: r.fileName(base, compactSuffix), Position: base, End: base + persist.Position(compactSize),
				Detail: "compacted segment is not readable",
			})
		}
		if err != nil {
			return err
		}
	}
	if seg == nil && plain {
		var err error
		if seg, err = r.loadSegment(base, size); err != nil {
			return err
		}
	}
	if _, indexed := files[indexSuffix]; indexed && seg == nil {
		return r.fs.Remove(r.fileName(base, indexSuffix))
	} else if indexed {
		if err := r.loadIndexInfo(seg); err != nil {
			return err
		}
	}
	if seg != nil {
		r.segments = append(r.segments, seg)
	}
	return nil
}

// loadCompact reads what a compacted segment says about itself; nil if it is not complete.
func (r *recovery) loadCompact(base persist.Position, size int64) (*segment, error) {
	name := r.fileName(base, compactSuffix)
	file, err := r.fs.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	info, ok, err := r.readCompact(file, base)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if !ok {
		return nil, nil
	}
	return &segment{
		base: base, capacity: info.capacity, used: info.used, exact: true, sealed: true, last: info.last,
		src: &source{name: name, compact: &info.blocks}, fileBytes: size,
	}, nil
}

// loadSegment reads a segment's header. A damaged one leaves the capacity open.
func (r *recovery) loadSegment(base persist.Position, size int64) (*segment, error) {
	name := r.fileName(base, segmentSuffix)
	b, err := r.readHead(name, segmentHeader)
	if err != nil {
		return nil, err
	}
	info, ok, err := decodeSegment(b, r.o.UUID, base)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	seg := &segment{base: base, capacity: info.capacity, first: info.first, fileBytes: size, src: &source{name: name}}
	if !ok {
		seg.capacity, seg.first = 0, link{}
		r.headless[seg] = true
	}
	return seg, nil
}

// loadIndexInfo takes what the index file says, if it fits the segment.
func (r *recovery) loadIndexInfo(seg *segment) error {
	info, err := r.readIndexHeader(seg.base)
	if err != nil {
		return err
	}
	if !info.present || info.source != seg.src.sum() || info.end < seg.base {
		return nil
	}
	seg.index = info
	if !seg.exact {
		seg.used, seg.exact = int64(info.end-seg.base), true
	}
	return nil
}

// checkRanges gives every segment a range of positions that is its own.
func (r *recovery) checkRanges() error {
	for i, seg := range r.segments {
		room := int64(MaxGroup) + segmentAlign
		if i+1 < len(r.segments) {
			room = int64(r.segments[i+1].base - seg.base)
		}
		if r.headless[seg] {
			seg.capacity = min(aligned(max(seg.fileBytes, r.o.SegmentSize), segmentAlign), room)
		}
		if seg.capacity > room {
			r.report.add(Damage{
				File: seg.src.name, Position: seg.base + persist.Position(room), End: seg.next(),
				Detail: "segment reaches into the next one",
			})
			seg.capacity = room
		}
		if !seg.exact {
			seg.used = max(segmentHeader, min(seg.fileBytes, seg.capacity))
		}
	}
	return nil
}
