package store

import (
	"sync"
	"testing"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/persist/storetest"
)

// watched is a store that is checked before it is closed.
type watched struct {
	*Store
	t     testing.TB
	dumps *sync.Map
}

// Close implements persist.Store.
func (w *watched) Close() error {
	switch {
	case w.Err() != nil || w.isClosed():
	case testing.Short():
		checkState(w.t, w.Store)
	default:
		w.dumps.Store(w.dir, check(w.t, w.Store))
	}
	return w.Store.Close()
}

func TestConformance(t *testing.T) {
	var dumps sync.Map
	storetest.Run(t, storetest.Backend{
		Open: func(t testing.TB, dir string) persist.Store {
			return &watched{Store: open(t, dir, small()), t: t, dumps: &dumps}
		},
		Crash: func(t testing.TB, s persist.Store, _ string) string { return kill(t, s.(*watched).Store) },
		Check: func(t testing.TB, dir string) {
			s := open(t, dir, small())
			if before, found := dumps.Load(dir); found {
				wantSameDump(t, "after a restart", before.(string), dump(t, s))
			}
			checkState(t, s)
			if err := s.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		},
	})
}
