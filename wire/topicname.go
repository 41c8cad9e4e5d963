package wire

import (
	"bytes"
	"strings"
)

// sharePrefix starts the filter of a shared subscription. [MQTT-4.8.2-1]
const sharePrefix = "$share/"

// CheckTopicName verifies that b can name a topic: not empty, no wildcard, a proper string. [MQTT-4.7.3-1] [MQTT-4.7.1-1] [MQTT-4.7.3-2]
// It returns nil or a *ProtocolError with code TopicNameInvalid.
func CheckTopicName(b []byte) error {
	detail := ""
	switch {
	case len(b) == 0:
		detail = "empty topic name"
	case len(b) > maxString:
		detail = "topic name is too long"
	case hasWildcard(b):
		detail = "wildcard in topic name"
	case !validText(b):
		detail = "topic name is not valid UTF-8 without U+0000"
	default:
		return nil
	}
	return &ProtocolError{Code: TopicNameInvalid, Detail: detail}
}

// CheckTopicFilter verifies that s can filter topics: not empty, a proper string, each wildcard alone in its level and # only in the last
// [MQTT-4.7.1-1] [MQTT-4.7.1-2]. A shared subscription has the form $share/group/filter, the group not empty and without + and #
// [MQTT-4.8.2-1] [MQTT-4.8.2-2]. It returns nil or a *ProtocolError with code TopicFilterInvalid.
func CheckTopicFilter(s string) error {
	if detail := filterFault(s); detail != "" {
		return &ProtocolError{Code: TopicFilterInvalid, Detail: detail}
	}
	return nil
}

// filterFault returns what is wrong with a topic filter, or "".
func filterFault(s string) string {
	if len(s) > maxString {
		return "topic filter is too long"
	}
	if !validTextString(s) {
		return "topic filter is not valid UTF-8 without U+0000"
	}
	if group, rest, shared := SplitShared(s); shared {
		if group == "" || strings.ContainsAny(group, "+#") {
			return "share name is empty or has a wildcard"
		}
		s = rest
	}
	if s == "" {
		return "empty topic filter"
	}
	for level := range strings.SplitSeq(s, "/") {
		if len(level) > 1 && strings.ContainsAny(level, "+#") {
			return "a wildcard shares its level"
		}
	}
	if i := strings.IndexByte(s, '#'); i >= 0 && i != len(s)-1 {
		return "# is not in the last level"
	}
	return ""
}

// SplitShared takes apart $share/group/rest. shared says only that the filter begins like one; CheckTopicFilter tells whether
// it is a proper one. For any other filter, rest is the filter itself.
func SplitShared(filter string) (group, rest string, shared bool) {
	after, shared := strings.CutPrefix(filter, sharePrefix)
	if !shared {
		return "", filter, false
	}
	group, rest, _ = strings.Cut(after, "/")
	return group, rest, true
}

// hasWildcard reports whether + or # occurs in b.
func hasWildcard(b []byte) bool {
	return bytes.IndexByte(b, '#') >= 0 || bytes.IndexByte(b, '+') >= 0
}

// filter reads a topic filter.
func (c *cursor) filter() string {
	s := string(c.text("topic filter"))
	if c.err != nil {
		return ""
	}
	if detail := filterFault(s); detail != "" {
		c.fail(TopicFilterInvalid, detail)
	}
	return s
}

// topicText reads a topic name that may be empty. One pass settles the common case, plain ASCII.
func (c *cursor) topicText() []byte {
	b := c.binary("topic name")
	for _, ch := range b {
		if ch == 0 || ch == '+' || ch == '#' || ch >= 0x80 {
			c.checkTopicText(b)
			break
		}
	}
	return b
}

// checkTopicText refuses what may not be in a topic name: first what no string may hold, then wildcards. [MQTT-3.3.2-2]
func (c *cursor) checkTopicText(b []byte) {
	switch {
	case !validText(b):
		c.fail(MalformedPacket, "topic name is not valid UTF-8 without U+0000")
	case hasWildcard(b):
		c.fail(TopicNameInvalid, "wildcard in topic name")
	}
}

// checkTopic refuses a string that is no topic name.
func (c *cursor) checkTopic(b []byte) {
	if len(b) == 0 { // [MQTT-4.7.3-1]
		c.fail(TopicNameInvalid, "empty topic name")
	}
	c.checkTopicText(b)
}
