package engine

// signal wakes one goroutine that will look for itself what there is to do. It holds one wake-up at most.
type signal chan struct{}

// newSignal returns a signal that is not raised.
func newSignal() signal { return make(chan struct{}, 1) }

// Wake raises the signal. It implements persist.Waiter.
func (s signal) Wake() {
	select {
	case s <- struct{}{}:
	default:
	}
}
