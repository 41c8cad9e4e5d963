package wire

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"
)

// FuzzDecode feeds any frame to the decoder of any version. What it accepts must have one canonical encoding that means the same.
func FuzzDecode(f *testing.F) {
	for _, g := range readGolden(f) {
		frame := frameOf(f, g.bytes)
		f.Add(byte(g.version), frame.Header, frame.Body)
	}
	f.Fuzz(func(t *testing.T, version, header byte, body []byte) {
		v := V31 + Version(version)%3
		first, err := Decode(Frame{Header: header, Body: body}, v)
		if err != nil {
			var fault *ProtocolError
			if !errors.As(err, &fault) || !fault.Code.Failed() || fault.Detail == "" {
				t.Fatalf("a refusal without a reason: %v", err)
			}
			return
		}
		if c, ok := first.(*Connect); ok {
			v = c.Version
		}
		canonical, err := first.Append(nil, v)
		if err != nil {
			t.Fatalf("%+v cannot be encoded again: %v", first, err)
		}
		second, err := Decode(frameOf(t, canonical), v)
		if err != nil {
			t.Fatalf("% X is refused: %v", canonical, err)
		}
		if !reflect.DeepEqual(first, second) {
			t.Fatalf("decoded\n%+v\nand again\n%+v", first, second)
		}
		again, err := second.Append(nil, v)
		if err != nil || !bytes.Equal(again, canonical) {
			t.Fatalf("encoded % X and again % X (%v)", canonical, again, err)
		}
		if p, ok := first.(*Publish); ok && p.EncodedSize(v) != len(canonical) {
			t.Fatalf("%d bytes, foretold %d", len(canonical), p.EncodedSize(v))
		}
	})
}

// pieces hands out a stream in pieces whose sizes a fuzzer chose.
type pieces struct {
	stream []byte
	sizes  []byte
	turn   int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.stream) == 0 {
		return 0, io.EOF
	}
	size := len(p.stream)
	if len(p.sizes) > 0 {
		size = 1 + 5*int(p.sizes[p.turn%len(p.sizes)])
		p.turn++
	}
	n := copy(b, p.stream[:min(size, len(p.stream))])
	p.stream = p.stream[n:]
	return n, nil
}

// FuzzReader cuts any stream, chunked in any way and with releases in between, and compares with cutting the whole stream at once.
func FuzzReader(f *testing.F) {
	var all []byte
	for _, g := range readGolden(f) {
		f.Add(g.bytes, []byte{0}, uint16(100))
		all = append(all, g.bytes...)
	}
	f.Add(all, []byte{3, 0, 250}, uint16(60_000))
	f.Add(append(publishOf(f, 2_000), publishOf(f, 40_000)...), []byte{200, 1}, uint16(0))
	f.Fuzz(func(t *testing.T, stream, sizes []byte, limit uint16) {
		r := NewReader(&pieces{stream: stream, sizes: sizes}, int(limit))
		for turn := 0; ; turn++ {
			want, rest, wantErr := cut(stream, r.limit)
			got, err := r.Next()
			if (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
				t.Fatalf("got %v, want %v", err, wantErr)
			}
			if err != nil {
				return
			}
			if got.Header != want.Header || !bytes.Equal(got.Body, want.Body) {
				t.Fatalf("got %02X % X, want %02X % X", got.Header, got.Body, want.Header, want.Body)
			}
			stream = rest
			if turn%3 == 0 {
				r.Release()
			}
		}
	})
}

// cut is the Reader's job done the plain way.
func cut(stream []byte, limit int) (f Frame, rest []byte, err error) {
	if len(stream) == 0 {
		return f, nil, io.EOF
	}
	if err := checkFirstByte(stream[0]); err != nil {
		return f, nil, err
	}
	n, size, state := parseVarint(stream[1:])
	switch {
	case state == varintBad:
		return f, nil, &ProtocolError{Type(stream[0] >> 4), MalformedPacket, "remaining length is not a proper variable byte integer"}
	case state == varintShort:
		return f, nil, io.ErrUnexpectedEOF
	case 1+size+n > limit:
		return f, nil, &ProtocolError{Type(stream[0] >> 4), PacketTooLarge, "packet exceeds the limit"}
	case len(stream) < 1+size+n:
		return f, nil, io.ErrUnexpectedEOF
	}
	return Frame{Header: stream[0], Body: stream[1+size : 1+size+n]}, stream[1+size+n:], nil
}

// FuzzForward checks that whatever DecodeForward accepts is encoded to the same meaning.
func FuzzForward(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x01\x01\x03\x00\x01t\x08\x00\x01r\x09\x00\x01c\x26\x00\x01k\x00\x01v"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var first, second Properties
		if DecodeForward(in, &first) != nil {
			return
		}
		out := first.AppendForward(nil)
		if err := DecodeForward(out, &second); err != nil {
			t.Fatal(err)
		}
		if len(out) != len(in) || !reflect.DeepEqual(first, second) {
			t.Fatalf("% X became % X", in, out)
		}
	})
}
