package engine

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/holdfast-mqtt/holdfast/engine/topic"
	"github.com/holdfast-mqtt/holdfast/persist"
)

// router turns a topic into a plan, and gives a publication to the targets that take it at once.
type router struct {
	index *topic.Index[uint64, subscription]
	store persist.Store

	scratch sync.Pool     // *topic.Matches
	plans   atomic.Uint32 // counts the plans made: each starts its turns at another member
	// remembered is how many targets the plans have that connections remember.
	remembered atomic.Int64
}

// newRouter returns a router over the index and the store's audiences.
func newRouter(index *topic.Index[uint64, subscription], store persist.Store) *router {
	return &router{index: index, store: store, scratch: sync.Pool{New: func() any {
		return new(topic.Matches[uint64, subscription])
	}}}
}

// plan matches a topic for one publisher, given by its index key.
func (r *router) plan(name []byte, publisher uint64) *plan {
	m := r.scratch.Get().(*topic.Matches[uint64, subscription])
	r.index.Match(name, m)
	p := newPlan(m, publisher)
	p.turn = r.plans.Add(1)
	m.Reset() // hold no session that ends
	r.scratch.Put(m)
	if len(p.members) > 0 {
		p.audience = r.store.Audience(p.members)
	}
	return p
}

// audience chooses the members of shared subscriptions for one publication at QoS 1 or 2, and returns the sessions it
// is stored for; nil for none.
func (r *router) audience(p *plan) *persist.Audience {
	r.choose(p)
	added := 0
	for i := range p.chosen {
		if p.chosen[i].stored() {
			added++
		}
	}
	if added == 0 {
		return p.audience
	}
	if len(p.chosen) == 1 {
		return r.variant(p, &p.chosen[0])
	}
	return r.join(p)
}

// variant returns the audience with one group member, from memory when it was chosen before.
func (r *router) variant(p *plan, t *target) *persist.Audience {
	a := p.variants[t.session.id]
	if a == nil {
		a = r.join(p)
		if p.variants == nil {
			p.variants = make(map[persist.SessionID]*persist.Audience)
		}
		p.variants[t.session.id] = a
	}
	return a
}

// join returns the audience of the plan's members and those chosen. A session that is both gets one copy.
func (r *router) join(p *plan) *persist.Audience {
	members := slices.Clone(p.members)
	for i := range p.chosen {
		t := &p.chosen[i]
		if !t.stored() {
			continue
		}
		at := slices.IndexFunc(members, func(m persist.Member) bool { return m.Session == t.session.id })
		if at < 0 {
			members = append(members, t.member())
			continue
		}
		members[at].QoS = max(members[at].QoS, t.qos)
		members[at].SubscriptionIDs = mergeIDs(members[at].SubscriptionIDs, t.ids)
	}
	slices.SortFunc(members, func(a, b persist.Member) int { return cmp.Compare(a.Session, b.Session) })
	return r.store.Audience(members)
}

// mergeIDs returns the union of two lists of subscription identifiers, ascending, without changing either.
func mergeIDs(a, b []uint32) []uint32 {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// choose picks one member of each shared subscription: whose turn it is among those that are connected, or when nobody
// is, among those for which a message can be stored.
func (r *router) choose(p *plan) {
	p.chosen = p.chosen[:0]
	if len(p.groups) == 0 {
		return
	}
	p.turn++
	for i := range p.groups {
		g := &p.groups[i]
		p.chosen = append(p.chosen, *g.choose(int(p.turn)))
	}
}

// choose picks the member whose turn it is.
func (g *group) choose(turn int) *target {
	away := &g.members[turn%len(g.members)]
	for n := range g.members {
		t := &g.members[(turn+n)%len(g.members)]
		if t.session.conn.Load() != nil {
			return t
		}
		if t.stored() && !away.stored() {
			away = t
		}
	}
	return away
}

// deliverNow gives a publication to every connected target that does not get it through the store. For QoS 0 the group
// members are chosen here, else audience must have been called before.
func (r *router) deliverNow(p *plan, pub *publication, touched *wakeList) {
	if pub.message.QoS == 0 {
		r.choose(p)
	}
	for i := range p.targets {
		p.targets[i].deliverNow(pub, touched)
	}
	for i := range p.chosen {
		p.chosen[i].deliverNow(pub, touched)
	}
}

// deliverNow gives a publication to the target if it is connected and does not get it through the store.
func (t *target) deliverNow(pub *publication, touched *wakeList) {
	qos := min(t.qos, pub.message.QoS)
	if qos > 0 && t.kept {
		return
	}
	if c := t.session.conn.Load(); c != nil {
		retain := t.retain && pub.message.Retain // [MQTT-3.3.1-12] [MQTT-3.3.1-13]
		if c.offer(pub, qos, retain, t.ids) {
			touched.add(c)
		}
	}
}

// wakeList are connections that have something new to write and were not told yet. Telling each once after many
// messages spares most of the wake-ups.
type wakeList struct{ conns []*conn }

// add notes a connection.
func (l *wakeList) add(c *conn) { l.conns = append(l.conns, c) }

// wake tells them all.
func (l *wakeList) wake() {
	for i, c := range l.conns {
		c.wake.Wake()
		l.conns[i] = nil
	}
	l.conns = l.conns[:0]
}
