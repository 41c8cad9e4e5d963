package memstore_test

import (
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/persist"
	"github.com/holdfast-mqtt/holdfast/persist/memstore"
	"github.com/holdfast-mqtt/holdfast/persist/storetest"
)

// machine plays the disk: it keeps the last store of every directory.
type machine struct {
	options memstore.Options
	stores  map[string]*memstore.Store
}

func (m *machine) backend() storetest.Backend {
	return storetest.Backend{
		Open: func(t testing.TB, dir string) persist.Store {
			s := m.stores[dir]
			if s == nil {
				s = memstore.New(m.options)
			} else {
				s = s.Restart()
			}
			m.stores[dir] = s
			return s
		},
		Crash: func(t testing.TB, s persist.Store, dir string) string {
			m.stores[dir] = m.stores[dir].Crash()
			return dir
		},
	}
}

func TestContract(t *testing.T) {
	tests := map[string]memstore.Options{
		"at once": {},
		"delayed": {Delay: 100 * time.Microsecond, Stride: 1, LargestEntry: 4 << 20},
	}
	for name, options := range tests {
		t.Run(name, func(t *testing.T) {
			m := &machine{options: options, stores: make(map[string]*memstore.Store)}
			storetest.Run(t, m.backend())
		})
	}
}
