package engine

import (
	"fmt"
	"testing"

	"github.com/holdfast-mqtt/holdfast/wire"
)

// versions are the connect options for each protocol version.
var versions = []struct {
	name   string
	option connectOption
}{
	{"3.1", v31},
	{"3.1.1", v311},
	{"5.0", func(p *wire.Connect) { p.Version = wire.V5 }},
}

func TestPublishReachesSubscriber(t *testing.T) {
	for _, from := range versions {
		for _, to := range versions {
			for _, keep := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s to %s, kept %v", from.name, to.name, keep), func(t *testing.T) {
					scenario(t, func(r *rig) {
						options := []connectOption{to.option}
						if keep {
							options = append(options, kept)
						}
						sub := r.subscriber("sub", "a/+", 2, options...)
						sub.acknowledgeAll()
						pub := r.connect("pub", from.option)
						for qos := byte(0); qos <= 2; qos++ {
							pub.publish("a/b", "one", qos)
							sub.want("the message", publish("a/b", "one", qos))
						}
						sub.want("the end of the QoS 2 message", pubrel(2))
						sub.wantNothing("everything was delivered once")
					})
				})
			}
		}
	}
}

func TestDeliveryQoSIsTheLowerOfPublishedAndGranted(t *testing.T) {
	for _, keep := range []connectOption{clean, kept} {
		scenario(t, func(r *rig) {
			pub := r.connect("pub")
			for granted := byte(0); granted <= 2; granted++ {
				sub := r.subscriber(fmt.Sprint("sub", granted), "t", granted, keep)
				sub.acknowledgeAll()
				for qos := byte(0); qos <= 2; qos++ {
					pub.publish("t", "m", qos)
					sub.want("the message", publish("t", "m", min(qos, granted)))
				}
				sub.take()
			}
		})
	}
}

// TestNothingIsAcknowledgedBeforeItIsDurable goes through every packet that promises something.
func TestNothingIsAcknowledgedBeforeItIsDurable(t *testing.T) {
	scenario(t, func(r *rig) {
		keeper := r.subscriber("keeper", "k/#", 2, kept)
		held := r.connect("held", kept)
		volatile := r.connect("volatile")

		r.hold()
		held.send(
			publish("k/1", "one", 1, withID(1)),
			publish("k/2", "two", 2, withID(2)),
			pubrel(2),
		)
		r.wait()
		volatile.send(publish("k/3", "three", 1, withID(1)), publish("k/4", "four", 2, withID(2)))
		newcomer := r.attempt("newcomer", kept)
		held.wantNothing("commits are held")
		volatile.wantNothing("commits are held")
		newcomer.wantNothing("CONNACK of a kept session is a promise")
		keeper.wantNothing("what a crash could unsay is not delivered")
		held.ping()
		volatile.ping()
		keeper.ping()

		r.release()
		held.want("the answers in order", puback(1), pubrec(2), pubcomp(2))
		volatile.want("the answers in order", puback(1), pubrec(2))
		newcomer.want("CONNACK", &wire.Connack{})
		keeper.want("the messages in order", publish("k/1", "one", 1), publish("k/2", "two", 2),
			publish("k/3", "three", 1), publish("k/4", "four", 2))
	})
}

func TestSubscribeAndUnsubscribeWaitForTheDisk(t *testing.T) {
	scenario(t, func(r *rig) {
		sub := r.subscriber("sub", "old", 1, kept)
		pub := r.connect("pub")
		r.hold()
		sub.send(&wire.Pingreq{}, subscription1(10, "new", 1))
		sub.want("what came before it does not wait", &wire.Pingresp{})
		sub.wantNothing("the subscription is not durable")
		r.release()
		sub.want("the subscription is durable", suback(10, wire.GrantedQoS1))
		r.hold()
		sub.send(&wire.Unsubscribe{PacketID: 11, Filters: []string{"old"}})
		sub.wantNothing("the end of the subscription is not durable")
		r.release()
		sub.want("the end of the subscription is durable", &wire.Unsuback{PacketID: 11, Codes: []wire.ReasonCode{0}})
		pub.publish("old", "no", 1)
		pub.publish("new", "yes", 1)
		sub.want("only the new subscription", publish("new", "yes", 1))
	})
}

// TestOutboundQoS2WaitsForItsIdentifierAndItsRelease: the identifier before PUBLISH, PUBREC before PUBREL.
func TestOutboundQoS2WaitsForItsIdentifierAndItsRelease(t *testing.T) {
	scenario(t, func(r *rig) {
		sub := r.subscriber("sub", "t", 2, kept)
		pub := r.connect("pub")
		r.hold()
		pub.send(publish("t", "m", 2, withID(1)))
		r.wait()
		r.step(1) // the message
		pub.want("the message is durable", pubrec(1))
		sub.wantNothing("its outbound identifier is not durable")
		r.step(1)
		sub.want("the identifier is durable", publish("t", "m", 2, withID(1)))
		sub.send(pubrec(1))
		sub.wantNothing("PUBREC is not durable")
		sub.send(pubrec(1))
		sub.wantNothing("asked again, PUBREC is still not durable")
		r.release()
		sub.want("PUBREC is durable", pubrel(1), pubrel(1))
	})
}

