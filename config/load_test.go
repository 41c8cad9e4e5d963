package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// writeFile returns the path of a configuration file with this content.
func writeFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "holdfast.yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// wantLoaded loads and fails the test on any error.
func wantLoaded(t *testing.T, opts LoadOptions) Config {
	t.Helper()
	cfg, err := Load(opts)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return cfg
}

// wantReport checks the report line by line; FILE stands for the path of the file.
func wantReport(t *testing.T, opts LoadOptions, want ...string) {
	t.Helper()
	_, err := Load(opts)
	var report *Report
	if !errors.As(err, &report) {
		t.Fatalf("Load returned %v, want a report of %q", err, want)
	}
	var got []string
	for _, p := range report.Problems {
		line := p.String()
		if opts.File != "" {
			line = strings.ReplaceAll(line, opts.File, "FILE")
		}
		got = append(got, line)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("report:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func TestNothingGivenIsTheDefault(t *testing.T) {
	for _, environ := range [][]string{nil, {"PATH=/bin", "HOLDFAST_STORE__SYNC=", "HOLDFAST_LISTENERS="}} {
		if got := wantLoaded(t, LoadOptions{Environ: environ}); !reflect.DeepEqual(got, Default()) {
			t.Errorf("with %q: %+v", environ, got)
		}
	}
	for _, content := range []string{"", "# nothing\n", "---\n", "mqtt:\nstore:\n  # sync: never\n"} {
		if got := wantLoaded(t, LoadOptions{File: writeFile(t, content)}); !reflect.DeepEqual(got, Default()) {
			t.Errorf("with %q: %+v", content, got)
		}
	}
}

func TestEachSourceOverridesTheOneBefore(t *testing.T) {
	file := writeFile(t, `
data_dir: /file
listeners:
  - address: tcp://127.0.0.1:1
    allow_anonymous: false
mqtt: {max_inflight: 11, receive_maximum: 12}
store:
  sync: 300ms
log:
  level: debug
`)
	got := wantLoaded(t, LoadOptions{
		File: file,
		Environ: []string{"HOLDFAST_DATA_DIR=/env", "HOLDFAST_MQTT__MAX_INFLIGHT=21", "HOLDFAST_LOG__LEVEL=error",
			"HOLDFAST_LISTENERS=tcp://127.0.0.1:2, tcp://:3"},
		Flags: map[string]string{"data_dir": "/flag"},
	})
	want := Default()
	want.DataDir = "/flag"
	want.Listeners = []Listener{{Address: "tcp://127.0.0.1:2"}, {Address: "tcp://:3"}}
	want.MQTT.MaxInflight = 21
	want.MQTT.ReceiveMaximum = 12
	want.Store.Sync = Sync{Mode: SyncEvery, Interval: 300 * time.Millisecond}
	want.Log.Level = LogError
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}

	got = wantLoaded(t, LoadOptions{
		File:    file,
		Environ: []string{"HOLDFAST_LISTENERS=tcp://127.0.0.1:2"},
		Listen:  []string{"tcp://127.0.0.1:0", "tcp://127.0.0.1:0"},
	})
	if len(got.Listeners) != 2 || got.Listeners[0].Address != "tcp://127.0.0.1:0" {
		t.Errorf("--listen did not replace the listeners: %+v", got.Listeners)
	}
}

func TestEverySettingCanBeGivenInTheEnvironment(t *testing.T) {
	other := map[string]string{
		"data_dir":                           "/other",
		"mqtt.max_packet_size":               "2MiB",
		"mqtt.max_connect_packet_size":       "8KiB",
		"mqtt.connect_timeout":               "1m30s",
		"mqtt.max_keep_alive":                "1h",
		"mqtt.max_session_expiry":            "1d12h",
		"mqtt.receive_maximum":               "20",
		"mqtt.max_inflight":                  "21",
		"mqtt.topic_alias_maximum":           "0",
		"mqtt.max_topic_levels":              "7",
		"mqtt.max_subscriptions_per_session": "0",
		"mqtt.max_qos0_pending":              "1GiB",
		"mqtt.max_qos0_pending_total":        "2GiB",
		"mqtt.will_grace":                    "0s",
		"store.sync":                         "never",
		"store.segment_size":                 "1MiB",
		"store.checkpoint_interval":          "250ms",
		"store.checkpoint_bytes":             "100000",
		"store.on_damage":                    "refuse",
		"log.level":                          "warn",
		"log.format":                         "json",
	}
	for _, s := range settings() {
		text, listed := other[s.key]
		if !listed {
			t.Errorf("%s is not tried", s.key)
			continue
		}
		want := Default()
		if err := s.set(&want, text); err != nil || reflect.DeepEqual(want, Default()) {
			t.Fatalf("%s=%s changes nothing: %v", s.key, text, err)
		}
		got := wantLoaded(t, LoadOptions{Environ: []string{environName(s.key) + "=" + text}})
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s=%s arrived as\n%+v, want\n%+v", environName(s.key), text, got, want)
		}
	}
}

