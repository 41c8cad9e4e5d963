package wire

import "io"

// Reader cuts a stream into frames. It waits for a packet to begin with a small buffer of its own, borrows a larger one when
// more comes, and grows only as bytes arrive, whatever length a packet announces. It belongs to one goroutine.
type Reader struct {
	src   io.Reader
	limit int
	err   error // what the stream said together with its last bytes

	buf        []byte // small, or the bytes of block
	start, end int    // buf[start:end] is read but not yet handed out
	block      *block // nil while buf is small
	filled     bool   // the last read took all the room it had, so more is probably waiting
	small      [512]byte
}

// emptyReads is how often in a row a stream may return nothing and no error.
const emptyReads = 100

// NewReader returns a Reader that accepts packets of up to limit bytes, fixed header included; 0 means as large as the protocol allows.
func NewReader(r io.Reader, limit int) *Reader {
	reader := &Reader{src: r}
	reader.buf = reader.small[:]
	reader.SetLimit(limit)
	return reader
}

// SetLimit changes the limit, beginning with the next packet.
func (r *Reader) SetLimit(limit int) {
	if limit <= 0 {
		limit = maxVarint + 5
	}
	r.limit = limit
}

// Next returns the next packet; its body is valid until the next call of Next or Release. The error is io.EOF if the stream ended
// between packets, io.ErrUnexpectedEOF if inside one, a *ProtocolError if the packet cannot be accepted (found before its body is read),
// or the stream's own. After an error of the stream that passes, such as a deadline, Next may be called again and nothing is lost.
func (r *Reader) Next() (Frame, error) {
	r.shrink()
	for {
		whole, head, err := r.parse()
		if err != nil {
			return Frame{}, err
		}
		if whole > 0 && r.end-r.start >= whole {
			packet := r.buf[r.start : r.start+whole : r.start+whole]
			r.start += whole
			return Frame{Header: packet[0], Body: packet[head:]}, nil
		}
		if err := r.fill(whole); err != nil {
			return Frame{}, err
		}
	}
}

// Ready reports whether Next will return without touching the stream: a whole packet, or one that it refuses, is already here.
func (r *Reader) Ready() bool {
	whole, _, err := r.parse()
	return err != nil || whole > 0 && r.end-r.start >= whole
}

// Release gives the large buffer back, for a connection that falls idle; what little is already read of the next packet is kept.
// The body of the last frame is no longer valid.
func (r *Reader) Release() {
	if r.block != nil && r.end-r.start <= len(r.small) {
		r.moveTo(nil, r.small[:])
	}
}

// parse looks at the packet that begins at start: its size and that of its fixed header, or 0 if more bytes are needed to tell.
func (r *Reader) parse() (whole, head int, err error) {
	b := r.buf[r.start:r.end]
	if len(b) == 0 {
		return 0, 0, nil
	}
	if err := checkFirstByte(b[0]); err != nil {
		return 0, 0, err
	}
	n, size, state := parseVarint(b[1:])
	switch state {
	case varintShort:
		return 0, 0, nil
	case varintBad:
		return 0, 0, &ProtocolError{Packet: Type(b[0] >> 4), Code: MalformedPacket, Detail: "remaining length is not a proper variable byte integer"}
	}
	whole = 1 + size + n
	if whole > r.limit {
		return 0, 0, &ProtocolError{Packet: Type(b[0] >> 4), Code: PacketTooLarge, Detail: "packet exceeds the limit"}
	}
	return whole, 1 + size, nil
}

// fill reads at least one byte from the stream. whole is the size of the packet that it is for, or 0 if unknown.
func (r *Reader) fill(whole int) error {
	r.makeRoom(whole)
	for range emptyReads {
		if r.err != nil {
			return r.streamError()
		}
		n, err := r.src.Read(r.buf[r.end:])
		r.filled = n == len(r.buf)-r.end
		r.end += n
		r.err = err
		if n > 0 {
			return nil
		}
	}
	if r.err != nil {
		return r.streamError()
	}
	return io.ErrNoProgress
}

// streamError returns the stream's error once, in the caller's terms.
func (r *Reader) streamError() error {
	err := r.err
	r.err = nil
	if err == io.EOF && r.end > r.start {
		return io.ErrUnexpectedEOF
	}
	return err
}

// makeRoom makes sure that there is room behind end: by moving the packet to the front, or to a larger buffer if this one is full.
func (r *Reader) makeRoom(whole int) {
	if r.start == r.end {
		r.start, r.end = 0, 0
	}
	switch {
	case r.block == nil && r.filled: // a busy stream: one large read costs less than many small ones
		r.grow(whole)
	case r.end < len(r.buf) && r.start+whole <= len(r.buf):
	case r.start > 0:
		r.end = copy(r.buf, r.buf[r.start:r.end])
		r.start = 0
	case r.end == len(r.buf):
		r.grow(whole)
	}
}

// grow moves what is buffered to the next larger buffer.
func (r *Reader) grow(whole int) {
	larger := newBlock(len(r.buf), whole)
	r.moveTo(larger, larger.bytes)
}

// shrink leaves a buffer that grew for one large packet, once that packet is done with.
func (r *Reader) shrink() {
	if len(r.buf) > blockSizes[0] && r.end-r.start <= len(r.small) {
		r.moveTo(nil, r.small[:])
	}
}

// moveTo changes the buffer to buf, which belongs to b, and gives the old one back.
func (r *Reader) moveTo(b *block, buf []byte) {
	r.end = copy(buf, r.buf[r.start:r.end])
	r.start = 0
	if r.block != nil {
		r.block.free()
	}
	r.block, r.buf = b, buf
}
