package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// kind is how one kind of value is read, checked and written.
type kind[T any] struct {
	allowed string                       // for the report and the example: what may be written
	parse   func(text string) (T, error) // the error says what is wrong, not what is allowed
	format  func(T) string               // the inverse of parse
}

// sizeBetween is a number of bytes.
func sizeBetween(least, most int) kind[int] {
	return kind[int]{
		allowed: formatSize(least) + " to " + formatSize(most),
		parse: func(text string) (int, error) {
			return within(text, parseSize, least, most)
		},
		format: formatSize,
	}
}

// countBetween is a plain number.
func countBetween(least, most int) kind[int] {
	return kind[int]{
		allowed: fmt.Sprintf("%d to %d", least, most),
		parse: func(text string) (int, error) {
			return within(text, parseCount, least, most)
		},
		format: strconv.Itoa,
	}
}

// countOrUnlimited is a plain number of which 0 means no limit.
func countOrUnlimited(most int) kind[int] {
	count := countBetween(0, most)
	count.allowed += ", 0 is no limit"
	return count
}

// durationBetween is a length of time.
func durationBetween(least, most time.Duration) kind[time.Duration] {
	return kind[time.Duration]{
		allowed: formatDuration(least) + " to " + formatDuration(most),
		parse: func(text string) (time.Duration, error) {
			return within(text, parseDuration, least, most)
		},
		format: formatDuration,
	}
}

// secondsBetween is a length of time that a packet carries as a number of seconds.
func secondsBetween(least, most time.Duration) kind[time.Duration] {
	seconds := durationBetween(least, most)
	parse := seconds.parse
	seconds.allowed += ", in whole seconds"
	seconds.parse = func(text string) (time.Duration, error) {
		d, err := parse(text)
		if err == nil && d%time.Second != 0 {
			err = fmt.Errorf("%s has a fraction of a second", quote(text))
		}
		return d, err
	}
	return seconds
}

// oneOf is one of a few words.
func oneOf[T ~string](words ...T) kind[T] {
	var list []string
	for _, word := range words {
		list = append(list, string(word))
	}
	allowed := strings.Join(list, ", ")
	return kind[T]{
		allowed: allowed,
		parse: func(text string) (T, error) {
			for _, word := range words {
				if string(word) == text {
					return word, nil
				}
			}
			return "", fmt.Errorf("%s is not known", quote(text))
		},
		format: func(word T) string { return string(word) },
	}
}

// directory is the path of a directory.
func directory() kind[string] {
	return kind[string]{
		allowed: "the path of a directory",
		parse: func(text string) (string, error) {
			if strings.TrimSpace(text) == "" {
				return "", fmt.Errorf("%s is empty", quote(text))
			}
			if strings.ContainsFunc(text, unicode.IsControl) {
				return "", fmt.Errorf("%s holds a control character", quote(text))
			}
			return text, nil
		},
		format: func(path string) string { return path },
	}
}

// within reads a value and checks its bounds.
func within[T int | time.Duration](text string, parse func(string) (T, error), least, most T) (T, error) {
	value, err := parse(text)
	if err != nil {
		return 0, err
	}
	if value < least || value > most {
		return 0, fmt.Errorf("%s is out of range", quote(text))
	}
	return value, nil
}

// parseCount reads a plain number: digits and nothing else.
func parseCount(text string) (int, error) {
	if text == "" || strings.ContainsFunc(text, func(r rune) bool { return r < '0' || '9' < r }) {
		return 0, fmt.Errorf("%s is not a number", quote(text))
	}
	number, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("%s is out of range", quote(text))
	}
	return number, nil
}

// quote returns what somebody wrote, for a report: on one line and not longer than a line.
func quote(text string) string {
	const longest = 60
	if runes := []rune(text); len(runes) > longest {
		text = string(runes[:longest]) + "…"
	}
	return strconv.Quote(text)
}