func TestConnectLimitStaysInsideThePacketLimit(t *testing.T) {
	cfg := wantLoaded(t, LoadOptions{Environ: []string{"HOLDFAST_MQTT__MAX_PACKET_SIZE=16KiB"}})
	if cfg.MQTT.MaxConnectPacketSize != 16*kib {
		t.Errorf("a packet limit of 16 KiB leaves %d for CONNECT", cfg.MQTT.MaxConnectPacketSize)
	}
}

// badFile is a file that cannot be used, and the report of it.
type badFile struct {
	name, content string
	want          []string
}

// wantReports checks each file by itself.
func wantReports(t *testing.T, files []badFile) {
	t.Helper()
	for _, file := range files {
		t.Run(file.name, func(t *testing.T) {
			t.Helper()
			wantReport(t, LoadOptions{File: writeFile(t, file.content)}, file.want...)
		})
	}
}

func TestUnknownKeysAreNamedWithTheNearest(t *testing.T) {
	wantReports(t, []badFile{
		{"misspelt key", "mqtt:\n  max_packt_size: 1MiB\n",
			[]string{"FILE:2: mqtt.max_packt_size: unknown key, the nearest is mqtt.max_packet_size"}},
		{"misspelt section, named once", "stroe:\n  sync: never\n  bogus: 1\n",
			[]string{"FILE:1: stroe: unknown key, the nearest is store"}},
		{"key without its section", "max_inflight: 10\n",
			[]string{"FILE:1: max_inflight: unknown key, the nearest is mqtt.max_inflight"}},
		{"short key without its section", "sync: never\n",
			[]string{"FILE:1: sync: unknown key, the nearest is store.sync"}},
		{"key in the wrong section", "log:\n  on_damage: serve\n",
			[]string{"FILE:2: log.on_damage: unknown key, the nearest is store.on_damage"}},
		{"unknown key without a value", "listener:\n",
			[]string{"FILE:1: listener: unknown key, the nearest is listeners"}},
		{"unknown key of a listener", "listeners:\n  - address: tcp://:1\n    alow_anonymous: true\n",
			[]string{"FILE:3: listeners[0].alow_anonymous: unknown key, the nearest is allow_anonymous"}},
		{"line break in a key", "\"a\\nb\": 1\n",
			[]string{"FILE:1: a?b: unknown key, the nearest is log"}},
	})
}

