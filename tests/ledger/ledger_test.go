package ledger

import (
	"fmt"
	"strings"
	"testing"
)

// history is a ledger with the few verbs that the tables below need.
type history struct{ *Ledger }

// join connects a new session and subscribes it to a filter.
func (h history) join(client, filter string) {
	h.ConnectSent(client, false)
	h.Connected(client, false, false)
	h.SubscribeSent(client, filter)
	h.Subscribed(client, filter)
}

// back connects an existing session.
func (h history) back(client string, present bool) {
	h.ConnectSent(client, false)
	h.Connected(client, false, present)
}

// send starts publishing: p's next message.
func (h history) send(seq uint64, topic string, qos byte) {
	h.PublishSent(Message{Publisher: "p", Seq: seq, Topic: topic, QoS: qos})
}

// publish starts and finishes publishing.
func (h history) publish(seq uint64, topic string, qos byte) {
	h.send(seq, topic, qos)
	h.PublishAcked("p", seq)
	if qos == 2 {
		h.PublishCompleted("p", seq)
	}
}

// got delivers.
func (h history) got(client string, seq uint64, topic string, qos byte) {
	h.Arrived(client, Arrival{Publisher: "p", Seq: seq, Topic: topic, QoS: qos})
}

// retain starts setting or clearing a value.
func (h history) retain(seq uint64, topic string, clear bool) {
	h.PublishSent(Message{Publisher: "p", Seq: seq, Topic: topic, QoS: 1, Retain: true, Clear: clear})
}

// read looks at a retained value.
func (h history) read(topic string, got uint64) { h.ReadEnds("r", h.ReadBegins(topic), got) }

