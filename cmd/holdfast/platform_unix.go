//go:build unix

package main

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// harmlessSignals is the signals that would kill the process if nobody took them, and what they are answered with.
func harmlessSignals() map[os.Signal]string {
	return map[os.Signal]string{
		// Scripts send it to reload.
		syscall.SIGHUP: "SIGHUP: reload is not supported: restart to apply a changed configuration",
		// Scripts send it to save. Nothing that was acknowledged waits to be saved.
		syscall.SIGUSR1: "SIGUSR1: nothing to do: the broker saves by itself",
	}
}

// checkAccess asks whether files may be made in a directory. It writes nothing: the disk may be full, and that must
// not keep the broker from starting.
func checkAccess(dir string) error {
	if err := unix.Access(dir, unix.R_OK|unix.W_OK|unix.X_OK); err != nil {
		return fmt.Errorf("not writable: %w", err)
	}
	return nil
}
