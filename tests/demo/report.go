package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-mqtt/holdfast/tests/ledger"
)

// say tells one step of the story.
func say(format string, args ...any) { fmt.Printf("• "+format+"\n", args...) }

// count gives the verdict and shows it.
func (s *story) count() error {
	s.verdict = s.ledger.Judge()
	c := s.verdict.Counts
	fmt.Println()
	row := func(what, value string) { fmt.Printf("  %-34s %12s\n", what, value) }
	row("messages acknowledged", thousands(c.Acked))
	row("deliveries", thousands(c.Delivered))
	row("  of them repeated (QoS 1 may)", thousands(c.Repeats))
	row("lost", thousands(s.verdict.Of(ledger.Lost)))
	row("duplicated at QoS 2", thousands(s.verdict.Of(ledger.Duplicate)))
	row("out of order", thousands(s.verdict.Of(ledger.Order)))
	row("sessions forgotten", thousands(s.verdict.Of(ledger.Session)))
	row("other faults", thousands(others(s.verdict)))
	row("killed with SIGKILL", thousands(len(s.recoveries))+" times")
	row("ready again after", milliseconds(s.recoveries))
	if s.verdict.Kept() {
		fmt.Println("\nWhat was acknowledged was kept.")
	}
	return nil
}

// others counts the faults that have no row of their own.
func others(v ledger.Verdict) int {
	return len(v.Faults) - v.Of(ledger.Lost) - v.Of(ledger.Duplicate) - v.Of(ledger.Order) - v.Of(ledger.Session)
}

// milliseconds writes the times of recovery.
func milliseconds(all []time.Duration) string {
	var words []string
	for _, d := range all {
		words = append(words, strconv.FormatInt(d.Milliseconds(), 10))
	}
	return strings.Join(words, " and ") + " ms"
}

// thousands writes a number with commas.
func thousands(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// lastWords are the end of a log.
func lastWords(log string) string {
	const lines = 15
	all := strings.Split(strings.TrimSpace(log), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
