// Package ledger is the judge of the broker's promise. Test clients write down what they asked for, what was
// acknowledged and what arrived; the ledger says what was lost, duplicated, reordered, forgotten or raised from the dead.
//
// It knows nothing of the broker's code: topics are matched, intervals compared and duplicates counted by rules of its
// own, so that one judge serves crash tests, simulations and demonstrations alike.
//
// # Time
//
// The ledger has no clock. Every line written into it gets the next number, a Mark. Clients write a request down before
// its bytes leave and an acknowledgement after its bytes came, so whatever the ledger orders really happened in that
// order. What overlaps is in doubt, and either outcome is right.
//
// # What is due
//
// A message is due to a session when its acknowledgement came, the SUBACK of a matching filter was there before the
// message was first sent, and no UNSUBSCRIBE or clean start has been sent since. A will is a message that is
// acknowledged by CONNACK and withdrawn by DISCONNECT. A retained value is right at a read when it is the newest that
// was acknowledged before the read began, or one whose publishing overlapped with the read.
//
// # Types
//
// Ledger collects; Message and Arrival are what clients write down; Fault is one broken promise; Verdict sums up. All
// methods of Ledger may be called from any goroutine; it starts none.
//
// # Files
//
//   - ledger.go: Ledger, its sections, and the marks
//   - message.go: Message, publishing and acknowledgement
//   - session.go: sessions: connects, clean starts, session present
//   - subscription.go: when a session held which filter
//   - arrival.go: what arrived: duplicates, order, strays
//   - retained.go: values set, cleared and read
//   - verdict.go: Fault, Verdict, what is still owed, and the judgement
//   - match.go: whether a filter matches a topic
package ledger
