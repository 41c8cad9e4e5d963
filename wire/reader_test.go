package wire

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"
	"testing/iotest"
)

// script is a stream that hands out exactly the pieces it was given, one to a Read, and then fails with end.
type script struct {
	pieces [][]byte
	end    error
	reads  int
}

// say makes a script that ends with io.EOF.
func say(pieces ...[]byte) *script { return &script{pieces: pieces, end: io.EOF} }

func (s *script) Read(p []byte) (int, error) {
	s.reads++
	if len(s.pieces) == 0 {
		return 0, s.end
	}
	n := copy(p, s.pieces[0])
	if s.pieces[0] = s.pieces[0][n:]; len(s.pieces[0]) == 0 {
		s.pieces = s.pieces[1:]
	}
	return n, nil
}

// publishOf returns a QoS 0 PUBLISH with a payload of n bytes that depend on n.
func publishOf(t testing.TB, n int) []byte {
	t.Helper()
	packet, err := (&Publish{Topic: b("t"), Payload: bytes.Repeat([]byte{byte(n)}, n)}).Append(nil, V311)
	if err != nil {
		t.Fatal(err)
	}
	return packet
}

// wantFrame reads one frame and compares it with the packet that it should be.
func wantFrame(t *testing.T, r *Reader, packet []byte) {
	t.Helper()
	got, err := r.Next()
	if err != nil {
		t.Fatalf("next: %v, want a packet of %d bytes", err, len(packet))
	}
	want := frameOf(t, packet)
	if got.Header != want.Header || !bytes.Equal(got.Body, want.Body) {
		t.Fatalf("got %02X and %d bytes, want %02X and %d", got.Header, len(got.Body), want.Header, len(want.Body))
	}
	if cap(got.Body) != len(got.Body) {
		t.Fatalf("an append to the body would reach the next packet")
	}
}

// wantEnd reads on and expects the error.
func wantEnd(t *testing.T, r *Reader, want error) {
	t.Helper()
	if f, err := r.Next(); !errors.Is(err, want) {
		t.Fatalf("got %02X, %v; want %v", f.Header, err, want)
	}
}

func TestReaderCutsAStreamHoweverItIsChunked(t *testing.T) {
	var packets [][]byte
	var stream []byte
	for _, n := range []int{0, 1, 120, 124, 125, 300, 508, 509, 600, 5_000, 16_000, 17_000, 40_000, 70_000, 3, 300_000, 0, 1_500_000, 10, 16_384} {
		packets = append(packets, publishOf(t, n))
		stream = append(stream, packets[len(packets)-1]...)
	}
	for name, chunked := range map[string]io.Reader{
		"whole":       bytes.NewReader(stream),
		"halves":      iotest.HalfReader(bytes.NewReader(stream)),
		"single":      iotest.OneByteReader(bytes.NewReader(stream)),
		"end at once": iotest.DataErrReader(bytes.NewReader(stream)),
	} {
		t.Run(name, func(t *testing.T) {
			r := NewReader(chunked, 0)
			for _, p := range packets {
				wantFrame(t, r, p)
			}
			wantEnd(t, r, io.EOF)
			wantEnd(t, r, io.EOF)
		})
	}
}

func TestReaderCutsAStreamWithReleasesInBetween(t *testing.T) {
	m := newMaker(t)
	for range 50 {
		var packets, pieces [][]byte
		var stream []byte
		for range 1 + m.IntN(40) {
			packets = append(packets, publishOf(t, m.length()*(1+m.IntN(8))))
			stream = append(stream, packets[len(packets)-1]...)
		}
		for len(stream) > 0 {
			n := min(len(stream), 1+m.IntN(1+m.IntN(40_000)))
			pieces, stream = append(pieces, stream[:n]), stream[n:]
		}
		r := NewReader(say(pieces...), 0)
		for _, p := range packets {
			if m.yes() {
				r.Release()
			}
			wantFrame(t, r, p)
		}
		wantEnd(t, r, io.EOF)
	}
}

