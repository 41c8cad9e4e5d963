package engine

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/wire"
)

func TestInboundAliasStandsForItsTopic(t *testing.T) {
	a := newInboundAliases(3)
	for i, step := range []struct {
		alias       uint16
		topic, want string
		code        wire.ReasonCode // 0: no error
	}{
		{alias: 2, topic: "", code: wire.ProtocolErrorCode},
		{alias: 2, topic: "a/long/topic", want: "a/long/topic"},
		{alias: 2, topic: "", want: "a/long/topic"},
		{alias: 1, topic: "", code: wire.ProtocolErrorCode},
		{alias: 3, topic: "c", want: "c"},
		{alias: 2, topic: "b", want: "b"}, // set anew
		{alias: 2, topic: "", want: "b"},
		{alias: 3, topic: "", want: "c"},
		{alias: 4, topic: "d", code: wire.TopicAliasInvalid}, // [MQTT-3.3.2-9]
		{alias: 4, topic: "", code: wire.TopicAliasInvalid},
		{alias: 0, topic: "d", code: wire.TopicAliasInvalid}, // [MQTT-3.3.2-8]
		{alias: 0, topic: "", code: wire.TopicAliasInvalid},
		{alias: 65535, topic: "d", code: wire.TopicAliasInvalid},
		{alias: 2, topic: "", want: "b"},
	} {
		frame := []byte(step.topic)
		got, err := a.resolve(step.alias, frame)
		if string(got) != step.want {
			t.Errorf("step %d: alias %d is %q, want %q", i, step.alias, got, step.want)
		}
		var protocol *wire.ProtocolError
		switch {
		case step.code == 0 && err != nil:
			t.Errorf("step %d: %v", i, err)
		case step.code != 0 && (!errors.As(err, &protocol) || protocol.Code != step.code || protocol.Packet != wire.PUBLISH):
			t.Errorf("step %d: got error %v, want a protocol error with code %v", i, err, step.code)
		}
		for i := range frame {
			frame[i] = 'x' // the frame's memory is used again
		}
	}
}

func TestNoInboundAliasWithoutAnOffer(t *testing.T) {
	a := newInboundAliases(0)
	var protocol *wire.ProtocolError
	if _, err := a.resolve(1, []byte("a")); !errors.As(err, &protocol) || protocol.Code != wire.TopicAliasInvalid {
		t.Errorf("got %v", err)
	}
}

