package engine

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/wire"
)

func TestConnackTellsWhatIsOffered(t *testing.T) {
	o := Options{
		MaxPacketSize: 5000, ReceiveMaximum: 77, TopicAliasMaximum: 9, MaxSessionExpiry: time.Hour, MaxKeepAlive: time.Minute,
	}
	scenarioWith(t, o, func(r *rig) {
		p := &r.connect("", keptFor(1e9), func(p *wire.Connect) { p.KeepAlive = 600 }).connack.Properties
		if p.MaximumPacketSize != 5000 || p.ReceiveMaximum != 77 || p.TopicAliasMaximum != 9 || p.SessionExpiryInterval != 3600 ||
			p.ServerKeepAlive != 60 {
			t.Errorf("CONNACK says %+v", *p)
		}
		if !strings.HasPrefix(string(p.AssignedClientIdentifier), "auto-") {
			t.Errorf("assigned client identifier %q", p.AssignedClientIdentifier)
		}
		p = &r.connect("named", keptFor(5), keepAliveOf(60)).connack.Properties
		for _, id := range []wire.PropertyID{
			wire.PropAssignedClientIdentifier, wire.PropSessionExpiryInterval, wire.PropServerKeepAlive,
			wire.PropMaximumQoS, wire.PropRetainAvailable,
		} {
			if p.Has(id) {
				t.Errorf("%v stands in CONNACK and says nothing new", id)
			}
		}
	})
}

// refusals are CONNECTs that are not accepted. MQTT 5 is always told why; before, there are five codes, and no answer
// to what is malformed.
var refusals = []struct {
	name   string
	option connectOption
	v5     wire.ReasonCode
	v3     wire.ReasonCode // Success: the connection is closed without CONNACK
}{
	{"user not allowed", func(p *wire.Connect) { p.HasUsername, p.Username = true, "mallory" }, wire.BadUserNameOrPassword, wire.BadUserNameOrPassword},
	{"will not allowed", willing("forbidden", "w", 0), wire.NotAuthorized, wire.NotAuthorized},
	{"will topic too deep", willing("a/b/c/d/e", "w", 0), wire.TopicNameInvalid, wire.Success},
	{"will topic with wildcard", willing("a/#", "w", 0), wire.TopicNameInvalid, wire.Success},
	{"banned", func(p *wire.Connect) { p.ClientID = "banned" }, wire.Banned, wire.NotAuthorized},
}

// doorkeeper refuses some clients and topics.
type doorkeeper struct{}

func (doorkeeper) Authenticate(c *Credentials) (Identity, wire.ReasonCode) {
	switch {
	case c.Username == "mallory":
		return Identity{}, wire.BadUserNameOrPassword
	case c.ClientID == "banned":
		return Identity{}, wire.Banned
	}
	return Identity{Name: c.Username}, wire.Success
}

func (doorkeeper) MayPublish(_ Identity, _ string, topic []byte) bool {
	return !strings.HasPrefix(string(topic), "forbidden")
}

func (doorkeeper) MaySubscribe(_ Identity, _, filter string) bool {
	return !strings.HasPrefix(filter, "forbidden")
}

func TestRefusedConnect(t *testing.T) {
	o := Options{Authenticator: doorkeeper{}, Authorizer: doorkeeper{}, MaxTopicLevels: 4}
	for _, refusal := range refusals {
		for _, v := range versions {
			t.Run(refusal.name+" "+v.name, func(t *testing.T) {
				scenarioWith(t, o, func(r *rig) {
					other := r.subscriber("other", "#", 0)
					c := r.attempt("c", refusal.option, v.option)
					code := refusal.v3
					if c.version == wire.V5 {
						code = refusal.v5
					}
					if code != wire.Success {
						c.want("the refusal", &wire.Connack{Code: code})
					}
					c.wantClosed()
					other.wantNothing("nobody else notices")
				})
			})
		}
	}
}

func TestEmptyClientIdentifier(t *testing.T) {
	scenario(t, func(r *rig) {
		r.connect("", v311).ping()
		c := r.attempt("", v31)
		c.want("MQTT 3.1 has no empty identifier", &wire.Connack{Code: wire.ClientIdentifierNotValid})
		c.wantClosed()
		c = r.attempt("", v311, kept)
		c.want("a session without a name cannot be kept", &wire.Connack{Code: wire.ClientIdentifierNotValid})
		c.wantClosed()
		first, second := r.connect(""), r.connect("")
		first.ping()
		second.ping()
	})
}

