package config

import "time"

// Units of the sizes below.
const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30
)

// Config is everything an operator can choose. [Default] and [Load] return it complete: no field of theirs
// needs another default applied.
type Config struct {
	// DataDir is the directory that holds the broker's state; relative to the working directory. Default ./data.
	DataDir string
	// Listeners are the addresses that accept clients. Default: tcp://127.0.0.1:1883 alone.
	Listeners []Listener
	// MQTT is what the protocol allows to clients.
	MQTT MQTT
	// Store is how messages are kept.
	Store Store
	// Log is what the broker writes about itself.
	Log Log
}

// MQTT is the limits that clients meet.
type MQTT struct {
	// MaxPacketSize is the largest packet accepted, in bytes. Default 1 MiB.
	MaxPacketSize int
	// MaxConnectPacketSize is the largest first packet, in bytes; never more than MaxPacketSize. Default 64 KiB.
	MaxConnectPacketSize int
	// ConnectTimeout is how long a connection may take to become a client. Default 10s.
	ConnectTimeout time.Duration
	// MaxKeepAlive is the longest keep alive granted, in whole seconds; 0 grants what the client asks. Default 0.
	MaxKeepAlive time.Duration
	// MaxSessionExpiry is how long a session may outlive its connection, in whole seconds. Default 14 days.
	MaxSessionExpiry time.Duration
	// ReceiveMaximum is how many unacknowledged QoS 1 and 2 publishes a client may have open. Default 1000.
	ReceiveMaximum int
	// MaxInflight is how many unacknowledged messages one client is sent, even if it asks for more. Default 1000.
	MaxInflight int
	// TopicAliasMaximum is how many topic aliases a client may use, and bounds those used to it. Default 32.
	TopicAliasMaximum int
	// MaxTopicLevels is how many levels a topic name or filter may have. Default 128.
	MaxTopicLevels int
	// MaxSubscriptionsPerSession is how many subscriptions one session may hold; 0 is no limit. Default 10000.
	MaxSubscriptionsPerSession int
	// MaxQoS0Pending is how many bytes wait in memory for one slow reader before more are dropped. Default 8 MiB.
	MaxQoS0Pending int
	// MaxQoS0PendingTotal is the same for all clients together, in bytes. Default 256 MiB.
	MaxQoS0PendingTotal int
	// WillGrace is how long after a crash a client has to return before its will is sent. Default 5s.
	WillGrace time.Duration
}

// Store is how messages are kept.
type Store struct {
	// Sync is when an acknowledged message is on disk. Default always: before the acknowledgement.
	Sync Sync
	// SegmentSize is the size of one file of the message log, in bytes. Default 64 MiB.
	SegmentSize int
	// CheckpointInterval is the longest time between two checkpoints while messages arrive. Default 1s.
	CheckpointInterval time.Duration
	// CheckpointBytes is how much log brings a checkpoint forward, in bytes. Default 16 MiB.
	CheckpointBytes int
	// OnDamage is what to do when stored data fails its checksum at start. Default serve.
	OnDamage DamagePolicy
}

// DamagePolicy is what the broker does when stored data fails its checksum at start.
type DamagePolicy string

const (
	// DamageServe starts without the damaged records and names them.
	DamageServe DamagePolicy = "serve"
	// DamageRefuse does not start.
	DamageRefuse DamagePolicy = "refuse"
)

// Log is what the broker writes about itself, to standard error.
type Log struct {
	// Level is the least important kind of line that is written. Default info.
	Level LogLevel
	// Format is how a line looks. Default auto.
	Format LogFormat
}

// LogLevel is the importance of a log line.
type LogLevel string

// The levels, from the most to the least talkative.
const (
	LogTrace LogLevel = "trace"
	LogDebug LogLevel = "debug"
	LogInfo  LogLevel = "info"
	LogWarn  LogLevel = "warn"
	LogError LogLevel = "error"
)

// LogFormat is how a log line looks.
type LogFormat string

const (
	// LogAuto is console when standard error is a terminal, and json otherwise.
	LogAuto LogFormat = "auto"
	// LogConsole is a line for people.
	LogConsole LogFormat = "console"
	// LogJSON is one JSON object a line.
	LogJSON LogFormat = "json"
)

// Default returns the configuration of a broker that was told nothing: it serves this machine only.
func Default() Config {
	return Config{
		DataDir:   "./data",
		Listeners: []Listener{{Address: "tcp://127.0.0.1:1883"}},
		MQTT: MQTT{
			MaxPacketSize:              1 * mib,
			MaxConnectPacketSize:       64 * kib,
			ConnectTimeout:             10 * time.Second,
			MaxKeepAlive:               0,
			MaxSessionExpiry:           14 * day,
			ReceiveMaximum:             1000,
			MaxInflight:                1000,
			TopicAliasMaximum:          32,
			MaxTopicLevels:             128,
			MaxSubscriptionsPerSession: 10_000,
			MaxQoS0Pending:             8 * mib,
			MaxQoS0PendingTotal:        256 * mib,
			WillGrace:                  5 * time.Second,
		},
		Store: Store{
			Sync:               Sync{Mode: SyncAlways},
			SegmentSize:        64 * mib,
			CheckpointInterval: time.Second,
			CheckpointBytes:    16 * mib,
			OnDamage:           DamageServe,
		},
		Log: Log{Level: LogInfo, Format: LogAuto},
	}
}
