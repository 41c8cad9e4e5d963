package seglog

import (
	"fmt"
	"sync"
)

// maxDamage bounds the list of damage; what goes beyond is only counted.
const maxDamage = 1000

// report collects what recovery and reading found.
type report struct {
	mu     sync.Mutex // guards what follows
	torn   int64
	damage []Damage
	known  map[damageKey]struct{}
	beyond int
}

// damageKey tells damage apart: the same place is met by every reader that comes by.
type damageKey struct {
	file   string
	offset int64
}

// add reports a damage, unless its place was reported before.
func (r *report) add(d Damage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := damageKey{d.File, d.Offset}
	if _, ok := r.known[key]; ok {
		return
	}
	if len(r.damage) >= maxDamage {
		r.beyond++
		return
	}
	if r.known == nil {
		r.known = map[damageKey]struct{}{}
	}
	r.known[key] = struct{}{}
	r.damage = append(r.damage, d)
}

// first returns the first damage reported, nil for none.
func (r *report) first() *Damage {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.damage) == 0 {
		return nil
	}
	d := r.damage[0]
	return &d
}

// Report tells how many bytes were cut off the end of the log when it was opened, and the damage met since, in words.
func (l *Log) Report() (tornBytes int64, damage []string) {
	for _, d := range l.Damage() {
		damage = append(damage, d.Error())
	}
	l.report.mu.Lock()
	defer l.report.mu.Unlock()
	if l.report.beyond > 0 {
		damage = append(damage, fmt.Sprintf("and more damage: %d further finds are not listed", l.report.beyond))
	}
	return l.report.torn, damage
}

// Damage lists the damage met so far, at most a thousand places.
func (l *Log) Damage() []Damage {
	l.report.mu.Lock()
	defer l.report.mu.Unlock()
	return append([]Damage(nil), l.report.damage...)
}