func TestReaderTellsWhereTheStreamEnded(t *testing.T) {
	for _, g := range readGolden(t) {
		for n := range g.bytes {
			want := io.ErrUnexpectedEOF
			if n == 0 {
				want = io.EOF
			}
			wantEnd(t, NewReader(bytes.NewReader(g.bytes[:n]), 0), want)
		}
	}
}

func TestReaderRefusesBeforeTheBodyArrives(t *testing.T) {
	for _, c := range []struct {
		why   string
		bytes string
		code  ReasonCode
	}{
		{"packet type 0", "00", MalformedPacket},
		{"QoS 3", "36", MalformedPacket},
		{"DUP with QoS 0", "38", MalformedPacket},
		{"flags of CONNECT", "11", MalformedPacket},
		{"flags of SUBSCRIBE", "80", MalformedPacket},
		{"flags of PUBREL", "60", MalformedPacket},
		{"flags of AUTH", "F2", MalformedPacket},
		{"five byte length", "30 80 80 80 80", MalformedPacket},
		{"length with a needless zero", "30 80 00", MalformedPacket},
		{"length with a needless zero", "30 FF FF 00", MalformedPacket},
		{"one byte over the limit", "30 FF 07", PacketTooLarge}, // 1023 + 3
		{"far over the limit", "30 FF FF FF 7F", PacketTooLarge},
	} {
		t.Run(c.why, func(t *testing.T) {
			stream := say(bytesOf(t, c.bytes))
			stream.end = errors.New("read on")
			r := NewReader(stream, 1025)
			_, err := r.Next()
			wantCode(t, err, c.code)
			if !r.Ready() {
				t.Error("not ready, though Next would not read")
			}
			_, err = r.Next()
			wantCode(t, err, c.code)
		})
	}
}

func TestReaderAcceptsAPacketOfExactlyTheLimit(t *testing.T) {
	packet := publishOf(t, 1000)
	r := NewReader(say(packet, packet), len(packet))
	wantFrame(t, r, packet)
	r.SetLimit(len(packet) - 1)
	_, err := r.Next()
	wantCode(t, err, PacketTooLarge)
	r.SetLimit(0)
	wantFrame(t, r, packet)
}

func TestReaderAcceptsDupOfMQTT31(t *testing.T) {
	for _, packet := range []string{"6A 02 000A", "8A 06 000A 0001 'a' 01", "AA 05 000A 0001 'a'"} {
		p := bytesOf(t, packet)
		wantFrame(t, NewReader(say(p), 0), p)
	}
}

func TestReaderResumesAfterADeadline(t *testing.T) {
	packet := publishOf(t, 2000)
	for cut := range 8 {
		stream := &script{pieces: [][]byte{packet[:cut*200]}, end: os.ErrDeadlineExceeded}
		if cut == 0 {
			stream.pieces = nil
		}
		r := NewReader(stream, 0)
		wantEnd(t, r, os.ErrDeadlineExceeded)
		wantEnd(t, r, os.ErrDeadlineExceeded)
		r.Release()
		stream.pieces = [][]byte{packet[cut*200:]}
		wantFrame(t, r, packet)
	}
}

// silent is a stream that never says anything, not even that it ended.
type silent struct{}

func (silent) Read([]byte) (int, error) { return 0, nil }

func TestReaderGivesUpOnASilentStream(t *testing.T) {
	wantEnd(t, NewReader(silent{}, 0), io.ErrNoProgress)
}

func TestReadyMeansThatNextDoesNotRead(t *testing.T) {
	one, two := publishOf(t, 10), publishOf(t, 20)
	stream := say(append(append([]byte{}, one...), two...), one[:5], one[5:])
	r := NewReader(stream, 0)
	if r.Ready() {
		t.Error("ready before anything was read")
	}
	wantFrame(t, r, one)
	if !r.Ready() {
		t.Error("not ready with a whole packet buffered")
	}
	wantFrame(t, r, two)
	if stream.reads != 1 {
		t.Errorf("%d reads for one piece", stream.reads)
	}
	if r.Ready() {
		t.Error("ready with nothing buffered")
	}
	wantFrame(t, r, one)
	if stream.reads != 3 {
		t.Errorf("%d reads for three pieces", stream.reads)
	}
}

