package topic

import (
	"slices"
	"strings"
	"sync"
)

// maxChunk is how many names one chunk of Names holds: entering a name moves half
// of a chunk, 2 KiB, and half a million names make a list of some 3,000 chunks.
const maxChunk = 256

// Names is the set of topic names that hold a retained message. It is safe for
// concurrent use.
//
// The names stand sorted, in chunks, and nothing else is kept: 20 to 30 bytes
// for each besides the name, where a tree of levels takes 100 to 200. A filter is
// matched by going through them in order and leaping over all that cannot match.
type Names struct {
	mu struct {
		sync.RWMutex
		// chunks are sorted, as is each of them; none is empty, and of two
		// neighbours one at least is filled by more than a quarter.
		chunks [][]string
		size   int
	}
}

// place is where a name stands among the chunks.
type place struct{ chunk, at int }

// NewNames returns an empty set.
func NewNames() *Names {
	return new(Names)
}

// Add enters a topic name and reports whether it was new. It keeps the string.
func (s *Names) Add(name string) (added bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, found := s.seekLocked(place{}, []byte(name))
	if found {
		return false
	}
	if p.chunk == len(s.mu.chunks) { // behind all names
		if p.chunk == 0 || len(s.mu.chunks[p.chunk-1]) == maxChunk {
			s.mu.chunks = append(s.mu.chunks, nil)
		} else {
			p = place{p.chunk - 1, len(s.mu.chunks[p.chunk-1])}
		}
	}
	if len(s.mu.chunks[p.chunk]) == maxChunk {
		p = s.splitLocked(p)
	}
	s.mu.chunks[p.chunk] = slices.Insert(s.mu.chunks[p.chunk], p.at, name)
	s.mu.size++
	return true
}

// Remove takes a topic name out and reports whether it was there.
func (s *Names) Remove(name string) (existed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, found := s.seekLocked(place{}, []byte(name))
	if !found {
		return false
	}
	s.mu.chunks[p.chunk] = slices.Delete(s.mu.chunks[p.chunk], p.at, p.at+1)
	s.mu.size--
	switch left := len(s.mu.chunks[p.chunk]); {
	case left == 0:
		s.mu.chunks = slices.Delete(s.mu.chunks, p.chunk, p.chunk+1)
	case left <= maxChunk/4 && p.chunk > 0 && len(s.mu.chunks[p.chunk-1]) <= maxChunk/4:
		s.joinLocked(p.chunk - 1)
	case left <= maxChunk/4 && p.chunk+1 < len(s.mu.chunks) && len(s.mu.chunks[p.chunk+1]) <= maxChunk/4:
		s.joinLocked(p.chunk)
	}
	return true
}

// Len returns the number of names.
func (s *Names) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.mu.size
}

// Match appends to dst the names that a filter matches, sorted as strings, and
// returns the longer slice.
func (s *Names) Match(filter string, dst []string) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var p place
	var target []byte
	for p.chunk < len(s.mu.chunks) {
		name := s.mu.chunks[p.chunk][p.at]
		var v verdict
		v, target = judge(filter, name, target)
		switch v {
		case matched:
			dst = append(dst, name)
			p = s.afterLocked(p)
		case missed:
			p = s.afterLocked(p)
		case leap:
			p, _ = s.seekLocked(p, target)
		case finished:
			return dst
		}
	}
	return dst
}

// afterLocked returns the place behind p.
func (s *Names) afterLocked(p place) place {
	if p.at++; p.at == len(s.mu.chunks[p.chunk]) {
		return place{chunk: p.chunk + 1}
	}
	return p
}

// seekLocked returns the place, from p on, of the first name not before target.
func (s *Names) seekLocked(p place, target []byte) (at place, found bool) {
	rest := s.mu.chunks[p.chunk:]
	// Leaps are short: mostly the name is in the same chunk.
	skip := 0
	if len(rest) > 0 && compareName(rest[0][len(rest[0])-1], target) < 0 {
		skip, _ = slices.BinarySearchFunc(rest, target, func(chunk []string, target []byte) int {
			return compareName(chunk[len(chunk)-1], target)
		})
	}
	if skip == len(rest) {
		return place{chunk: len(s.mu.chunks)}, false
	}
	at.chunk = p.chunk + skip
	at.at, found = slices.BinarySearchFunc(rest[skip], target, compareName)
	return at, found
}

// compareName compares a name with a target; neither conversion copies.
func compareName(name string, target []byte) int {
	switch {
	case name < string(target):
		return -1
	case name > string(target):
		return 1
	}
	return 0
}

// splitLocked makes two chunks of the full one of p, and returns where p is now.
func (s *Names) splitLocked(p place) place {
	const half = maxChunk / 2
	full := s.mu.chunks[p.chunk]
	right := append(make([]string, 0, maxChunk), full[half:]...)
	clear(full[half:])
	s.mu.chunks[p.chunk] = full[:half]
	s.mu.chunks = slices.Insert(s.mu.chunks, p.chunk+1, right)
	if p.at > half {
		return place{p.chunk + 1, p.at - half}
	}
	return p
}

// joinLocked makes one chunk of two that are small, the one at left and the next.
func (s *Names) joinLocked(left int) {
	s.mu.chunks[left] = append(s.mu.chunks[left], s.mu.chunks[left+1]...)
	s.mu.chunks = slices.Delete(s.mu.chunks, left+1, left+2)
}

// verdict is what judge says about a name.
type verdict int

const (
	matched  verdict = iota
	missed           // it does not match; one right behind it may
	leap             // no name before the target matches
	finished         // no name behind it matches
)

// judge says whether a filter matches a name, and if not, how far the next name
// that may match is away. The target of a leap is written over buf.
//
// Names are compared byte by byte, and some bytes come before "/": "a", "a!/b",
// "a/b", "a0". So the names below a level stand together, from "a/" until before
// "a0", but the level itself need not stand right before them.
func judge(filter, name string, buf []byte) (v verdict, target []byte) {
	target = buf[:0]
	if startsWithWildcard(filter) && hiddenFromWildcards(name) { // [MQTT-4.7.2-1]
		return leap, append(target, '$'+1)
	}
	for start := 0; ; { // of the level in name
		want, filterRest, filterMore := strings.Cut(filter, "/")
		if want == "#" {
			return matched, target
		}
		got, _, nameMore := strings.Cut(name[start:], "/")
		end := start + len(got)
		switch {
		case want != "+" && want != got:
			return leapTo(name, start, want, filterMore, target)
		case !nameMore && (!filterMore || filterRest == "#"):
			return matched, target
		case !nameMore:
			return missed, target
		case !filterMore:
			return leap, leave(name[:end], target)
		}
		filter, start = filterRest, end+1
	}
}

// leapTo finds the way from a name whose level from start on is not the one that
// the filter wants there.
func leapTo(name string, start int, want string, below bool, buf []byte) (v verdict, target []byte) {
	target = append(append(buf, name[:start]...), want...)
	if name < string(target) {
		return leap, target
	}
	if target = append(target, '/'); below && name < string(target) {
		return leap, target
	}
	if start == 0 {
		return finished, target
	}
	// All below the level above are behind us or do not match.
	return leap, leave(name[:start-1], target[:0])
}

// leave returns the target behind all names below a level.
func leave(level string, buf []byte) []byte {
	return append(append(buf, level...), '/'+1)
}
