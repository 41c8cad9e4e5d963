// Package disk is the seam between the message log and the file system: a small interface, its real implementation,
// and two that misbehave on purpose for tests.
//
// # Types
//
//   - FS and File: what the log asks of a file system, nothing else
//   - OS: the real file system
//   - Lock: one process per data directory
//   - Faulty: fails the n-th changing call
//   - Memory: a file system in memory that knows what a power cut may leave
//
// The package starts no goroutines.
//
// # Files
//
//   - fs.go: FS, File, Entry
//   - os.go: OS
//   - os_linux.go, os_other.go: fdatasync, fallocate and read-ahead, by platform
//   - os_unix.go, os_notunix.go: fsync of directories and free space, by platform
//   - lock.go: Lock
//   - lock_unix.go, lock_windows.go, lock_other.go: the lock itself, by platform
//   - faulty.go: Faulty
//   - memory.go: Memory, its names and directories
//   - memoryfile.go: a file of Memory
//   - crash.go: what is left of a Memory after a power cut
package disk
