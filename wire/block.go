package wire

import "sync"

// blockSizes are the sizes of the buffers that readers share. Each is four times the one before, so a packet is moved
// few times while it grows, and an announced length costs at most four times the bytes that really came.
var blockSizes = [...]int{16 << 10, 64 << 10, 256 << 10, 1 << 20}

// blockPools keep free blocks of each size for all readers of the process. They are shared because that is their purpose:
// ten thousand connections, few of which are reading at one moment.
var blockPools [len(blockSizes)]sync.Pool

// block is a buffer on loan from a pool, or of a size that is not pooled.
type block struct {
	bytes []byte
	class int // index into blockPools, -1 if not pooled
}

// newBlock returns a block larger than size, which is full, on the way to a packet of whole bytes.
func newBlock(size, whole int) *block {
	for class, pooled := range blockSizes {
		if pooled <= size {
			continue
		}
		if b, ok := blockPools[class].Get().(*block); ok {
			return b
		}
		return &block{bytes: make([]byte, pooled), class: class}
	}
	return &block{bytes: make([]byte, min(2*size, max(whole, size+1))), class: -1}
}

// free gives the block back.
func (b *block) free() {
	if b.class >= 0 {
		blockPools[b.class].Put(b)
	}
}
