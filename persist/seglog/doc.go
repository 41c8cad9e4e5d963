// Package seglog is the write-ahead message log: records, gathered in groups, in segment files. It knows nothing of what
// the records say.
//
// # Positions
//
// A record's position is its byte address in the endless log. A segment covers the positions from its base up to base
// plus capacity, whatever part of them it uses, so the next base is known ahead, and the next segment is made before it
// is needed. Positions are never used twice. A group never spans segments; one that is larger than a segment extends
// the next.
//
// # Types
//
//   - Log: the log of one directory
//   - Group: records being gathered for one Commit, which is one write and one fdatasync
//   - Reader: reads records by ascending positions
//   - Damage: where bytes were lost
//
// # What is true
//
//   - When Commit with sync returns nil, the group is on stable storage and every later Open finds it.
//   - When Commit fails, the group may be found by the next Open as a whole, or not at all.
//   - After a failed sync nothing is written any more (ErrPoisoned). A full disk is no failure (ErrNoSpace).
//   - No read ever returns bytes that were not written as that record at that position of this store.
//   - What Open finds is durable before Open returns.
//
// # Damage
//
// A group at the end that is not whole was never acknowledged: it is cut off. A group with a valid group behind it was
// whole once, so bytes that are wrong there are damage: it costs the records it touches, is reported with file and
// offset, and is never cut off or deleted. The last group of the log cannot be told from one that was never completed.
//
// # Assumptions
//
// fdatasync tells the truth. A write that was not synced is there in part, in any part, or not at all; so is a name
// before its directory was synced. The disk writes sectors of 512 bytes whole.
//
// # Goroutines
//
// One for each log (the tidier): it makes the next segment ready and gives back what sealed segments do not use. It
// ends with Close. All methods are safe for concurrent use, but Commit, Seal and Close have one caller at a time.
//
// # Files of a log
//
//	00000000000000004096.seg   a segment, named by its base
//	00000000000000004096.idx   the index of a sealed segment; can be made again
//	00000000000000004096.cseg  a segment that Compact rewrote; takes the place of the .seg
//	*.tmp                      a file being written; deleted by Open
//
// # Files
//
//   - log.go: Log, its counters, Err and Close
//   - options.go: Options and SegmentInfo
//   - errors.go: why calls are refused; Damage
//   - group.go: Group and Record
//   - record.go: a record's checksum
//   - header.go: headers of groups and segments, and how groups are linked
//   - commit.go: Commit, Sync, Seal and the change to the next segment
//   - prepare.go: the tidier; how segments are made
//   - segment.go: the table of segments, file names, Remove
//   - handles.go: open files
//   - read.go: Read and Reader
//   - scan.go: Scan, and the check that no group is missing
//   - walk.go: the groups in a segment's bytes
//   - salvage.go: the intact records in damaged bytes
//   - window.go: reading a file through one buffer
//   - recover.go: Open, from the directory to the table of segments
//   - recoverend.go: Open, where the log ends and goes on
//   - index.go: WriteIndex and LoadIndex
//   - indexfile.go: the index file
//   - compact.go: Compact, and scanning what it wrote
//   - compactfile.go: the compacted file
//   - report.go: the list of damage
package seglog