func TestBadValuesInAFileAreNamedWithTheirLine(t *testing.T) {
	wantReports(t, []badFile{
		{"size without meaning", "mqtt: {max_packet_size: 64M}\n",
			[]string{`FILE:1: mqtt.max_packet_size: "64M" is not a size (bytes, or KiB, MiB, GiB, KB, MB, GB); allowed: 1KiB to 256MiB`}},
		{"size out of range", "mqtt:\n  max_packet_size: 1GiB\n",
			[]string{`FILE:2: mqtt.max_packet_size: "1GiB" is out of range; allowed: 1KiB to 256MiB`}},
		{"duration without unit", "store:\n  checkpoint_interval: 5\n",
			[]string{`FILE:2: store.checkpoint_interval: "5" has no unit (ms, s, m, h, d, w); allowed: 100ms to 10m`}},
		{"fraction of a second", "mqtt:\n  max_session_expiry: 1500ms\n",
			[]string{`FILE:2: mqtt.max_session_expiry: "1500ms" has a fraction of a second; allowed: 1s to 49710d, in whole seconds`}},
		{"number", "mqtt:\n  max_inflight: 1e3\n",
			[]string{`FILE:2: mqtt.max_inflight: "1e3" is not a number; allowed: 1 to 65535`}},
		{"number beyond the protocol", "mqtt:\n  receive_maximum: 65536\n",
			[]string{`FILE:2: mqtt.receive_maximum: "65536" is out of range; allowed: 1 to 65535`}},
		{"unlimited has a bound as well", "mqtt:\n  max_subscriptions_per_session: -1\n",
			[]string{`FILE:2: mqtt.max_subscriptions_per_session: "-1" is not a number; allowed: 0 to 10000000, 0 is no limit`}},
		{"sync", "store:\n  sync: sometimes\n",
			[]string{`FILE:2: store.sync: "sometimes" is not a duration; allowed: always, never, or an interval 1ms to 1m`}},
		{"sync interval of nothing", "store:\n  sync: 0\n",
			[]string{`FILE:2: store.sync: "0" is out of range; allowed: always, never, or an interval 1ms to 1m`}},
		{"word", "log:\n  level: verbose\n",
			[]string{`FILE:2: log.level: "verbose" is not known; allowed: trace, debug, info, warn, error`}},
	})
}

func TestFilesOfTheWrongShapeAreNamedWithTheLine(t *testing.T) {
	wantReports(t, []badFile{
		{"no value", "log:\n  level:\ndata_dir: ~\n", []string{
			"FILE:2: log.level: has no value; allowed: trace, debug, info, warn, error",
			"FILE:3: data_dir: has no value; allowed: the path of a directory"}},
		{"list for a value", "data_dir: [a, b]\n",
			[]string{"FILE:1: data_dir: is not a single value; allowed: the path of a directory"}},
		{"empty path", "data_dir: ''\n",
			[]string{`FILE:1: data_dir: "" is empty; allowed: the path of a directory`}},
		{"line break in a path", "data_dir: \"a\\nb\"\n",
			[]string{`FILE:1: data_dir: "a\nb" holds a control character; allowed: the path of a directory`}},
		{"value for a section", "mqtt: 5\n",
			[]string{"FILE:1: mqtt: is not a list of keys and values; allowed: key: value lines"}},
		{"value for the file", "hello\n",
			[]string{"FILE:1: is not a list of keys and values; allowed: key: value lines"}},
		{"key twice", "data_dir: a\nlog: {level: info}\ndata_dir: b\n",
			[]string{"FILE:3: data_dir: was set on line 1 already; allowed: each key once"}},
		{"section twice", "log: {level: info}\nlog: {format: json}\n",
			[]string{"FILE:2: log: was set on line 1 already; allowed: each key once"}},
		{"alias", "data_dir: &a x\nlog:\n  level: *a\n",
			[]string{"FILE:3: log.level: is a YAML alias; allowed: trace, debug, info, warn, error"}},
		{"alias that holds itself", "mqtt: &a\n  max_inflight: *a\n",
			[]string{"FILE:2: mqtt.max_inflight: is a YAML alias; allowed: 1 to 65535"}},
		{"second document", "data_dir: a\n---\ndata_dir: b\n",
			[]string{"FILE:2: a second YAML document; allowed: one document a file"}},
		{"not YAML", "mqtt:\n\tmax_inflight: 1\n",
			[]string{"FILE: not YAML: line 2: found character that cannot start any token"}},
	})
}