func TestEnhancedAuthenticationIsRefused(t *testing.T) {
	scenario(t, func(r *rig) {
		c := r.attempt("c", func(p *wire.Connect) { p.Properties.SetAuthenticationMethod([]byte("SCRAM")) })
		c.want("it is not offered", &wire.Connack{Code: wire.BadAuthenticationMethod})
		c.wantClosed()
	})
}

func TestUnknownProtocolVersion(t *testing.T) {
	connect := []byte("\x10\x0d\x00\x04MQTT\x09\x02\x00\x00\x00\x01c")
	scenario(t, func(r *rig) {
		c := r.dial("c", wire.V311)
		c.sendRaw(connect)
		c.want("the version is refused", &wire.Connack{Code: wire.UnsupportedProtocolVersion})
		c.wantClosed()
	})
	scenario(t, func(r *rig) {
		c := r.dial("c", wire.V311)
		c.sendRaw([]byte("\x10\x0d\x00\x04HTTP\x04\x02\x00\x00\x00\x01c"))
		c.wantClosed()
	})
}

func TestFirstPacketMustBeConnect(t *testing.T) {
	for _, p := range []wire.Packet{
		&wire.Pingreq{}, publish("t", "m", 0), subscription1(1, "t", 0), &wire.Disconnect{}, &wire.Connack{},
	} {
		scenario(t, func(r *rig) {
			other := r.subscriber("other", "#", 0)
			c := r.dial("c", wire.V5)
			c.send(p)
			c.wantClosed()
			other.wantNothing("nobody else notices")
		})
	}
	scenario(t, func(r *rig) {
		c := r.dial("c", wire.V5)
		c.sendRaw([]byte("GET / HTTP/1.1\r\n\r\n"))
		c.wantClosed()
	})
}

func TestConnectMustCompleteInTime(t *testing.T) {
	frame, err := (&wire.Connect{Version: wire.V5, CleanStart: true, ClientID: strings.Repeat("c", 100)}).Append(nil, wire.V5)
	if err != nil {
		t.Fatal(err)
	}
	scenario(t, func(r *rig) {
		silent, slow, late := r.dial("silent", wire.V5), r.dial("slow", wire.V5), r.dial("late", wire.V5)
		for i := range 11 { // a byte a second renews nothing
			slow.sendRaw(frame[i : i+1])
			if i == 9 {
				late.sendRaw(frame)
				late.accepted()
				silent.wantNothing("there is time")
				slow.wantNothing("there is time")
			}
			r.sleep(time.Second)
		}
		silent.wantClosed()
		slow.wantClosed()
		late.ping()
	})
	scenario(t, func(r *rig) {
		slow := r.dial("slow", wire.V5)
		for i := range frame { // slow, and in time
			slow.sendRaw(frame[i : i+1])
			r.sleep(10 * time.Millisecond)
		}
		slow.accepted()
		r.sleep(time.Hour)
		slow.ping() // the deadline went with CONNECT
	})
}

func TestLargeConnectIsRefused(t *testing.T) {
	scenarioWith(t, Options{MaxConnectPacketSize: 200}, func(r *rig) {
		c := r.attempt(strings.Repeat("c", 300))
		c.wantClosed()
		c = r.connect("c")
		c.publish("t", strings.Repeat("x", 1000), 1) // the limit is CONNECT's
	})
}

func TestSecondConnectEndsTheConnection(t *testing.T) {
	for _, v := range versions {
		scenario(t, func(r *rig) {
			c := r.connect("c", v.option)
			c.send(&wire.Connect{Version: c.version, CleanStart: true, ClientID: "c"})
			if c.version == wire.V5 {
				c.want("the reason", &wire.Disconnect{Code: wire.ProtocolErrorCode})
			}
			c.wantClosed()
		})
	}
}

