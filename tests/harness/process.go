package harness

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-mqtt/holdfast/wire"
)

// Process is a broker in a process of its own, on one data directory and one address, through any number of lives.
// Its methods are for one goroutine; Addr, and Ready while nobody starts or stops it, for any.
type Process struct {
	dir     string
	addr    string
	command func(dataDir, addr string) *exec.Cmd
	log     *os.File

	cmd    *exec.Cmd
	exited chan struct{} // closed when cmd has ended
}

// NewProcess prepares a broker below dir without starting it. command makes the command of one life.
func NewProcess(dir string, command func(dataDir, addr string) *exec.Cmd) (*Process, error) {
	addr, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(dir, "broker.log"), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("broker's log: %w", err)
	}
	return &Process{dir: dir, addr: addr, command: command, log: log}, nil
}

// Serve returns the command that runs a holdfast binary, with additional arguments and environment. Settings of the
// caller's own environment do not reach the broker.
func Serve(binary string, args, env []string) func(dataDir, addr string) *exec.Cmd {
	return func(dataDir, addr string) *exec.Cmd {
		cmd := exec.Command(binary, append([]string{"serve", "--data-dir", dataDir, "--listen", "tcp://" + addr}, args...)...)
		cmd.Env = append(CleanEnv(), env...)
		return cmd
	}
}

// CleanEnv is the environment without the broker's settings.
func CleanEnv() []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "HOLDFAST_") {
			env = append(env, e)
		}
	}
	return env
}

// Addr is where the broker listens, as host:port.
func (p *Process) Addr() string { return p.addr }

// DataDir is the broker's data directory.
func (p *Process) DataDir() string { return filepath.Join(p.dir, "data") }

// Start begins a life and returns at once.
func (p *Process) Start() error {
	if p.Running() {
		return errors.New("start the broker: it is running")
	}
	cmd := p.command(p.DataDir(), p.addr)
	cmd.Stdout, cmd.Stderr = p.log, p.log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the broker: %w", err)
	}
	exited := make(chan struct{})
	p.cmd, p.exited = cmd, exited
	go func() { // ends with the process; Wait and Stop wait for it
		_ = cmd.Wait() // how it ended stands in ProcessState
		close(exited)
	}()
	return nil
}

// Running tells whether the broker has been started and has not ended.
func (p *Process) Running() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// Ready waits until the broker accepts a CONNECT.
func (p *Process) Ready(patience time.Duration) error {
	deadline := time.Now().Add(patience)
	for {
		err := p.greet(deadline)
		if err == nil {
			return nil
		}
		if !p.Running() {
			return fmt.Errorf("the broker ended before it was ready: %v", p.cmd.ProcessState)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the broker is not ready after %v: %w", patience, err)
		}
		time.Sleep(time.Millisecond) // between two questions
	}
}

// greet connects once, with a session that leaves nothing behind.
func (p *Process) greet(deadline time.Time) error {
	c, err := Dial(p.addr, wire.V311)
	if err != nil {
		return err
	}
	defer c.Cut()
	if err := c.Send(&wire.Connect{Version: wire.V311, CleanStart: true, ClientID: "harness-ready"}); err != nil {
		return err
	}
	got, err := c.Receive(deadline)
	if err != nil {
		return err
	}
	if ack, ok := got.(*wire.Connack); !ok || ack.Code != wire.Success {
		return fmt.Errorf("want CONNACK, got %T %+v", got, got)
	}
	return c.Send(&wire.Disconnect{})
}

// Signal sends a signal.
func (p *Process) Signal(sig syscall.Signal) error { return p.cmd.Process.Signal(sig) }

// Kill ends the broker with SIGKILL and waits for its end.
func (p *Process) Kill() error {
	if !p.Running() {
		return nil
	}
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill the broker: %w", err)
	}
	<-p.exited
	return nil
}

// Wait waits for the broker's end and returns its exit code.
func (p *Process) Wait(patience time.Duration) (int, error) {
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode(), nil
	case <-time.After(patience):
		return 0, fmt.Errorf("the broker still runs after %v", patience)
	}
}

// Terminate asks the broker to stop with SIGTERM and returns its exit code.
func (p *Process) Terminate(patience time.Duration) (int, error) {
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return 0, fmt.Errorf("terminate the broker: %w", err)
	}
	return p.Wait(patience)
}

// Log is everything that all lives wrote to standard output and standard error.
func (p *Process) Log() string {
	text, err := os.ReadFile(p.log.Name())
	if err != nil {
		return "no log: " + err.Error()
	}
	return string(text)
}

// Close kills a broker that still runs and closes its log.
func (p *Process) Close() error { return errors.Join(p.Kill(), p.log.Close()) }
