package engine

import "time"

// The bounds that are not configured. Each has a test that reaches it.
const (
	// maxPendingAcks is how many acknowledgements of one connection may wait for the disk before its packets are no
	// longer read. MQTT 3 clients have no Receive Maximum, so this is theirs.
	maxPendingAcks = 8192
	// maxPlans is how many topics a connection remembers the targets of.
	maxPlans = 256
	// maxRemembered is how many targets the plans of all connections have about. Beyond it a connection forgets its plans
	// when it has nothing to read.
	maxRemembered = 256 << 10
	// maxAnswerBytes is how many bytes of SUBACK and UNSUBACK may wait; each has a byte for every filter that was asked for.
	maxAnswerBytes = 256 << 10
	// maxGathered is about how many bytes are gathered for one write to a socket.
	maxGathered = 32 << 10
	// keptBuffer is the largest buffer that is kept for the next write.
	keptBuffer = 64 << 10
	// keptScratch is the largest scratch memory that a quiet connection keeps.
	keptScratch = 1 << 10
	// pageMessages bounds how many messages are pulled from a queue at a time.
	pageMessages = 256
	// pageBytes bounds their bytes.
	pageBytes = 32 << 10
	// maxAliasBytes bounds the memory of one connection's outbound topic aliases.
	maxAliasBytes = 16 << 10
	// sharePending is what may wait in memory for a slow client however much waits for the others, and the step in which
	// what is beyond is counted.
	sharePending = 64 << 10
	// maxFlights is how many messages of one client are kept account of behind the first that it has not acknowledged,
	// acknowledged or not. It is more where the client's Receive Maximum asks for more.
	maxFlights = 16 << 10
	// waitingCost is the memory that a message waiting for room in the window takes besides its bytes.
	waitingCost = 128
	// writeTimeout is how long a client may take nothing of what is written to it, at least; it may be twice that.
	writeTimeout = time.Minute
	// maxShown is how much of a client identifier or topic stands in the log.
	maxShown = 128
	// refusalsLogged is how many messages that could not be stored are logged in a second.
	refusalsLogged = 10
	// takeoverDrain is how long a connection that is being taken over may go on handling what has arrived.
	takeoverDrain = 20 * time.Millisecond
	// stopTimeout is how long a connection that is being ended may take to write what is left.
	stopTimeout = time.Second
	// reservedPacketIDs is the share of the identifier space that a window leaves free.
	reservedPacketIDs = 1024
)
