package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/holdfast-mqtt/holdfast/config"
	"github.com/holdfast-mqtt/holdfast/engine"
)

// tree makes a directory with these entries; a name that ends in / is a directory.
func tree(t *testing.T, names ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		path := filepath.Join(dir, name)
		err := error(nil)
		if strings.HasSuffix(name, "/") {
			err = os.Mkdir(path, 0o700)
		} else {
			err = os.WriteFile(path, nil, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestDataDirectoriesThatAreAccepted(t *testing.T) {
	for _, names := range [][]string{
		{}, {"lost+found/"}, {"LOCK", "IDENT.tmp"}, {"LOCK", "meta/", "log/"},
		{"IDENT", "LOCK", "RESERVE", "meta/", "log/", "backup.tar"},
	} {
		if err := prepareDataDir(tree(t, names...)); err != nil {
			t.Errorf("with %q: %v", names, err)
		}
	}
	dir := filepath.Join(t.TempDir(), "new", "data")
	if err := prepareDataDir(dir); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("made as %v, %v", info, err)
	}
}

func TestDataDirectoriesThatAreRefused(t *testing.T) {
	file := filepath.Join(tree(t, "x"), "x")
	foreign := tree(t, "LOCK", "photo.jpg")
	tests := []struct{ dir, want string }{
		{file, ": not a directory"},
		{filepath.Join(file, "y"), ": " + file + ": not a directory"},
		{foreign, `: holds "photo.jpg" and is no data directory of holdfast: choose an empty one`},
	}
	for _, test := range tests {
		if err := prepareDataDir(test.dir); err == nil || err.Error() != "data directory "+test.dir+test.want {
			t.Errorf("%v, want %s", err, test.want)
		}
	}
}

func TestDataDirectoryThatIsNotWritable(t *testing.T) {
	if os.Geteuid() == 0 {
		// Permissions do not bind root; a file system in which nobody can make a file does.
		if err := prepareDataDir("/proc/self"); !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.EROFS) {
			t.Errorf("/proc/self: %v", err)
		}
		return
	}
	dir := tree(t)
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if err := prepareDataDir(dir); err == nil || err.Error() != "data directory "+dir+": not writable: permission denied" {
		t.Errorf("prepareDataDir: %v", err)
	}
}

func TestZerosOfTheOperatorAreNotTheEnginesDefaults(t *testing.T) {
	cfg := config.Default().MQTT
	opts := brokerOptions(cfg, nil)
	if opts.ReceiveMaximum != 1000 || opts.MaxInflight != 1000 || opts.TopicAliasMaximum != 32 || opts.NoTopicAliases ||
		opts.MaxSubscriptions != 10_000 || opts.WillGrace != cfg.WillGrace || opts.MaxPending != 8<<20 {
		t.Errorf("defaults arrive as %+v", opts)
	}
	cfg.TopicAliasMaximum, cfg.MaxSubscriptionsPerSession, cfg.WillGrace = 0, 0, 0
	opts = brokerOptions(cfg, nil)
	if !opts.NoTopicAliases || opts.MaxSubscriptions != math.MaxInt || opts.WillGrace == 0 {
		t.Errorf("zeros arrive as %+v", opts)
	}
	cfg.ReceiveMaximum, cfg.MaxInflight, cfg.TopicAliasMaximum = 65535, 65535, 65535
	opts = brokerOptions(cfg, nil)
	if opts.ReceiveMaximum != 65535 || opts.MaxInflight != 65535 || opts.TopicAliasMaximum != 65535 {
		t.Errorf("the largest arrive as %+v", opts)
	}
}

func TestEverySettingReachesTheEngine(t *testing.T) {
	cfg := config.MQTT{MaxPacketSize: 1, MaxConnectPacketSize: 2, ConnectTimeout: 3, MaxKeepAlive: 4, MaxSessionExpiry: 5,
		ReceiveMaximum: 6, MaxInflight: 7, TopicAliasMaximum: 8, MaxTopicLevels: 9, MaxSubscriptionsPerSession: 10,
		MaxQoS0Pending: 11, MaxQoS0PendingTotal: 13, WillGrace: 12}
	want := engine.Options{MaxPacketSize: 1, MaxConnectPacketSize: 2, ConnectTimeout: 3, MaxKeepAlive: 4, MaxSessionExpiry: 5,
		ReceiveMaximum: 6, MaxInflight: 7, TopicAliasMaximum: 8, MaxTopicLevels: 9, MaxSubscriptions: 10, MaxPending: 11,
		MaxPendingTotal: 13, WillGrace: 12}
	got := brokerOptions(cfg, nil)
	if got.Authenticator != nil || got.Authorizer != nil || got.Now != nil {
		t.Error("an option is set that no setting sets")
	}
	if !reflect.DeepEqual(got, want) { // all that DeepEqual cannot compare is nil
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestLogFormats(t *testing.T) {
	tests := []struct {
		format   config.LogFormat
		terminal bool
		json     bool
	}{
		{config.LogAuto, false, true}, {config.LogAuto, true, false}, {config.LogJSON, true, true}, {config.LogConsole, false, false},
	}
	for _, test := range tests {
		var out bytes.Buffer
		log := newLog(&out, config.Log{Level: config.LogInfo, Format: test.format}, test.terminal)
		log.Info().Str("client", "a\nb c").Msg("hello")
		if got := json.Valid(out.Bytes()); got != test.json {
			t.Errorf("%s, terminal %v: %q", test.format, test.terminal, out.String())
		}
		// What a client chose stays on the line, and inside its quotes.
		if strings.Count(out.String(), "\n") != 1 || !strings.Contains(out.String(), `"a\nb c"`) {
			t.Errorf("%s: a line break of a client's got through: %q", test.format, out.String())
		}
		if coloured := strings.Contains(out.String(), "\x1b["); coloured && !test.terminal {
			t.Errorf("%s: colours without a terminal: %q", test.format, out.String())
		}
	}
}

func TestLogLevels(t *testing.T) {
	levels := []config.LogLevel{config.LogTrace, config.LogDebug, config.LogInfo, config.LogWarn, config.LogError}
	for i, least := range levels {
		var out bytes.Buffer
		log := newLog(&out, config.Log{Level: least, Format: config.LogJSON}, false)
		for _, line := range levels {
			log.WithLevel(level(line)).Msg("line")
		}
		if got := strings.Count(out.String(), "\n"); got != len(levels)-i {
			t.Errorf("at %s %d of %d lines are written", least, got, len(levels))
		}
	}
}
