package statedb

import (
	"encoding/binary"
	"io"

	"github.com/dgraph-io/badger/v4/pb"
	"google.golang.org/protobuf/proto"
)

// manifestHeader is how many bytes MANIFEST begins with before its first change set: magic and versions.
const manifestHeader = 8

// removedTables returns the tables that MANIFEST says were removed. Their files are left over when the process dies
// between that and the unlinking, and nothing in them is missed: keys that are found nowhere else were deleted, and so
// were, by the compaction that replaced the tables, the marks of their deletion.
//
// Each change set is a length and a checksum, four bytes each, and a message. They were checked up to end before.
func removedTables(manifest io.ReaderAt, end int64) (map[uint64]bool, error) {
	removed := make(map[uint64]bool)
	r := io.NewSectionReader(manifest, manifestHeader, end-manifestHeader)
	for {
		var head [8]byte
		if _, err := io.ReadFull(r, head[:]); err == io.EOF {
			return removed, nil
		} else if err != nil {
			return nil, err
		}
		body := make([]byte, binary.BigEndian.Uint32(head[:4]))
		if _, err := io.ReadFull(r, body); err != nil {
			return nil, err
		}
		var set pb.ManifestChangeSet
		if err := proto.Unmarshal(body, &set); err != nil {
			return nil, err
		}
		for _, change := range set.Changes {
			if change.Op == pb.ManifestChange_DELETE {
				removed[change.Id] = true
			} else {
				delete(removed, change.Id)
			}
		}
	}
}
