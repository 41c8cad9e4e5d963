package main

import (
	"io"
	"os"
	"time"

	"github.com/holdfast-mqtt/holdfast/config"
	"github.com/rs/zerolog"
)

// newLog returns the broker's log. What a client chose (its id, a topic, a reason) is given to it with Str, which
// quotes it in both formats, and never in the message itself: a client cannot write lines of its own.
func newLog(w io.Writer, cfg config.Log, terminal bool) zerolog.Logger {
	if cfg.Format == config.LogConsole || cfg.Format == config.LogAuto && terminal {
		w = zerolog.ConsoleWriter{Out: w, NoColor: !terminal, TimeFormat: "2006-01-02 15:04:05.000"}
	}
	return zerolog.New(w).Level(level(cfg.Level)).Hook(zerolog.HookFunc(timestamp))
}

// timestamp adds the time to a line. zerolog's own cuts it to seconds unless a global is changed.
func timestamp(e *zerolog.Event, _ zerolog.Level, _ string) {
	e.Str(zerolog.TimestampFieldName, time.Now().Format("2006-01-02T15:04:05.000Z07:00"))
}

func level(l config.LogLevel) zerolog.Level {
	switch l {
	case config.LogTrace:
		return zerolog.TraceLevel
	case config.LogDebug:
		return zerolog.DebugLevel
	case config.LogWarn:
		return zerolog.WarnLevel
	case config.LogError:
		return zerolog.ErrorLevel
	default:
		return zerolog.InfoLevel
	}
}

// isTerminal reports whether a file is a screen (or another character device, where colours do no harm).
func isTerminal(file *os.File) bool {
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
