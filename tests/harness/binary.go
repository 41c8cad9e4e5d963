package harness

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// binary builds the broker at the first call. It is a variable of the package because all tests of a process share
// one build, and nothing but the process ends its use.
var binary = sync.OnceValues(build)

// Binary returns the path of the broker's executable, built from this checkout: with the race detector when
// HOLDFAST_TEST_RACE=1 is set, or the file that HOLDFAST_TEST_BINARY names.
func Binary() (string, error) { return binary() }

// RemoveBinary deletes what Binary built. TestMain calls it last: there is no second build in a process.
func RemoveBinary() error {
	path, err := binary()
	if err != nil || os.Getenv("HOLDFAST_TEST_BINARY") != "" {
		return err
	}
	return os.RemoveAll(filepath.Dir(path))
}

// build compiles cmd/holdfast into a new temporary directory.
func build() (string, error) {
	if path := os.Getenv("HOLDFAST_TEST_BINARY"); path != "" {
		return filepath.Abs(path)
	}
	root, err := Root()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "holdfast-binary-")
	if err != nil {
		return "", fmt.Errorf("directory for the broker's binary: %w", err)
	}
	path := filepath.Join(dir, "holdfast")
	args := []string{"build", "-o", path}
	if os.Getenv("HOLDFAST_TEST_RACE") == "1" {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, "./cmd/holdfast")...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", errors.Join(fmt.Errorf("build the broker: %w\n%s", err, out), os.RemoveAll(dir))
	}
	return path, nil
}

// Root returns the module's directory: the nearest one above the working directory with a go.mod.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("find the module: no go.mod above the working directory")
		}
		dir = parent
	}
}
