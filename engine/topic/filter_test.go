package topic

import "testing"

// matchCases are filters and names with the answer the specification gives: its
// own examples in section 4.7, and what lies at their edges.
func matchCases() []matchCase {
	return []matchCase{
		// 4.7.1.2, the multi-level wildcard.
		{"sport/tennis/player1/#", "sport/tennis/player1", true},
		{"sport/tennis/player1/#", "sport/tennis/player1/ranking", true},
		{"sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true},
		{"sport/tennis/player1/#", "sport/tennis", false},
		{"sport/tennis/player1/#", "sport/tennis/player12", false},
		{"sport/#", "sport", true},
		{"sport/#", "sport/", true},
		{"sport/#", "sports", false},
		{"#", "sport/tennis", true},
		{"#", "sport", true},
		{"#", "/", true},
		// 4.7.1.3, the single-level wildcard.
		{"sport/tennis/+", "sport/tennis/player1", true},
		{"sport/tennis/+", "sport/tennis/player2", true},
		{"sport/tennis/+", "sport/tennis/player1/ranking", false},
		{"sport/tennis/+", "sport/tennis", false},
		{"sport/+", "sport", false},
		{"sport/+", "sport/", true},
		{"+", "sport", true},
		{"+", "sport/tennis", false},
		{"+/tennis/#", "sport/tennis", true},
		{"+/tennis/#", "sport/tennis/player1", true},
		{"sport/+/player1", "sport/tennis/player1", true},
		{"sport/+/player1", "sport/player1", false},
		{"+/+", "/finance", true},
		{"/+", "/finance", true},
		{"+", "/finance", false},
		// 4.7.2, names that begin with $.
		{"#", "$SYS/monitor/Clients", false},
		{"+/monitor/Clients", "$SYS/monitor/Clients", false},
		{"$SYS/#", "$SYS/monitor/Clients", true},
		{"$SYS/#", "$SYS", true},
		{"$SYS/monitor/+", "$SYS/monitor/Clients", true},
		{"+/#", "$SYS", false},
		{"+", "$SYS", false},
		{"#", "$", false},
		{"$", "$", true},
		{"a/+", "a/$SYS", true}, // only the first level counts
		{"a/#", "a/$SYS/b", true},
		{"#", "a/$SYS", true},
		{"/#", "/$SYS", true},
		{"+/$SYS", "/$SYS", true},
		// 4.7.3, meaning: case, spaces, empty levels.
		{"ACCOUNTS", "Accounts", false},
		{"Accounts payable", "Accounts payable", true},
		{"/finance", "finance", false},
		{"finance", "/finance", false},
		{"finance/", "finance", false},
		{"finance", "finance/", false},
		{"a//b", "a//b", true},
		{"a//b", "a/b", false},
		{"a/+/b", "a//b", true},
		{"/", "/", true},
		{"/", "//", false},
		{"+/+/+", "//", true},
		{"+/+", "//", false},
		{"/+/#", "//", true},
		{"/+/#", "/", true},
		{"/+/#", "a", false},
		{"+/#", "/", true},
		{"+/+/#", "a", false},
		{"a/b", "a/b/c", false},
		{"a/b/c", "a/b", false},
		{"ä/+", "ä/ö", true},
	}
}

// matchCase is a filter, a name, and whether they match.
type matchCase struct {
	filter, name string
	want         bool
}

func TestFilterMatchesAsTheSpecificationSays(t *testing.T) {
	for _, c := range matchCases() {
		if got := FilterMatches(c.filter, c.name); got != c.want {
			t.Errorf("FilterMatches(%q, %q) = %v, want %v", c.filter, c.name, got, c.want)
		}
	}
}

func TestIndexMatchesAsTheSpecificationSays(t *testing.T) {
	for _, c := range matchCases() {
		x := NewIndex[int, string]()
		x.Add(c.filter, 1, "plain")
		x.AddShared("g", c.filter, 2, "shared")
		var m Matches[int, string]
		x.Match([]byte(c.name), &m)
		want := 0
		if c.want {
			want = 1
		}
		if len(m.Plain) != want || len(m.Shared) != want {
			t.Errorf("%q for name %q: %d plain and %d shared, want %d of each", c.filter, c.name, len(m.Plain), len(m.Shared), want)
		}
	}
}

func TestNamesMatchAsTheSpecificationSays(t *testing.T) {
	for _, c := range matchCases() {
		names := NewNames()
		names.Add(c.name)
		if got := names.Match(c.filter, nil); (len(got) == 1) != c.want {
			t.Errorf("%q among names %q: %q, want a match: %v", c.filter, c.name, got, c.want)
		}
	}
}
