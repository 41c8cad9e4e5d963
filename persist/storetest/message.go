package storetest

import (
	"bytes"
	"errors"

	"github.com/holdfast-mqtt/holdfast/persist"
)

func messageBehaviours() []behaviour {
	return []behaviour{
		{name: "EveryFieldComesBack", test: testMessageFields},
		{name: "EverySizeComesBack", test: testMessageSizes},
		{name: "LargestEntry", test: testLargestEntry},
		{name: "LargeMessagesAmongSmall", test: testLargeAmongSmall},
	}
}

// pattern is n bytes that differ from place to place, so that a shift or a hole shows.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8 + i>>16)
	}
	return b
}

// wantMessages publishes and retains the messages and compares what comes back, before and after a restart.
func (r *rig) wantMessages(messages []persist.Message) {
	r.Helper()
	a := r.open("a")
	to := r.audience(a)
	for i := range messages {
		r.append(persist.Batch{Message: &messages[i], Audience: to, Retain: persist.RetainSet})
	}
	r.flush()
	for range 2 {
		queue := r.queueOf(a.id)
		if len(queue) != len(messages) {
			r.Fatalf("%d messages, want %d", len(queue), len(messages))
		}
		last := make(map[string]persist.Message)
		for i, d := range queue {
			if diff := diffMessage(d.message, messages[i]); diff != "" {
				r.Errorf("message %d: %s", i, diff)
			}
			last[string(messages[i].Topic)] = messages[i]
		}
		for topic, want := range last {
			kept, err := r.store.Retained(topic)
			if err != nil {
				r.Fatalf("retained message of %q: %v", clip([]byte(topic)), err)
			}
			if diff := diffMessage(kept.Message, want); diff != "" {
				r.Errorf("retained message of %q: %s", clip([]byte(topic)), diff)
			}
		}
		r.restart()
	}
}

func testMessageFields(r *rig) {
	var all []persist.Message
	for qos := range byte(3) {
		for _, retain := range []bool{false, true} {
			for _, retained := range []bool{false, true} {
				for _, expires := range []int64{0, 1, 4_102_444_800_000, 1<<63 - 1} {
					all = append(all, persist.Message{
						Topic: []byte("t"), Properties: []byte{0x26, 0}, Payload: []byte{0xFF, 0},
						QoS: qos, Retain: retain, Retained: retained, Expires: expires,
					})
				}
			}
		}
	}
	r.wantMessages(all)
}

func testMessageSizes(r *rig) {
	var all []persist.Message
	for _, n := range []int{0, 1, 7, 8, 15, 16, 127, 128, 255, 256, 4095, 4096, 4097, 16383, 16384, 65535} {
		all = append(all,
			persist.Message{Topic: pattern(n)},
			persist.Message{Topic: []byte("properties"), Properties: pattern(n)},
			persist.Message{Topic: []byte("payload"), Payload: pattern(n)},
			persist.Message{Topic: pattern(n), Properties: pattern(n), Payload: pattern(n)})
	}
	for _, n := range []int{65536, 1 << 20, 1<<20 + 1, 3_000_000} {
		all = append(all, persist.Message{Topic: []byte("large payload"), Payload: pattern(n)})
	}
	all = append(all, persist.Message{Topic: []byte("large properties"), Properties: pattern(200_000)})
	r.wantMessages(all)
}

func testLargestEntry(r *rig) {
	const enough = 16 << 20 // a store that takes more is not filled for the sake of it
	largest := r.store.Stats().LargestEntry
	if largest < 1<<20 {
		r.Fatalf("the largest entry is %d bytes, want at least 1 MiB", largest)
	}
	a := r.open("a")
	to := r.audience(a)
	before := r.last
	huge := &persist.Message{Topic: []byte("t"), Payload: make([]byte, largest)}
	if _, err := r.store.Append(&persist.Batch{Message: huge, Audience: to}); !errors.Is(err, persist.ErrTooLarge) {
		r.Errorf("append of %d bytes: %v, want ErrTooLarge", largest+1, err)
	}
	if d := r.store.Durable(); d > before {
		r.Errorf("a refused batch has ticket %d", d)
	}
	payload := pattern(min(largest, enough) - 1)
	r.commit(persist.Batch{Message: &persist.Message{Topic: []byte("t"), Payload: payload}, Audience: to})
	r.publish("small", a)
	for range 2 {
		queue := r.queueOf(a.id)
		if len(queue) != 2 || !bytes.Equal(queue[0].message.Payload, payload) {
			r.Fatalf("queue is %v, want a payload of %d bytes and a small one", queue, len(payload))
		}
		r.restart()
	}
}

func testLargeAmongSmall(r *rig) {
	a := r.open("a")
	to := r.audience(a)
	sizes := []int{10, 1_000_000, 20, 30, 2_500_000, 40, 700_000, 0, 5}
	for _, n := range sizes {
		r.append(persist.Batch{Message: &persist.Message{Topic: []byte("t"), Payload: pattern(n)}, Audience: to})
	}
	r.flush()
	for range 2 {
		in := r.reader(a)
		in.page.MaxBytes = 1000 // a single message may exceed it
		for i, d := range in.rest() {
			if !bytes.Equal(d.message.Payload, pattern(sizes[i])) {
				r.Errorf("message %d has %d bytes, want %d", i, len(d.message.Payload), sizes[i])
			}
		}
		r.restart()
	}
}
