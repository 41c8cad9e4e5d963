package store

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// childDir names the environment variable that makes this test binary the process that is killed.
const childDir = "HOLDFAST_TEST_STORE_DIR"

// TestKilledProcess kills a process that publishes and settles, again and again in one directory: what it was told is
// durable is there.
func TestKilledProcess(t *testing.T) {
	if dir := os.Getenv(childDir); dir != "" {
		publishUntilKilled(t, dir)
		return
	}
	rnd := randomSeed(t)
	dir := t.TempDir()
	rounds := 10
	if testing.Short() {
		rounds = 3
	}
	for range rounds {
		acked := runAndKill(t, dir, time.Duration(100+rnd.IntN(400))*time.Millisecond)
		s := open(t, dir, small())
		id := s.state.clients["c"].id
		_, payloads := readAll(t, s, id)
		first, last := -1, acked
		for i, p := range payloads {
			number := -1
			if _, err := fmt.Sscan(p, &number); err != nil || i > 0 && number != last+1 {
				t.Fatalf("message %d comes after %d", number, last)
			}
			if i == 0 {
				first = number
			}
			last = number
		}
		if last < acked {
			t.Fatalf("the last message is %d, %d was durable", last, acked)
		}
		t.Logf("killed after message %d was durable, %d to %d are there", acked, first, last)
		check(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// runAndKill lets a process work for a while, and returns the last message that it said was durable.
func runAndKill(t *testing.T, dir string, after time.Duration) (acked int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilledProcess$")
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	acked = -1
	for lines.Scan() {
		if acked < 0 {
			time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		}
		if _, err := fmt.Sscanf(lines.Text(), "durable %d", &acked); err != nil {
			t.Fatalf("the process says %q", lines.Text())
		}
	}
	_ = cmd.Wait() // it was killed
	return acked
}

// publishUntilKilled numbers its messages on from where the last process was.
func publishUntilKilled(t *testing.T, dir string) {
	s := open(t, dir, small())
	var ses persist.SessionState
	if known := s.state.clients["c"]; known != nil {
		ses = known.snapshot()
	} else {
		ses = openSession(t, s, "c")
	}
	_, payloads := readAll(t, s, ses.ID)
	next := 0
	if n := len(payloads); n > 0 {
		if _, err := fmt.Sscan(payloads[n-1], &next); err != nil {
			t.Fatal(err)
		}
		next++
	}
	to := s.Audience(members(ses))
	for {
		w := newSignal()
		var last persist.Ticket
		for range 10 {
			b := persist.Batch{Message: message("t", fmt.Sprint(next, " ", string(make([]byte, 700)))), Audience: to, Waiter: w}
			ticket, err := s.Append(&b)
			if err != nil {
				t.Fatal(err)
			}
			last = ticket
			next++
		}
		await(t, s, last, w)
		fmt.Printf("durable %d\n", next-1)
		if next%300 == 0 { // keep the last hundred
			positions, _ := readAll(t, s, ses.ID)
			if n := len(positions); n > 100 {
				commit(t, s, persist.Batch{Session: ses.ID, Epoch: ses.Epoch, Settled: persist.Settled{Floor: positions[n-100]}})
			}
		}
	}
}
