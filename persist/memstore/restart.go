package memstore

// Crash is a kill or a power cut: it returns a new store that holds exactly what was durable. The old store is dead:
// its calls return persist.ErrClosed, and so does its Err, since those who wait for a ticket wait in vain. All
// switches of the new store are off.
func (s *Store) Crash() *Store {
	var wakes wakes
	s.mu.Lock()
	if s.dead == nil {
		s.crashed = true
		s.dieLocked(&wakes)
	}
	next := s.successorLocked()
	s.mu.Unlock()
	wakes.wake()
	return next
}

// Restart closes the store, unless that was done before, and opens it again: nothing is lost. Like a disk, what a
// failed store had not made durable is.
func (s *Store) Restart() *Store {
	_ = s.Close() // a failed store says so in Err
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.successorLocked()
}

// successorLocked hands the state to a new store. There can be only one: two would be two truths.
func (s *Store) successorLocked() *Store {
	if s.state == nil {
		panic("memstore: the store has a successor already")
	}
	at := s.state
	s.state = nil
	return serve(s.options, at)
}
