package harness

import (
	"testing"
	"time"
)

// Eventually asks again and again until the condition holds. It fails the test when it does not in time.
func Eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(Patience)
	pause := time.Millisecond
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain: %s", Patience, what)
		}
		time.Sleep(pause) // between two questions
		pause = min(2*pause, 50*time.Millisecond)
	}
}
