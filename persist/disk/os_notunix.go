//go:build !linux && !darwin && !freebsd

package disk

import "math"

// syncDir does nothing: directories cannot be synced here.
func syncDir(string) error { return nil }

// freeSpace is not known here; a full disk shows by a failing write.
func freeSpace(string) (uint64, error) { return math.MaxInt64, nil }
