//go:build unix

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/config"
)

// running is a broker that serve runs in this process.
type running struct {
	rig     *rig
	log     logLines
	signals chan os.Signal
	ended   chan error
}

// started runs serve with the parts of a rig.
func started(t *testing.T, r *rig, listeners ...config.Listener) running {
	t.Helper()
	cfg := config.Default()
	cfg.DataDir = filepath.Join(t.TempDir(), "data")
	cfg.Listeners = listeners
	s := running{rig: r, log: newLogLines(), signals: make(chan os.Signal), ended: make(chan error, 1)}
	go func() { s.ended <- serve(cfg, process{stderr: s.log, parts: r.parts()}, s.signals) }()
	return s
}

// wantEnd waits until serve returns.
func (s running) wantEnd(t *testing.T) error {
	t.Helper()
	select {
	case err := <-s.ended:
		return err
	case <-time.After(patience):
		t.Fatal("serve does not end")
		return nil
	}
}

// dial connects to an address as the log names it.
func dial(t *testing.T, address any) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(fmt.Sprint(address), "tcp://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestServeStartsInOrderAndStopsInReverse(t *testing.T) {
	no := false
	s := started(t, newRig(), config.Listener{Address: "tcp://127.0.0.1:0"},
		config.Listener{Address: "tcp://127.0.0.1:0", AllowAnonymous: &no})
	first := s.log.want(t, "listening")
	second := s.log.want(t, "listening")
	if first["anonymous"] != true || second["anonymous"] != false {
		t.Errorf("listeners %v and %v", first, second)
	}
	if s.rig.opts.ReceiveMaximum != 1000 || s.rig.opts.Log == nil {
		t.Errorf("the broker was told %+v", s.rig.opts)
	}
	dial(t, first["address"])
	if peer := <-s.rig.served; !peer.AllowAnonymous || peer.Listener != "tcp://127.0.0.1:0" {
		t.Errorf("a client of the first listener is %+v", peer)
	}
	dial(t, second["address"])
	if peer := <-s.rig.served; peer.AllowAnonymous {
		t.Errorf("a client of the second listener is %+v", peer)
	}

	s.signals <- syscall.SIGHUP
	s.log.want(t, "SIGHUP: reload is not supported: restart to apply a changed configuration")
	s.signals <- syscall.SIGUSR1
	s.log.want(t, "SIGUSR1: nothing to do: the broker saves by itself")
	s.signals <- syscall.SIGTERM
	if reason := s.log.want(t, "stopping")["reason"]; reason != "terminated" {
		t.Errorf("stopping for %q", reason)
	}
	s.log.want(t, "stopped")
	if err := s.wantEnd(t); err != nil {
		t.Errorf("serve: %v", err)
	}
	s.rig.wantEvents(t, "open store", "new broker", "shutdown", "connection over", "connection over", "close store")
	if conn, err := net.Dial("tcp", strings.TrimPrefix(first["address"].(string), "tcp://")); err == nil {
		_ = conn.Close()
		t.Error("the listener is still open")
	}
}

func TestFailedStartStopsWhatHadStarted(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	free := config.Listener{Address: "tcp://127.0.0.1:0"}
	tests := []struct {
		name      string
		rig       func(*rig)
		listeners []config.Listener
		want      string
		events    []string
	}{
		{"store", func(r *rig) { r.failStore = errors.New("no store") }, []config.Listener{free}, "no store",
			[]string{"open store"}},
		{"broker", func(r *rig) { r.failBroker = errors.New("no broker") }, []config.Listener{free}, "no broker",
			[]string{"open store", "close store"}},
		{"listener", func(*rig) {}, []config.Listener{free, {Address: "tcp://" + taken.Addr().String()}}, "listen on tcp://127.0.0.1",
			[]string{"open store", "new broker", "shutdown", "close store"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newRig()
			test.rig(r)
			s := started(t, r, test.listeners...)
			if err := s.wantEnd(t); err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("serve: %v, want %s", err, test.want)
			}
			r.wantEvents(t, test.events...)
			for len(s.log.lines) > 0 {
				if line := <-s.log.lines; line["message"] == "listening" {
					t.Errorf("clients were let in: %v", line)
				}
			}
		})
	}
}

