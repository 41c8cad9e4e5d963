package config

import "time"

// listenersKey is the one key that is a list; it is no entry of the table of settings.
const listenersKey = "listeners"

// setting is one entry of the table: a key, and how its field is read and written.
type setting struct {
	key     string
	allowed string
	set     func(c *Config, text string) error
	text    func(c *Config) string
}

// bind makes the setting that keeps a value of some kind in a field.
func bind[T any](key string, k kind[T], field func(*Config) *T) setting {
	return setting{
		key:     key,
		allowed: k.allowed,
		set: func(c *Config, text string) error {
			value, err := k.parse(text)
			if err == nil {
				*field(c) = value
			}
			return err
		},
		text: func(c *Config) string { return k.format(*field(c)) },
	}
}

// settings returns the table, in the order in which a file lists it.
func settings() []setting {
	table := []setting{
		bind("data_dir", directory(), func(c *Config) *string { return &c.DataDir }),
	}
	table = append(table, mqttSettings()...)
	table = append(table, storeSettings()...)
	return append(table, logSettings()...)
}

func mqttSettings() []setting {
	// Bounds that the protocol sets: the largest packet is 4 bytes longer than 256 MiB; Receive Maximum, Topic Alias
	// Maximum and Keep Alive are 16 bits wide, Session Expiry Interval is 32 bits wide, in seconds.
	const maxKeepAlive, maxExpiry, maxUint16 = 65535 * time.Second, 49710 * day, 65535
	return []setting{
		bind("mqtt.max_packet_size", sizeBetween(1*kib, 256*mib),
			func(c *Config) *int { return &c.MQTT.MaxPacketSize }),
		bind("mqtt.max_connect_packet_size", sizeBetween(1*kib, 256*mib),
			func(c *Config) *int { return &c.MQTT.MaxConnectPacketSize }),
		bind("mqtt.connect_timeout", durationBetween(100*time.Millisecond, 5*time.Minute),
			func(c *Config) *time.Duration { return &c.MQTT.ConnectTimeout }),
		bind("mqtt.max_keep_alive", secondsBetween(0, maxKeepAlive),
			func(c *Config) *time.Duration { return &c.MQTT.MaxKeepAlive }),
		bind("mqtt.max_session_expiry", secondsBetween(time.Second, maxExpiry),
			func(c *Config) *time.Duration { return &c.MQTT.MaxSessionExpiry }),
		bind("mqtt.receive_maximum", countBetween(1, maxUint16),
			func(c *Config) *int { return &c.MQTT.ReceiveMaximum }),
		bind("mqtt.max_inflight", countBetween(1, maxUint16),
			func(c *Config) *int { return &c.MQTT.MaxInflight }),
		bind("mqtt.topic_alias_maximum", countBetween(0, maxUint16),
			func(c *Config) *int { return &c.MQTT.TopicAliasMaximum }),
		bind("mqtt.max_topic_levels", countBetween(1, 1024),
			func(c *Config) *int { return &c.MQTT.MaxTopicLevels }),
		bind("mqtt.max_subscriptions_per_session", countOrUnlimited(10_000_000),
			func(c *Config) *int { return &c.MQTT.MaxSubscriptionsPerSession }),
		bind("mqtt.max_qos0_pending", sizeBetween(4*kib, 1*gib),
			func(c *Config) *int { return &c.MQTT.MaxQoS0Pending }),
		bind("mqtt.max_qos0_pending_total", sizeBetween(1*mib, 64*gib),
			func(c *Config) *int { return &c.MQTT.MaxQoS0PendingTotal }),
		bind("mqtt.will_grace", durationBetween(0, time.Hour),
			func(c *Config) *time.Duration { return &c.MQTT.WillGrace }),
	}
}

func storeSettings() []setting {
	return []setting{
		bind("store.sync", syncChoice(time.Millisecond, time.Minute),
			func(c *Config) *Sync { return &c.Store.Sync }),
		bind("store.segment_size", sizeBetween(1*mib, 1*gib),
			func(c *Config) *int { return &c.Store.SegmentSize }),
		bind("store.checkpoint_interval", durationBetween(100*time.Millisecond, 10*time.Minute),
			func(c *Config) *time.Duration { return &c.Store.CheckpointInterval }),
		bind("store.checkpoint_bytes", sizeBetween(64*kib, 1*gib),
			func(c *Config) *int { return &c.Store.CheckpointBytes }),
		bind("store.on_damage", oneOf(DamageServe, DamageRefuse),
			func(c *Config) *DamagePolicy { return &c.Store.OnDamage }),
	}
}

func logSettings() []setting {
	return []setting{
		bind("log.level", oneOf(LogTrace, LogDebug, LogInfo, LogWarn, LogError),
			func(c *Config) *LogLevel { return &c.Log.Level }),
		bind("log.format", oneOf(LogAuto, LogConsole, LogJSON),
			func(c *Config) *LogFormat { return &c.Log.Format }),
	}
}
