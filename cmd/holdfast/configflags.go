package main

import (
	"errors"

	"github.com/holdfast-mqtt/holdfast/config"
	"github.com/spf13/cobra"
)

// configFlags is the flags that choose a configuration.
type configFlags struct {
	file   string
	listen []string
}

// overrides maps the flags that set one setting to the setting.
func overrides() map[string]string {
	return map[string]string{"data-dir": "data_dir", "log-level": "log.level", "log-format": "log.format"}
}

// addConfigFlags defines the flags.
func addConfigFlags(cmd *cobra.Command) *configFlags {
	f := &configFlags{}
	flags := cmd.Flags()
	flags.StringVarP(&f.file, "config", "c", "", "read the configuration from this YAML `FILE`")
	flags.StringArrayVar(&f.listen, "listen", nil,
		"accept clients at this `ADDRESS`, tcp://HOST:PORT; may be repeated, and replaces the configured listeners")
	flags.String("data-dir", "", "keep messages and sessions in this `DIR`")
	flags.String("log-level", "", "least important `LEVEL` to log: trace, debug, info, warn, error")
	flags.String("log-format", "", "`FORMAT` of the log: auto, console, json")
	flags.SortFlags = false
	return f
}

// load returns the configuration in force. A flag that was given counts even if it is empty: --data-dir "$UNSET"
// must not run on another directory than was meant.
func (f *configFlags) load(cmd *cobra.Command, environ []string) (config.Config, error) {
	opts := config.LoadOptions{File: f.file, Environ: environ, Flags: make(map[string]string), Listen: f.listen}
	for flag, key := range overrides() {
		if given := cmd.Flags().Lookup(flag); given.Changed {
			opts.Flags[key] = given.Value.String()
		}
	}
	if cmd.Flags().Changed("config") && f.file == "" {
		return config.Config{}, usageError{errors.New("--config names no file")}
	}
	return config.Load(opts)
}
