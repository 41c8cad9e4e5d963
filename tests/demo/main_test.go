package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/tests/harness"
	"github.com/holdfast-mqtt/holdfast/tests/ledger"
)

// TestMain removes the broker's binary when all tests have run.
func TestMain(m *testing.M) {
	code := m.Run()
	if err := harness.RemoveBinary(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

func TestDemonstrationKeepsThePromise(t *testing.T) {
	binary, err := harness.Binary()
	if err != nil {
		t.Fatal(err)
	}
	verdict, err := demonstrate(t.Context(), binary, 3000, 6)
	if err != nil {
		t.Fatal(err)
	}
	c := verdict.Counts
	if !verdict.Kept() || c.Acked != 3000 || c.Delivered < 6000 {
		t.Errorf("%s", verdict)
	}
}

func TestDemonstrationRefusesWhatItCannotShow(t *testing.T) {
	for _, test := range []struct {
		binary             string
		messages, sessions int
		want               string
	}{
		{"main.go", 1, 2, "at least 100 messages"},
		{"main.go", 1000, 3, "even number"},
		{"no/such/file", 1000, 2, "no broker at no/such/file"},
	} {
		_, err := demonstrate(t.Context(), test.binary, test.messages, test.sessions)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v", test, err)
		}
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 123456: "123,456", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("thousands(%d) = %s", n, got)
		}
	}
}

func TestShareGivesEverythingAway(t *testing.T) {
	total := 0
	for i := range 8 {
		total += share(1003, 8, i)
	}
	if total != 1003 {
		t.Errorf("the shares of 1003 make %d", total)
	}
}

func TestOtherFaultsAreAllThatHaveNoRow(t *testing.T) {
	v := ledger.Verdict{}
	for _, kind := range ledger.Kinds() {
		v.Faults = append(v.Faults, ledger.Fault{Kind: kind})
	}
	if n := others(v); n != len(v.Faults)-4 {
		t.Errorf("%d other faults of %d, four of which have a row", n, len(v.Faults))
	}
}
