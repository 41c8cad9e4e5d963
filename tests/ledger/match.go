package ledger

import "strings"

// Matches tells whether a topic filter matches a topic name. It is written apart from the broker's, level by level as
// the specification words it, so that the two can disagree. Shared subscriptions are matched by their inner filter.
func Matches(filter, topic string) bool {
	if rest, shared := strings.CutPrefix(filter, "$share/"); shared {
		_, filter, _ = strings.Cut(rest, "/")
	}
	// Wildcards at the first level do not match topics of the server. [MQTT-4.7.2-1]
	if strings.HasPrefix(topic, "$") && !strings.HasPrefix(filter, "$") {
		return false
	}
	want, have := strings.Split(filter, "/"), strings.Split(topic, "/")
	for i, level := range want {
		if level == "#" {
			return true // also for the parent level [MQTT-4.7.1-2]
		}
		if i >= len(have) || level != "+" && level != have[i] {
			return false
		}
	}
	return len(want) == len(have)
}
