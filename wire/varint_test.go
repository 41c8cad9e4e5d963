package wire

import (
	"bytes"
	"testing"
)

func TestVarintsOfTheSpecification(t *testing.T) {
	for _, c := range []struct {
		n     int
		bytes string
	}{
		{0, "00"}, {127, "7F"}, {128, "80 01"}, {16_383, "FF 7F"}, {16_384, "80 80 01"},
		{2_097_151, "FF FF 7F"}, {2_097_152, "80 80 80 01"}, {268_435_455, "FF FF FF 7F"},
	} {
		want := bytesOf(t, c.bytes)
		if got := appendVarint(nil, c.n); !bytes.Equal(got, want) || varintSize(c.n) != len(want) {
			t.Errorf("%d is % X, want % X", c.n, got, want)
		}
		n, size, state := parseVarint(append(want, 0x55))
		if n != c.n || size != len(want) || state != varintWhole {
			t.Errorf("% X reads as %d in %d bytes, state %d", want, n, size, state)
		}
		for cut := range want {
			if _, _, state := parseVarint(want[:cut]); state != varintShort {
				t.Errorf("% X reads with state %d", want[:cut], state)
			}
		}
	}
}

func TestVarintsThatAreNone(t *testing.T) {
	for _, text := range []string{"80 00", "FF 00", "80 80 00", "80 80 80 00", "80 80 80 80", "FF FF FF FF 7F"} {
		if _, _, state := parseVarint(bytesOf(t, text)); state != varintBad {
			t.Errorf("%s reads with state %d", text, state)
		}
	}
}
