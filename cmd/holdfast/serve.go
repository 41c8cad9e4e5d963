package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/holdfast-mqtt/holdfast/config"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
)

// serveCommand runs the broker.
func serveCommand(p process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the broker until SIGINT or SIGTERM",
		Args:  noArguments,
	}
	flags := addConfigFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := flags.load(cmd, p.environ)
		if err != nil {
			return err
		}
		// Room for each signal: one that arrives during the start is not lost.
		signals := make(chan os.Signal, 4)
		signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
		for harmless := range harmlessSignals() {
			signal.Notify(signals, harmless)
		}
		defer signal.Stop(signals)
		return serve(cfg, p, signals)
	}
	return cmd
}

// serve starts the broker, waits until it is told to stop, and stops it.
func serve(cfg config.Config, p process, signals <-chan os.Signal) error {
	log := newLog(p.stderr, cfg.Log, p.terminal)
	dir, err := filepath.Abs(cfg.DataDir)
	if err != nil {
		return err
	}
	cfg.DataDir = dir
	a := &assembly{cfg: cfg, log: log, parts: p.parts}
	if err := a.start(); err != nil {
		return err
	}
	reason, failed := wait(signals, a)
	log.Info().Str("reason", reason).Msg("stopping")
	// From here on a second signal ends the process at once: a start copes with that as with any crash.
	signal.Reset(os.Interrupt, syscall.SIGTERM)
	cause := a.store.Err()
	err = a.stop()
	if failed {
		// Nothing was acknowledged since. What was is in the log, where a start finds it.
		return fmt.Errorf("the store has failed, and a restart is needed: %w", errors.Join(cause, err))
	}
	if err != nil {
		return err
	}
	log.Info().Msg("stopped")
	return nil
}

// wait returns when the broker is to stop: why, and whether that is a failure.
func wait(signals <-chan os.Signal, a *assembly) (reason string, failed bool) {
	harmless := harmlessSignals()
	for {
		select {
		case <-a.broker.Failed():
			return "the store has failed", true
		case s := <-signals:
			answer, ok := harmless[s]
			if !ok {
				return s.String(), false
			}
			a.log.Info().Msg(answer)
		}
	}
}

// warnOfRisks says what a configuration gives up.
func warnOfRisks(cfg config.Config, log zerolog.Logger) {
	switch cfg.Store.Sync.Mode {
	case config.SyncEvery:
		log.Warn().Stringer("interval", cfg.Store.Sync).
			Msg("store.sync is an interval: a power cut loses what was acknowledged since the last one")
	case config.SyncNever:
		log.Warn().Msg("store.sync is never: a power cut loses acknowledged messages that the system had not written")
	case config.SyncAlways:
	}
}
