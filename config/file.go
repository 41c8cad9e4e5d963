package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"
)

// maxFileSize bounds what is read: a path that names a disk image by mistake must not fill the memory.
const maxFileSize = 1 * mib

// readFile lays the file over the defaults.
func (l *loader) readFile(path string) error {
	content, err := readBounded(path)
	if err != nil {
		return err
	}
	l.document.name = path
	l.layers.SetConfigType("yaml")
	if err := l.layers.ReadConfig(bytes.NewReader(content)); err != nil {
		return fmt.Errorf("configuration file %s: %w", path, err)
	}
	return nil
}

// readBounded reads a whole file. Its errors are one line that names the file once.
func readBounded(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fileError(path, err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxFileSize+1))
	if err != nil {
		return nil, fileError(path, err)
	}
	if len(content) > maxFileSize {
		return nil, fmt.Errorf("configuration file %s: larger than %s", path, formatSize(maxFileSize))
	}
	return content, nil
}

func fileError(path string, err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		err = pathError.Err
	}
	return fmt.Errorf("configuration file %s: %w", path, err)
}

// keySet is the names that a file may hold.
type keySet struct {
	settings map[string]setting
	sections map[string]bool
	names    []string // settings, sections and the list of listeners: what a misspelt key may have meant
}

func newKeySet(table []setting) keySet {
	keys := keySet{settings: make(map[string]setting), sections: make(map[string]bool)}
	for _, s := range table {
		keys.settings[s.key] = s
		keys.names = append(keys.names, s.key)
		if section, _, nested := strings.Cut(s.key, "."); nested && !keys.sections[section] {
			keys.sections[section] = true
			keys.names = append(keys.names, section)
		}
	}
	keys.names = append(keys.names, listenersKey)
	return keys
}

// document decodes a YAML file for viper, and keeps what viper's own decoder loses: the line of every value,
// and the text as it was written, where 0x10 and 1_000 have not become numbers yet.
type document struct {
	name   string
	keys   keySet
	report *Report
	seen   map[string]int // key to the line that had it first
}

// Decoder returns the document itself, whatever the format: there is only one.
func (d *document) Decoder(string) (viper.Decoder, error) { return d, nil }

// Decode fills viper's map. What is wrong goes to the report, not to viper, so that all of it is found.
func (d *document) Decode(content []byte, into map[string]any) error {
	d.seen = make(map[string]int)
	var root yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	if err := decoder.Decode(&root); errors.Is(err, io.EOF) {
		return nil // nothing but comments
	} else if err != nil {
		d.syntax(err)
		return nil
	}
	if top := root.Content[0]; !isNull(top) {
		d.mapping(top, "", into)
	}
	var second yaml.Node
	if err := decoder.Decode(&second); err == nil {
		d.report.add(d.at(&second, ""), "a second YAML document", "one document a file")
	} else if !errors.Is(err, io.EOF) {
		d.syntax(err)
	}
	return nil
}

// mapping reads the keys of the file itself or of one of its sections.
func (d *document) mapping(node *yaml.Node, section string, into map[string]any) {
	if node.Kind != yaml.MappingNode {
		d.report.add(d.at(node, section), "is not a list of keys and values", "key: value lines")
		return
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := node.Content[i], node.Content[i+1]
		key := name.Value
		if section != "" {
			key = section + "." + key
		}
		if d.repeated(name, key) {
			continue
		}
		where := d.at(name, key)
		switch s, known := d.keys.settings[key]; {
		case known:
			if text, ok := d.scalar(value, where, s.allowed); ok {
				put(into, key, located{where: where, text: text})
			}
		case key == listenersKey:
			if listeners, ok := d.listeners(value, where); ok {
				into[key] = listeners
			}
		case d.keys.sections[key]:
			if !isNull(value) { // a section whose keys are all commented out
				d.mapping(value, key, into)
			}
		default:
			d.report.add(where, "unknown key, the nearest is "+nearestKey(key, d.keys.names), "")
		}
	}
}

// listeners reads the list of listeners.
func (d *document) listeners(node *yaml.Node, where string) ([]listenerText, bool) {
	if node.Kind != yaml.SequenceNode || len(node.Content) == 0 {
		d.report.add(where, "is not a list of addresses", "at least one - address: "+allowedAddress)
		return nil, false
	}
	var listeners []listenerText
	for i, item := range node.Content {
		listeners = append(listeners, d.listener(item, fmt.Sprintf("%s[%d]", listenersKey, i)))
	}
	return listeners, true
}

// listener reads one item of the list.
func (d *document) listener(node *yaml.Node, name string) listenerText {
	listener := listenerText{where: d.at(node, name)}
	if node.Kind != yaml.MappingNode {
		d.report.add(listener.where, "is not a listener", "address: "+allowedAddress)
		return listener
	}
	hasAddress := false
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		path := name + "." + key.Value
		where := d.at(key, path)
		if d.repeated(key, path) {
			continue
		}
		switch key.Value {
		case "address":
			hasAddress = true
			if text, ok := d.scalar(value, where, allowedAddress); ok {
				listener.address = &located{where: where, text: text}
			}
		case "allow_anonymous":
			if text, ok := d.scalar(value, where, allowedAnonymous); ok {
				listener.anonymous = &located{where: where, text: text}
			}
		default:
			nearest := nearestName(key.Value, []string{"address", "allow_anonymous"})
			d.report.add(where, "unknown key, the nearest is "+nearest, "")
		}
	}
	if !hasAddress {
		d.report.add(listener.where, "has no address", "address: "+allowedAddress)
	}
	return listener
}

// scalar returns the text of a single value.
func (d *document) scalar(node *yaml.Node, where, allowed string) (string, bool) {
	switch {
	case node.Kind == yaml.AliasNode:
		d.report.add(where, "is a YAML alias", allowed)
	case node.Kind != yaml.ScalarNode:
		d.report.add(where, "is not a single value", allowed)
	case isNull(node):
		d.report.add(where, "has no value", allowed)
	default:
		return node.Value, true
	}
	return "", false
}

// repeated reports a key that the file has already: which of the two counts would be a guess.
func (d *document) repeated(node *yaml.Node, key string) bool {
	line, again := d.seen[key]
	if again {
		d.report.add(d.at(node, key), fmt.Sprintf("was set on line %d already", line), "each key once")
	} else {
		d.seen[key] = node.Line
	}
	return again
}

// syntax reports what the YAML parser could not read, with the line where it says one.
func (d *document) syntax(err error) {
	what := strings.TrimPrefix(err.Error(), "yaml: ")
	d.report.add(d.name, "not YAML: "+what, "")
}

// at names a place in the file.
func (d *document) at(node *yaml.Node, key string) string {
	where := fmt.Sprintf("%s:%d", d.name, node.Line)
	if key == "" {
		return where
	}
	return where + ": " + key
}

// isNull reports a value that is not there: nothing, ~ or null.
func isNull(node *yaml.Node) bool {
	return node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null"
}

// put stores a value under a key of at most two parts.
func put(into map[string]any, key string, value located) {
	section, name, nested := strings.Cut(key, ".")
	if !nested {
		into[key] = value
		return
	}
	inner, ok := into[section].(map[string]any)
	if !ok {
		inner = make(map[string]any)
		into[section] = inner
	}
	inner[name] = value
}
