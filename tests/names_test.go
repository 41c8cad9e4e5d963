package tests

import (
	"fmt"
	"hash/fnv"
	"testing"

	"github.com/holdfast-mqtt/holdfast/tests/harness"
	"github.com/holdfast-mqtt/holdfast/wire"
)

// tag is a short name of the running test, so that tests which share a broker share neither clients nor topics.
func tag(t *testing.T) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(t.Name())) // never fails
	return fmt.Sprintf("%08x", h.Sum32())
}

// id is a client identifier of this test alone.
func id(t *testing.T, role string) string { return role + "-" + tag(t) }

// topic is a topic of this test alone.
func topic(t *testing.T, rest string) string { return tag(t) + "/" + rest }

// everyVersion runs a test in each protocol version.
func everyVersion(t *testing.T, run func(t *testing.T, v wire.Version)) {
	for _, v := range harness.Versions() {
		t.Run("MQTT "+v.String(), func(t *testing.T) { run(t, v) })
	}
}
