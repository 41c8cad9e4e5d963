package storetest

import (
	"errors"
	"fmt"
	"strings"

	"github.com/holdfast-mqtt/holdfast/persist"
)

func retainedBehaviours() []behaviour {
	return []behaviour{
		{name: "SetReplaceClear", test: testRetainedSetReplaceClear},
		{name: "CopyIsTheCallers", test: testRetainedCopy},
		{name: "RetainedAndPublished", test: testRetainedAndPublished},
		{name: "SurvivesRestart", test: testRetainedRestart},
		{name: "ManyTopics", test: testRetainedMany},
		{name: "TopicsAreBytes", test: testRetainedTopics},
	}
}

// retain commits a retained message, or clears the topic with an empty payload.
func (r *rig) retain(topic, payload string) {
	r.Helper()
	action := persist.RetainSet
	if payload == "" {
		action = persist.RetainClear
	}
	m := &persist.Message{Topic: []byte(topic), Payload: []byte(payload), QoS: 1, Retain: true}
	e := r.takes("retain", persist.Batch{Message: m, Retain: action})
	if e.Retain != action || e.RetainTopic != topic {
		r.Fatalf("entry of a retained message is %+v", e)
	}
	if action == persist.RetainSet {
		if kept := r.wantRetained(topic, payload); kept.Position != e.Position {
			r.Fatalf("retained message of %q is at %d, its entry at %d", topic, kept.Position, e.Position)
		}
		return
	}
	r.wantNotRetained(topic)
}

func (r *rig) wantRetained(topic, payload string) persist.Retained {
	r.Helper()
	kept, err := r.store.Retained(topic)
	if err != nil {
		r.Fatalf("retained message of %q: %v", clip([]byte(topic)), err)
	}
	if string(kept.Message.Payload) != payload || string(kept.Message.Topic) != topic {
		r.Fatalf("retained message of %q is %q of %q, want %q", clip([]byte(topic)), clip(kept.Message.Payload), clip(kept.Message.Topic), payload)
	}
	return kept
}

func (r *rig) wantNotRetained(topic string) {
	r.Helper()
	if kept, err := r.store.Retained(topic); !errors.Is(err, persist.ErrNotRetained) {
		r.Fatalf("retained message of %q is %+v, error %v, want ErrNotRetained", clip([]byte(topic)), kept, err)
	}
}

func testRetainedSetReplaceClear(r *rig) {
	r.wantNotRetained("t")
	r.retain("t", "one")
	first := r.wantRetained("t", "one")
	r.retain("t", "two")
	if second := r.wantRetained("t", "two"); second.Position <= first.Position {
		r.Errorf("the later value is at %d, the earlier at %d", second.Position, first.Position)
	}
	r.retain("other", "x")
	r.retain("t", "")
	r.retain("t", "") // clearing nothing is a step like any other
	r.wantRetained("other", "x")
	r.retain("t", "three")
	r.wantRetained("t", "three")
	// Only Retain decides: a message without it leaves the topic alone.
	r.commit(persist.Batch{Message: &persist.Message{Topic: []byte("t"), Payload: []byte("four"), Retain: true}})
	r.wantRetained("t", "three")
	if n := r.store.Stats().Retained; n != 2 {
		r.Errorf("%d retained messages are counted, want 2", n)
	}
}

func testRetainedCopy(r *rig) {
	r.retain("t", "kept")
	for range 2 {
		kept := r.wantRetained("t", "kept")
		scribble(kept.Message.Payload, kept.Message.Topic, kept.Message.Properties)
		r.wantRetained("t", "kept")
		r.restart()
	}
}

func testRetainedAndPublished(r *rig) {
	a := r.open("a")
	m := &persist.Message{Topic: []byte("t"), Properties: []byte("p"), Payload: []byte("both"), QoS: 2, Retain: true, Expires: 1 << 45}
	r.commit(persist.Batch{Message: m, Audience: r.audience(a), Retain: persist.RetainSet})
	for range 2 {
		got := r.wantQueue(a, "both")[0]
		kept := r.wantRetained("t", "both")
		if kept.Position != got.position || diffMessage(kept.Message, got.message) != "" || diffMessage(kept.Message, *m) != "" {
			r.Errorf("retained %+v, queued %+v", kept, got)
		}
		r.restart()
	}
	// It is retained for itself: whether somebody has received it does not matter.
	a = r.open("a")
	r.commit(a.says(persist.Batch{Settled: persist.Settled{Floor: r.queueOf(a.id)[0].position}}))
	r.takes("end", a.says(persist.Batch{End: true}))
	r.restart()
	r.wantRetained("t", "both")
}

func testRetainedRestart(r *rig) {
	r.retain("set", "1")
	r.retain("replaced", "1")
	r.retain("cleared", "1")
	r.restart()
	// The second life changes what the first left, and leaves the rest.
	r.retain("replaced", "2")
	r.retain("cleared", "")
	r.retain("set and cleared", "1")
	r.retain("set and cleared", "")
	r.retain("new", "1")
	before := r.dump()
	for range 2 {
		r.restart()
		r.wantSame(before)
		r.wantRetained("set", "1")
		r.wantRetained("replaced", "2")
		r.wantNotRetained("cleared")
		r.wantNotRetained("set and cleared")
		r.wantRetained("new", "1")
		if s := r.store.Stats(); s.Retained != 3 || s.Recovery.Retained != 3 {
			r.Errorf("%d retained messages are counted, %d at the recovery, want 3", s.Retained, s.Recovery.Retained)
		}
	}
}

func testRetainedMany(r *rig) {
	const topics = 3000
	name := func(i int) string { return fmt.Sprintf("level %d/%d", i%17, i) }
	for i := range topics * 2 {
		m := &persist.Message{Topic: []byte(name(i % topics)), Payload: fmt.Append(nil, i)}
		r.append(persist.Batch{Message: m, Retain: persist.RetainSet})
	}
	for i := 0; i < topics; i += 3 {
		r.append(persist.Batch{Message: &persist.Message{Topic: []byte(name(i))}, Retain: persist.RetainClear})
	}
	r.flush()
	for range 2 {
		if n := len(r.dump().retained); n != topics-topics/3 {
			r.Errorf("%d topics are retained, want %d", n, topics-topics/3)
		}
		for i := range topics {
			if i%3 == 0 {
				r.wantNotRetained(name(i))
				continue
			}
			r.wantRetained(name(i), fmt.Sprint(topics+i))
		}
		n := 0
		err := r.store.RetainedTopics(func(string) bool { n++; return n < 5 })
		if err != nil || n != 5 {
			r.Errorf("listing went on to %d topics after it was told to stop at 5, error %v", n, err)
		}
		r.restart()
	}
}

func testRetainedTopics(r *rig) {
	topics := []string{"/", "//", "a", "a/", "a/b", "$SYS/x", "ä/ü", " ", strings.Repeat("t", 65535), strings.Repeat("t", 65534)}
	for i, topic := range topics {
		r.retain(topic, fmt.Sprint(i))
	}
	for range 2 {
		for i, topic := range topics {
			r.wantRetained(topic, fmt.Sprint(i))
		}
		r.wantNotRetained("a/b/c")
		r.restart()
	}
	for _, topic := range topics {
		r.retain(topic, "")
	}
	r.restart()
	if n := len(r.dump().retained); n != 0 {
		r.Errorf("%d topics are retained after all were cleared", n)
	}
}
