package tests

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/tests/harness"
	"github.com/holdfast-mqtt/holdfast/wire"
)

// TestStartRefused starts the broker in ways that cannot work. Each must end it with a line that says what is wrong.
func TestStartRefused(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	running := harness.Start(t, harness.Options{})
	foreign := t.TempDir()
	write(t, filepath.Join(foreign, "letters.txt"), "dear")
	occupied := filepath.Join(t.TempDir(), "file")
	write(t, occupied, "no directory")
	typo := filepath.Join(t.TempDir(), "typo.yaml")
	write(t, typo, "mqtt:\n  max_inflite: 5\n")
	broken := filepath.Join(t.TempDir(), "broken.yaml")
	write(t, broken, "mqtt: [\n")
	free, err := harness.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		args []string
		env  []string
		want []string // words of the message
	}{
		{"the port is taken", []string{"--listen", "tcp://" + busy.Addr().String()}, nil, []string{busy.Addr().String(), "in use"}},
		{"the data directory has foreign files", []string{"--data-dir", foreign}, nil, []string{foreign, "letters.txt"}},
		{"the data directory is a file", []string{"--data-dir", occupied}, nil, []string{occupied}},
		{"another process has the data directory", []string{"--data-dir", running.DataDir()}, nil, []string{running.DataDir(), "process"}},
		{"an unknown key in the file", []string{"--config", typo}, nil, []string{typo, "max_inflite", "max_inflight"}},
		{"a file that is no YAML", []string{"--config", broken}, nil, []string{broken}},
		{"a file that is not there", []string{"--config", typo + ".gone"}, nil, []string{typo + ".gone"}},
		{"a file that cannot be read", []string{"--config", filepath.Dir(typo)}, nil, []string{filepath.Dir(typo)}},
		{"an unknown variable", nil, []string{"HOLDFAST_STORE__SINC=always"}, []string{"HOLDFAST_STORE__SINC", "HOLDFAST_STORE__SYNC"}},
		{"a value out of range", nil, []string{"HOLDFAST_STORE__SEGMENT_SIZE=1"}, []string{"HOLDFAST_STORE__SEGMENT_SIZE"}},
		{"an address that is none", []string{"--listen", "1883"}, nil, []string{"1883"}},
		{"an unknown flag", []string{"--port", "1883"}, nil, []string{"--port"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			args := append([]string{"serve"}, test.args...)
			if !strings.Contains(strings.Join(args, " "), "--data-dir") {
				args = append(args, "--data-dir", filepath.Join(t.TempDir(), "data"))
			}
			if !strings.Contains(strings.Join(args, " "), "--listen") {
				args = append(args, "--listen", "tcp://"+free)
			}
			wantRefusal(t, args, test.env, test.want)
		})
	}
	running.Connect(t, id(t, "c"), wire.V5).Ping() // the one whose directory was wanted goes on
}

// write makes a file.
func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// wantRefusal runs the broker to its end, which must not be a good one, and looks for words in what it says last.
func wantRefusal(t *testing.T, args, env, want []string) {
	t.Helper()
	path, err := harness.Binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Env = append(harness.CleanEnv(), env...)
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatalf("exit code 0:\n%s", out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	at := 0
	for i, line := range lines {
		if strings.HasPrefix(line, "holdfast: ") {
			at = i
		}
	}
	message := strings.Join(lines[at:], "\n")
	if !strings.HasPrefix(message, "holdfast: ") || len(lines)-at > 3 {
		t.Errorf("want the last words to be a line that begins with holdfast:, got\n%s", out)
	}
	for _, word := range want {
		if !strings.Contains(message, word) {
			t.Errorf("the message does not mention %q:\n%s", word, message)
		}
	}
	if strings.Contains(string(out), "goroutine ") || strings.Contains(message, "Usage:") {
		t.Errorf("a stack trace or a usage text:\n%s", out)
	}
}

// TestStartTells looks at what a start writes for its operator.
func TestStartTells(t *testing.T) {
	second, err := harness.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	broker := harness.Start(t, harness.Options{
		Args: []string{"--listen", "tcp://" + second}, Env: []string{"HOLDFAST_LOG__FORMAT=json"},
	})
	log := broker.Log()
	for _, addr := range []string{broker.Addr(), second} {
		if !regexp.MustCompile(`(?m)^.*tcp://` + regexp.QuoteMeta(addr) + `.*listening.*$`).MatchString(log) {
			t.Errorf("no line says that it listens on %s:\n%s", addr, log)
		}
	}
	c := broker.Connect(t, id(t, "s"), wire.V5, harness.Durable)
	c.Subscribe(topic(t, "a"), 1)
	c.Leave()
	p := broker.Connect(t, id(t, "p"), wire.V5)
	for range 5 {
		p.Publish(topic(t, "a"), "x", 1)
	}
	broker.Crash()
	before := len(broker.Log())
	broker.Restart()
	log = broker.Log()[before:]
	for _, word := range []string{`"sessions":1`, `"messages":5`, `"position":`, `"took":`, `"sync":"always"`} {
		if !strings.Contains(log, word) {
			t.Errorf("the start after a crash does not say %s:\n%s", word, log)
		}
	}
	broker.Stop()
}

// TestStartAnywhere starts the broker in a directory that does not exist, and without a configuration file.
func TestStartAnywhere(t *testing.T) {
	broker := harness.New(t, harness.Options{})
	if _, err := os.Stat(broker.DataDir()); err == nil {
		t.Fatal("the data directory is there before the first start")
	}
	broker.Restart()
	info, err := os.Stat(broker.DataDir())
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 { // messages are nobody else's business
		t.Errorf("the data directory has mode %o", mode)
	}
	broker.Stop()
}
