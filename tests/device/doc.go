// Package device is a correct MQTT client with a memory, for tests that judge a broker by what it promised.
//
// A Device keeps its half of the session as the specification wants it, in its own memory and thus across any crash of
// the broker: messages and releases in flight are sent again in their order, with their packet ids and DUP; QoS 2
// packet ids that were received and not yet released stand for duplicates; a SUBSCRIBE or UNSUBSCRIBE without an
// answer is repeated. Everything that it asks for, and everything that arrives, goes into a ledger.
//
// A message's payload begins with its publisher's name and its sequence number, so that whoever receives it can tell
// the ledger which one it was. See Payload and Parse.
//
// # Goroutines
//
// One for each connection, which receives until the connection ends. Connect waits for the one before; Close for the last.
//
// # Files
//
//   - device.go: Device, its memory and its state
//   - connect.go: one connection: CONNECT, resuming, the end
//   - publish.go: messages on their way out
//   - receive.go: what comes in
//   - subscribe.go: filters that are asked for and given up
//   - payload.go: how a message says which one it is
package device
