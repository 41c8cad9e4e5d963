package harness

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// FreeAddr returns a loopback address that nobody listens on. The port lies below the range from which the system
// takes ports for outgoing connections: a client that dials a broker which is down could otherwise be given the
// broker's own port, and either block its restart or talk to itself.
func FreeAddr() (string, error) {
	var last error
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", 12000+rand.IntN(18000))
		l, err := net.Listen("tcp", addr)
		if err != nil {
			last = err
			continue
		}
		return addr, l.Close()
	}
	return "", errors.Join(errors.New("no free port"), last)
}
