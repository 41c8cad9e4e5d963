package seglog

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/holdfast-mqtt/holdfast/persist/disk"
)

func TestPowerCutLosesNothingAcknowledged(t *testing.T) {
	for seed := range uint64(400) {
		fs := newMemory(t)
		s := newScript(fs, seed)
		if err := s.run(10 + int(seed%70)); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for cut := range uint64(3) {
			if err := s.verify(fs.Crash(seed<<8 + cut)); err != nil {
				t.Fatalf("seed %d, power cut %d: %v", seed, cut, err)
			}
		}
		if err := s.verify(fs.Image()); err != nil {
			t.Fatalf("seed %d, killed: %v", seed, err)
		}
	}
}

func TestPowerCutAtAnyMomentLosesNothingAcknowledged(t *testing.T) {
	for seed := range uint64(300) {
		fs := newMemory(t)
		// The call that fails stands for the moment of the power cut: everything later fails as well.
		faulty := disk.NewFaulty(fs, disk.Fault{
			Kinds: disk.OnAny, Call: 1 + int(seed*7%400), Sticky: true, Err: syscall.EIO, Short: seed%2 == 0,
		})
		s := newScript(faulty, seed)
		_ = s.run(80)
		left := fs.Crash(seed)
		// A second power cut hits the recovery, a third the recovery of that.
		for again := range uint64(2) {
			second := disk.NewFaulty(left, disk.Fault{Kinds: disk.OnAny, Call: 1 + int((seed+again)%12), Sticky: true, Err: syscall.EIO})
			o := s.o
			o.Replay = s.applied
			if l, err := Open(second, testDir, o); err == nil {
				_ = l.Close()
			}
			left = left.Crash(seed + 1000 + again)
		}
		if err := s.verify(left); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

func TestNthFailingCallLosesNothingAcknowledged(t *testing.T) {
	kinds := map[string]disk.Kind{
		"any": disk.OnAny, "write": disk.OnWrite, "sync": disk.OnSync, "rename": disk.OnRename, "create": disk.OnCreate,
		"remove": disk.OnRemove, "truncate": disk.OnTruncate, "allocate": disk.OnAllocate, "syncdir": disk.OnSyncDir,
	}
	for name, kind := range kinds {
		for _, fault := range []error{syscall.EIO, syscall.ENOSPC} {
			t.Run(name+" "+fault.Error(), func(t *testing.T) {
				fired := 0
				for n := 1; ; n++ {
					fs := newMemory(t)
					faulty := disk.NewFaulty(fs, disk.Fault{Kinds: kind, Call: n, Err: fault, Short: n%2 == 0})
					s := newScript(faulty, 42)
					ended := s.runThroughFaults(60)
					for cut := range uint64(3) {
						if err := s.verify(fs.Crash(uint64(n)<<8 + cut)); err != nil {
							t.Fatalf("call %d (script ended with %v), power cut %d: %v", n, ended, cut, err)
						}
					}
					if err := s.verify(fs.Image()); err != nil {
						t.Fatalf("call %d, killed: %v", n, err)
					}
					if err := s.killedThenCut(fs, uint64(n)); err != nil {
						t.Fatalf("call %d, killed, started, then a power cut: %v", n, err)
					}
					if !faulty.Fired() {
						break
					}
					fired++
				}
				t.Logf("%d faults", fired)
				if fired == 0 {
					t.Fatal("the script does not reach this call")
				}
			})
		}
	}
}

// TestPowerCutWithoutSyncLosesOnlyWhatWasNotSynced is the weaker promise of a log that is synced now and then: what was
// synced is there, and nothing that is there is wrong.
func TestPowerCutWithoutSyncLosesOnlyWhatWasNotSynced(t *testing.T) {
	lost := 0
	for seed := range uint64(300) {
		fs := newMemory(t)
		r := openRig(t, fs, testOptions(), nil)
		rng := rand.New(rand.NewPCG(seed, 2))
		synced := 0
		for range 5 + rng.IntN(60) {
			e := r.add(typeMessage, message(1, 0, fmt.Sprint(rng.Uint64(), bytes.Repeat([]byte{'x'}, rng.IntN(400)))))
			sync := rng.IntN(10) == 0
			if err := r.tryCommit(sync, e); err != nil {
				t.Fatal(err)
			}
			if !sync && rng.IntN(10) == 0 {
				sync = true
				if err := r.log.Sync(); err != nil {
					t.Fatal(err)
				}
			}
			if sync {
				synced = len(r.model)
			}
		}
		l, got := recovered(t, fmt.Sprintf("seed %d", seed), fs.Crash(seed), r.o)
		if err := subset(got, r.model); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if len(got) < synced {
			t.Fatalf("seed %d: %d records left, %d were synced", seed, len(got), synced)
		}
		wantEntries(t, fmt.Sprintf("seed %d: what was synced", seed), got[:synced], r.model[:synced])
		lost += len(r.model) - len(got)
		_ = l.Close()
	}
	if lost == 0 {
		t.Fatal("no power cut lost anything: the test does not test")
	}
}
