package listen

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// open listens and closes at the end of the test.
func open(t *testing.T, address string) *Listener {
	t.Helper()
	l, err := Listen(address)
	if err != nil {
		t.Fatalf("Listen(%q): %v", address, err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestLoopbackIsWhatWasBound(t *testing.T) {
	for _, c := range []struct {
		address  string
		loopback bool
		ipv6     bool
	}{
		{address: "tcp://127.0.0.1:0", loopback: true},
		{address: "tcp://127.8.9.10:0", loopback: true},
		{address: "tcp://localhost:0", loopback: true},
		{address: "tcp://[::1]:0", loopback: true, ipv6: true},
		{address: "tcp://[::ffff:127.0.0.1]:0", loopback: true},
		{address: "tcp://0.0.0.0:0"},
		{address: "tcp://:0"},
		{address: "tcp://[::]:0", ipv6: true},
	} {
		t.Run(c.address, func(t *testing.T) {
			if c.ipv6 {
				needIPv6(t)
			}
			l := open(t, c.address)
			if l.Loopback != c.loopback {
				t.Errorf("bound to %v: Loopback = %v, want %v", l.Addr(), l.Loopback, c.loopback)
			}
			if l.Name != c.address {
				t.Errorf("Name = %q, want the address as given, %q", l.Name, c.address)
			}
		})
	}
}

func TestLoopbackOfAddressesThatCannotBeBoundHere(t *testing.T) {
	for _, c := range []struct {
		addr     net.Addr
		loopback bool
	}{
		{&net.TCPAddr{IP: net.ParseIP("192.168.1.4")}, false},
		{&net.TCPAddr{IP: net.ParseIP("fe80::1"), Zone: "eth0"}, false},
		{&net.TCPAddr{IP: net.ParseIP("::ffff:10.0.0.1")}, false},
		{&net.TCPAddr{}, false},
		{&net.UnixAddr{Name: "/run/x.sock"}, false},
		{&net.TCPAddr{IP: net.ParseIP("127.255.255.254")}, true},
	} {
		if got := isLoopback(c.addr); got != c.loopback {
			t.Errorf("isLoopback(%v) = %v, want %v", c.addr, got, c.loopback)
		}
	}
}

func TestAddressesThatAreRefused(t *testing.T) {
	for _, c := range []struct{ address, want string }{
		{"quic://127.0.0.1:0", `unknown scheme "quic"; known: tcp://host:port`},
		{"TCP://127.0.0.1:0", `unknown scheme "TCP"; known: tcp://host:port`},
		{"://127.0.0.1:0", `unknown scheme ""`},
		{"127.0.0.1:1883", `no scheme; known: tcp://host:port`},
		{"", "no scheme"},
		{"tcp://", "want host:port"},
		{"tcp://127.0.0.1", "want host:port"},
		{"tcp://::1:1883", "IPv6 host in brackets"},
		{"tcp://127.0.0.1:", `port "" is not a number from 0 to 65535`},
		{"tcp://127.0.0.1:mqtt", `port "mqtt" is not a number`},
		{"tcp://127.0.0.1:65536", `port "65536" is not a number`},
		{"tcp://127.0.0.1:-1", `port "-1" is not a number`},
		{"tcp://127.0.0.1:1883/", `port "1883/" is not a number`},
		// An address of the documentation range, which no machine has.
		{"tcp://192.0.2.1:0", "no network interface of this machine has the address of 192.0.2.1:0"},
	} {
		l, err := Listen(c.address)
		if err == nil {
			l.Close()
			t.Errorf("Listen(%q) succeeded", c.address)
			continue
		}
		if !strings.Contains(err.Error(), c.want) {
			t.Errorf("Listen(%q): %v\nwant it to say: %s", c.address, err, c.want)
		}
		if !strings.Contains(err.Error(), "listen on ") {
			t.Errorf("Listen(%q): %v\nwant it to say what was tried", c.address, err)
		}
	}
}

func TestPortTakenTellsWhereAndWhatToDo(t *testing.T) {
	first := open(t, "tcp://127.0.0.1:0")
	where := first.Addr().String()
	second, err := Listen("tcp://" + where)
	if err == nil {
		second.Close()
		t.Fatal("two listeners on one port")
	}
	want := "another process listens on " + where + "; stop it or choose another --listen"
	if !strings.Contains(err.Error(), want) {
		t.Errorf("got %v\nwant it to say: %s", err, want)
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("%v does not wrap EADDRINUSE", err)
	}
}

func TestPermissionDeniedTellsWhatToDo(t *testing.T) {
	denied := &net.OpError{Op: "listen", Net: "tcp", Err: os.NewSyscallError("bind", syscall.EACCES)}
	err := explain(denied, "0.0.0.0:80")
	for _, want := range []string{"no permission to listen on 0.0.0.0:80", "1024", "CAP_NET_BIND_SERVICE", "--listen"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %v\nwant it to say: %s", err, want)
		}
	}
	if !errors.Is(err, syscall.EACCES) {
		t.Errorf("%v does not wrap EACCES", err)
	}
}

func TestAcceptedConnectionsCarryBytesWithoutDelay(t *testing.T) {
	l := open(t, "tcp://127.0.0.1:0")
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if _, err := io.WriteString(server, "hello"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(client, got); err != nil || string(got) != "hello" {
		t.Fatalf("read %q, %v", got, err)
	}
	raw, err := server.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var on int
	var optErr error
	if err := raw.Control(func(fd uintptr) {
		on, optErr = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_NODELAY)
	}); err != nil || optErr != nil {
		t.Fatal(err, optErr)
	}
	if on == 0 {
		t.Error("TCP_NODELAY is off")
	}
}

func TestCloseEndsAccept(t *testing.T) {
	l := open(t, "tcp://127.0.0.1:0")
	ended := make(chan error)
	go func() { // ends with the listener; the receive below waits for it
		_, err := l.Accept()
		ended <- err
	}()
	if err := l.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept ended with %v, want net.ErrClosed", err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept after Close: %v, want net.ErrClosed", err)
	}
}

