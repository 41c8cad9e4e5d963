// Package topic finds the subscriptions that a topic name reaches, and the
// retained topic names that a filter reaches.
//
// Its types:
//
//   - [Index] maps topic filters, plain and shared, to subscribers. The caller
//     chooses the key of a subscriber and the value kept with it.
//   - [Matches] is the scratch that one match fills. Kept and used again, it
//     makes a match allocate nothing.
//   - [Names] is the set of topic names that hold a retained message.
//
// [FilterMatches] is the same question for one filter and one name, without an
// index.
//
// Filters and names are taken as valid: whether a wildcard stands where it may,
// and whether "$share/group/filter" is well formed, is checked where packets are
// decoded. A shared subscription comes here already split into group and filter.
//
// The package starts no goroutine. Index and Names are safe for concurrent use;
// each has one lock around all of it, so that a match reflects one moment. A
// Matches belongs to one goroutine at a time.
//
// No depth of topic can overflow a stack: every walk is a loop. A match in the
// index visits a node of its tree at most once, so its cost is bounded by the
// number of filters that could still match, never by the number of ways to combine
// wildcards. A match among names looks at each at most once.
//
// Files:
//
//	filter.go    the textbook predicate and the cutting of levels
//	tree.go      the tree of levels under an Index
//	index.go     Index: plain subscriptions, version, size
//	shared.go    Index: shared subscriptions and their groups
//	match.go     Matches, and matching a topic name against an Index
//	retained.go  Names, and going through them in order
package topic
