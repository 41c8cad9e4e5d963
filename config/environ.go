package config

import (
	"regexp"
	"slices"
	"strings"
)

// environPrefix starts the name of every variable that is ours.
const environPrefix = "HOLDFAST_"

// readEnviron lays the environment over the file.
func (l *loader) readEnviron(environ []string) {
	known := make(map[string]string)
	var names []string
	for _, s := range l.settings {
		name := environName(s.key)
		known[name] = s.key
		names = append(names, name)
	}
	listeners := environName(listenersKey)
	names = append(names, listeners)

	// Sorted, so that the same problems make the same report.
	environ = slices.Sorted(slices.Values(environ))
	for _, entry := range environ {
		name, text, _ := strings.Cut(entry, "=")
		key, ours := known[name]
		switch {
		case !strings.HasPrefix(name, environPrefix):
		case ours && text == "", name == listeners && text == "":
			// An empty variable is one that a service file or a compose file leaves unset.
		case ours:
			l.override(key, name, text)
		case name == listeners:
			l.overrideListeners(name, strings.Split(text, ","))
		case !fromOrchestrator(name):
			l.report.add(name, "unknown variable, the nearest is "+nearestName(name, names), "")
		}
	}
}

// environName returns the variable that sets a key: HOLDFAST_STORE__SYNC for store.sync.
func environName(key string) string {
	return environPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "__"))
}

// fromOrchestrator recognises the variables that Kubernetes puts into every container beside a service that is
// called holdfast or holdfast-something. They are no settings, and nobody wrote them.
func fromOrchestrator(name string) bool {
	if strings.Contains(name, "__") {
		return false
	}
	link := regexp.MustCompile(`^HOLDFAST_([A-Z0-9_]+_)?` +
		`(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)
	return link.MatchString(name)
}
