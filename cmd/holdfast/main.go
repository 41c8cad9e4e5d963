package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/holdfast-mqtt/holdfast/config"
	"github.com/spf13/cobra"
)

// Exit statuses.
const (
	exitFailed = 1
	exitUsage  = 2
)

// process is what a command has of the process around it.
type process struct {
	args    []string // without the program's name
	environ []string
	stdout  io.Writer
	stderr  io.Writer
	// terminal is whether somebody reads stderr on a screen.
	terminal bool
	parts    parts
}

func main() {
	os.Exit(run(process{
		args:     os.Args[1:],
		environ:  os.Environ(),
		stdout:   os.Stdout,
		stderr:   os.Stderr,
		terminal: isTerminal(os.Stderr),
		parts:    builtIn(),
	}))
}

// usageError is a command line that makes no sense.
type usageError struct{ error }

// run carries out one command line and returns the exit status.
func run(p process) int {
	root := rootCommand(p)
	root.SetArgs(p.args)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	err := root.Execute()
	if err == nil {
		return 0
	}
	text := err.Error()
	var report *config.Report
	if !errors.As(err, &report) {
		text = strings.Join(strings.Fields(strings.ReplaceAll(text, "\n", "; ")), " ")
	}
	fmt.Fprintf(p.stderr, "holdfast: %s\n", text)
	if errors.As(err, new(usageError)) {
		return exitUsage
	}
	return exitFailed
}

// rootCommand returns the command that chooses a verb.
func rootCommand(p process) *cobra.Command {
	root := &cobra.Command{
		Use:           "holdfast",
		Short:         "MQTT broker that never forgets an acknowledged message",
		SilenceErrors: true, // run prints them, on one line
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{errors.New("which command? one of " + verbs(cmd) + " (see holdfast --help)")}
			}
			return usageError{fmt.Errorf("unknown command %q: one of %s (see holdfast --help)", args[0], verbs(cmd))}
		},
		RunE: func(*cobra.Command, []string) error { return nil }, // never reached: Args refuses
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w (see %s --help)", err, cmd.CommandPath())}
	})
	root.AddCommand(serveCommand(p), checkConfigCommand(p), versionCommand())
	return root
}

// verbs lists the commands.
func verbs(root *cobra.Command) string {
	var names []string
	for _, verb := range root.Commands() {
		if verb.Name() != "help" {
			names = append(names, verb.Name())
		}
	}
	return strings.Join(names, ", ")
}

// noArguments refuses what stands behind a verb that takes flags only.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("%s takes no arguments, but got %q (see %s --help)",
			cmd.Name(), args[0], cmd.CommandPath())}
	}
	return nil
}
