package main

import (
	"time"

	"github.com/holdfast-mqtt/holdfast/config"
	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/persist/store"
	"github.com/rs/zerolog"
)

// openStore opens the data directory and says how its start went.
func openStore(dir string, cfg config.Store, log zerolog.Logger) (persist.Store, error) {
	opts := store.Options{
		Sync:               syncOption(cfg.Sync),
		SegmentSize:        int64(cfg.SegmentSize),
		CheckpointInterval: cfg.CheckpointInterval,
		CheckpointBytes:    int64(cfg.CheckpointBytes),
		Log:                storeLog(log),
	}
	if cfg.OnDamage == config.DamageRefuse {
		opts.OnDamage = store.Refuse
	}
	s, err := store.Open(dir, opts)
	if err != nil {
		return nil, err
	}
	logRecovery(s.Stats().Recovery, log)
	return s, nil
}

// syncOption returns the store's word for when the broker waits for the disk.
func syncOption(s config.Sync) store.Sync {
	switch s.Mode {
	case config.SyncEvery:
		return store.Sync(s.Interval)
	case config.SyncNever:
		return store.SyncNever
	default:
		return store.SyncAlways
	}
}

// logRecovery tells the operator what the start found, and every damage by name.
func logRecovery(r persist.Recovery, log zerolog.Logger) {
	for _, damage := range r.Damage {
		log.Error().Str("damage", damage).Msg("stored data is damaged; everything else is served")
	}
	if r.TornBytes > 0 {
		log.Info().Int64("bytes", r.TornBytes).Msg("cut what a crash left half-written off the log: none of it was acknowledged")
	}
	log.Info().Int("sessions", r.Sessions).Int("messages", r.Queued).Int("retained", r.Retained).
		Uint64("position", uint64(r.Position)).Uint64("checkpoint", uint64(r.Checkpoint)).Int("replayed", r.Replayed).
		Stringer("took", r.Duration.Round(10*time.Microsecond)).Str("sync", r.SyncMode).Msg("store is open")
}

// storeLog writes the store's lines to the log.
func storeLog(log zerolog.Logger) func(level, msg string) {
	return func(level, msg string) {
		l, err := zerolog.ParseLevel(level)
		if level == "warning" {
			l, err = zerolog.WarnLevel, nil
		}
		if err != nil {
			l = zerolog.InfoLevel
		}
		log.WithLevel(l).Str("part", "store").Msg(msg)
	}
}
