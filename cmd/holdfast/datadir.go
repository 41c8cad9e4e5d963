package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// identFile marks a data directory as the broker's own.
const identFile = "IDENT"

// ownNames is what may stand in a data directory that the broker had only begun to fill when it was interrupted,
// and what mkfs leaves in one that is a file system of its own.
func ownNames() []string {
	return []string{identFile, "LOCK", "RESERVE", "meta", "log", "lost+found"}
}

// prepareDataDir makes sure that the store can be opened in a directory: it exists, the broker may write to it, and
// it holds nothing of somebody else's.
func prepareDataDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return dataDirError(dir, err)
	}
	if err := checkAccess(dir); err != nil {
		return dataDirError(dir, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return dataDirError(dir, err)
	}
	return dataDirError(dir, checkForeign(entries))
}

// checkForeign refuses a directory that has files and is not the broker's: --data-dir /etc is a typing error.
func checkForeign(entries []os.DirEntry) error {
	for _, entry := range entries {
		if entry.Name() == identFile {
			return nil
		}
	}
	for _, entry := range entries {
		// A file that is written aside and renamed has a suffix until then.
		name := strings.TrimSuffix(entry.Name(), ".tmp")
		if !slices.Contains(ownNames(), name) {
			return fmt.Errorf("holds %q and is no data directory of holdfast: choose an empty one", entry.Name())
		}
	}
	return nil
}

// dataDirError names the directory once. It returns nil for nil.
func dataDirError(dir string, err error) error {
	if err == nil {
		return nil
	}
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		if pathError.Path != dir {
			return fmt.Errorf("data directory %s: %s: %w", dir, pathError.Path, pathError.Err)
		}
		err = pathError.Err
	}
	return fmt.Errorf("data directory %s: %w", dir, err)
}
