// Package engine is the routing core: it serves connections, keeps sessions, and moves messages from publishers to
// subscribers, through the store where they must survive and past it where they need not.
//
// # Goroutines
//
//   - read loop, one a connection: owns conn.in; decodes, routes, appends to the store, queues acknowledgements.
//   - write loop, one a connection: owns conn.out and the socket's out side; sends acknowledgements that are durable,
//     frames that others left, and what it pulls from the session's queue.
//   - fold, one: applies durable steps to the session table, the topic index and the retained names, in log order.
//   - expiry, one: a heap of deadlines; proposes wills and the end of sessions.
//
// # Locks
//
// sessions.mu, then expiry.mu; conn.mu; fold.mu; each short. The topic index and the store are leaves. No lock is held
// across a socket, the disk or Append.
//
// # The way of a PUBLISH at QoS 1
//
// conn_read.go hands the frame to conn_publish.go: decode, topic alias, rights, plan (plan.go, remembered for each
// topic). Sessions that end with their connection get it at once (router.go, outbox.go). If a kept session wants it,
// or it is retained, it is appended to the store; PUBACK waits in the ackQueue for its ticket. When the group is
// durable the store wakes the publisher's write loop, which sends PUBACK (conn_write.go), and the subscribers' write
// loops, which pull the message from their queues (conn_pull.go).
//
// # Files
//
//   - broker.go: build, serve, shut down; options.go, limits.go, errors.go, stats.go, auth.go as named
//   - conn.go: a connection's fields by owner, its beginning and end
//   - conn_handshake.go: CONNECT to CONNACK; conn_open.go: the session is created, resumed or ended for it
//   - conn_read.go, conn_publish.go, conn_ack.go, conn_subscribe.go: the read loop and one inbound family each
//   - conn_write.go, conn_pull.go, outbox.go: the write loop, the durable queue, what others leave for it
//   - window.go, packetid.go, received.go, alias.go, keepalive.go, ackqueue.go: pure parts, no lock, no clock
//   - session.go, sessions.go: a session, the table of them, takeover
//   - fold.go: durable steps take effect
//   - expiry.go, will.go: deadlines, wills
//   - router.go, plan.go, publication.go: from a topic to its targets
//   - retained.go: retained messages for new subscriptions; gate.go: so that none is missed
//   - signal.go: the one-slot wake-up
package engine
