// Package harness runs the real broker as a process of its own and speaks raw MQTT to it.
//
// Process is a broker that can be started, signalled, killed and started again on the same data directory and port;
// Broker is a Process that belongs to a test, fails it when something is wrong and prints the broker's log. Conn is one
// MQTT connection over package wire that returns errors; Client is a Conn with the vocabulary of tests: connect,
// subscribe, publish, want, cut. A Client has one goroutine, its test's: nothing is received while nobody waits for it,
// so a Client can play a slow reader, and it can misbehave with SendRaw.
//
// Nothing waits without a deadline, and nothing waits a fixed time: Eventually asks again until the deadline, and Client
// proves that nothing is coming by what must come behind it.
//
// # Goroutines
//
// One for each running process, which waits for its end.
//
// # Files
//
//   - binary.go: build the broker once for each test process
//   - port.go: a port that nobody takes while the broker is down
//   - process.go: Process: start, ready, signal, kill, wait, log
//   - broker.go: Broker: a Process that belongs to a test
//   - conn.go: Conn: a raw connection with deadlines and buffered writing
//   - client.go: Client: connect, and read what comes
//   - client_verbs.go: Client: subscribe, publish, acknowledge, want
//   - eventually.go: wait for a condition
package harness
