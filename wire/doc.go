// Package wire turns bytes into MQTT packets and packets into bytes, for protocol versions 3.1, 3.1.1 and 5.0 and for both sides of
// a connection. It knows the syntax of a packet and nothing of what came before it on the connection.
//
// A Reader cuts a stream into Frames under a size limit. A Frame becomes a packet through Decode, or without allocating through the Decode
// method of a packet struct that the caller keeps. A packet becomes bytes through its Append method, behind what the buffer already holds.
//
//	var p wire.Publish
//	r := wire.NewReader(conn, 1<<20)
//	f, err := r.Next()             // one frame; f.Body is valid until the next call
//	err = p.Decode(f, wire.V5)     // p.Topic and p.Payload point into f.Body
//	out, err = p.Append(out, wire.V311)
//
// Who owns what: every []byte of a decoded packet, those in Properties included, points into the frame and lives as long as the frame does;
// every string is a copy. Append keeps nothing. A packet struct may be decoded into again and again; after an error its contents mean
// nothing, except that Connect.Version then tells how to answer. The Reader's buffers go back to a pool that all connections share, so
// bytes used after their time are soon another client's.
//
// Decoding is strict. What the peer did wrong comes back as a *ProtocolError with the reason code that the answer carries: Malformed Packet
// for what cannot be parsed, Protocol Error for what can be parsed and is forbidden, and the more precise codes where the specification
// names them. Left to the caller is what depends on the side or on the connection: whether a client may send this packet, reason code or
// property at all (a subscription identifier in a PUBLISH, a server's DISCONNECT code), topic alias limits, the rule for an empty client identifier.
//
// Encoding fails only for what has no encoding (ErrNotEncodable). It obeys the caller otherwise, so that a test can say forbidden things.
//
// There are no goroutines. Nothing here is safe for concurrent use; different values are independent.
//
// Files:
//
//	packet.go            Version, Type, Packet, Frame, and Decode for any packet
//	header.go            the first byte: which flags each type may have
//	reader.go            cut one packet at a time from a stream, under a limit
//	block.go             the pooled buffers behind readers
//	cursor.go            read a body within its bounds, one sticky error
//	append.go            write a packet behind a caller's buffer, one sticky error
//	varint.go            variable byte integers
//	connect.go           CONNECT and its will
//	connack.go           CONNACK, and return codes before 5.0
//	publish.go           PUBLISH
//	ack.go               PUBACK, PUBREC, PUBREL, PUBCOMP
//	subscribe.go         SUBSCRIBE
//	suback.go            SUBACK
//	unsubscribe.go       UNSUBSCRIBE, UNSUBACK
//	ping.go              PINGREQ, PINGRESP
//	disconnect.go        DISCONNECT
//	auth.go              AUTH
//	properties.go        the properties of one packet
//	properties_table.go  what each property is and where it may stand
//	properties_codec.go  decode and encode them, and what a server passes on unaltered
//	properties_set.go    a setter for each
//	reason.go            reason codes, their names, and where they are legal
//	place.go             sets of packets, for the two tables
//	topicname.go         syntax of topic names and filters (not matching)
//	errors.go            ProtocolError and ErrNotEncodable
package wire
