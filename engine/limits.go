package engine

import "time"

// The bounds that are not configured. Each has a test that reaches it.
const (
	// maxPendingAcks is how many acknowledgements of one connection may wait for the disk before its packets are no
	// longer read. MQTT 3 clients have no Receive Maximum, so this is theirs.
	maxPendingAcks = 8192
	// maxPlans is how many topics a connection remembers the targets of.
	maxPlans = 256
	// maxGathered is about how many bytes are gathered for one write to a socket.
	maxGathered = 32 << 10
	// keptBuffer is the largest buffer that is kept for the next write.
	keptBuffer = 64 << 10
	// pageMessages bounds how many messages are pulled from a queue at a time.
	pageMessages = 256
	// pageBytes bounds their bytes.
	pageBytes = 32 << 10
	// maxAliasBytes bounds the memory of one connection's outbound topic aliases.
	maxAliasBytes = 16 << 10
	// takeoverDrain is how long a connection that is being taken over may go on handling what has arrived.
	takeoverDrain = 20 * time.Millisecond
	// stopTimeout is how long a connection that is being ended may take to write what is left.
	stopTimeout = time.Second
	// reservedPacketIDs is the share of the identifier space that a window leaves free.
	reservedPacketIDs = 1024
)
