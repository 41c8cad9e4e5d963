package config

import (
	"errors"
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestDurations(t *testing.T) {
	tests := []struct {
		text  string
		want  time.Duration
		again string // how it is written, when not as it was read
	}{
		{"0", 0, "0s"}, {"0s", 0, ""}, {"200ms", 200 * time.Millisecond, ""}, {"1h30m", 90 * time.Minute, ""},
		{"14d", 14 * day, ""}, {"1w", 7 * day, "7d"}, {"1w2d3h", 9*day + 3*time.Hour, "9d3h"}, {"1.5d", 36 * time.Hour, "1d12h"},
		{"90s", 90 * time.Second, "1m30s"}, {"10m", 10 * time.Minute, ""}, {"10h", 10 * time.Hour, ""},
		{"20h10m", 20*time.Hour + 10*time.Minute, ""}, {"1h0m5s", time.Hour + 5*time.Second, ""}, {"1500ms", 1500 * time.Millisecond, "1.5s"},
	}
	for _, test := range tests {
		got, err := parseDuration(test.text)
		if err != nil || got != test.want {
			t.Errorf("parseDuration(%q) = %v, %v, want %v", test.text, got, err, test.want)
		}
		again := test.again
		if again == "" {
			again = test.text
		}
		if written := formatDuration(test.want); written != again {
			t.Errorf("formatDuration(%v) = %s, want %s", test.want, written, again)
		}
	}
	for _, text := range []string{"", " ", "d", "5", "1h30", "-1s", "+1s", "1 s", "1y", "s5", "1..5s", "5D", "∞",
		"99999999999999999999s", "200000w", "106751d24h", "9999999999d"} {
		if got, err := parseDuration(text); err == nil {
			t.Errorf("parseDuration(%q) = %v, want an error", text, got)
		}
	}
}

func TestSizes(t *testing.T) {
	tests := []struct {
		text  string
		want  int
		again string
	}{
		{"0", 0, ""}, {"65537", 65537, ""}, {"64MiB", 64 * mib, ""}, {"1gib", gib, "1GiB"}, {"1024KiB", mib, "1MiB"},
		{"1GB", 1e9, "1000000000"}, {"3 KB", 3000, "3000"}, {"2048B", 2048, "2KiB"}, {"12MB", 12e6, "12000000"},
	}
	for _, test := range tests {
		got, err := parseSize(test.text)
		if err != nil || got != test.want {
			t.Errorf("parseSize(%q) = %v, %v, want %v", test.text, got, err, test.want)
		}
		again := test.again
		if again == "" {
			again = test.text
		}
		if written := formatSize(test.want); written != again {
			t.Errorf("formatSize(%d) = %s, want %s", test.want, written, again)
		}
	}
	for _, text := range []string{"", "MiB", "64M", "64K", "1.5GiB", "-1", "+1", "1 ", "1TiB", "1MiBs", "0x10", "1_000",
		"99999999999999999999", "9999999999999GiB"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("parseSize(%q) = %v, want an error", text, got)
		}
	}
}

// Whatever is written must be read as the same value: the effective settings that are printed depend on it.
func TestRandomValuesSurviveWriting(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 20_000 {
		d := time.Duration(random.Int64() >> random.IntN(63))
		if again, err := parseDuration(formatDuration(d)); err != nil || again != d {
			t.Fatalf("%d ns is written %s and read %v, %v", d, formatDuration(d), again, err)
		}
		size := int(random.Int64()>>random.IntN(63)) &^ (1<<random.IntN(40) - 1)
		if again, err := parseSize(formatSize(size)); err != nil || again != size {
			t.Fatalf("%d bytes is written %s and read %v, %v", size, formatSize(size), again, err)
		}
	}
}

func TestAddresses(t *testing.T) {
	good := []string{"tcp://127.0.0.1:1883", "tcp://127.8.8.8:0", "tcp://[::1]:1883", "tcp://localhost:1883", "tcp://:1883",
		"tcp://0.0.0.0:1883", "tcp://[::]:65535", "tcp://[fe80::1%eth0]:1883", "tcp://broker-1.example.org:1883", "tcp://broker1:1883"}
	for _, address := range good {
		if err := checkAddress(address); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	bad := map[string]string{
		"":                         "has no scheme",
		"1883":                     "has no scheme",
		"localhost:1883":           "has no scheme",
		"mqtt://localhost:1883":    "has an unknown scheme",
		"TCP://localhost:1883":     "has an unknown scheme",
		"tcp://":                   "is not a host and a port",
		"tcp://localhost":          "is not a host and a port",
		"tcp://::1:1883":           "is not a host and a port",
		"tcp://localhost:":         "has no port from 0 to 65535",
		"tcp://localhost:mqtt":     "has no port from 0 to 65535",
		"tcp://localhost:65536":    "has no port from 0 to 65535",
		"tcp://localhost:1883/":    "has no port from 0 to 65535",
		"tcp://localhost:-1":       "has no port from 0 to 65535",
		"tcp://192.168.1.300:1883": "has no valid host",
		"tcp://a b:1883":           "has no valid host",
		"tcp://*:1883":             "has no valid host",
		"tcp://-x:1883":            "has no valid host",
		"tcp://user@host:1883":     "has no valid host",
	}
	for address, want := range bad {
		if err := checkAddress(address); err == nil || err.Error() != quote(address)+" "+want {
			t.Errorf("%q: %v, want %s", address, err, want)
		}
	}
}

func TestAnonymousFollowsTheAddressUnlessItIsSet(t *testing.T) {
	yes, no := true, false
	for _, loopback := range []bool{true, false} {
		if got := (Listener{}).Anonymous(loopback); got != loopback {
			t.Errorf("unset, loopback %v: anonymous %v", loopback, got)
		}
		if !(Listener{AllowAnonymous: &yes}).Anonymous(loopback) || (Listener{AllowAnonymous: &no}).Anonymous(loopback) {
			t.Errorf("loopback %v: the setting is not obeyed", loopback)
		}
	}
}

func TestDistance(t *testing.T) {
	tests := []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"sync", "sync", 0}, {"kitten", "sitting", 3}, {"max_keepalive", "max_keep_alive", 1},
		{strings.Repeat("x", 1<<20), "x", 127},
	}
	for _, test := range tests {
		if got := distance(test.a, test.b); got != test.want {
			t.Errorf("distance(%.20q, %q) = %d, want %d", test.a, test.b, got, test.want)
		}
	}
}