func TestKeepAlive(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			scenario(t, func(r *rig) {
				silent := r.connect("silent", v.option, keepAliveOf(10))
				alive := r.connect("alive", v.option, keepAliveOf(10))
				free := r.connect("free", v.option, keepAliveOf(0))
				r.sleep(14 * time.Second)
				alive.publish("t", "any packet counts", 0)
				silent.wantNothing("half an interval is granted")
				r.sleep(time.Second)
				if silent.version == wire.V5 {
					silent.want("the reason", &wire.Disconnect{Code: wire.KeepAliveTimeout})
				}
				silent.wantClosed()
				r.sleep(13 * time.Second)
				alive.ping()
				free.ping()
			})
		})
	}
}

// TestKeepAliveIsAgreed: MQTT 5 clients are told the longest keep alive; others cannot be, so theirs holds.
func TestKeepAliveIsAgreed(t *testing.T) {
	scenarioWith(t, Options{MaxKeepAlive: 10 * time.Second}, func(r *rig) {
		told := r.connect("told", keepAliveOf(600))
		never := r.connect("never", keepAliveOf(0))
		old := r.connect("old", v311, keepAliveOf(600))
		r.sleep(16 * time.Second)
		told.wantEnd(wire.KeepAliveTimeout)
		never.wantEnd(wire.KeepAliveTimeout)
		old.ping()
	})
}

// illegal are packets that a connected client must not send, and the reason it is given.
var illegal = []struct {
	name string
	raw  string
	code wire.ReasonCode
}{
	{"packet type 0", "\x00\x00", wire.MalformedPacket},
	{"CONNACK", "\x20\x03\x00\x00\x00", wire.ProtocolErrorCode},
	{"SUBACK", "\x90\x04\x00\x01\x00\x00", wire.ProtocolErrorCode},
	{"UNSUBACK", "\xb0\x04\x00\x01\x00\x00", wire.ProtocolErrorCode},
	{"PINGRESP", "\xd0\x00", wire.ProtocolErrorCode},
	{"AUTH", "\xf0\x00", wire.ProtocolErrorCode},
	{"reserved bits", "\x80\x00", wire.MalformedPacket},
	{"QoS 3", "\x36\x06\x00\x01t\x00\x01\x00", wire.MalformedPacket},
	{"packet identifier 0", "\x32\x06\x00\x01t\x00\x00\x00", wire.ProtocolErrorCode},
	{"topic with wildcard", "\x30\x04\x00\x01#\x00", wire.TopicNameInvalid},
	{"neither topic nor alias", "\x30\x03\x00\x00\x00", wire.ProtocolErrorCode},
	{"alias too high", "\x30\x07\x00\x01t\x03\x23\x7f\xff", wire.TopicAliasInvalid},
	{"subscription identifier", "\x30\x06\x00\x01t\x02\x0b\x01", wire.ProtocolErrorCode},
	{"property of another packet", "\x30\x09\x00\x01t\x05\x11\x00\x00\x00\x01", wire.MalformedPacket},
	{"SUBSCRIBE without filter", "\x82\x03\x00\x01\x00", wire.ProtocolErrorCode},
	{"filter with # in the middle", "\x82\x09\x00\x01\x00\x00\x03a#b\x00", wire.TopicFilterInvalid},
	{"no local on a share", "\x82\x10\x00\x01\x00\x00\x0a$share/g/t\x04", wire.ProtocolErrorCode},
	{"remaining length", "\x30\xff\xff\xff\xff\x01", wire.MalformedPacket},
	{"too large", "\x30\xff\xff\xff\x7f", wire.PacketTooLarge},
}

func TestIllegalPacketEndsOneConnection(t *testing.T) {
	for _, bad := range illegal {
		t.Run(bad.name, func(t *testing.T) {
			scenario(t, func(r *rig) {
				other := r.subscriber("other", "#", 1)
				c := r.connect("c", willing("will", "w", 0))
				c.sendRaw([]byte(bad.raw))
				c.wantEnd(bad.code)
				other.want("the will", publish("will", "w", 0))
				other.ping()
			})
		})
	}
}

func TestAnonymousFollowsTheListener(t *testing.T) {
	var anonymous Anonymous
	for allowed, want := range map[bool]wire.ReasonCode{true: wire.Success, false: wire.NotAuthorized} {
		if _, code := anonymous.Authenticate(&Credentials{ClientID: "c", AllowAnonymous: allowed}); code != want {
			t.Errorf("allowed %v: %v", allowed, code)
		}
	}
}
