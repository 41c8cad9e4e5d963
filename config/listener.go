package config

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// maxListeners bounds the list: a typing error must not open a thousand sockets.
const maxListeners = 64

// What the report says may stand in a listener.
const (
	allowedAddress   = "tcp://HOST:PORT"
	allowedAnonymous = "true, false; unset is true on a loopback address only"
)

// Listener is one address that accepts clients.
type Listener struct {
	// Address is tcp://HOST:PORT. No host is every interface, port 0 lets the system choose one.
	Address string
	// AllowAnonymous is whether clients may connect without a user name; nil leaves it to the address.
	AllowAnonymous *bool
}

// Anonymous reports whether clients may connect without a user name, at an address that turned out to be a
// loopback address or not: as it was set, and otherwise only where nobody but this machine can connect. What was
// bound decides that, not the name that was asked for.
func (l Listener) Anonymous(loopback bool) bool {
	if l.AllowAnonymous != nil {
		return *l.AllowAnonymous
	}
	return loopback
}

// checkAddress returns what is wrong with an address.
func checkAddress(text string) error {
	scheme, hostPort, found := strings.Cut(text, "://")
	if !found {
		return fmt.Errorf("%s has no scheme", quote(text))
	}
	if scheme != "tcp" {
		return fmt.Errorf("%s has an unknown scheme", quote(text))
	}
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return fmt.Errorf("%s is not a host and a port", quote(text))
	}
	if number, err := parseCount(port); err != nil || number > 65535 {
		return fmt.Errorf("%s has no port from 0 to 65535", quote(text))
	}
	if !validHost(host) {
		return fmt.Errorf("%s has no valid host", quote(text))
	}
	return nil
}

// validHost accepts nothing (every interface), an IP address and what can be a host's name. Whether the name
// exists shows when the listener opens.
func validHost(host string) bool {
	if host == "" {
		return true
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	strange := func(r rune) bool {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		return !letter && !('0' <= r && r <= '9') && r != '-' && r != '.' && r != '_'
	}
	// A name that ends in a digit is an IP address that somebody got wrong, such as 192.168.1.300.
	last := host[len(host)-1]
	return len(host) <= 253 && !strings.ContainsFunc(host, strange) &&
		host[0] != '.' && host[0] != '-' && !('0' <= last && last <= '9' && strings.Contains(host, "."))
}
