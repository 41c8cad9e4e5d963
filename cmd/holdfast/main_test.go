package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// asHoldfast tells the test binary to be the program: real is the product, fake has the parts of this test. It must
// not start with HOLDFAST_, which the program takes for a setting.
const asHoldfast = "RUN_AS_HOLDFAST"

func TestMain(m *testing.M) {
	switch os.Getenv(asHoldfast) {
	case "real":
		main()
	case "fake":
		rig := newRig()
		os.Exit(run(process{args: os.Args[1:], stdout: os.Stdout, stderr: os.Stderr, parts: rig.parts()}))
	default:
		os.Exit(m.Run())
	}
}

// command returns the program as a process of its own.
func command(t *testing.T, kind string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = []string{asHoldfast + "=" + kind}
	cmd.Dir = t.TempDir()
	return cmd
}

// carryOut runs a command line in this process.
func carryOut(environ []string, args ...string) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	status = run(process{args: args, environ: environ, stdout: &out, stderr: &errs, parts: newRig().parts()})
	return status, out.String(), errs.String()
}

func TestCommandLinesThatMakeNoSense(t *testing.T) {
	tests := []struct {
		args []string
		want string
	}{
		{nil, "holdfast: which command? one of check-config, serve, version (see holdfast --help)\n"},
		{[]string{"start"}, "holdfast: unknown command \"start\": one of check-config, serve, version (see holdfast --help)\n"},
		{[]string{"a\nb"}, "holdfast: unknown command \"a\\nb\": one of check-config, serve, version (see holdfast --help)\n"},
		{[]string{"--bogus"}, "holdfast: unknown flag: --bogus (see holdfast --help)\n"},
		{[]string{"serve", "now"}, "holdfast: serve takes no arguments, but got \"now\" (see holdfast serve --help)\n"},
		{[]string{"serve", "--prot", "1"}, "holdfast: unknown flag: --prot (see holdfast serve --help)\n"},
		{[]string{"serve", "--listen"}, "holdfast: flag needs an argument: --listen (see holdfast serve --help)\n"},
		{[]string{"check-config", "-c", ""}, "holdfast: --config names no file\n"},
		{[]string{"version", "1"}, "holdfast: version takes no arguments, but got \"1\" (see holdfast version --help)\n"},
	}
	for _, test := range tests {
		status, stdout, stderr := carryOut(nil, test.args...)
		if status != 2 || stdout != "" || stderr != test.want {
			t.Errorf("%q: exit %d, output %q, error\n%s, want exit 2,\n%s", test.args, status, stdout, stderr, test.want)
		}
	}
}

func TestHelpIsNoError(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"help"}, {"serve", "--help"}, {"help", "serve"}} {
		status, stdout, stderr := carryOut(nil, args...)
		if status != 0 || stderr != "" || !strings.Contains(stdout, "Usage:") {
			t.Errorf("%q: exit %d, %q, %q", args, status, stdout, stderr)
		}
	}
}

func TestVersion(t *testing.T) {
	status, stdout, stderr := carryOut(nil, "version")
	if status != 0 || stderr != "" || !regexp.MustCompile(`^holdfast \S+ \(go\S+, \w+/\w+\)\n$`).MatchString(stdout) {
		t.Errorf("exit %d, %q, %q", status, stdout, stderr)
	}
}

func TestCheckConfigPrintsAConfigurationThatIsGood(t *testing.T) {
	file := filepath.Join(t.TempDir(), "holdfast.yaml")
	if err := os.WriteFile(file, []byte("store:\n  sync: 200ms\nlog: {level: debug}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	environ := []string{"HOLDFAST_MQTT__MAX_INFLIGHT=7"}
	args := []string{"check-config", "--config", file, "--data-dir", "/d", "--listen", "tcp://:1", "--listen", "tcp://:2",
		"--log-level", "warn", "--log-format", "json"}
	status, printed, stderr := carryOut(environ, args...)
	if status != 0 || stderr != "" || !strings.HasPrefix(printed, "# configuration is good\n") {
		t.Fatalf("exit %d, %q, %q", status, printed, stderr)
	}
	for _, line := range []string{"data_dir: /d", "  - address: tcp://:1", "  - address: tcp://:2", "  max_inflight: 7",
		"  sync: 200ms", "  level: warn", "  format: json", "  max_packet_size: 1MiB"} {
		if !strings.Contains(printed, "\n"+line+"\n") {
			t.Errorf("no line %q in\n%s", line, printed)
		}
	}
	if err := os.WriteFile(file, []byte(printed), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, again, stderr := carryOut(nil, "check-config", "-c", file); again != printed {
		t.Errorf("the output was read as another configuration:\n%s%s", again, stderr)
	}
}

func TestCheckConfigPrintsAnExampleThatIsGood(t *testing.T) {
	status, example, stderr := carryOut(nil, "check-config", "--example")
	if status != 0 || stderr != "" {
		t.Fatalf("exit %d, %q", status, stderr)
	}
	file := filepath.Join(t.TempDir(), "holdfast.yaml")
	if err := os.WriteFile(file, []byte(example), 0o600); err != nil {
		t.Fatal(err)
	}
	_, fromExample, _ := carryOut(nil, "check-config", "-c", file)
	if _, fromNothing, _ := carryOut(nil, "check-config"); fromExample != fromNothing || fromNothing == "" {
		t.Errorf("the example is in force as\n%s\nthe defaults as\n%s", fromExample, fromNothing)
	}
}

func TestBadConfigurationIsReportedWhole(t *testing.T) {
	const want = "holdfast: the configuration has 3 problems:\n" +
		"  HOLDFAST_SYNC: unknown variable, the nearest is HOLDFAST_STORE__SYNC\n" +
		"  --log-level: \"\" is not known; allowed: trace, debug, info, warn, error\n" +
		"  --listen: \":1883\" has no scheme; allowed: tcp://HOST:PORT\n"
	for _, verb := range []string{"check-config", "serve"} {
		status, stdout, stderr := carryOut([]string{"HOLDFAST_SYNC=never"}, verb, "--log-level=", "--listen", ":1883")
		if status != 1 || stdout != "" || stderr != want {
			t.Errorf("%s: exit %d, output %q, error\n%swant\n%s", verb, status, stdout, stderr, want)
		}
	}
	for _, verb := range []string{"check-config", "serve"} {
		status, _, stderr := carryOut(nil, verb, "-c", "/nowhere/holdfast.yaml")
		if status != 1 || stderr != "holdfast: configuration file /nowhere/holdfast.yaml: no such file or directory\n" {
			t.Errorf("%s: exit %d, %q", verb, status, stderr)
		}
	}
}

func TestExitStatusOfTheProcess(t *testing.T) {
	tests := []struct {
		args []string
		want int
	}{
		{[]string{"version"}, 0},
		{[]string{"check-config"}, 0},
		{[]string{"check-config", "--log-level", "loud"}, 1},
		{[]string{"serve", "--data-dir", "/dev/null"}, 1},
		{[]string{"bogus"}, 2},
	}
	for _, test := range tests {
		cmd := command(t, "real", test.args...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		err := cmd.Run()
		status := 0
		if exit := new(exec.ExitError); errors.As(err, &exit) {
			status = exit.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if status != test.want || (status != 0) != strings.HasPrefix(stderr.String(), "holdfast: ") {
			t.Errorf("%q: exit %d, want %d; error %q", test.args, status, test.want, stderr.String())
		}
	}
}
