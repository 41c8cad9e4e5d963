package statedb

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// TestLongMetaRecordIsWholeOrAbsent tears checkpoints whose meta record takes several transactions between any two of
// them: the state is the last complete one.
func TestLongMetaRecordIsWholeOrAbsent(t *testing.T) {
	dir := t.TempDir()
	room := 1 << 30 // transactions that find room
	d, err := Open(dir, Options{FreeFloor: 1, FreeBytes: func(string) (uint64, error) {
		if room--; room < 0 {
			return 0, nil
		}
		return 1 << 40, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { room = 1 << 30; closeDB(t, d) })
	long := func(tag byte, megabytes int) Meta {
		return Meta{Applied: persist.Position(tag), Extra: bytes.Repeat([]byte{tag}, megabytes<<20)}
	}
	before := long('0', 2)
	want := small("one")
	commit(t, d, before, func(c *Checkpoint) { putAll(c, want) })
	for transactions := 0; ; transactions++ {
		room = transactions
		m := long('1'+byte(transactions), 2+transactions%2)
		c := d.Begin()
		err := c.Commit(m)
		room = 1 << 30
		if err == nil {
			if transactions < 3 {
				t.Fatalf("a meta record of %d bytes went into %d transactions", len(m.Extra), transactions)
			}
			before = m
		}
		want.meta = fmt.Sprintf("%+v", before)
		for name, db := range map[string]*DB{"live": d, "after a kill": openDB(t, image(t, dir))} {
			if got, found := db.Meta(); !found || got.Applied != before.Applied || !bytes.Equal(got.Extra, before.Extra) {
				t.Fatalf("%s, after %d transactions: meta record of position %d, want %d", name, transactions, got.Applied, before.Applied)
			}
			wantState(t, db, want, name)
		}
		if err == nil {
			return
		}
	}
}
