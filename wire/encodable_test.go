package wire

import (
	"errors"
	"strings"
	"testing"
)

func TestWhatHasNoEncodingIsRefused(t *testing.T) {
	long := strings.Repeat("x", maxString+1)
	fits := b(long[1:])
	misplaced := with(func(p *Properties) { p.SetServerKeepAlive(1) })
	for why, p := range map[string]Packet{
		"client identifier": &Connect{Version: V5, ClientID: long},
		"user name":         &Connect{Version: V5, HasUsername: true, Username: long},
		"password":          &Connect{Version: V5, HasPassword: true, Password: b(long)},
		"will topic":        &Connect{Version: V5, Will: &Will{Topic: long}},
		"will payload":      &Connect{Version: V5, Will: &Will{Topic: "t", Payload: b(long)}},
		"will QoS":          &Connect{Version: V5, Will: &Will{Topic: "t", QoS: 3}},
		"will property":     &Connect{Version: V5, Will: &Will{Topic: "t", Properties: misplaced}},
		"connect property":  &Connect{Version: V5, Properties: misplaced},
		"publish topic":     &Publish{Topic: b(long)},
		"publish QoS":       &Publish{Topic: b("t"), QoS: 3},
		"publish property":  &Publish{Topic: b("t"), Properties: misplaced},
		"publish payload":   &Publish{Topic: b("t"), Payload: make([]byte, maxVarint)},
		"publish forward":   &Publish{Topic: b("t"), Forward: make([]byte, maxVarint)},
		"long text":         &Puback{Properties: with(func(p *Properties) { p.SetReasonString(b(long)) })},
		"long user key":     &Puback{Properties: with(func(p *Properties) { p.AddUser(b(long), nil) })},
		"long user value":   &Puback{Properties: with(func(p *Properties) { p.AddUser(nil, b(long)) })},
		"many properties": &Puback{Properties: with(func(p *Properties) {
			for range maxVarint/(2*maxString) + 1 {
				p.AddUser(fits, fits)
			}
		})},
		"puback property":      &Puback{Properties: misplaced},
		"pubrec property":      &Pubrec{Properties: misplaced},
		"pubrel property":      &Pubrel{Properties: misplaced},
		"pubcomp property":     &Pubcomp{Properties: misplaced},
		"subscribe filter":     &Subscribe{Filters: []Subscription{{Filter: long}}},
		"subscribe QoS":        &Subscribe{Filters: []Subscription{{Filter: "a", QoS: 3}}},
		"retain handling":      &Subscribe{Filters: []Subscription{{Filter: "a", RetainHandling: 3}}},
		"two identifiers":      &Subscribe{Properties: with(func(p *Properties) { p.AddSubscriptionID(1); p.AddSubscriptionID(2) })},
		"large identifier":     &Publish{Topic: b("t"), Properties: with(func(p *Properties) { p.AddSubscriptionID(maxVarint + 1) })},
		"suback property":      &Suback{Properties: misplaced},
		"unsubscribe filter":   &Unsubscribe{Filters: []string{long}},
		"unsubscribe property": &Unsubscribe{Properties: misplaced},
		"unsuback property":    &Unsuback{Properties: misplaced},
		"disconnect property":  &Disconnect{Properties: misplaced},
		"auth property":        &Auth{Properties: misplaced},
	} {
		before := []byte("before")
		after, err := p.Append(before, V5)
		if !errors.Is(err, ErrNotEncodable) {
			t.Errorf("%s: got %v", why, err)
			continue
		}
		if string(after) != "before" {
			t.Errorf("%s: the buffer became %.20q", why, after)
		}
		if !strings.HasPrefix(err.Error(), "encode "+p.Type().String()+": ") {
			t.Errorf("%s: %q does not say what was encoded", why, err)
		}
	}
}

func TestAuthHasNoEncodingBefore5(t *testing.T) {
	if _, err := new(Auth).Append(nil, V311); !errors.Is(err, ErrNotEncodable) {
		t.Errorf("got %v", err)
	}
}

// TestLargestBodyIsEncoded reaches the limit from both sides with filters, which need no large allocation of their own.
func TestLargestBodyIsEncoded(t *testing.T) {
	filter := strings.Repeat("x", maxString)
	p := &Unsubscribe{PacketID: 1}
	for range maxVarint / (maxString + 2) {
		p.Filters = append(p.Filters, filter)
	}
	room := (maxVarint - 2) % (maxString + 2)
	p.Filters = append(p.Filters, filter[:room-2])
	packet, err := p.Append(make([]byte, 0, 1+lengthRoom+maxVarint+1), V311)
	if err != nil || len(packet) != 1+4+maxVarint {
		t.Fatalf("%d bytes, %v", len(packet), err)
	}
	p.Filters[len(p.Filters)-1] = filter[:room-1]
	if packet, err = p.Append(packet[:0], V311); !errors.Is(err, ErrNotEncodable) || len(packet) != 0 {
		t.Fatalf("one byte too many: %d bytes, %v", len(packet), err)
	}
}
