package storetest

import (
	"bytes"

	"github.com/holdfast-mqtt/holdfast/persist"
)

func willBehaviours() []behaviour {
	return []behaviour{
		{name: "PublishedOnceAfterClose", test: testWillOnce},
		{name: "NotDueWhileConnected", test: testWillNotDueYet},
		{name: "CancelledByResume", test: testWillCancelled},
		{name: "DiscardedByLeave", test: testWillDiscarded},
		{name: "NoWillToPublish", test: testNoWill},
		{name: "PublishedWithTheEnd", test: testWillWithEnd},
		{name: "KeptWithAllItsFields", test: testWillKept},
	}
}

// openWithWill opens a and the witness b, and returns the batch that publishes the will of a.
func (r *rig) openWithWill() (a, b client, publish persist.Batch) {
	r.Helper()
	b = r.open("witness")
	will := &persist.Will{Message: *note("will"), DelaySeconds: 30}
	a = r.openWith(persist.Open{ClientID: "a", ExpirySeconds: 60, Will: will})
	topic := &persist.Message{Topic: []byte("wills"), Payload: []byte("will")}
	publish = a.says(persist.Batch{WillOf: true, Message: topic, Audience: r.audience(b), Retain: persist.RetainSet})
	return a, b, publish
}

func testWillOnce(r *rig) {
	a, b, publish := r.openWithWill()
	r.takes("close", a.says(persist.Batch{Close: &persist.Close{At: 1}}))
	if s := r.session(a.id); s.Will == nil {
		r.Fatalf("the will is not due after close: %+v", s)
	}
	e := r.takes("will", publish)
	if !e.WillOf || e.Retain != persist.RetainSet || e.RetainTopic != "wills" {
		r.Errorf("entry of the will is %+v", e)
	}
	if s := r.session(a.id); s.Will != nil {
		r.Errorf("the will is still due: %+v", s)
	}
	r.void("the will again", publish)
	r.wantQueue(b, "will")
	r.restart()
	r.void("the will after a restart", publish)
	r.wantQueue(b, "will")
}

func testWillNotDueYet(r *rig) {
	a, b, publish := r.openWithWill()
	r.void("the will of a connected client", publish)
	r.wantQueue(b)
	if _, err := r.store.Retained("wills"); err == nil {
		r.Errorf("a void will is retained")
	}
	if s := r.session(a.id); s.Will == nil {
		r.Errorf("a void will took the will away")
	}
}

func testWillCancelled(r *rig) {
	a, b, publish := r.openWithWill()
	r.takes("close", a.says(persist.Batch{Close: &persist.Close{At: 1}}))
	a = r.open("a")
	r.void("the will of the former connection", publish)
	r.takes("close", a.says(persist.Batch{Close: &persist.Close{At: 2}}))
	r.void("the will of the former connection", publish)
	r.void("the will that the client does not have now", a.says(persist.Batch{WillOf: true, Message: note("x"), Audience: r.audience(b)}))
	r.wantQueue(b)
}

func testWillDiscarded(r *rig) {
	a, b, publish := r.openWithWill()
	r.takes("close", a.says(persist.Batch{Close: &persist.Close{At: 1, DiscardWill: true}}))
	r.void("a discarded will", publish)
	r.wantQueue(b)
	if s := r.session(a.id); s.Will != nil {
		r.Errorf("the discarded will is kept: %+v", s)
	}
}

func testNoWill(r *rig) {
	a := r.open("a")
	r.takes("close", a.says(persist.Batch{Close: &persist.Close{At: 1}}))
	// The whole batch is void, whatever else stands in it.
	r.void("no will", a.says(persist.Batch{WillOf: true, Message: note("x"), Audience: r.audience(a), End: true}))
	r.wantQueue(a)
}

func testWillWithEnd(r *rig) {
	a, b, publish := r.openWithWill()
	r.takes("close", a.says(persist.Batch{Close: &persist.Close{At: 1}}))
	publish.End = true
	r.takes("will and end", publish)
	r.wantNoSession(a.id)
	r.wantQueue(b, "will")
	r.void("will and end again", publish)
	r.wantQueue(b, "will")
}

func testWillKept(r *rig) {
	will := &persist.Will{
		Message: persist.Message{
			Topic: []byte("a/will"), Properties: []byte{0, 1, 0xFF}, Payload: bytes.Repeat([]byte("w"), 65535),
			QoS: 2, Retain: true, Expires: 1 << 50,
		},
		DelaySeconds: 0xFFFFFFFF, MessageExpirySeconds: 0xFFFFFFFE,
	}
	a := r.openWith(persist.Open{ClientID: "a", Will: will})
	empty := r.openWith(persist.Open{ClientID: "b", Will: &persist.Will{Message: persist.Message{Topic: []byte("t")}}})
	for range 2 {
		if diff := diffWill(r.session(a.id).Will, will); diff != "" {
			r.Error(diff)
		}
		if diff := diffWill(r.session(empty.id).Will, &persist.Will{Message: persist.Message{Topic: []byte("t")}}); diff != "" {
			r.Error(diff)
		}
		r.restart()
	}
}
