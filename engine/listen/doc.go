// Package listen opens the addresses at which clients connect and yields their
// connections, whatever the transport.
//
// Its one type is [Listener]. [Listen] makes one from an address such as
// tcp://127.0.0.1:1883; the scheme chooses the transport. A transport is a file
// of its own and a row in schemes.
//
// The package starts no goroutine: the caller's loop calls Accept, and Close from
// another goroutine ends it.
//
// Files:
//
//	set.go       addresses, the schemes known, and errors an operator can act on
//	listener.go  Listener: accepting, and carrying on when the machine runs short
//	tcp.go       tcp://host:port
package listen
