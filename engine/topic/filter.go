package topic

import "strings"

// FilterMatches reports whether a valid topic filter matches a valid topic name,
// level by level as section 4.7 of the specification tells it.
func FilterMatches(filter, name string) bool {
	if hiddenFromWildcards(name) && startsWithWildcard(filter) {
		return false
	}
	for {
		want, filterRest, filterMore := strings.Cut(filter, "/")
		if want == "#" {
			return true
		}
		got, nameRest, nameMore := strings.Cut(name, "/")
		if want != "+" && want != got {
			return false
		}
		if !nameMore {
			// "a/#" also matches "a", the parent level (section 4.7.1.2).
			return !filterMore || filterRest == "#"
		}
		if !filterMore {
			return false
		}
		filter, name = filterRest, nameRest
	}
}

// hiddenFromWildcards reports whether a name or level belongs to the names that
// a filter reaches only by spelling out the first level. [MQTT-4.7.2-1]
func hiddenFromWildcards[S string | []byte](name S) bool {
	return len(name) > 0 && name[0] == '$'
}

// startsWithWildcard reports whether the first level of a valid filter is a
// wildcard; in a valid filter a wildcard is the whole of its level.
func startsWithWildcard(filter string) bool {
	return filter != "" && (filter[0] == '+' || filter[0] == '#')
}
