package engine

import "time"

// keepAlive tells when a client has been silent too long. It is given the time
// and starts no timer.
type keepAlive struct {
	patience time.Duration // 0: the client may be silent for ever
	last     time.Time     // of the last packet
}

// newKeepAlive returns the keep alive of a client that connected now; 0 seconds
// turn it off. [MQTT-3.1.2-22]
func newKeepAlive(seconds uint16, now time.Time) keepAlive {
	// One and a half times the interval, counted from the last packet.
	return keepAlive{patience: time.Duration(seconds) * time.Second * 3 / 2, last: now}
}

// packet notes that a packet arrived. Time that goes backwards is not followed:
// it could only shorten what the client was promised.
func (k *keepAlive) packet(now time.Time) {
	if now.After(k.last) {
		k.last = now
	}
}

// deadline returns when the client will have been silent too long, or the zero
// time for never, as a connection's read deadline has it.
func (k *keepAlive) deadline() time.Time {
	if k.patience == 0 {
		return time.Time{}
	}
	return k.last.Add(k.patience)
}

// expired reports whether the deadline has come.
func (k *keepAlive) expired(now time.Time) bool {
	return k.patience != 0 && !now.Before(k.deadline())
}
