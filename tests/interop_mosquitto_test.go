package tests

import (
	"bytes"
	"context"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// mosquitto is mosquitto_pub and mosquitto_sub in one protocol version, such as mqttv311.
func mosquitto(version string) stranger {
	run := func(t *testing.T, addr, program, input string, args ...string) []string {
		t.Helper()
		return mosquittoRun(t, addr, program, input, append([]string{"-V", version}, args...)...)
	}
	durable := func(client string) []string {
		args := []string{"-i", client, "-c", "-q", "2"}
		if version == "mqttv5" {
			args = append(args, "-x", "3600")
		}
		return args
	}
	return stranger{
		name: "mosquitto " + version,
		subscribe: func(t *testing.T, addr, client, filter string) {
			run(t, addr, "mosquitto_sub", "", append(durable(client), "-t", filter, "-E")...)
		},
		publish: func(t *testing.T, addr, topic string, qos byte, retain bool, payloads []string) {
			args := []string{"-i", id(t, "pub"), "-t", topic, "-q", strconv.Itoa(int(qos)), "-l"}
			if retain {
				args = append(args, "-r")
			}
			run(t, addr, "mosquitto_pub", strings.Join(payloads, "\n")+"\n", args...)
		},
		collect: func(t *testing.T, addr, client, filter string, n int) []string {
			return run(t, addr, "mosquitto_sub", "", append(durable(client), "-t", filter, "-C", strconv.Itoa(n))...)
		},
		fetch: func(t *testing.T, addr, filter string) string {
			return strings.Join(run(t, addr, "mosquitto_sub", "", "-i", id(t, "fetch"), "-q", "1", "-t", filter, "-C", "1"), "\n")
		},
		die: func(t *testing.T, addr, client, topic, payload string) {
			mosquittoDie(t, addr, version, client, topic, payload)
		},
	}
}

// mosquittoCommand prepares one of the programs.
func mosquittoCommand(ctx context.Context, t *testing.T, addr, program string, args ...string) *exec.Cmd {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return exec.CommandContext(ctx, program, append([]string{"-h", host, "-p", port}, args...)...)
}

// mosquittoRun runs one of the programs to its end and returns the lines that it wrote.
func mosquittoRun(t *testing.T, addr, program, input string, args ...string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), interopPatience)
	defer cancel()
	cmd := mosquittoCommand(ctx, t, addr, program, args...)
	var out, complaints bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &complaints
	err := cmd.Run()
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if err != nil {
		t.Fatalf("%v: %v\n%s\n%d lines came, the last is %q", cmd.Args, err, complaints.String(), len(lines), lines[len(lines)-1])
	}
	return lines
}

// mosquittoDie starts mosquitto_sub with a will, waits until it receives something, and kills it.
func mosquittoDie(t *testing.T, addr, version, client, name, payload string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), interopPatience)
	defer cancel()
	mosquittoRun(t, addr, "mosquitto_pub", "", "-V", version, "-i", id(t, "pub"), "-t", topic(t, "ready"), "-q", "1", "-r", "-m", "ready")
	cmd := mosquittoCommand(ctx, t, addr, "mosquitto_sub", "-V", version, "-i", client, "-t", topic(t, "ready"),
		"--will-topic", name, "--will-payload", payload, "--will-qos", "1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil { // the retained message: it is connected
		t.Errorf("mosquitto_sub: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
}
