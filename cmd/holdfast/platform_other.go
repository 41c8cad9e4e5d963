//go:build !unix

package main

import "os"

// harmlessSignals is empty: this system has none beside those that end a process.
func harmlessSignals() map[os.Signal]string { return nil }

// checkAccess leaves it to the store to find out: this system has no cheap way to ask.
func checkAccess(string) error { return nil }