func TestKnownInboundAliasAllocatesNothing(t *testing.T) {
	a := newInboundAliases(10)
	topic := []byte("a/topic")
	a.resolve(5, topic)
	if allocs := testing.AllocsPerRun(100, func() {
		a.resolve(5, nil)
		a.resolve(5, topic)
	}); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// wantAlias fails unless the topic gets this alias.
func (a *outboundAliases) wantAlias(t *testing.T, topic string, alias uint16, known bool) {
	t.Helper()
	if gotAlias, gotKnown := a.assign([]byte(topic)); gotAlias != alias || gotKnown != known {
		t.Fatalf("%s: alias %d, known %v; want %d, %v", topic, gotAlias, gotKnown, alias, known)
	}
}

func TestOutboundAliasIsGivenAtFirstSightWhileThereAreAny(t *testing.T) {
	a := newOutboundAliases(2, 1<<20)
	a.wantAlias(t, "topic/a", 1, false)
	a.wantAlias(t, "topic/a", 1, true)
	a.wantAlias(t, "topic/b", 2, false)
	a.wantAlias(t, "topic/b", 2, true)
	a.wantAlias(t, "topic/a", 1, true)
}

func TestOutboundAliasUsedLongestAgoGivesWayToATopicThatComesAgain(t *testing.T) {
	a := newOutboundAliases(2, 1<<20)
	a.wantAlias(t, "topic/a", 1, false)
	a.wantAlias(t, "topic/b", 2, false)
	a.wantAlias(t, "topic/a", 1, true)
	a.wantAlias(t, "topic/c", 0, false)
	a.wantAlias(t, "topic/c", 2, false) // b is older in use, though younger
	a.wantAlias(t, "topic/c", 2, true)
	a.wantAlias(t, "topic/a", 1, true)
	a.wantAlias(t, "topic/b", 0, false)
	a.wantAlias(t, "topic/b", 2, false)
	// To have had an alias once is no claim to the next.
	a.wantAlias(t, "topic/c", 0, false)
	a.wantAlias(t, "topic/b", 2, true)
}

func TestTopicsThatComeOnceDriveNoAliasOut(t *testing.T) {
	a := newOutboundAliases(4, 1<<20)
	for i := range 4 {
		a.wantAlias(t, fmt.Sprint("often/", i), uint16(i+1), false)
	}
	for i := range 1000 {
		a.wantAlias(t, fmt.Sprint("once/", i), 0, false)
	}
	for i := range 4 {
		a.wantAlias(t, fmt.Sprint("often/", i), uint16(i+1), true)
	}
}

func TestNoOutboundAliasWhereItGainsNothing(t *testing.T) {
	off := newOutboundAliases(0, 1<<20)
	off.wantAlias(t, "topic/a", 0, false)
	off.wantAlias(t, "topic/a", 0, false)
	a := newOutboundAliases(10, 1000)
	a.wantAlias(t, "a/b", 0, false) // as long as the alias itself
	a.wantAlias(t, "a/b", 0, false)
	a.wantAlias(t, "a/bc", 1, false)
	tooLong := strings.Repeat("x", 1000)
	a.wantAlias(t, tooLong, 0, false)
	a.wantAlias(t, tooLong, 0, false)
	a.wantAlias(t, "a/bc", 1, true)
}

func TestForgottenOutboundAliasIsSentAnew(t *testing.T) {
	a := newOutboundAliases(2, 1<<20)
	a.wantAlias(t, "topic/a", 1, false)
	a.wantAlias(t, "topic/b", 2, false)
	a.forget(1)
	a.forget(1) // again changes nothing
	a.forget(0)
	a.forget(3)
	a.wantAlias(t, "topic/b", 2, true)
	a.wantAlias(t, "topic/a", 1, false)
	a.wantAlias(t, "topic/a", 1, true)
	if a.bytes != 2*(len("topic/a")+aliasOverhead) {
		t.Errorf("%d bytes counted", a.bytes)
	}
}

// peer is what a client knows of the aliases it was sent.
type peer struct {
	maximum uint16
	topics  map[uint16]string
}

// receive returns the topic of a PUBLISH as the client understands it.
func (p *peer) receive(t *testing.T, topic string, alias uint16, known bool) string {
	t.Helper()
	if alias > p.maximum {
		t.Fatalf("alias %d, the client accepts %d", alias, p.maximum)
	}
	switch {
	case known:
		return p.topics[alias]
	case alias != 0:
		p.topics[alias] = topic
	}
	return topic
}

func TestClientUnderstandsOutboundAliases(t *testing.T) {
	r := newTestRand(t)
	for _, limit := range []struct {
		maximum  uint16
		maxBytes int
	}{{1, 1 << 20}, {3, 1 << 20}, {50, 1 << 20}, {65535, 2000}, {10, 700}, {5, 0}} {
		a := newOutboundAliases(limit.maximum, limit.maxBytes)
		client := peer{limit.maximum, map[uint16]string{}}
		known := 0
		for step := range 20_000 {
			number := int(r.ExpFloat64() * 8)
			topic := fmt.Sprint("topic/", number, strings.Repeat("x", number*number%97))
			alias, ok := a.assign([]byte(topic))
			if !ok && r.IntN(10) == 0 {
				a.forget(alias) // the packet was too large and is not sent
				continue
			}
			if got := client.receive(t, topic, alias, ok); got != topic {
				t.Fatalf("%+v, step %d: %q arrived as %q", limit, step, topic, got)
			}
			if ok {
				known++
			}
			a.check(t)
		}
		if limit.maxBytes > 0 && known == 0 {
			t.Errorf("%+v: no topic name was ever left out", limit)
		}
	}
}

// check fails unless the parts agree with each other and keep the bounds.
func (a *outboundAliases) check(t *testing.T) {
	t.Helper()
	if len(a.aliases) > int(a.maximum) || a.bytes > a.maxBytes {
		t.Fatalf("%d aliases in %d bytes, allowed are %d in %d", len(a.aliases), a.bytes, a.maximum, a.maxBytes)
	}
	if len(a.entries) == 0 {
		return
	}
	listed, bytes := 0, 0
	for alias := a.entries[0].newer; alias != 0; alias = a.entries[alias].older {
		e := a.entries[alias]
		if a.aliases[e.topic] != alias || listed > len(a.aliases) {
			t.Fatalf("alias %d of %q is listed and not mapped", alias, e.topic)
		}
		listed++
		bytes += len(e.topic) + aliasOverhead
	}
	if listed != len(a.aliases) || bytes != a.bytes || listed+len(a.vacant)+1 != len(a.entries) {
		t.Fatalf("%d listed, %d mapped, %d vacant of %d; %d bytes, counted %d",
			listed, len(a.aliases), len(a.vacant), len(a.entries), bytes, a.bytes)
	}
}

func TestKnownOutboundAliasAllocatesNothing(t *testing.T) {
	a := newOutboundAliases(2, 1<<20)
	topics := [][]byte{[]byte("topic/a"), []byte("topic/b"), []byte("topic/c")}
	for _, topic := range topics {
		a.assign(topic)
	}
	if allocs := testing.AllocsPerRun(100, func() {
		a.assign(topics[0])
		a.assign(topics[1])
	}); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}
