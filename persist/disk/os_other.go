//go:build !linux

package disk

import "os"

// dataSync is a full sync where there is no portable fdatasync. On darwin Go's Sync uses F_FULLFSYNC.
func dataSync(f *os.File) error { return f.Sync() }

// allocate does nothing: there is no portable way to reserve.
func allocate(*os.File, int64, int64) error { return nil }

// readAsAsked does nothing: there is no portable way to say so.
func readAsAsked(*os.File) {}
