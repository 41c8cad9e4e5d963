package wire

import (
	"strings"
	"testing"
)

func TestTopicNames(t *testing.T) {
	for name, valid := range map[string]bool{
		"a": true, "/": true, "a/b": true, "//": true, "a b": true, "é/ü": true, "$SYS/x": true, "a\x01": true, "\uffff": true,
		"": false, "+": false, "#": false, "a/+/b": false, "a+": false, "a/#": false, "a\x00": false, "\xff": false,
		"\xc0\xaf": false, "\xed\xa0\x80": false,
		strings.Repeat("x", maxString): true, strings.Repeat("x", maxString+1): false,
	} {
		err := CheckTopicName([]byte(name))
		if valid && err != nil {
			t.Errorf("topic name %.20q: %v", name, err)
		}
		if !valid {
			wantCode(t, err, TopicNameInvalid)
		}
	}
}

func TestTopicFilters(t *testing.T) {
	for filter, valid := range map[string]bool{
		"a": true, "a/b": true, "/": true, "#": true, "+": true, "/#": true, "+/+": true, "a/+/b/#": true, "//+": true, "é/+": true,
		"": false, "a#": false, "#/a": false, "a/#/b": false, "a+": false, "+a": false, "a/b+/c": false, "##": false, "++": false,
		"#/": false, "+#": false, "a\x00": false, "\xff": false, "a/\xed\xbf\xbf": false,
		"$share/g/a": true, "$share/g/#": true, "$share/g/+/a": true, "$share/g//": true, "$share/g/$SYS/a": true, "$share/g h/a": true,
		"$share/": false, "$share//": false, "$share//a": false, "$share/g": false, "$share/g/": false, "$share/+/a": false,
		"$share/#": false, "$share/g#/a": false, "$share/g+x/a": false, "$share/g/a#": false, "$share/g/#/a": false,
		"$share": true, "$shared/+": true, "$SHARE//a": true, "a/$share//b": true,
		strings.Repeat("x", maxString): true, strings.Repeat("x", maxString+1): false,
	} {
		err := CheckTopicFilter(filter)
		if valid && err != nil {
			t.Errorf("topic filter %.20q: %v", filter, err)
		}
		if !valid {
			if err == nil {
				t.Errorf("topic filter %.20q is accepted", filter)
				continue
			}
			wantCode(t, err, TopicFilterInvalid)
		}
	}
}

func TestSplitShared(t *testing.T) {
	for _, c := range []struct {
		filter, group, rest string
		shared              bool
	}{
		{"a/b", "", "a/b", false},
		{"$share", "", "$share", false},
		{"$shared/g/a", "", "$shared/g/a", false},
		{"$share/g/a/b", "g", "a/b", true},
		{"$share/g//a", "g", "/a", true},
		{"$share/g/$share/h/a", "g", "$share/h/a", true},
		{"$share/g/", "g", "", true},
		{"$share/g", "g", "", true},
		{"$share//a", "", "a", true},
		{"$share/", "", "", true},
	} {
		group, rest, shared := SplitShared(c.filter)
		if group != c.group || rest != c.rest || shared != c.shared {
			t.Errorf("%q: got %q %q %v", c.filter, group, rest, shared)
		}
	}
}