func TestExampleIsTheDefault(t *testing.T) {
	got := wantLoaded(t, LoadOptions{File: writeFile(t, Example())})
	if !reflect.DeepEqual(got, Default()) {
		t.Errorf("the example loads as %+v\nthe default is %+v", got, Default())
	}
	onDisk, err := os.ReadFile("example.yaml")
	if err != nil || string(onDisk) != Example() {
		t.Errorf("Example does not return example.yaml: %v", err)
	}
}

// Equality alone would hold for an empty file: every setting must stand there, below what it allows.
func TestExampleShowsEverySettingWithItsBounds(t *testing.T) {
	lines := strings.Split(Example(), "\n")
	defaults := Default()
	for _, s := range settings() {
		section, name, nested := strings.Cut(s.key, ".")
		want := "  " + name + ": " + s.text(&defaults)
		if !nested {
			section, want = "", s.key+": "+s.text(&defaults)
		}
		found, in := false, ""
		for i, line := range lines {
			if line != "" && line[0] != ' ' && strings.HasSuffix(line, ":") {
				in = strings.TrimSuffix(line, ":")
			}
			if line != want || in != section {
				continue
			}
			found = true
			if above := strings.TrimSpace(lines[i-1]); above != "# Allowed: "+s.allowed {
				t.Errorf("above %s stands %q, want %q", s.key, above, "# Allowed: "+s.allowed)
			}
		}
		if !found {
			t.Errorf("no line %q in section %q", want, section)
		}
	}
}

func TestYAMLLoadsAsTheSameConfiguration(t *testing.T) {
	yes, no := true, false
	for _, dir := range []string{"./data", "null", "~", "12", "true", "a b", "a: b", "a #b", "it's", "'", `"`, "- a", "*a",
		"&a b", "!x", "{a", "[", "%", "@", "---", "é", " padded ", "#", "a:", `C:\data`, "--- a", "? a", "| a"} {
		cfg := Default()
		cfg.DataDir = dir
		cfg.Listeners = []Listener{{Address: "tcp://[::1]:1"}, {Address: "tcp://:2", AllowAnonymous: &yes},
			{Address: "tcp://localhost:3", AllowAnonymous: &no}}
		cfg.Store.Sync = Sync{Mode: SyncEvery, Interval: 1500 * time.Microsecond}
		cfg.MQTT.MaxSessionExpiry = 36 * time.Hour
		cfg.MQTT.MaxPacketSize = 100_000
		got, err := Load(LoadOptions{File: writeFile(t, cfg.YAML())})
		if err != nil || !reflect.DeepEqual(got, cfg) {
			t.Errorf("with %q: %v\n%s\nloads as %+v", dir, err, cfg.YAML(), got)
		}
	}
}

// Whatever a file holds, Load returns, and its report has one line for each problem.
func FuzzLoadFile(f *testing.F) {
	f.Add(Example())
	f.Add("mqtt:\n  max_packet_size: \"1\\n2\"\n? [a]\n: b\nlisteners: [{}, 1, {address: 5}]\n")
	f.Add("a: &a [*a]\n<<: *a\n")
	f.Fuzz(func(t *testing.T, content string) {
		cfg, err := Load(LoadOptions{File: writeFile(t, content)})
		var report *Report
		if errors.As(err, &report) {
			if lines := strings.Count(err.Error(), "\n"); lines != len(report.Problems) {
				t.Fatalf("%d problems on %d lines: %q", len(report.Problems), lines, err)
			}
			return
		}
		if err != nil {
			t.Fatalf("neither a configuration nor a report: %v", err)
		}
		again, err := Load(LoadOptions{File: writeFile(t, cfg.YAML())})
		if err != nil || !reflect.DeepEqual(again, cfg) {
			t.Fatalf("printed and read again: %v\n%s", err, cfg.YAML())
		}
	})
}