func TestAcceptOutlivesALackOfFileDescriptors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const failures = 12
		l := newListener("tcp://test", &shortListener{failures: failures})
		start := time.Now()
		conn, err := l.Accept()
		if err != nil {
			t.Fatalf("Accept gave up: %v", err)
		}
		conn.Close()
		// 5, 10, 20 … 640 ms are eight waits; four of a second follow.
		if got, want := time.Since(start), 1275*time.Millisecond+4*time.Second; got != want {
			t.Errorf("waited %v over %d failures, want %v", got, failures, want)
		}
		count, last := l.Failures()
		if count != failures || !errors.Is(last, syscall.EMFILE) {
			t.Errorf("Failures() = %d, %v", count, last)
		}
		// After a success the wait starts from the beginning.
		l.inner.(*shortListener).failures = 1
		start = time.Now()
		if conn, err = l.Accept(); err != nil {
			t.Fatal(err)
		}
		conn.Close()
		if got := time.Since(start); got != firstBackoff {
			t.Errorf("waited %v after a success, want %v", got, firstBackoff)
		}
	})
}

func TestCloseEndsAcceptThatBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newListener("tcp://test", &shortListener{failures: 1 << 30})
		ended := make(chan error)
		go func() { // ends with the listener; the receive below waits for it
			_, err := l.Accept()
			ended <- err
		}()
		time.Sleep(time.Minute) // of the bubble: the wait has grown to its longest
		synctest.Wait()
		start := time.Now()
		l.Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept ended with %v, want net.ErrClosed", err)
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("Accept ended %v after Close", waited)
		}
	})
}

func TestNoFailuresWhenNothingFailed(t *testing.T) {
	l := open(t, "tcp://127.0.0.1:0")
	if count, last := l.Failures(); count != 0 || last != nil {
		t.Errorf("Failures() = %d, %v", count, last)
	}
}

// shortListener runs short of file descriptors a number of times, and then
// accepts.
type shortListener struct {
	failures int
	closed   atomic.Bool
}

func (s *shortListener) Accept() (net.Conn, error) {
	if s.closed.Load() {
		return nil, net.ErrClosed
	}
	if s.failures > 0 {
		s.failures--
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	conn, other := net.Pipe()
	other.Close()
	return conn, nil
}

func (s *shortListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1883} }

func (s *shortListener) Close() error {
	if s.closed.Swap(true) {
		return fmt.Errorf("closed twice")
	}
	return nil
}

// needIPv6 skips where the machine has no IPv6.
func needIPv6(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skipf("no IPv6 here: %v", err)
	}
	l.Close()
}
