package config

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// YAML returns the configuration as a file that loads as the same configuration.
func (c Config) YAML() string {
	var out strings.Builder
	section := ""
	for _, s := range settings() {
		name, indent := s.key, ""
		if before, after, nested := strings.Cut(s.key, "."); nested {
			if before != section {
				if section == "" {
					c.writeListeners(&out)
				}
				section = before
				fmt.Fprintf(&out, "%s:\n", section)
			}
			name, indent = after, "  "
		}
		fmt.Fprintf(&out, "%s%s: %s\n", indent, name, yamlText(s.text(&c)))
	}
	return out.String()
}

// writeListeners writes the list, between the keys without a section and the first section.
func (c Config) writeListeners(out *strings.Builder) {
	fmt.Fprintf(out, "%s:\n", listenersKey)
	for _, listener := range c.Listeners {
		fmt.Fprintf(out, "  - address: %s\n", yamlText(listener.Address))
		if listener.AllowAnonymous != nil {
			fmt.Fprintf(out, "    allow_anonymous: %t\n", *listener.AllowAnonymous)
		}
	}
}

// yamlText returns a value as it must stand in a file: quoted only where YAML would read something else.
func yamlText(text string) string {
	// A number may stand as it is: settings are read as text. What has a comment or an anchor has another value.
	var node yaml.Node
	if yaml.Unmarshal([]byte(text), &node) == nil && len(node.Content) == 1 {
		if plain := node.Content[0]; plain.Kind == yaml.ScalarNode && plain.Value == text && !isNull(plain) {
			return text
		}
	}
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}