func TestVerdicts(t *testing.T) {
	for _, test := range []struct {
		name string
		run  func(h history)
		want map[Kind]int
	}{
		{"everything arrives", func(h history) {
			h.join("s", "a/#")
			h.publish(1, "a/b", 1)
			h.publish(2, "a/b", 2)
			h.got("s", 1, "a/b", 1)
			h.got("s", 2, "a/b", 2)
		}, nil},
		{"an acknowledged message never comes", func(h history) {
			h.join("s", "a/#")
			h.publish(1, "a/b", 1)
		}, map[Kind]int{Lost: 1}},
		{"two sessions, one is forgotten", func(h history) {
			h.join("s", "a/#")
			h.join("z", "+/b")
			h.publish(1, "a/b", 1)
			h.got("s", 1, "a/b", 1)
		}, map[Kind]int{Lost: 1}},
		{"a message that was never acknowledged need not come", func(h history) {
			h.join("s", "a/#")
			h.send(1, "a/b", 1)
		}, nil},
		{"a message that was never acknowledged may come", func(h history) {
			h.join("s", "a/#")
			h.send(1, "a/b", 2)
			h.got("s", 1, "a/b", 2)
		}, nil},
		{"a message sent before the SUBACK need not come", func(h history) {
			h.ConnectSent("s", false)
			h.Connected("s", false, false)
			h.SubscribeSent("s", "a/#")
			h.send(1, "a/b", 1)
			h.Subscribed("s", "a/#")
			h.PublishAcked("p", 1)
		}, nil},
		{"a message sent before the SUBACK may come", func(h history) {
			h.ConnectSent("s", false)
			h.Connected("s", false, false)
			h.SubscribeSent("s", "a/#")
			h.publish(1, "a/b", 1)
			h.got("s", 1, "a/b", 1)
			h.Subscribed("s", "a/#")
		}, nil},
		{"a SUBSCRIBE that a crash left in doubt makes nothing due", func(h history) {
			h.ConnectSent("s", false)
			h.Connected("s", false, false)
			h.SubscribeSent("s", "a/#")
			h.publish(1, "a/b", 1)
			h.back("s", true)
		}, nil},
		{"a SUBSCRIBE repeated after a crash counts from its SUBACK", func(h history) {
			h.ConnectSent("s", false)
			h.Connected("s", false, false)
			h.SubscribeSent("s", "a/#")
			h.back("s", true)
			h.SubscribeSent("s", "a/#")
			h.Subscribed("s", "a/#")
			h.publish(1, "a/b", 1)
		}, map[Kind]int{Lost: 1}},
		{"a topic that the filter does not match is not due", func(h history) {
			h.join("s", "a/+")
			h.publish(1, "a/b/c", 1)
		}, nil},
		{"QoS 2 twice", func(h history) {
			h.join("s", "a/#")
			h.publish(1, "a/b", 2)
			h.got("s", 1, "a/b", 2)
			h.got("s", 1, "a/b", 2)
		}, map[Kind]int{Duplicate: 1}},
		{"an in-doubt QoS 2 message that is sent again comes twice", func(h history) {
			h.join("s", "a/#")
			h.send(1, "a/b", 2)
			h.got("s", 1, "a/b", 2)
			h.back("s", true)
			h.PublishAcked("p", 1)
			h.got("s", 1, "a/b", 2)
		}, map[Kind]int{Duplicate: 1}},
		{"an in-doubt QoS 2 message that is sent again never comes", func(h history) {
			h.join("s", "a/#")
			h.send(1, "a/b", 2)
			h.PublishAcked("p", 1)
		}, map[Kind]int{Lost: 1}},
		{"QoS 1 twice is allowed", func(h history) {
			h.join("s", "a/#")
			h.publish(1, "a/b", 1)
			h.got("s", 1, "a/b", 1)
			h.got("s", 1, "a/b", 1)
		}, nil},
		{"QoS 2 lowered to 1 by the subscription may come twice", func(h history) {
			h.join("s", "a/#")
			h.publish(1, "a/b", 2)
			h.got("s", 1, "a/b", 1)
			h.got("s", 1, "a/b", 1)
		}, nil},
		{"out of order", func(h history) {
			h.join("s", "a/#")
			h.publish(1, "a/b", 1)
			h.publish(2, "a/b", 1)
			h.got("s", 2, "a/b", 1)
			h.got("s", 1, "a/b", 1)
		}, map[Kind]int{Order: 1}},
		{"order does not reach across topics or levels of QoS", func(h history) {
			h.join("s", "a/#")
			h.publish(1, "a/b", 1)
			h.publish(2, "a/c", 1)
			h.publish(3, "a/b", 2)
			h.got("s", 3, "a/b", 2)
			h.got("s", 2, "a/c", 1)
			h.got("s", 1, "a/b", 1)
		}, nil},
		{"only first deliveries are ordered", func(h history) {
			h.join("s", "a/#")
			h.publish(1, "a/b", 1)
			h.publish(2, "a/b", 1)
			h.got("s", 1, "a/b", 1)
			h.got("s", 2, "a/b", 1)
			h.got("s", 1, "a/b", 1)
			h.got("s", 2, "a/b", 1)
		}, nil},
		{"a repeat may bring what was published before the subscription late", func(h history) {
			h.ConnectSent("s", false)
			h.Connected("s", false, false)
			h.send(1, "a/b", 1)
			h.SubscribeSent("s", "a/#")
			h.Subscribed("s", "a/#")
			h.send(2, "a/b", 1)
			h.got("s", 2, "a/b", 1)
			h.PublishAcked("p", 1) // sent again after a crash
			h.got("s", 1, "a/b", 1)
			h.PublishAcked("p", 2)
		}, nil},
	} {
		t.Run(test.name, func(t *testing.T) { expect(t, test.run, test.want) })
	}
}

// expect judges a history and compares the number of faults of each kind.
func expect(t *testing.T, run func(history), want map[Kind]int) {
	t.Helper()
	h := history{New()}
	run(h)
	v := h.Judge()
	for _, kind := range Kinds() {
		if v.Of(kind) != want[kind] {
			t.Errorf("%s: %d, want %d\n%s", kind, v.Of(kind), want[kind], v)
		}
	}
	if v.Kept() != (len(want) == 0) {
		t.Errorf("kept: %t with %s", v.Kept(), v)
	}
}

