package harness

import (
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/wire"
)

func TestFreeAddrIsFreeAndOutOfTheWay(t *testing.T) {
	for range 20 {
		addr, err := FreeAddr()
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if port := l.Addr().(*net.TCPAddr).Port; port < 12000 || port >= 30000 {
			t.Errorf("port %d", port)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPanicsAreFoundInTheLog(t *testing.T) {
	for log, want := range map[string]bool{
		"panic: runtime error: index out of range\n":                   true,
		"all is well\nfatal error: concurrent map writes\n":            true,
		"WARNING: DATA RACE\n":                                         true,
		"goroutine 7 [running]:\n":                                     true,
		`{"level":"error","message":"defect while handling a packet"}`: true,
		`{"level":"info","client":"panic: me"}`:                        false,
		"":                                                             false,
	} {
		if got := panicked.MatchString(log); got != want {
			t.Errorf("%q: %t", log, got)
		}
	}
}

func TestTail(t *testing.T) {
	if got := tail("a\nb\nc\n", 2); got != "b\nc" {
		t.Errorf("tail is %q", got)
	}
	if got := tail("a\nb\n", 2); got != "a\nb\n" {
		t.Errorf("tail is %q", got)
	}
}

// shell is a Process that runs a shell command instead of a broker.
func shell(t *testing.T, script string) *Process {
	t.Helper()
	p, err := NewProcess(t.TempDir(), func(string, string) *exec.Cmd { return exec.Command("sh", "-c", script) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func TestReadyTellsThatTheProcessHasEnded(t *testing.T) {
	p := shell(t, "echo no luck; exit 3")
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	if err := p.Ready(Patience); err == nil || !strings.Contains(err.Error(), "ended before it was ready: exit status 3") {
		t.Errorf("ready: %v", err)
	}
	if code, err := p.Wait(Patience); code != 3 || err != nil {
		t.Errorf("exit code %d, %v", code, err)
	}
	if log := p.Log(); log != "no luck\n" {
		t.Errorf("log %q", log)
	}
}

func TestReadyGivesUp(t *testing.T) {
	p := shell(t, "sleep 60")
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	if err := p.Ready(50 * time.Millisecond); err == nil || !strings.Contains(err.Error(), "not ready") {
		t.Errorf("ready: %v", err)
	}
	if err := p.Start(); err == nil {
		t.Error("started twice")
	}
	if err := p.Kill(); err != nil || p.Running() {
		t.Errorf("kill: %v, running %t", err, p.Running())
	}
}

func TestConnReceivesWhatTheOtherSideSends(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	served := make(chan struct{})
	go func() { // ends with the connection
		defer close(served)
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = c.Write([]byte{0xD0, 0x00, 0xD0, 0x01, 0x00})
		_, _ = c.Read(make([]byte, 16))
		_ = c.Close()
	}()
	c, err := Dial(l.Addr().String(), wire.V311)
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(Patience)
	if p, err := c.Receive(deadline); err != nil || p.Type() != wire.PINGRESP {
		t.Errorf("got %v, %v", p, err)
	}
	if p, err := c.Receive(deadline); err == nil {
		t.Errorf("a malformed PINGRESP was taken for %v", p)
	}
	if err := c.Send(&wire.Pingreq{}); err != nil {
		t.Error(err)
	}
	if _, err := c.Receive(deadline); !Gone(err) {
		t.Errorf("after the end: %v", err)
	}
	<-served
	c.Cut()
}
