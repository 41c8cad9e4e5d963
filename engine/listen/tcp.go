package listen

import (
	"context"
	"net"
	"time"
)

// listenTCP binds host:port. An empty host is every address of the machine, port
// 0 a port that is free. A host name binds one of its addresses.
func listenTCP(hostPort string) (net.Listener, error) {
	if err := checkHostPort(hostPort); err != nil {
		return nil, err
	}
	// Accepted connections have TCP_NODELAY on, which is Go's default: the broker
	// gathers what it writes itself, and Nagle's delay would come on top.
	config := net.ListenConfig{
		// Probes find a peer that vanished though its MQTT keep alive is off. The
		// default of one every 15 seconds is paid for by clients on metered links.
		KeepAliveConfig: net.KeepAliveConfig{
			Enable:   true,
			Idle:     2 * time.Minute,
			Interval: 15 * time.Second,
			Count:    4,
		},
	}
	inner, err := config.Listen(context.Background(), "tcp", hostPort)
	if err != nil {
		return nil, explain(err, hostPort)
	}
	return inner, nil
}
