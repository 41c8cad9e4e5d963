package config

import "time"

// SyncMode is when the broker waits for the disk.
type SyncMode int

const (
	// SyncAlways waits before every acknowledgement, one wait for all who are waiting.
	SyncAlways SyncMode = iota
	// SyncEvery waits on a timer: a power cut loses up to one interval of acknowledged messages.
	SyncEvery
	// SyncNever leaves it to the operating system: a power cut loses what that had not written yet.
	SyncNever
)

// Sync is the choice of when an acknowledged message is on disk. The zero value is the safe one.
type Sync struct {
	Mode     SyncMode
	Interval time.Duration // with SyncEvery; 0 otherwise
}

// String returns the choice as it is written in a configuration file.
func (s Sync) String() string {
	switch s.Mode {
	case SyncAlways:
		return "always"
	case SyncNever:
		return "never"
	default:
		return formatDuration(s.Interval)
	}
}

// syncChoice is the kind of store.sync.
func syncChoice(least, most time.Duration) kind[Sync] {
	interval := durationBetween(least, most)
	return kind[Sync]{
		allowed: "always, never, or an interval " + interval.allowed,
		parse: func(text string) (Sync, error) {
			switch text {
			case "always":
				return Sync{Mode: SyncAlways}, nil
			case "never":
				return Sync{Mode: SyncNever}, nil
			}
			d, err := interval.parse(text)
			if err != nil {
				return Sync{}, err
			}
			return Sync{Mode: SyncEvery, Interval: d}, nil
		},
		format: Sync.String,
	}
}