func TestFailedStoreEndsTheProcessWithItsCause(t *testing.T) {
	r := newRig()
	s := started(t, r, config.Listener{Address: "tcp://127.0.0.1:0"})
	s.log.want(t, "listening")
	r.failStore = errors.New("fdatasync: input/output error")
	close(r.failed)
	err := s.wantEnd(t)
	if err == nil || !strings.Contains(err.Error(), "restart is needed: fdatasync: input/output error") {
		t.Errorf("serve: %v", err)
	}
	r.wantEvents(t, "open store", "new broker", "shutdown", "close store")
}

func TestStopGoesOnWhenAPartFails(t *testing.T) {
	r := newRig()
	r.failShutdown, r.failClose = errors.New("first"), errors.New("second")
	s := started(t, r, config.Listener{Address: "tcp://127.0.0.1:0"})
	s.log.want(t, "listening")
	s.signals <- os.Interrupt
	if err := s.wantEnd(t); err == nil || err.Error() != "close connections: first\nclose store: second" {
		t.Errorf("serve: %v", err)
	}
	r.wantEvents(t, "open store", "new broker", "shutdown", "close store")
}

func TestConnectionsThatHadToBeCutAreNoFailure(t *testing.T) {
	r := newRig()
	r.failShutdown = fmt.Errorf("wait: %w", context.DeadlineExceeded)
	s := started(t, r, config.Listener{Address: "tcp://127.0.0.1:0"})
	s.log.want(t, "listening")
	s.signals <- os.Interrupt
	s.log.want(t, "connections did not end in time and were cut")
	if err := s.wantEnd(t); err != nil {
		t.Errorf("serve: %v", err)
	}
}

func TestWeakerSyncModesSayWhatTheyRisk(t *testing.T) {
	for _, test := range []struct{ sync, want string }{
		{"200ms", "store.sync is an interval: a power cut loses what was acknowledged since the last one"},
		{"never", "store.sync is never: a power cut loses acknowledged messages that the system had not written"},
		{"always", ""},
	} {
		cfg, err := config.Load(config.LoadOptions{Flags: map[string]string{"store.sync": test.sync}})
		if err != nil {
			t.Fatal(err)
		}
		log := newLogLines()
		warnOfRisks(cfg, newLog(log, cfg.Log, false))
		if test.want != "" {
			if fields := log.want(t, test.want); fields["level"] != "warn" {
				t.Errorf("%s: %v", test.sync, fields)
			}
		}
		if len(log.lines) > 0 {
			t.Errorf("%s: %v", test.sync, <-log.lines)
		}
	}
}

// The same with a process and real signals.
func TestSignalsOfAProcess(t *testing.T) {
	cmd := command(t, "fake", "serve", "--listen", "tcp://127.0.0.1:0", "--log-format", "json")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	log := newLogLines()
	read := make(chan struct{})
	go func() { // ends when the process closes its standard error
		defer close(read)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			_, _ = log.Write(lines.Bytes())
		}
	}()
	log.want(t, "listening")
	for _, s := range []struct {
		signal syscall.Signal
		want   string
	}{
		{syscall.SIGHUP, "SIGHUP: reload is not supported: restart to apply a changed configuration"},
		{syscall.SIGUSR1, "SIGUSR1: nothing to do: the broker saves by itself"},
		{syscall.SIGTERM, "stopped"},
	} {
		if err := cmd.Process.Signal(s.signal); err != nil {
			t.Fatal(err)
		}
		log.want(t, s.want)
	}
	<-read
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
	if info, err := os.Stat(filepath.Join(cmd.Dir, "data")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the data directory: %v, %v", info, err)
	}
}