func TestSessionVerdicts(t *testing.T) {
	for _, test := range []struct {
		name string
		run  func(h history)
		want map[Kind]int
	}{
		{"a session is resumed", func(h history) {
			h.join("s", "a/#")
			h.back("s", true)
			h.back("s", true)
		}, nil},
		{"a session is forgotten", func(h history) {
			h.join("s", "a/#")
			h.back("s", false)
			h.back("s", true)
		}, map[Kind]int{Session: 1}},
		{"a forgotten session still owes its messages", func(h history) {
			h.join("s", "a/#")
			h.publish(1, "a/b", 1)
			h.back("s", false)
			h.SubscribeSent("s", "a/#")
			h.Subscribed("s", "a/#")
			h.publish(2, "a/b", 1)
			h.got("s", 2, "a/b", 1)
		}, map[Kind]int{Session: 1, Lost: 1}},
		{"a CONNECT that a crash left unanswered may have made a session", func(h history) {
			h.ConnectSent("s", false)
			h.back("s", true)
			h.ConnectSent("z", false)
			h.back("z", false)
		}, nil},
		{"a session that nobody made", func(h history) {
			h.Connected("s", false, true)
		}, map[Kind]int{Session: 1}},
		{"a clean start with session present", func(h history) {
			h.join("s", "a/#")
			h.ConnectSent("s", true)
			h.Connected("s", true, true)
		}, map[Kind]int{Session: 1}},
		{"a clean session ends with its connection", func(h history) {
			h.join("s", "a/#")
			h.ConnectSent("s", true)
			h.Connected("s", true, false)
			h.Ended("s")
			h.back("s", false)
			h.back("s", true)
		}, nil},
		{"a clean session outlives its connection", func(h history) {
			h.ConnectSent("s", true)
			h.Connected("s", true, false)
			h.Ended("s")
			h.Connected("s", false, true)
		}, map[Kind]int{Session: 1}},
		{"a clean start ends what was due", func(h history) {
			h.join("s", "a/#")
			h.publish(1, "a/b", 1)
			h.ConnectSent("s", true)
			h.Connected("s", true, false)
			h.back("s", true)
		}, nil},
		{"a message comes although a clean start ended its subscription", func(h history) {
			h.join("s", "a/#")
			h.ConnectSent("s", true)
			h.Connected("s", true, false)
			h.publish(1, "a/b", 1)
			h.got("s", 1, "a/b", 1)
		}, map[Kind]int{Subscription: 1}},
		{"a clean start that a crash left in doubt", func(h history) {
			h.join("s", "a/#")
			h.ConnectSent("s", true)
			h.publish(1, "a/b", 1)
			h.back("s", false)
			h.join("z", "a/#")
			h.ConnectSent("z", true)
			h.publish(2, "a/b", 1)
			h.back("z", true)
			h.got("z", 2, "a/b", 1)
		}, nil},
		{"after an in-doubt clean start that happened, nothing may come", func(h history) {
			h.join("s", "a/#")
			h.ConnectSent("s", true)
			h.back("s", false)
			h.publish(1, "a/b", 1)
			h.got("s", 1, "a/b", 1)
		}, map[Kind]int{Subscription: 1}},
	} {
		t.Run(test.name, func(t *testing.T) { expect(t, test.run, test.want) })
	}
}

