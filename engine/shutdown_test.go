package engine

import (
	"context"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/wire"
)

func TestShutdownTellsClientsWhy(t *testing.T) {
	scenario(t, func(r *rig) {
		five, three := r.subscriber("five", "t", 1, kept), r.connect("three", v311)
		silent := r.dial("silent", wire.V5)
		r.connect("pub").publish("t", "m", 1)
		broker := r.broker
		if err := broker.Shutdown(context.Background()); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		r.serving.Wait()
		r.broker = nil
		five.want("what was under way", publish("t", "m", 1))
		five.wantEnd(wire.ServerShuttingDown)
		three.wantClosed()
		silent.wantClosed()

		ours, theirs := newPipe()
		late := newClient(r, "late", wire.V5, ours)
		broker.ServeConn(theirs, Peer{})
		late.wantClosed()
	})
}

func TestShutdownCutsWhatDoesNotEnd(t *testing.T) {
	scenario(t, func(r *rig) {
		slow := r.subscriber("slow", "t", 0)
		slow.pause()
		pub := r.connect("pub")
		for range 100 {
			pub.publish("t", "a message that fills the pipe", 0)
		}
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout/2)
		defer cancel()
		started := time.Now()
		if err := r.broker.Shutdown(ctx); err == nil {
			t.Error("shutdown did not say that it ran out of time")
		}
		if took := time.Since(started); took != stopTimeout/2 {
			t.Errorf("shutdown took %v", took)
		}
		r.broker = nil
	})
}

func TestShutdownWaitsForASlowReader(t *testing.T) {
	scenario(t, func(r *rig) {
		slow := r.subscriber("slow", "t", 0)
		slow.pause()
		pub := r.connect("pub")
		for range 100 {
			pub.publish("t", "a message that fills the pipe", 0)
		}
		started := time.Now()
		if err := r.broker.Shutdown(context.Background()); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if took := time.Since(started); took > 2*stopTimeout {
			t.Errorf("shutdown took %v", took)
		}
		r.broker = nil
	})
}

// TestShutdownOverAStalledStore: those who wait for the disk are let go when the context ends.
func TestShutdownOverAStalledStore(t *testing.T) {
	scenario(t, func(r *rig) {
		sub := r.subscriber("sub", "t", 1, kept)
		willing := r.connect("willing", willing("t", "gone", 1))
		r.hold()
		r.attempt("connecting", kept)
		sub.send(subscription1(9, "u", 1))
		r.connect("pub").send(publish("t", "m", 1, withID(1)))
		willing.cut()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := r.broker.Shutdown(ctx); err == nil {
			t.Error("shutdown did not say that it ran out of time")
		}
		r.broker = nil
		if err := r.store.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		r.store = r.store.Restart()
		r.start()
		sub = r.connect("sub", kept)
		sub.want("what was appended", publish("t", "m", 1))
	})
}

func TestShutdownWhileAWillWaitsForTheDisk(t *testing.T) {
	scenario(t, func(r *rig) {
		c := r.connect("c", kept, willing("t", "gone", 1, delayed(10)))
		c.cut()
		r.hold()
		r.sleep(time.Minute)
		if r.store.Pending() == 0 {
			t.Fatal("the will was not proposed")
		}
		if err := r.broker.Shutdown(context.Background()); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		r.broker = nil
	})
}

func TestShutdownOverAFailedStore(t *testing.T) {
	scenario(t, func(r *rig) {
		c := r.connect("c", kept)
		r.hold()
		c.send(publish("x", "m", 2, withID(1)), subscription1(9, "u", 1))
		r.wait()
		r.store.Fail(errDisk)
		r.stop(context.Background())
		c.take()
		c.wantClosed()
	})
}

func TestShutdownLeavesWillsForTheReturning(t *testing.T) {
	scenario(t, func(r *rig) {
		r.subscriber("sub", "w", 1, kept)
		r.connect("c", kept, willing("w", "gone", 1, delayed(60)))
		r.restart()
		sub := r.connect("sub", kept)
		r.sleep(30 * time.Second)
		r.connect("c", kept)
		r.sleep(30 * time.Minute)
		sub.wantNothing("the client came back in time")
	})
}
