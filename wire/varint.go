package wire

// maxVarint is the largest number that a variable byte integer can hold, and so the largest remaining length.
const maxVarint = 268_435_455

// varintSize returns how many bytes appendVarint writes for n, which is at most maxVarint.
func varintSize(n int) int {
	switch {
	case n < 1<<7:
		return 1
	case n < 1<<14:
		return 2
	case n < 1<<21:
		return 3
	}
	return 4
}

// appendVarint appends n, which is at most maxVarint, seven bits to a byte, lowest first.
func appendVarint(dst []byte, n int) []byte {
	for n >= 1<<7 {
		dst = append(dst, byte(n)|0x80)
		n >>= 7
	}
	return append(dst, byte(n))
}

// varintState is what parseVarint found.
type varintState byte

const (
	varintWhole varintState = iota
	varintShort             // b ends before the number does
	varintBad               // longer than four bytes, or longer than it needs to be
)

// parseVarint reads a variable byte integer from the start of b, and how many bytes it takes.
func parseVarint(b []byte) (n, size int, state varintState) {
	for i, c := range b {
		n |= int(c&0x7f) << (7 * i)
		if c < 0x80 {
			if c == 0 && i > 0 { // a shorter encoding of the same number exists [MQTT-1.5.5-1]
				return 0, 0, varintBad
			}
			return n, i + 1, varintWhole
		}
		if i == 3 {
			return 0, 0, varintBad
		}
	}
	return 0, 0, varintShort
}
