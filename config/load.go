package config

import (
	"fmt"
	"sort"
	"strings"

	"github.com/spf13/viper"
)

// LoadOptions names the sources of a configuration; each overrides the one before.
type LoadOptions struct {
	// File is the path of a YAML file, or empty for none.
	File string
	// Environ is the environment as os.Environ returns it.
	Environ []string
	// Flags holds the flags that were given: setting (log.level) to text. The report calls it --log-level.
	Flags map[string]string
	// Listen holds the addresses given with --listen. They replace the listeners of the other sources.
	Listen []string
}

// Load puts a configuration together from its sources. The error is a [*Report] unless the file cannot be
// read at all.
func Load(opts LoadOptions) (Config, error) {
	l := newLoader()
	if opts.File != "" {
		if err := l.readFile(opts.File); err != nil {
			return Config{}, err
		}
	}
	l.readEnviron(opts.Environ)
	l.readFlags(opts)
	cfg := l.decode()
	if len(l.report.Problems) > 0 {
		return Config{}, &l.report
	}
	// One limit inside the other: lowering the outer one alone must not be an error.
	cfg.MQTT.MaxConnectPacketSize = min(cfg.MQTT.MaxConnectPacketSize, cfg.MQTT.MaxPacketSize)
	return cfg, nil
}

// located is the text of one value and the place where it was written. It is what lies in viper's layers, so
// that a value takes its place along when it overrides another.
type located struct {
	where, text string
}

// listenerText is a listener before it is checked.
type listenerText struct {
	where     string
	address   *located
	anonymous *located
}

// loader collects the sources in viper's layers, and everything that is wrong in a report.
type loader struct {
	layers   *viper.Viper
	document *document
	settings []setting
	report   Report
}

// newLoader returns a loader that holds the defaults.
func newLoader() *loader {
	l := &loader{settings: settings()}
	l.document = &document{keys: newKeySet(l.settings), report: &l.report}
	l.layers = viper.NewWithOptions(viper.WithDecoderRegistry(l.document))
	defaults := Default()
	for _, s := range l.settings {
		l.layers.SetDefault(s.key, located{where: "default", text: s.text(&defaults)})
	}
	var listeners []listenerText
	for _, listener := range defaults.Listeners {
		listeners = append(listeners, listenerText{address: &located{where: "default", text: listener.Address}})
	}
	l.layers.SetDefault(listenersKey, listeners)
	return l
}

// override puts one value over whatever the sources before said.
func (l *loader) override(key, where, text string) {
	l.layers.Set(key, located{where: where, text: text})
}

// overrideListeners replaces the listeners of the sources before.
func (l *loader) overrideListeners(where string, addresses []string) {
	listeners := make([]listenerText, 0, len(addresses))
	for _, address := range addresses {
		at := &located{where: where, text: strings.TrimSpace(address)}
		listeners = append(listeners, listenerText{where: where, address: at})
	}
	l.layers.Set(listenersKey, listeners)
}

// readFlags takes what was given on the command line.
func (l *loader) readFlags(opts LoadOptions) {
	keys := make([]string, 0, len(opts.Flags))
	for key := range opts.Flags {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	for _, key := range keys {
		l.override(key, "--"+strings.NewReplacer(".", "-", "_", "-").Replace(key), opts.Flags[key])
	}
	if len(opts.Listen) > 0 {
		l.overrideListeners("--listen", opts.Listen)
	}
}

// decode checks what the layers hold together.
func (l *loader) decode() Config {
	cfg := Default()
	for _, s := range l.settings {
		value, ok := l.layers.Get(s.key).(located)
		if !ok {
			panic(fmt.Sprintf("configuration layers hold %T for %s", l.layers.Get(s.key), s.key))
		}
		if err := s.set(&cfg, value.text); err != nil {
			l.report.add(value.where, err.Error(), s.allowed)
		}
	}
	cfg.Listeners = l.decodeListeners()
	return cfg
}

// decodeListeners checks the listeners, each by itself and all together.
func (l *loader) decodeListeners() []Listener {
	texts, ok := l.layers.Get(listenersKey).([]listenerText)
	if !ok {
		panic(fmt.Sprintf("configuration layers hold %T for listeners", l.layers.Get(listenersKey)))
	}
	if len(texts) > maxListeners {
		l.report.add(texts[maxListeners].where, "too many listeners", fmt.Sprintf("at most %d", maxListeners))
		return nil
	}
	var listeners []Listener
	seen := make(map[string]bool)
	for _, text := range texts {
		listener := Listener{}
		if text.anonymous != nil {
			allow, err := parseBool(text.anonymous.text)
			if err != nil {
				l.report.add(text.anonymous.where, err.Error(), allowedAnonymous)
			}
			listener.AllowAnonymous = &allow
		}
		if text.address == nil {
			continue // reported where it was read
		}
		listener.Address = text.address.text
		if err := checkAddress(listener.Address); err != nil {
			l.report.add(text.address.where, err.Error(), allowedAddress)
			continue
		}
		// Port 0 is another port each time.
		if seen[listener.Address] && !strings.HasSuffix(listener.Address, ":0") {
			l.report.add(text.address.where, quote(listener.Address)+" is listed twice", "each address once")
		}
		seen[listener.Address] = true
		listeners = append(listeners, listener)
	}
	return listeners
}

// parseBool reads true or false, as YAML spells them.
func parseBool(text string) (bool, error) {
	switch text {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("%s is neither true nor false", quote(text))
}