func TestSubscriptionVerdicts(t *testing.T) {
	for _, test := range []struct {
		name string
		run  func(h history)
		want map[Kind]int
	}{
		{"nothing is due after an UNSUBSCRIBE was sent", func(h history) {
			h.join("s", "a/#")
			h.publish(1, "a/b", 1)
			h.UnsubscribeSent("s", "a/#")
			h.publish(2, "a/b", 1)
		}, nil},
		{"what was queued before the UNSUBSCRIBE may come", func(h history) {
			h.join("s", "a/#")
			h.publish(1, "a/b", 1)
			h.UnsubscribeSent("s", "a/#")
			h.Unsubscribed("s", "a/#", Existed, false)
			h.got("s", 1, "a/b", 1)
		}, nil},
		{"a subscription comes back from the dead", func(h history) {
			h.join("s", "a/#")
			h.UnsubscribeSent("s", "a/#")
			h.Unsubscribed("s", "a/#", NotTold, false)
			h.publish(1, "a/b", 1)
			h.got("s", 1, "a/b", 1)
		}, map[Kind]int{Subscription: 1}},
		{"an UNSUBSCRIBE that a crash left in doubt allows both", func(h history) {
			h.join("s", "a/#")
			h.join("z", "a/#")
			h.UnsubscribeSent("s", "a/#")
			h.UnsubscribeSent("z", "a/#")
			h.publish(1, "a/b", 1)
			h.got("s", 1, "a/b", 1)
		}, nil},
		{"an UNSUBSCRIBE repeated after a crash ends it", func(h history) {
			h.join("s", "a/#")
			h.UnsubscribeSent("s", "a/#")
			h.UnsubscribeSent("s", "a/#")
			h.Unsubscribed("s", "a/#", NeverExisted, true)
			h.publish(1, "a/b", 1)
			h.got("s", 1, "a/b", 1)
		}, map[Kind]int{Subscription: 1}},
		{"subscribed anew, messages are due anew", func(h history) {
			h.join("s", "a/#")
			h.UnsubscribeSent("s", "a/#")
			h.Unsubscribed("s", "a/#", Existed, false)
			h.publish(1, "a/b", 1)
			h.SubscribeSent("s", "a/#")
			h.Subscribed("s", "a/#")
			h.publish(2, "a/b", 1)
		}, map[Kind]int{Lost: 1}},
		{"UNSUBACK says that a held subscription never existed", func(h history) {
			h.join("s", "a/#")
			h.UnsubscribeSent("s", "a/#")
			h.Unsubscribed("s", "a/#", NeverExisted, false)
		}, map[Kind]int{Subscription: 1}},
		{"a probe that does not come is a lost subscription", func(h history) {
			h.join("s", "a/#")
			h.PublishSent(Message{Publisher: "p", Seq: 1, Topic: "a/b", QoS: 1, Probe: true})
			h.PublishAcked("p", 1)
		}, map[Kind]int{Subscription: 1}},
		{"a QoS 2 message may reach who subscribes before its PUBREL", func(h history) {
			h.send(1, "a/b", 2)
			h.PublishAcked("p", 1)
			h.join("s", "a/#")
			h.got("s", 1, "a/b", 2)
			h.PublishCompleted("p", 1)
		}, nil},
		{"a QoS 2 message may not reach who subscribes after its PUBCOMP", func(h history) {
			h.publish(1, "a/b", 2)
			h.join("s", "a/#")
			h.got("s", 1, "a/b", 2)
		}, map[Kind]int{Subscription: 1}},
		{"never subscribed at all", func(h history) {
			h.join("s", "a/#")
			h.publish(1, "b", 1)
			h.got("s", 1, "b", 1)
		}, map[Kind]int{Subscription: 1}},
		{"never sent at all", func(h history) {
			h.join("s", "a/#")
			h.got("s", 1, "a/b", 1)
		}, map[Kind]int{Stray: 1}},
		{"the broker breaks the protocol", func(h history) {
			h.Violation("s", "two CONNACKs")
		}, map[Kind]int{Protocol: 1}},
		{"sent to another topic", func(h history) {
			h.join("s", "#")
			h.publish(1, "a/b", 1)
			h.got("s", 1, "a/c", 1)
		}, map[Kind]int{Stray: 1, Lost: 1}},
	} {
		t.Run(test.name, func(t *testing.T) { expect(t, test.run, test.want) })
	}
}

func TestWillVerdicts(t *testing.T) {
	will := func(h history) {
		h.PublishSent(Message{Publisher: "p", Seq: 1, Topic: "w/1", QoS: 2, Will: true})
	}
	for _, test := range []struct {
		name string
		run  func(h history)
		want map[Kind]int
	}{
		{"fires once", func(h history) {
			h.join("s", "w/#")
			will(h)
			h.PublishAcked("p", 1)
			h.got("s", 1, "w/1", 2)
		}, nil},
		{"never fires", func(h history) {
			h.join("s", "w/#")
			will(h)
			h.PublishAcked("p", 1)
		}, map[Kind]int{Lost: 1}},
		{"fires twice", func(h history) {
			h.join("s", "w/#")
			will(h)
			h.PublishAcked("p", 1)
			h.got("s", 1, "w/1", 2)
			h.got("s", 1, "w/1", 2)
		}, map[Kind]int{Duplicate: 1}},
		{"a CONNECT in doubt need not fire", func(h history) {
			h.join("s", "w/#")
			will(h)
		}, nil},
		{"a client that takes its leave needs no will", func(h history) {
			h.join("s", "w/#")
			will(h)
			h.PublishAcked("p", 1)
			h.Withdrawn("p", 1)
		}, nil},
		{"reaches who subscribes after the CONNECT", func(h history) {
			will(h)
			h.PublishAcked("p", 1)
			h.join("s", "w/#")
			h.got("s", 1, "w/1", 2)
		}, nil},
	} {
		t.Run(test.name, func(t *testing.T) { expect(t, test.run, test.want) })
	}
}

