package main

import (
	"fmt"

	"github.com/holdfast-mqtt/holdfast/config"
	"github.com/spf13/cobra"
)

// checkConfigCommand says whether a configuration is good.
func checkConfigCommand(p process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check-config",
		Short: "Say whether a configuration is good, and print what is in force",
		Long: "Reads file, environment and flags as serve does. Prints the settings in force as YAML, or everything\n" +
			"that is wrong, a line for each problem.",
		Args: noArguments,
	}
	flags := addConfigFlags(cmd)
	example := cmd.Flags().Bool("example", false, "print a commented file with every setting at its default instead")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *example {
			_, err := fmt.Fprint(cmd.OutOrStdout(), config.Example())
			return err
		}
		cfg, err := flags.load(cmd, p.environ)
		if err != nil {
			return err
		}
		// A comment, so that the output is itself a configuration.
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "# configuration is good\n%s", cfg.YAML())
		return err
	}
	return cmd
}