func TestBadListenersAreNamedWithTheirLine(t *testing.T) {
	const address = "; allowed: tcp://HOST:PORT"
	wantReports(t, []badFile{
		{"no listeners", "listeners: []\n",
			[]string{"FILE:1: listeners: is not a list of addresses; allowed: at least one - address: tcp://HOST:PORT"}},
		{"listeners as text", "listeners: tcp://:1883\n",
			[]string{"FILE:1: listeners: is not a list of addresses; allowed: at least one - address: tcp://HOST:PORT"}},
		{"listener as text", "listeners:\n  - tcp://:1883\n",
			[]string{"FILE:2: listeners[0]: is not a listener; allowed: address: tcp://HOST:PORT"}},
		{"listener without address", "listeners:\n  - allow_anonymous: true\n",
			[]string{"FILE:2: listeners[0]: has no address; allowed: address: tcp://HOST:PORT"}},
		{"listener with an empty address", "listeners:\n  - address:\n",
			[]string{"FILE:2: listeners[0].address: has no value" + address}},
		{"allow_anonymous", "listeners:\n  - address: tcp://:1883\n    allow_anonymous: yes\n",
			[]string{`FILE:3: listeners[0].allow_anonymous: "yes" is neither true nor false; allowed: true, false; unset is true on a loopback address only`}},
		{"listener twice", "listeners:\n  - address: tcp://:1883\n  - address: tcp://:1883\n",
			[]string{`FILE:3: listeners[1].address: "tcp://:1883" is listed twice; allowed: each address once`}},
		{"no scheme", "listeners:\n  - address: 127.0.0.1:1883\n",
			[]string{`FILE:2: listeners[0].address: "127.0.0.1:1883" has no scheme` + address}},
	})
}

func TestManyProblemsOfOneFileAreAllReported(t *testing.T) {
	wantReports(t, []badFile{
		{"unknown keys before bad values", "mqtt:\n  max_inflight: 0\nbogus: 1\nstore:\n  sync: 2h\n", []string{
			"FILE:3: bogus: unknown key, the nearest is log",
			`FILE:2: mqtt.max_inflight: "0" is out of range; allowed: 1 to 65535`,
			`FILE:5: store.sync: "2h" is out of range; allowed: always, never, or an interval 1ms to 1m`}},
	})
}

func TestEnvironmentProblemsAreNamedByVariable(t *testing.T) {
	tests := []struct {
		environ []string
		want    []string
	}{
		{[]string{"HOLDFAST_STORE_SYNC=never"},
			[]string{"HOLDFAST_STORE_SYNC: unknown variable, the nearest is HOLDFAST_STORE__SYNC"}},
		{[]string{"HOLDFAST_LISTENER="},
			[]string{"HOLDFAST_LISTENER: unknown variable, the nearest is HOLDFAST_LISTENERS"}},
		{[]string{"HOLDFAST_STORE__SYNC=soon"},
			[]string{`HOLDFAST_STORE__SYNC: "soon" is not a duration; allowed: always, never, or an interval 1ms to 1m`}},
		{[]string{"HOLDFAST_LISTENERS=tcp://:1883,,tcp://x"}, []string{
			`HOLDFAST_LISTENERS: "" has no scheme; allowed: tcp://HOST:PORT`,
			`HOLDFAST_LISTENERS: "tcp://x" is not a host and a port; allowed: tcp://HOST:PORT`}},
		{[]string{"HOLDFAST_Z\nY=1", "HOLDFAST_LOGS__LEVEL=x"}, []string{
			"HOLDFAST_LOGS__LEVEL: unknown variable, the nearest is HOLDFAST_LOG__LEVEL",
			"HOLDFAST_Z?Y: unknown variable, the nearest is HOLDFAST_DATA_DIR"}},
	}
	for _, test := range tests {
		t.Run(test.environ[0], func(t *testing.T) {
			wantReport(t, LoadOptions{Environ: test.environ}, test.want...)
		})
	}
}

