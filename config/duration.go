package config

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// The units that time.Duration does not know by name. A day is 24 hours, whatever the local clock does.
const (
	day  = 24 * time.Hour
	week = 7 * day
)

// parseDuration reads a duration such as 14d, 1w, 1h30m or 200ms. A number needs its unit, except 0.
func parseDuration(text string) (time.Duration, error) {
	if text == "0" {
		return 0, nil
	}
	if text == "" {
		return 0, fmt.Errorf("%s is not a duration", quote(text))
	}
	var total time.Duration
	for rest := text; rest != ""; {
		number, unit, tail := splitTerm(rest)
		if number != "" && unit == "" {
			return 0, fmt.Errorf("%s has no unit (ms, s, m, h, d, w)", quote(text))
		}
		term, err := parseTerm(number, unit)
		if err != nil {
			return 0, fmt.Errorf("%s is not a duration", quote(text))
		}
		if term > math.MaxInt64-total {
			return 0, fmt.Errorf("%s is out of range", quote(text))
		}
		total += term
		rest = tail
	}
	return total, nil
}

// splitTerm cuts one number and the unit behind it from the front of text.
func splitTerm(text string) (number, unit, rest string) {
	isDigit := func(r rune) bool { return r == '.' || '0' <= r && r <= '9' }
	start := strings.IndexFunc(text, func(r rune) bool { return !isDigit(r) })
	if start < 0 {
		return text, "", ""
	}
	end := strings.IndexFunc(text[start:], isDigit)
	if end < 0 {
		return text[:start], text[start:], ""
	}
	return text[:start], text[start : start+end], text[start+end:]
}

// parseTerm reads one number with its unit; days and weeks are multiplied out, the rest is Go's.
func parseTerm(number, unit string) (time.Duration, error) {
	var factor time.Duration
	switch unit {
	case "d":
		factor = day
	case "w":
		factor = week
	default:
		return time.ParseDuration(number + unit)
	}
	// Read as nanoseconds of the hours it has, so that 1.5d and an overflow are Go's to judge.
	hours, err := time.ParseDuration(number + "h")
	if err != nil {
		return 0, err
	}
	times := factor / time.Hour
	if hours > math.MaxInt64/times {
		return 0, fmt.Errorf("%s%s overflows", number, unit)
	}
	return hours * times, nil
}

// formatDuration writes a duration so that parseDuration reads the same one: 336h is 14d, 5400s is 1h30m.
func formatDuration(d time.Duration) string {
	if d <= 0 {
		return "0s"
	}
	var text string
	if days := d / day; days > 0 {
		text = fmt.Sprintf("%dd", days)
		d -= days * day
	}
	if d == 0 {
		return text
	}
	rest := d.String()
	if strings.HasSuffix(rest, "m0s") {
		rest = strings.TrimSuffix(rest, "0s")
	}
	if strings.HasSuffix(rest, "h0m") {
		rest = strings.TrimSuffix(rest, "0m")
	}
	return text + rest
}
