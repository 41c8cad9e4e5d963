package engine

import (
	"testing"
	"time"
)

func TestKeepAliveAllowsOneAndAHalfIntervals(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		seconds uint16
		want    time.Duration
	}{
		{1, 1500 * time.Millisecond},
		{3, 4500 * time.Millisecond},
		{60, 90 * time.Second},
		{65535, 98302500 * time.Millisecond},
	} {
		k := newKeepAlive(c.seconds, start)
		if got := k.deadline().Sub(start); got != c.want {
			t.Errorf("%d s: deadline after %v, want %v", c.seconds, got, c.want)
		}
		if k.expired(start.Add(c.want-1)) || !k.expired(start.Add(c.want)) || !k.expired(start.Add(2*c.want)) {
			t.Errorf("%d s: not expired exactly from its deadline on", c.seconds)
		}
	}
}

func TestPacketMovesTheKeepAliveDeadline(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	k := newKeepAlive(10, start)
	k.packet(start.Add(14 * time.Second))
	if k.expired(start.Add(28 * time.Second)) {
		t.Error("expired 14 s after a packet")
	}
	if got, want := k.deadline(), start.Add(29*time.Second); !got.Equal(want) {
		t.Errorf("deadline %v, want %v", got, want)
	}
	k.packet(start)
	if got, want := k.deadline(), start.Add(29*time.Second); !got.Equal(want) {
		t.Errorf("a packet from the past moved the deadline to %v, want %v", got, want)
	}
}

func TestKeepAliveOfZeroIsOff(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	k := newKeepAlive(0, start)
	k.packet(start.Add(time.Hour))
	if !k.deadline().IsZero() {
		t.Errorf("deadline %v, want none", k.deadline())
	}
	if k.expired(start.AddDate(10, 0, 0)) {
		t.Error("expired")
	}
}
