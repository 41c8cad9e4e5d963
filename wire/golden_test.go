package wire

import (
	"bytes"
	"encoding/hex"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// golden is one line of testdata/golden.txt.
type golden struct {
	version Version
	name    string // packet and variant
	bytes   []byte
}

// bytesOf turns "10 02 'text'" into bytes.
func bytesOf(t testing.TB, s string) []byte {
	t.Helper()
	var b []byte
	for _, word := range strings.Fields(s) {
		if text, quoted := strings.CutPrefix(word, "'"); quoted {
			b = append(b, strings.TrimSuffix(text, "'")...)
			continue
		}
		part, err := hex.DecodeString(word)
		if err != nil {
			t.Fatalf("bytes %q: %v", s, err)
		}
		b = append(b, part...)
	}
	return b
}

// frameOf cuts one whole packet into a frame, without a Reader.
func frameOf(t testing.TB, packet []byte) Frame {
	t.Helper()
	n, size, state := parseVarint(packet[1:])
	if state != varintWhole || len(packet) != 1+size+n {
		t.Fatalf("% X is not one whole packet", packet)
	}
	return Frame{Header: packet[0], Body: packet[1+size:]}
}

// readGolden returns the packets of testdata/golden.txt.
func readGolden(t testing.TB) []golden {
	t.Helper()
	text, err := os.ReadFile("testdata/golden.txt")
	if err != nil {
		t.Fatal(err)
	}
	versions := map[string]Version{"3.1": V31, "3.1.1": V311, "5.0": V5}
	line := regexp.MustCompile(`^(\S+) +([a-z][a-z0-9 ]*?) +([0-9A-F]{2} .*)$`)
	var all []golden
	for _, l := range strings.Split(string(text), "\n") {
		if l == "" || l[0] == '#' {
			continue
		}
		m := line.FindStringSubmatch(l)
		if m == nil || versions[m[1]] == 0 {
			t.Fatalf("golden line %q", l)
		}
		all = append(all, golden{versions[m[1]], m[2], bytesOf(t, m[3])})
	}
	return all
}

// with returns properties on which f has been called.
func with(f func(p *Properties)) Properties {
	var p Properties
	f(&p)
	return p
}

func b(s string) []byte { return []byte(s) }

// olderMeaning says what the golden packets before 5.0 are.
func olderMeaning(v Version) map[string]Packet {
	two := []Subscription{{Filter: "a/b", QoS: 1}, {Filter: "c/d", QoS: 2}}
	return map[string]Packet{
		"connect": &Connect{Version: v, CleanStart: true, KeepAlive: 60, ClientID: "abc"},
		"connect full": &Connect{Version: v, KeepAlive: 10, ClientID: "abc",
			Will:        &Will{QoS: 1, Retain: true, Topic: "w/t", Payload: b("gone")},
			HasUsername: true, Username: "bob", HasPassword: true, Password: b("pw")},
		"connack":          &Connack{},
		"connack present":  &Connack{SessionPresent: true},
		"connack refused":  &Connack{Code: NotAuthorized},
		"publish qos0":     &Publish{Topic: b("a/b"), Payload: b("hello")},
		"publish qos1":     &Publish{QoS: 1, Topic: b("a/b"), PacketID: 10, Payload: b("hi")},
		"publish dup qos2": &Publish{Dup: true, QoS: 2, Retain: true, Topic: b("a/b"), PacketID: 10, Payload: b("")},
		"puback":           &Puback{PacketID: 10},
		"pubrec":           &Pubrec{PacketID: 10},
		"pubrel":           &Pubrel{PacketID: 10},
		"pubcomp":          &Pubcomp{PacketID: 10},
		"subscribe":        &Subscribe{PacketID: 10, Filters: two},
		"suback":           &Suback{PacketID: 10, Codes: []ReasonCode{GrantedQoS1, GrantedQoS2}},
		"suback failure":   &Suback{PacketID: 10, Codes: []ReasonCode{GrantedQoS1, GrantedQoS2, UnspecifiedError}},
		"unsubscribe":      &Unsubscribe{PacketID: 10, Filters: []string{"a/b", "c/d"}},
		"unsuback":         &Unsuback{PacketID: 10},
		"pingreq":          &Pingreq{},
		"pingresp":         &Pingresp{},
		"disconnect":       &Disconnect{},
	}
}

// meaning5 says what the golden packets of 5.0 are, but for CONNECT and CONNACK.
func meaning5() map[string]Packet {
	bad := with(func(p *Properties) { p.SetReasonString(b("bad")) })
	user := with(func(p *Properties) { p.AddUser(b("k"), b("v")) })
	return map[string]Packet{
		"publish qos0":  &Publish{Topic: b("a/b"), Payload: b("hi")},
		"publish alias": &Publish{Topic: b(""), Payload: b(""), Properties: with(func(p *Properties) { p.SetTopicAlias(1) })},
		"publish properties": &Publish{QoS: 1, Topic: b("a/b"), PacketID: 10, Payload: b("x"), Properties: with(func(p *Properties) {
			p.SetPayloadFormatIndicator(1)
			p.SetMessageExpiryInterval(60)
			p.SetContentType(b("t"))
			p.SetResponseTopic(b("r"))
			p.SetCorrelationData(b("c"))
			p.AddSubscriptionID(1)
			p.AddSubscriptionID(128)
			p.SetTopicAlias(7)
			p.AddUser(b("k"), b("v"))
			p.AddUser(b("k"), b("w"))
		})},
		"puback":             &Puback{PacketID: 10},
		"puback code":        &Puback{PacketID: 10, Code: NoMatchingSubscribers},
		"puback properties":  &Puback{PacketID: 10, Code: ImplementationSpecificError, Properties: bad},
		"pubrec":             &Pubrec{PacketID: 10, Code: QuotaExceeded},
		"pubrel":             &Pubrel{PacketID: 10, Code: PacketIdentifierNotFound},
		"pubcomp properties": &Pubcomp{PacketID: 10, Code: PacketIdentifierNotFound, Properties: user},
		"subscribe":          &Subscribe{PacketID: 10, Filters: []Subscription{{Filter: "a/b", QoS: 1}, {Filter: "c/d", QoS: 2}}},
		"subscribe options": &Subscribe{PacketID: 10, Properties: with(func(p *Properties) { p.AddSubscriptionID(5) }), Filters: []Subscription{
			{Filter: "a/+", QoS: 2, NoLocal: true, RetainAsPublished: true, RetainHandling: 2},
			{Filter: "$share/g/#", QoS: 1, RetainAsPublished: true, RetainHandling: 1}}},
		"suback":            &Suback{PacketID: 10, Codes: []ReasonCode{GrantedQoS1, GrantedQoS2, NotAuthorized}},
		"suback properties": &Suback{PacketID: 10, Properties: bad, Codes: []ReasonCode{UnspecifiedError, TopicFilterInvalid, SharedSubscriptionsNotSupported}},
		"unsubscribe":       &Unsubscribe{PacketID: 10, Filters: []string{"a/b", "c/d"}},
		"unsuback":          &Unsuback{PacketID: 10, Codes: []ReasonCode{Success, NoSubscriptionExisted}},
		"pingreq":           &Pingreq{},
		"pingresp":          &Pingresp{},
		"disconnect":        &Disconnect{},
		"disconnect code":   &Disconnect{Code: DisconnectWithWillMessage},
		"disconnect properties": &Disconnect{Code: SessionTakenOver, Properties: with(func(p *Properties) {
			p.SetSessionExpiryInterval(0)
			p.SetServerReference(b("s"))
			p.SetReasonString(b("bye"))
		})},
		"auth": &Auth{},
		"auth continue": &Auth{Code: ContinueAuthentication, Properties: with(func(p *Properties) {
			p.SetAuthenticationMethod(b("SC"))
			p.SetAuthenticationData(b("xy"))
		})},
	}
}

// handshakeMeaning5 says what the golden CONNECT and CONNACK packets of 5.0 are.
func handshakeMeaning5() map[string]Packet {
	return map[string]Packet{
		"connect": &Connect{Version: V5, CleanStart: true, KeepAlive: 60},
		"connect full": &Connect{Version: V5, CleanStart: true, KeepAlive: 10, ClientID: "abc",
			Properties: with(func(p *Properties) { p.SetSessionExpiryInterval(10) }),
			Will: &Will{QoS: 1, Topic: "w/t", Payload: b("gone"),
				Properties: with(func(p *Properties) { p.SetWillDelayInterval(60) })},
			HasUsername: true, Username: "bob", HasPassword: true, Password: b("pw")},
		"connect properties": &Connect{Version: V5, KeepAlive: 60, Properties: with(func(p *Properties) {
			p.SetSessionExpiryInterval(10)
			p.SetAuthenticationMethod(b("m"))
			p.SetAuthenticationData(b("d1"))
			p.SetRequestProblemInformation(false)
			p.SetRequestResponseInformation(true)
			p.SetReceiveMaximum(20)
			p.SetTopicAliasMaximum(10)
			p.AddUser(b("k"), b("v"))
			p.SetMaximumPacketSize(65536)
		})},
		"connect will": &Connect{Version: V5, KeepAlive: 60, Will: &Will{QoS: 2, Topic: "w/t", Payload: b(""), Properties: with(func(p *Properties) {
			p.SetPayloadFormatIndicator(1)
			p.SetMessageExpiryInterval(5)
			p.SetContentType(b("t"))
			p.SetResponseTopic(b("r"))
			p.SetCorrelationData(b("c"))
			p.SetWillDelayInterval(1)
			p.AddUser(b("k"), b(""))
		})}},
		"connect password": &Connect{Version: V5, CleanStart: true, KeepAlive: 60, HasPassword: true, Password: b("pw")},
		"connack":          &Connack{},
		"connack properties": &Connack{Properties: with(func(p *Properties) {
			p.SetSessionExpiryInterval(3600)
			p.SetAssignedClientIdentifier(b("id"))
			p.SetServerKeepAlive(30)
			p.SetAuthenticationMethod(b("m"))
			p.SetAuthenticationData(b("d"))
			p.SetResponseInformation(b("r/"))
			p.SetServerReference(b("s"))
			p.SetReasonString(b("ok"))
			p.SetReceiveMaximum(20)
			p.SetTopicAliasMaximum(5)
			p.SetMaximumQoS(1)
			p.SetRetainAvailable(false)
			p.AddUser(b("k"), b("v"))
			p.SetMaximumPacketSize(4096)
			p.SetWildcardSubscriptionAvailable(true)
			p.SetSubscriptionIdentifierAvailable(false)
			p.SetSharedSubscriptionAvailable(true)
		})},
	}
}

// goldenMeaning returns the packet that a golden line encodes.
func goldenMeaning(t testing.TB, g golden) Packet {
	t.Helper()
	tables := []map[string]Packet{olderMeaning(g.version)}
	if g.version == V5 {
		tables = []map[string]Packet{meaning5(), handshakeMeaning5()}
	}
	for _, table := range tables {
		if p, ok := table[g.name]; ok {
			return p
		}
	}
	t.Fatalf("no meaning for MQTT %s %s", g.version, g.name)
	return nil
}

func TestGoldenPacketsDecodeAndEncode(t *testing.T) {
	all := readGolden(t)
	seen := map[Type]bool{}
	for _, g := range all {
		t.Run(g.version.String()+" "+g.name, func(t *testing.T) {
			want := goldenMeaning(t, g)
			seen[want.Type()] = true
			got, err := Decode(frameOf(t, g.bytes), g.version)
			if err != nil {
				t.Fatalf("decode % X: %v", g.bytes, err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("decoded %+v\nwant    %+v", got, want)
			}
			encoded, err := want.Append([]byte("before"), g.version)
			if err != nil {
				t.Fatalf("encode: %v", err)
			}
			if !bytes.Equal(encoded, append([]byte("before"), g.bytes...)) {
				t.Errorf("encoded % X\nwant    % X", encoded[6:], g.bytes)
			}
		})
	}
	if len(seen) != int(AUTH) {
		t.Errorf("golden packets cover %d of %d types", len(seen), AUTH)
	}
}

func TestEveryMeaningHasItsGoldenBytes(t *testing.T) {
	lines := map[string]bool{}
	for _, g := range readGolden(t) {
		if g.version == V5 {
			lines["5.0 "+g.name] = true
		} else {
			lines[g.name] = true
		}
	}
	for name := range olderMeaning(V311) {
		if !lines[name] {
			t.Errorf("no golden line for %q", name)
		}
	}
	for _, table := range []map[string]Packet{meaning5(), handshakeMeaning5()} {
		for name := range table {
			if !lines["5.0 "+name] {
				t.Errorf("no golden line for 5.0 %q", name)
			}
		}
	}
}
