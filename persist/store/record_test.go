package store

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/holdfast-mqtt/holdfast/persist"
)

func randomSeed(t testing.TB) *rand.Rand {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

func randomBytes(r *rand.Rand, most int) []byte {
	b := make([]byte, r.IntN(most))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func randomMessage(r *rand.Rand) persist.Message {
	m := persist.Message{
		Topic: randomBytes(r, 300), Properties: randomBytes(r, 50), Payload: randomBytes(r, 1000),
		QoS: byte(r.IntN(3)), Retain: r.IntN(2) == 0, Retained: r.IntN(2) == 0,
	}
	if r.IntN(2) == 0 {
		m.Expires = r.Int64() - r.Int64()
	}
	return m
}

// randomBatch says each thing that a batch can say, or not.
func randomBatch(r *rand.Rand) *persist.Batch {
	b := &persist.Batch{End: r.IntN(4) == 0, WillOf: r.IntN(4) == 0}
	half := func() bool { return r.IntN(2) == 0 }
	position := func() persist.Position { return persist.Position(r.Uint64() >> r.IntN(64)) }
	if half() {
		b.Session, b.Epoch = persist.SessionID(position()+1), persist.Epoch(position())
	}
	if half() {
		m := randomMessage(r)
		b.Message = &m
		b.Retain = persist.RetainAction(r.IntN(3))
	}
	b.ReceivedID, b.ReleasedID = uint16(r.IntN(2)*r.IntN(65536)), uint16(r.IntN(2)*r.IntN(65536))
	if half() {
		b.Open = &persist.Open{ClientID: string(randomBytes(r, 30)), Username: string(randomBytes(r, 30)), Clean: half(), ExpirySeconds: r.Uint32(), At: r.Int64()}
		if half() {
			b.Open.Will = &persist.Will{Message: randomMessage(r), DelaySeconds: r.Uint32(), MessageExpirySeconds: r.Uint32()}
		}
	}
	if half() {
		b.Close = &persist.Close{At: r.Int64(), DiscardWill: half()}
		if half() {
			b.Close.SetExpiry, b.Close.ExpirySeconds = true, r.Uint32()
		}
	}
	for range r.IntN(4) {
		b.Subscribe = append(b.Subscribe, persist.Subscription{
			Filter: string(randomBytes(r, 40)), QoS: byte(r.IntN(3)), NoLocal: half(), RetainAsPublished: half(), RetainHandling: byte(r.IntN(3)), ID: r.Uint32(),
		})
		b.Unsubscribe = append(b.Unsubscribe, string(randomBytes(r, 40)))
		b.Sent = append(b.Sent, persist.Sent{Position: position(), PacketID: uint16(r.Uint32())})
		b.Released = append(b.Released, uint16(r.Uint32()))
		b.Settled.Above = append(b.Settled.Above, position())
	}
	if half() {
		b.Settled.Floor = position()
	}
	return b
}

// batchOf turns what was read back into a batch.
func batchOf(r *record) *persist.Batch {
	b := &persist.Batch{
		Session: r.session, Epoch: r.epoch, ReceivedID: r.receivedID, ReleasedID: r.releasedID,
		End: r.has(partEnd), WillOf: r.has(partWillOf),
		Subscribe: slices.Clone(r.subscribe), Unsubscribe: slices.Clone(r.unsubscribe),
		Sent: slices.Clone(r.sent), Released: slices.Clone(r.released),
		Settled: persist.Settled{Floor: r.settled.Floor, Above: slices.Clone(r.settled.Above)},
	}
	if r.has(partMessage) {
		m := r.message
		b.Message = &m
	}
	switch {
	case b.Message == nil: // nothing else can be retained
	case r.has(partRetainSet):
		b.Retain = persist.RetainSet
	case r.has(partRetainClear):
		b.Retain = persist.RetainClear
	}
	if r.has(partOpen) {
		o := r.open
		b.Open = &o
	}
	if r.has(partClose) {
		c := r.leave
		b.Close = &c
	}
	return b
}

// sameBatch compares, and takes empty lists for none.
func sameBatch(a, b *persist.Batch) bool {
	for _, x := range []*persist.Batch{a, b} {
		x.Subscribe, x.Unsubscribe = shrink(x.Subscribe), shrink(x.Unsubscribe)
		x.Sent, x.Released, x.Settled.Above = shrink(x.Sent), shrink(x.Released), shrink(x.Settled.Above)
		if x.Session == 0 {
			x.Epoch = 0
		}
	}
	return reflect.DeepEqual(a, b)
}

func TestBatchComesBackFromItsRecord(t *testing.T) {
	rnd := randomSeed(t)
	var r record // reused, as the fold does
	for range 5000 {
		b := randomBatch(rnd)
		audience := rnd.Uint64() >> rnd.IntN(64)
		body := appendBatch(nil, b, audience)
		if err := r.decode(body); err != nil {
			t.Fatalf("%+v: %v", b, err)
		}
		if got := batchOf(&r); !sameBatch(got, b) {
			t.Fatalf("got  %+v\nwant %+v", got, b)
		}
		if b.Message != nil && r.audience != audience {
			t.Fatalf("audience %d came back as %d", audience, r.audience)
		}
		var m persist.Message
		if err := decodeMessage(body, &m); (err == nil) != (b.Message != nil) || b.Message != nil && !reflect.DeepEqual(m, *b.Message) {
			t.Fatalf("message %+v came back as %+v, error %v", b.Message, m, err)
		}
		key, expires, ok := indexRecord(1, typeBatch, body)
		if want := b.Message != nil && audience != 0; ok != want || ok && (key != audience || expires != b.Message.Expires) {
			t.Fatalf("indexed %v under %d until %d", ok, key, expires)
		}
		// A record that is cut short is an error, wherever it is cut.
		for _, n := range []int{0, 1, 2, rnd.IntN(len(body)), len(body) - 1} {
			if err := r.decode(body[:n]); err == nil {
				t.Fatalf("%d of %d bytes were taken for a record", n, len(body))
			}
		}
		if err := r.decode(append(body, 0)); !errors.Is(err, errRecord) {
			t.Fatalf("a byte too many: %v", err)
		}
	}
}

func TestAudienceComesBackFromItsRecord(t *testing.T) {
	rnd := randomSeed(t)
	for range 500 {
		var want []persist.Member
		id := persist.SessionID(0)
		for range rnd.IntN(200) {
			id += persist.SessionID(rnd.IntN(1<<rnd.IntN(40)) + 1)
			m := persist.Member{Session: id, QoS: byte(1 + rnd.IntN(2)), RetainAsPublished: rnd.IntN(2) == 0}
			for range rnd.IntN(3) {
				m.SubscriptionIDs = append(m.SubscriptionIDs, rnd.Uint32())
			}
			want = append(want, m)
		}
		number := rnd.Uint64()
		body := appendAudience(nil, number, want)
		gotNumber, got, err := decodeAudience(body)
		if err != nil || gotNumber != number || !slices.EqualFunc(got, want, sameMember) {
			t.Fatalf("%v came back as %v, number %d as %d, error %v", want, got, number, gotNumber, err)
		}
		for n := range body {
			if _, _, err := decodeAudience(body[:n]); err == nil {
				t.Fatalf("%d of %d bytes were taken for an audience", n, len(body))
			}
		}
	}
}

func TestRecordOfNewerVersionIsNamed(t *testing.T) {
	body := appendBatch(nil, &persist.Batch{Message: message("t", "p")}, 1)
	body[0] = recordVersion + 1
	var r record
	if err := r.decode(body); !errors.Is(err, errVersion) {
		t.Errorf("batch: %v", err)
	}
	if _, _, err := decodeAudience(body); !errors.Is(err, errVersion) {
		t.Errorf("audience: %v", err)
	}
	st := newState()
	if err := st.fold(1, 99, nil, 0); !errors.Is(err, errVersion) {
		t.Errorf("unknown type: %v", err)
	}
}

func FuzzDecodeRecord(f *testing.F) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		f.Add(appendBatch(nil, randomBatch(rnd), rnd.Uint64()))
	}
	f.Add(appendAudience(nil, 7, []persist.Member{{Session: 1, QoS: 1}, {Session: 9, QoS: 2, SubscriptionIDs: []uint32{1, 2}}}))
	f.Fuzz(func(t *testing.T, body []byte) {
		var r record
		if err := r.decode(body); err == nil {
			// What was read is written and read again as the same.
			var again record
			b := batchOf(&r)
			if err := again.decode(appendBatch(nil, b, r.audience)); err != nil {
				t.Fatalf("%+v: %v", b, err)
			}
			if got := batchOf(&again); !sameBatch(got, b) {
				t.Fatalf("got  %+v\nwant %+v", got, b)
			}
		}
		if id, members, err := decodeAudience(body); err == nil {
			if _, again, err := decodeAudience(appendAudience(nil, id, members)); err != nil || !slices.EqualFunc(again, members, sameMember) {
				t.Fatalf("%v came back as %v, error %v", members, again, err)
			}
		}
		var m persist.Message
		_ = decodeMessage(body, &m)
		indexRecord(1, typeBatch, body)
		if _, err := decodeVoids(body); err != nil && !errors.Is(err, errRecord) && !errors.Is(err, errVersion) {
			t.Fatal(err)
		}
		// No bytes bring the fold down.
		st := newState()
		st.effects.live = true
		_ = st.fold(100, typeAudience, body, 1)
		_ = st.fold(200, typeBatch, body, 2)
		st.trim()
	})
}
