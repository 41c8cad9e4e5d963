package listen

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"
)

// scheme is one transport.
type scheme struct {
	name  string
	shape string // of its addresses, for people
	// open binds what stands behind "://".
	open func(rest string) (net.Listener, error)
}

// schemes are the transports known, in the order in which errors name them.
func schemes() []scheme {
	return []scheme{
		{name: "tcp", shape: "tcp://host:port", open: listenTCP},
	}
}

// Listen opens an address. Its errors tell what was tried, where, and what may be
// done about it.
func Listen(address string) (*Listener, error) {
	name, rest, ok := strings.Cut(address, "://")
	known := make([]string, 0, len(schemes()))
	for _, s := range schemes() {
		if ok && s.name == name {
			inner, err := s.open(rest)
			if err != nil {
				return nil, fmt.Errorf("listen on %s: %w", address, err)
			}
			return newListener(address, inner), nil
		}
		known = append(known, s.shape)
	}
	if !ok {
		return nil, fmt.Errorf("listen on %q: no scheme; known: %s", address, strings.Join(known, ", "))
	}
	return nil, fmt.Errorf("listen on %q: unknown scheme %q; known: %s", address, name, strings.Join(known, ", "))
}

// checkHostPort refuses a host and port that could not be bound, or that would be
// bound to something else than was meant.
func checkHostPort(hostPort string) error {
	_, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return fmt.Errorf("want host:port, with an IPv6 host in brackets: %w", err)
	}
	// A name such as "mqtt" would be looked up in a table of the machine.
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("port %q is not a number from 0 to 65535", port)
	}
	return nil
}

// explain adds to an error of binding what an operator can do about it.
func explain(err error, where string) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("another process listens on %s; stop it or choose another --listen: %w", where, err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("no permission to listen on %s; choose a port from 1024 up with another --listen, "+
			"or grant the process CAP_NET_BIND_SERVICE: %w", where, err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("no network interface of this machine has the address of %s; "+
			"choose another --listen: %w", where, err)
	}
	return err
}