func TestVolatileTrafficNeedsNoDisk(t *testing.T) {
	scenario(t, func(r *rig) {
		keeper := r.subscriber("keeper", "t", 0, kept)
		sub := r.subscriber("sub", "t", 2)
		sub.acknowledgeAll()
		pub := r.connect("pub", v311)
		r.hold()
		before := r.store.Pending()
		for qos := byte(0); qos <= 2; qos++ {
			pub.publish("t", "m", qos)
			sub.want("the message", publish("t", "m", qos))
			keeper.want("at the QoS granted", publish("t", "m", 0))
		}
		sub.want("the end of the QoS 2 message", pubrel(2))
		other := r.subscriber("other", "u", 1)
		pub.publish("u", "m", 1)
		other.want("a new volatile subscriber is served", publish("u", "m", 1))
		if r.store.Pending() != before {
			t.Errorf("%d steps were appended, want none", r.store.Pending()-before)
		}
	})
}

func TestNoSubscribersIsSaid(t *testing.T) {
	scenario(t, func(r *rig) {
		pub := r.connect("pub")
		pub.send(publish("t", "m", 1, withID(1)), publish("t", "m", 2, withID(2)))
		pub.want("nobody listens", puback(1, wire.NoMatchingSubscribers), pubrec(2, wire.NoMatchingSubscribers))
		pub.send(pubrel(2))
		pub.want("it ends as any other", pubcomp(2))
		pub.send(&wire.Unsubscribe{PacketID: 3, Filters: []string{"x"}})
		pub.want("there is no such subscription", &wire.Unsuback{PacketID: 3, Codes: []wire.ReasonCode{wire.NoSubscriptionExisted}})
		old := r.connect("old", v311)
		old.send(publish("t", "m", 1, withID(1)))
		old.want("MQTT 3 knows no codes", puback(1))
	})
}

func TestRepeatedQoS2PublishIsRoutedOnce(t *testing.T) {
	for _, keep := range []connectOption{clean, kept} {
		scenario(t, func(r *rig) {
			sub := r.subscriber("sub", "t", 1, kept)
			pub := r.connect("pub", keep)
			pub.send(publish("t", "one", 2, withID(7)), publish("t", "one", 2, withID(7), dup))
			pub.want("both are answered", pubrec(7), pubrec(7))
			sub.want("one message", publish("t", "one", 1))
			sub.wantNothing("one message")
			pub.send(pubrel(7), pubrel(7))
			pub.want("the second finds nothing", pubcomp(7), pubcomp(7, wire.PacketIdentifierNotFound))
			pub.send(publish("t", "two", 2, withID(7)))
			pub.want("a new message", pubrec(7))
			sub.want("the identifier was used again", publish("t", "two", 1))
		})
	}
}

func TestRepeatIsAnsweredWhenTheFirstIsDurable(t *testing.T) {
	scenario(t, func(r *rig) {
		sub := r.subscriber("sub", "t", 1, kept)
		pub := r.connect("pub", kept)
		r.hold()
		pub.send(publish("t", "one", 2, withID(7)))
		r.wait()
		pub.send(publish("t", "one", 2, withID(7), dup))
		pub.wantNothing("neither is durable")
		r.release()
		pub.want("both are", pubrec(7), pubrec(7))
		sub.want("one message", publish("t", "one", 1))
		sub.wantNothing("one message")
	})
}

func TestAcknowledgementOfAStrangerChangesNothing(t *testing.T) {
	for _, keep := range []connectOption{clean, kept} {
		scenario(t, func(r *rig) {
			sub := r.subscriber("sub", "t", 2, keep)
			pub := r.connect("pub")
			sub.send(puback(9), pubcomp(9), pubrec(9))
			sub.want("there is no such message", pubrel(9, wire.PacketIdentifierNotFound))
			pub.publish("t", "one", 1)
			pub.publish("t", "two", 2)
			sub.want("the messages", publish("t", "one", 1, withID(1)), publish("t", "two", 2, withID(2)))
			sub.send(puback(2), pubcomp(2), pubcomp(1)) // the wrong kind
			sub.send(puback(1), pubrec(2))
			sub.want("the right kind", pubrel(2))
			sub.send(pubcomp(2))
			sub.wantNothing("done")
		})
	}
}

func TestRefusedQoS2MessageIsDone(t *testing.T) {
	scenario(t, func(r *rig) {
		sub := r.subscriber("sub", "t", 2, kept, receiveMaximum(1))
		pub := r.connect("pub")
		pub.publish("t", "one", 2)
		pub.publish("t", "two", 2)
		sub.want("the first", publish("t", "one", 2, withID(1)))
		sub.send(pubrec(1, wire.QuotaExceeded))
		sub.want("the next without PUBREL", publish("t", "two", 2, withID(2)))
		sub.cut()
		sub = r.connect("sub", kept)
		sub.want("the refused one is gone", publish("t", "two", 2, withID(2), dup))
		sub.wantNothing("the refused one is gone")
	})
}