func TestIdleReaderHoldsNoLargeBuffer(t *testing.T) {
	for _, size := range []int{10, 600, 20_000, 2_000_000} {
		packet := publishOf(t, size)
		r := NewReader(say(packet, packet[:3], packet[3:]), 0)
		wantFrame(t, r, packet)
		r.Release()
		if r.block != nil || len(r.buf) != len(r.small) {
			t.Errorf("after a packet of %d bytes the released reader holds %d", size, len(r.buf))
		}
		r.Release()
		wantFrame(t, r, packet)
	}
}

func TestReleaseKeepsTheBeginningOfAPacket(t *testing.T) {
	large, next := publishOf(t, 5_000), publishOf(t, 300)
	r := NewReader(say(append(append([]byte{}, large...), next[:100]...), next[100:]), 0)
	wantFrame(t, r, large)
	r.Release()
	if r.block != nil {
		t.Error("the large buffer is held for 100 bytes")
	}
	wantFrame(t, r, next)
}

func TestAnnouncedLengthAllocatesNothing(t *testing.T) {
	for _, sent := range []int{0, 100, 500, 2_000, 10_000, 40_000, 200_000, 1_100_000, 2_500_000} {
		stream := say(bytesOf(t, "30 FF FF FF 7F"), make([]byte, sent))
		r := NewReader(stream, 0)
		wantEnd(t, r, io.ErrUnexpectedEOF)
		if have := len(r.buf); have > max(4*(sent+5), blockSizes[0]) {
			t.Errorf("%d bytes came, the buffer has %d", sent+5, have)
		}
	}
}

func TestHugeBufferIsDroppedWithItsPacket(t *testing.T) {
	huge, next := publishOf(t, 3_000_000), publishOf(t, 10)
	r := NewReader(say(huge, next), 0)
	wantFrame(t, r, huge)
	if len(r.buf) > 2*len(huge) {
		t.Errorf("a packet of %d bytes took a buffer of %d", len(huge), len(r.buf))
	}
	wantFrame(t, r, next)
	if len(r.buf) > blockSizes[0] {
		t.Errorf("a small packet later the buffer has %d bytes", len(r.buf))
	}
}

func TestBusyStreamIsReadInLargePieces(t *testing.T) {
	packet := publishOf(t, 59) // 64 bytes: the small buffer ends between packets
	const count = 4096
	stream := say(bytes.Repeat(packet, count))
	r := NewReader(stream, 0)
	for range count {
		wantFrame(t, r, packet)
		if !r.Ready() {
			r.Release()
		}
	}
	if most := count*len(packet)/blockSizes[0]*2 + 2; stream.reads > most {
		t.Errorf("%d reads, want at most %d", stream.reads, most)
	}
}

func TestDrainedBufferIsFilledFromItsStart(t *testing.T) {
	packet := publishOf(t, 10_000)
	stream := say(packet, packet)
	r := NewReader(stream, 0)
	wantFrame(t, r, packet)
	before := stream.reads
	wantFrame(t, r, packet)
	if n := stream.reads - before; n != 1 {
		t.Errorf("%d reads for a packet that came in one piece", n)
	}
}

func TestReaderAllocatesNothingOnceItRuns(t *testing.T) {
	packet := publishOf(t, 200)
	source := bytes.NewReader(nil)
	stream := bytes.Repeat(packet, 500)
	r := NewReader(source, 0)
	read := func() {
		source.Reset(stream)
		for range 500 {
			if _, err := r.Next(); err != nil {
				t.Fatal(err)
			}
		}
	}
	read()
	if n := testing.AllocsPerRun(20, read); n > 0 {
		t.Errorf("%v allocations for 500 packets", n)
	}
}
