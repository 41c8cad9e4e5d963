package main

import (
	"math"

	"github.com/holdfast-mqtt/holdfast/config"
	"github.com/holdfast-mqtt/holdfast/engine"
	"github.com/rs/zerolog"
)

// brokerOptions returns what the engine is told of the configuration. A zero option means the engine's own default,
// so a zero that the operator chose needs another way to say it.
func brokerOptions(cfg config.MQTT, log *zerolog.Logger) engine.Options {
	opts := engine.Options{
		MaxPacketSize:        cfg.MaxPacketSize,
		MaxConnectPacketSize: cfg.MaxConnectPacketSize,
		ConnectTimeout:       cfg.ConnectTimeout,
		MaxKeepAlive:         cfg.MaxKeepAlive,
		MaxSessionExpiry:     cfg.MaxSessionExpiry,
		ReceiveMaximum:       uint16(cfg.ReceiveMaximum),
		MaxInflight:          uint16(cfg.MaxInflight),
		TopicAliasMaximum:    uint16(cfg.TopicAliasMaximum),
		NoTopicAliases:       cfg.TopicAliasMaximum == 0,
		MaxTopicLevels:       cfg.MaxTopicLevels,
		MaxSubscriptions:     cfg.MaxSubscriptionsPerSession,
		MaxPending:           cfg.MaxQoS0Pending,
		MaxPendingTotal:      cfg.MaxQoS0PendingTotal,
		WillGrace:            cfg.WillGrace,
		Log:                  log,
	}
	if cfg.MaxSubscriptionsPerSession == 0 {
		opts.MaxSubscriptions = math.MaxInt
	}
	if cfg.WillGrace == 0 {
		opts.WillGrace = 1 // the shortest there is
	}
	return opts
}
