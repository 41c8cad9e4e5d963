package engine

import (
	"cmp"
	"slices"

	"github.com/holdfast-mqtt/holdfast/engine/topic"
	"github.com/holdfast-mqtt/holdfast/persist"
)

// target is one session that a topic goes to, with all its matching subscriptions taken together.
type target struct {
	session *session
	qos     byte // the highest granted
	retain  bool // RETAIN is passed on as published
	ids     []uint32
	kept    bool // at QoS 1 and 2 through the store
}

// plan is what a topic's publications need to know of its subscribers: the result of one match, good until a
// subscription changes. It belongs to one publisher, whose own no-local subscriptions are left out.
type plan struct {
	version uint64
	targets []target
	groups  []group
	turn    uint32 // whose turn it is in the groups
	// audience of the stored targets; members are what it is made of.
	audience *persist.Audience
	members  []persist.Member
	// variants are the audiences with a group member chosen in, by the session chosen, for the one-group case.
	variants map[persist.SessionID]*persist.Audience
	// chosen are the group members of the publication being routed.
	chosen []target
}

// group is a shared subscription that the topic matches.
type group struct {
	members []target
}

// empty tells that nobody is subscribed. [MQTT 5.0, 3.4.2.1: 0x10]
func (p *plan) empty() bool { return len(p.targets) == 0 && len(p.groups) == 0 }

// size is how many targets the plan has: what its memory is measured by.
func (p *plan) size() int {
	n := len(p.targets)
	for i := range p.groups {
		n += len(p.groups[i].members)
	}
	return n
}

// newPlan takes the subscriptions that matched together by session.
func newPlan(m *topic.Matches[uint64, subscription], publisher uint64) *plan {
	p := &plan{version: m.Version}
	slices.SortFunc(m.Plain, func(a, b topic.Entry[uint64, subscription]) int { return cmp.Compare(a.Key, b.Key) })
	for i := range m.Plain {
		e := &m.Plain[i]
		if e.Value.noLocal && e.Key == publisher {
			continue // [MQTT-3.8.3-3]
		}
		if n := len(p.targets); n > 0 && p.targets[n-1].session == e.Value.session {
			p.targets[n-1].merge(&e.Value)
			continue
		}
		p.targets = append(p.targets, newTarget(&e.Value))
	}
	for i := range m.Shared {
		p.groups = append(p.groups, newGroup(&m.Shared[i]))
	}
	for i := range p.targets {
		if t := &p.targets[i]; t.stored() {
			p.members = append(p.members, t.member())
		}
	}
	return p
}

// newTarget returns the target of one subscription.
func newTarget(s *subscription) target {
	t := target{session: s.session, qos: s.qos, retain: s.retainAsPublished, kept: s.kept}
	if s.id != 0 {
		t.ids = []uint32{s.id}
	}
	return t
}

// newGroup returns a shared subscription with its members.
func newGroup(m *topic.Group[uint64, subscription]) group {
	g := group{members: make([]target, 0, len(m.Members))}
	for i := range m.Members {
		g.members = append(g.members, newTarget(&m.Members[i].Value))
	}
	return g
}

// merge takes a further subscription of the same session in: one message goes out, at the highest QoS, with all
// identifiers. [MQTT-3.3.4-2] [MQTT-3.3.4-3]
func (t *target) merge(s *subscription) {
	t.qos = max(t.qos, s.qos)
	t.retain = t.retain || s.retainAsPublished
	if s.id != 0 && !slices.Contains(t.ids, s.id) {
		t.ids = append(t.ids, s.id)
		slices.Sort(t.ids)
	}
}

// stored tells whether messages at QoS 1 and 2 reach the target through the store.
func (t *target) stored() bool { return t.kept && t.qos > 0 }

// member returns the target as a member of an audience.
func (t *target) member() persist.Member {
	return persist.Member{
		Session: t.session.id, QoS: t.qos, RetainAsPublished: t.retain, SubscriptionIDs: t.ids,
	}
}