func TestRetainedVerdicts(t *testing.T) {
	set := func(h history, seq uint64, clear, acked bool) {
		h.retain(seq, "v", clear)
		if acked {
			h.PublishAcked("p", seq)
		}
	}
	for _, test := range []struct {
		name string
		run  func(h history)
		want map[Kind]int
	}{
		{"the newest", func(h history) { set(h, 1, false, true); set(h, 2, false, true); h.read("v", 2) }, nil},
		{"an older one", func(h history) { set(h, 1, false, true); set(h, 2, false, true); h.read("v", 1) }, map[Kind]int{Retained: 1}},
		{"none although set", func(h history) { set(h, 1, false, true); h.read("v", Nothing) }, map[Kind]int{Retained: 1}},
		{"cleared", func(h history) { set(h, 1, false, true); set(h, 2, true, true); h.read("v", Nothing) }, nil},
		{"cleared one is back", func(h history) { set(h, 1, false, true); set(h, 2, true, true); h.read("v", 1) }, map[Kind]int{Retained: 1}},
		{"set in doubt, there", func(h history) { set(h, 1, false, true); set(h, 2, false, false); h.read("v", 2) }, nil},
		{"set in doubt, not there", func(h history) { set(h, 1, false, true); set(h, 2, false, false); h.read("v", 1) }, nil},
		{"clear in doubt, done", func(h history) { set(h, 1, false, true); set(h, 2, true, false); h.read("v", Nothing) }, nil},
		{"clear in doubt, not done", func(h history) { set(h, 1, false, true); set(h, 2, true, false); h.read("v", 1) }, nil},
		{"none before the first confirmation", func(h history) { set(h, 1, false, false); h.read("v", Nothing) }, nil},
		{"never set", func(h history) { h.read("v", Nothing) }, nil},
		{"a repeat of an unconfirmed one may undo a later one for a while", func(h history) {
			set(h, 1, false, true)
			set(h, 2, false, false)
			set(h, 3, false, true)
			h.read("v", 2)
		}, nil},
		{"changed while reading, the old one", func(h history) {
			set(h, 1, false, true)
			r := h.ReadBegins("v")
			set(h, 2, false, true)
			h.ReadEnds("r", r, 1)
		}, nil},
		{"changed while reading, the new one", func(h history) {
			set(h, 1, false, true)
			r := h.ReadBegins("v")
			set(h, 2, false, true)
			h.ReadEnds("r", r, 2)
		}, nil},
		{"a value from the future", func(h history) { set(h, 1, false, true); h.read("v", 2) }, map[Kind]int{Retained: 1}},
	} {
		t.Run(test.name, func(t *testing.T) { expect(t, test.run, test.want) })
	}
}

func TestOwedFallsToZero(t *testing.T) {
	h := history{New()}
	h.join("s", "a/#")
	h.join("z", "a/#")
	h.publish(1, "a/b", 1)
	h.send(2, "a/b", 1)
	if n, m := h.Owed(), h.Unacknowledged(); n != 2 || m != 1 {
		t.Fatalf("owed %d, unacknowledged %d, want 2 and 1", n, m)
	}
	h.got("s", 1, "a/b", 1)
	if n := h.Owed(); n != 1 {
		t.Fatalf("owed %d, want 1", n)
	}
	h.got("z", 1, "a/b", 1)
	h.PublishAcked("p", 2)
	h.got("z", 2, "a/b", 1)
	h.got("s", 2, "a/b", 1)
	if n, m := h.Owed(), h.Unacknowledged(); n != 0 || m != 0 {
		t.Fatalf("owed %d, unacknowledged %d, want nothing", n, m)
	}
}

func TestMatches(t *testing.T) {
	for _, test := range []struct {
		filter, topic string
		want          bool
	}{
		{"a/b", "a/b", true}, {"a/b", "a", false}, {"a", "a/b", false}, {"a/+", "a/b", true}, {"a/+", "a", false},
		{"a/+", "a/", true}, {"a/#", "a", true}, {"a/#", "a/b/c", true}, {"#", "a/b", true}, {"#", "$SYS/x", false},
		{"+/x", "$SYS/x", false}, {"$SYS/#", "$SYS/x", true}, {"+/+", "/a", true}, {"/+", "/a", true}, {"+", "/a", false},
		{"$share/g/a/+", "a/b", true}, {"$share/g/a/+", "b/b", false},
	} {
		if got := Matches(test.filter, test.topic); got != test.want {
			t.Errorf("Matches(%q, %q) = %t", test.filter, test.topic, got)
		}
	}
}

func TestVerdictNamesItsFaults(t *testing.T) {
	h := history{New()}
	h.join("s", "a/#")
	for seq := uint64(1); seq <= 20; seq++ {
		h.publish(seq, "a/b", 1)
	}
	text := fmt.Sprint(h.Judge())
	for _, want := range []string{"lost 20", "s never received message 1 of p on a/b (QoS 1)", "lost: and 12 more"} {
		if !strings.Contains(text, want) {
			t.Errorf("verdict does not say %q:\n%s", want, text)
		}
	}
}