func TestVariablesOfAnOrchestratorAreNotSettings(t *testing.T) {
	got := wantLoaded(t, LoadOptions{Environ: []string{
		"HOLDFAST_SERVICE_HOST=10.0.0.1", "HOLDFAST_SERVICE_PORT=1883", "HOLDFAST_SERVICE_PORT_MQTT=1883",
		"HOLDFAST_PORT=tcp://10.0.0.1:1883", "HOLDFAST_PORT_1883_TCP=tcp://10.0.0.1:1883",
		"HOLDFAST_PORT_1883_TCP_ADDR=10.0.0.1", "HOLDFAST_MQTT_SERVICE_HOST=10.0.0.1",
	}})
	if !reflect.DeepEqual(got, Default()) {
		t.Errorf("they changed the configuration: %+v", got)
	}
	wantReport(t, LoadOptions{Environ: []string{"HOLDFAST_STORE__PORT=1"}},
		"HOLDFAST_STORE__PORT: unknown variable, the nearest is HOLDFAST_STORE__SYNC")
}

func TestFlagProblemsAreNamedByFlag(t *testing.T) {
	wantReport(t, LoadOptions{
		Flags:  map[string]string{"data_dir": "", "log.level": "loud", "log.format": "xml"},
		Listen: []string{"tcp://127.0.0.1:99999"},
	},
		`--data-dir: "" is empty; allowed: the path of a directory`,
		`--log-level: "loud" is not known; allowed: trace, debug, info, warn, error`,
		`--log-format: "xml" is not known; allowed: auto, console, json`,
		`--listen: "tcp://127.0.0.1:99999" has no port from 0 to 65535; allowed: tcp://HOST:PORT`)
}

func TestProblemsOfAllSourcesComeInOneReport(t *testing.T) {
	file := writeFile(t, "bogus: 1\nmqtt:\n  max_inflight: x\n")
	_, err := Load(LoadOptions{File: file, Environ: []string{"HOLDFAST_X=1"}, Flags: map[string]string{"log.level": "x"}})
	want := strings.Join([]string{"the configuration has 4 problems:",
		"  " + file + ":1: bogus: unknown key, the nearest is log",
		"  HOLDFAST_X: unknown variable, the nearest is HOLDFAST_DATA_DIR",
		"  " + file + `:3: mqtt.max_inflight: "x" is not a number; allowed: 1 to 65535`,
		`  --log-level: "x" is not known; allowed: trace, debug, info, warn, error`}, "\n")
	if err == nil || err.Error() != want {
		t.Errorf("report:\n%v\nwant:\n%s", err, want)
	}
	_, err = Load(LoadOptions{File: writeFile(t, "{"), Flags: map[string]string{"log.level": "x"}})
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("a file that is not YAML hides the other problems: %v", err)
	}
}

func TestTooManyListenersAreRefused(t *testing.T) {
	addresses := strings.Repeat("tcp://127.0.0.1:0,", maxListeners-1) + "tcp://127.0.0.1:0"
	if got := wantLoaded(t, LoadOptions{Environ: []string{"HOLDFAST_LISTENERS=" + addresses}}); len(got.Listeners) != maxListeners {
		t.Errorf("%d listeners of %d", len(got.Listeners), maxListeners)
	}
	wantReport(t, LoadOptions{Environ: []string{"HOLDFAST_LISTENERS=" + addresses + ",tcp://:1"}},
		"HOLDFAST_LISTENERS: too many listeners; allowed: at most 64")
}

func TestFileThatCannotBeReadIsOneLine(t *testing.T) {
	dir := t.TempDir()
	large := filepath.Join(dir, "large")
	if err := os.WriteFile(large, make([]byte, maxFileSize+1), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ path, want string }{
		{filepath.Join(dir, "none.yaml"), ": no such file or directory"},
		{dir, ": is a directory"},
		{large, ": larger than 1MiB"},
	}
	for _, test := range tests {
		_, err := Load(LoadOptions{File: test.path})
		if want := "configuration file " + test.path + test.want; err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}
