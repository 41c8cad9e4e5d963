package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// sizeUnit is one spelling of a unit of bytes.
type sizeUnit struct {
	name   string
	factor int
}

// sizeUnits lists the units, the larger before the smaller and the binary before the decimal.
func sizeUnits() []sizeUnit {
	return []sizeUnit{
		{"GiB", gib}, {"MiB", mib}, {"KiB", kib},
		{"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"B", 1},
	}
}

// parseSize reads a number of bytes such as 64MiB, 1GB or 65536. A bare letter (64M) is refused: half of its
// readers take it for 1000 and half for 1024.
func parseSize(text string) (int, error) {
	end := strings.IndexFunc(text, func(r rune) bool { return r < '0' || '9' < r })
	if end < 0 {
		end = len(text)
	}
	factor := 0
	unit := strings.TrimLeft(text[end:], " ")
	if unit == "" && end == len(text) {
		factor = 1
	}
	for _, known := range sizeUnits() {
		if strings.EqualFold(unit, known.name) {
			factor = known.factor
		}
	}
	if factor == 0 || end == 0 {
		return 0, fmt.Errorf("%s is not a size (bytes, or KiB, MiB, GiB, KB, MB, GB)", quote(text))
	}
	number, err := strconv.Atoi(text[:end])
	if err != nil || number > math.MaxInt/factor {
		return 0, fmt.Errorf("%s is out of range", quote(text))
	}
	return number * factor, nil
}

// formatSize writes a number of bytes in the largest binary unit that divides it.
func formatSize(bytes int) string {
	for _, unit := range sizeUnits()[:3] {
		if bytes > 0 && bytes%unit.factor == 0 {
			return strconv.Itoa(bytes/unit.factor) + unit.name
		}
	}
	return strconv.Itoa(bytes)
}
