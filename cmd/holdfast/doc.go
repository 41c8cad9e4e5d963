// Command holdfast is an MQTT broker that never forgets an acknowledged message.
//
//	holdfast serve          run the broker until SIGINT or SIGTERM
//	holdfast check-config   say whether a configuration is good, and print what is in force
//	holdfast version        print the version
//
// An error is one line on standard error that starts with "holdfast:", and exit status 1; only a configuration
// with several problems takes a line for each. A command line that makes no sense exits with 2.
//
// The goroutines of this package: one for each listener, which ends when the listener closes, and one for each
// connection, which ends when the broker is done with it. serve waits for all of them before it closes the store.
//
//   - main.go: chooses the verb, prints its error, picks the exit status
//   - configflags.go: the flags that choose a configuration, common to serve and check-config
//   - serve.go: the verb serve: configuration, log, signals
//   - assembly.go: starts the parts of the broker in order, and stops them in reverse
//   - parts.go: the store and the broker, as the assembly uses them
//   - store.go: the store as configured, and what its start found
//   - options.go: what the engine is told of the configuration
//   - datadir.go: checks the data directory before anything is opened in it
//   - platform_unix.go, platform_other.go: signals and permissions, which differ between systems
//   - checkconfig.go, version.go: the other verbs
//   - log.go: the log that the broker writes
package main
