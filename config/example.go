package config

import _ "embed"

//go:embed example.yaml
var example string

// Example returns a file with every setting at its default, and what it is for.
func Example() string { return example }
