package device

import (
	"bytes"
	"fmt"
	"strconv"
)

// Payload makes the payload of a publisher's message: its name and number, filled up to a size.
func Payload(publisher string, seq uint64, size int) []byte {
	b := make([]byte, 0, max(size, len(publisher)+24))
	b = append(b, publisher...)
	b = append(b, ' ')
	b = strconv.AppendUint(b, seq, 10)
	b = append(b, ' ')
	for len(b) < size {
		b = append(b, 'a'+byte(len(b)%26))
	}
	return b
}

// Parse reads what Payload wrote, and checks that the filling is whole.
func Parse(payload []byte) (publisher string, seq uint64, err error) {
	name, rest, ok := bytes.Cut(payload, []byte(" "))
	number, _, ok2 := bytes.Cut(rest, []byte(" "))
	if !ok || !ok2 {
		return "", 0, fmt.Errorf("payload without publisher and number: %.40q", payload)
	}
	seq, err = strconv.ParseUint(string(number), 10, 64)
	if err != nil {
		return "", 0, fmt.Errorf("payload of %s: %w", name, err)
	}
	for i := len(name) + len(number) + 2; i < len(payload); i++ {
		if payload[i] != 'a'+byte(i%26) {
			return "", 0, fmt.Errorf("payload of message %d of %s is damaged at byte %d", seq, name, i)
		}
	}
	return string(name), seq, nil
}
