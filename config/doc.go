// Package config says how a broker is to run: one plain [Config], put together from the built-in defaults,
// a YAML file, the environment and the command line, each overriding the one before it.
//
// [Load] does that. Whatever is wrong, in any of the sources, comes back in one [Report] with a line for each
// problem: where it stands, what is wrong with it, what would be allowed. A key that does not exist is a
// problem too, and its line names the nearest one that does: a misspelt limit must not silently be no limit.
//
// The settings stand in one table (settings.go). A setting is read from text and written as text by the same
// entry of that table, so the file, the environment, the flags, the report and [Config.YAML] cannot disagree
// about how a size or a duration is spelt.
//
// The environment holds HOLDFAST_ and the key in capitals, with a double underscore for the dot:
// HOLDFAST_STORE__SYNC=200ms. HOLDFAST_LISTENERS is a list of addresses with commas between them. An empty
// variable counts as not set.
//
// The package has no goroutines and no state, and viper, which lays the sources over each other, does not
// show through it.
//
//   - config.go: Config and its sections, with unit and default of every field; Default
//   - listener.go: Listener, the syntax of its address, who may connect without a name
//   - sync.go: Sync, the choice of when an acknowledgement is on disk
//   - settings.go: the table of settings: key, what is allowed, reading and writing
//   - kinds.go: the kinds of value a setting can have, with their bounds
//   - duration.go, size.go: spelling of durations (14d, 1h30m) and sizes (64MiB)
//   - load.go: Load, the order of the sources, the decoding of what they hold together
//   - file.go: reads the YAML file and remembers where everything stood
//   - environ.go: reads the environment
//   - nearest.go: the known name nearest to a misspelt one
//   - report.go: Report and Problem
//   - render.go: Config.YAML, the settings in force as a file
//   - example.go, example.yaml: the commented example, equal to the defaults
package config
