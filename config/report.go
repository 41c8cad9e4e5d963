package config

import (
	"fmt"
	"strings"
	"unicode"
)

// Report is the error of a configuration that cannot be used. It holds every problem that was found, in the
// order in which the sources are read.
type Report struct {
	Problems []Problem
}

// Problem is one thing that is wrong.
type Problem struct {
	Where   string // file, line and key; environment variable; or flag
	What    string // what is wrong there
	Allowed string // what may stand there, or empty when What says it
}

// Error returns the whole report: a heading, and one line for each problem.
func (r *Report) Error() string {
	lines := make([]string, 0, len(r.Problems)+1)
	if len(r.Problems) == 1 {
		lines = append(lines, "the configuration has a problem:")
	} else {
		lines = append(lines, fmt.Sprintf("the configuration has %d problems:", len(r.Problems)))
	}
	for _, p := range r.Problems {
		lines = append(lines, "  "+p.String())
	}
	return strings.Join(lines, "\n")
}

// String returns the problem as one line.
func (p Problem) String() string {
	text := p.Where + ": " + p.What
	if p.Allowed != "" {
		text += "; allowed: " + p.Allowed
	}
	// Names of keys, variables and files are the writer's own and may hold anything, a line break included.
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return '?'
		}
		return r
	}, text)
}

func (r *Report) add(where, what, allowed string) {
	r.Problems = append(r.Problems, Problem{Where: where, What: what, Allowed: allowed})
}
