// Package tests runs the real broker as its users do: as a process, over TCP, with its own clients and other people's.
// Each file tests one behaviour; crash_test.go kills the broker over and over, tidy_test.go watches over the source.
package tests

import (
	"fmt"
	"os"
	"testing"

	"github.com/holdfast-mqtt/holdfast/tests/harness"
)

// TestMain builds the broker first, so that no test's deadline pays for it, and removes it last.
func TestMain(m *testing.M) {
	if _, err := harness.Binary(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := harness.RemoveBinary(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}
