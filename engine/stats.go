package engine

import "sync/atomic"

// stats counts what happens. Read through Broker.Stats.
type stats struct {
	connections, connectionsTotal, refused atomic.Int64
	received, sent                         atomic.Int64 // PUBLISH packets
	dropped                                atomic.Int64 // a slow client's memory was full
	expired                                atomic.Int64
	oversized                              atomic.Int64 // larger than the client takes
	damaged                                atomic.Int64
	denied                                 atomic.Int64
	wills                                  atomic.Int64
	panics                                 atomic.Int64
}

// Stats is what a broker counted since its start.
type Stats struct {
	// Connections being served, and accepted or refused since the start.
	Connections, ConnectionsTotal, Refused int64
	// Received and Sent count PUBLISH packets.
	Received, Sent int64
	// Dropped at a slow client's bound, Expired before delivery, Oversized for the client, Damaged in the store.
	Dropped, Expired, Oversized, Damaged int64
	// Denied by the Authorizer.
	Denied int64
	// Wills published.
	Wills int64
	// Panics that ended a connection; each is a defect.
	Panics int64
	// Subscriptions of all sessions.
	Subscriptions int
}

// Stats returns what the broker counted.
func (b *Broker) Stats() Stats {
	s := &b.stats
	return Stats{
		Connections: s.connections.Load(), ConnectionsTotal: s.connectionsTotal.Load(), Refused: s.refused.Load(),
		Received: s.received.Load(), Sent: s.sent.Load(),
		Dropped: s.dropped.Load(), Expired: s.expired.Load(), Oversized: s.oversized.Load(), Damaged: s.damaged.Load(),
		Denied: s.denied.Load(), Wills: s.wills.Load(), Panics: s.panics.Load(),
		Subscriptions: b.index.Len(),
	}
}
