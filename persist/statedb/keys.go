package statedb

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// kind is the first byte of every key: what the key's value says. Ids are big endian, so that iteration runs in their
// order and what belongs to one session lies together.
type kind byte

const (
	kindMeta         kind = 'm' // m: where the state stands
	kindSession      kind = 's' // s<id>: identity, epoch, expiry, will
	kindSubscription kind = 'u' // u<id><name of filter>: one subscription
	kindCursor       kind = 'a' // a<id>: floor, settled above it, in flight
	kindReceived     kind = 'q' // q<id>: inbound packet ids that wait for PUBREL
	kindAudience     kind = 'd' // d<id>: members
	kindRetained     kind = 'r' // r<name of topic>: position, read at every start
	kindValue        kind = 'v' // v<name of topic>: the retained message, read on demand
	kindPart         kind = 'c' // c<key><number>: what did not fit into the first part of the value of key
)

// longestName is up to which length a topic or filter stands in the key as it is. Badger refuses keys above 65,000
// bytes, and MQTT allows 65,535; besides, long keys make its tables slow. A longer one is named by its SHA-256, and
// stands in the value.
const longestName = 1024

// The first byte of a name tells its form.
const (
	namePlain  byte = 0
	nameHashed byte = 1
)

func (k kind) String() string {
	switch k {
	case kindMeta:
		return "meta"
	case kindSession:
		return "session"
	case kindSubscription:
		return "subscription"
	case kindCursor:
		return "cursor"
	case kindReceived:
		return "received ids"
	case kindAudience:
		return "audience"
	case kindRetained:
		return "retained topic"
	case kindValue:
		return "retained message"
	case kindPart:
		return "part"
	}
	return fmt.Sprintf("kind %d", byte(k))
}

// counted tells whether the meta record counts the keys of this kind, so that a loss shows at the next start.
func (k kind) counted() bool { return k == kindSession || k == kindAudience || k == kindRetained }

func metaKey() []byte { return []byte{byte(kindMeta)} }

func idKey(k kind, id uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{byte(k)}, id)
}

func subscriptionKey(id persist.SessionID, filter string) []byte {
	return appendName(idKey(kindSubscription, uint64(id)), filter)
}

func topicKey(k kind, topic string) []byte { return appendName([]byte{byte(k)}, topic) }

func partKey(key []byte, number int) []byte {
	b := append([]byte{byte(kindPart)}, key...)
	return binary.BigEndian.AppendUint32(b, uint32(number))
}

func appendName(key []byte, name string) []byte {
	if len(name) <= longestName {
		return append(append(key, namePlain), name...)
	}
	sum := sha256.Sum256([]byte(name))
	return append(append(key, nameHashed), sum[:]...)
}

// nameIn reads the name that ends a key. If it is hashed the value must have brought it.
func nameIn(form []byte, fromValue []byte) (string, error) {
	switch {
	case len(form) > 0 && form[0] == namePlain:
		return string(form[1:]), nil
	case len(form) > 0 && form[0] == nameHashed:
		if sum := sha256.Sum256(fromValue); !bytes.Equal(sum[:], form[1:]) {
			return "", fmt.Errorf("name of %d bytes does not fit its hash in the key", len(fromValue))
		}
		return string(fromValue), nil
	}
	return "", fmt.Errorf("unknown form of name in the key")
}

// nameForValue is what the value must carry of a name: nothing, unless the key has only its hash.
func nameForValue(name string) []byte {
	if len(name) <= longestName {
		return nil
	}
	return []byte(name)
}

// idIn reads the id behind the kind of a key.
func idIn(key []byte) (uint64, bool) {
	if len(key) < 9 {
		return 0, false
	}
	return binary.BigEndian.Uint64(key[1:9]), true
}

// describeKey names a key to a person.
func describeKey(key []byte) string {
	if len(key) == 0 {
		return "empty key"
	}
	k := kind(key[0])
	switch k {
	case kindSession, kindCursor, kindReceived, kindAudience:
		if id, ok := idIn(key); ok {
			return fmt.Sprintf("%s of %d", k, id)
		}
	case kindSubscription:
		if id, ok := idIn(key); ok {
			return fmt.Sprintf("%s %s of session %d", k, describeName(key[9:]), id)
		}
	case kindRetained, kindValue:
		return fmt.Sprintf("%s %s", k, describeName(key[1:]))
	case kindPart:
		if len(key) > 5 {
			end := len(key) - 4
			return fmt.Sprintf("part %d of %s", binary.BigEndian.Uint32(key[end:]), describeKey(key[1:end]))
		}
	}
	return k.String()
}

func describeName(form []byte) string {
	if len(form) > 0 && form[0] == nameHashed {
		return fmt.Sprintf("(long, sha256 %x)", form[1:])
	}
	if len(form) > 0 {
		form = form[1:]
	}
	return fmt.Sprintf("%q", form)
}
