package statedb

import (
	"encoding/binary"
	"errors"

	"github.com/dgraph-io/badger/v4"

	"github.com/holdfast-mqtt/holdfast/persist"
)

// A retained message is two keys, because its topic is read at every start and its payload when somebody subscribes:
// the tables of Badger keep values beside their keys, so names alone can only be read fast if they lie by themselves.

// retained topic: uvarint position | bytes topic, if the key has only its hash
func appendRetainedTopic(b []byte, topic string, pos persist.Position) []byte {
	return appendBytes(binary.AppendUvarint(b, uint64(pos)), nameForValue(topic))
}

func parseRetainedTopic(key, b []byte) (topic string, pos persist.Position, err error) {
	r := &reader{b: b}
	pos = persist.Position(r.uint())
	long := r.bytes()
	if err := r.end(); err != nil {
		return "", 0, err
	}
	topic, err = nameIn(key[1:], long)
	return topic, pos, err
}

// retained message: uvarint position | message
func appendRetained(b []byte, v *persist.Retained) []byte {
	return appendMessage(binary.AppendUvarint(b, uint64(v.Position)), &v.Message)
}

func parseRetained(b []byte) (v persist.Retained, err error) {
	r := &reader{b: b}
	v.Position = persist.Position(r.uint())
	v.Message = r.message()
	return v, r.end()
}

// RetainedTopics calls fn with every topic that has a retained message and the position that set it. It does not read
// the messages. What is damaged is left out and named in Damage.
func (d *DB) RetainedTopics(fn func(topic string, pos persist.Position) error) error {
	it, found := d.iterate(kindRetained), uint64(0)
	defer it.close()
	for ; it.valid(); it.next() {
		found++
		var topic string
		var pos persist.Position
		data, err := it.data()
		if err == nil {
			topic, pos, err = parseRetainedTopic(it.key(), data)
		}
		if err != nil {
			d.damaged(it.key(), err)
			continue
		}
		if err := fn(topic, pos); err != nil {
			return err
		}
	}
	d.checkCount(kindRetained, it, found)
	return nil
}

// Retained reads the retained message of a topic as the last checkpoint left it; its bytes are the caller's. It
// answers persist.ErrNotRetained, and *DamageError when what is stored cannot be believed.
func (d *DB) Retained(topic string) (persist.Retained, error) {
	key := topicKey(kindValue, topic)
	data, err := d.read(key)
	switch {
	case errors.Is(err, badger.ErrKeyNotFound):
		return persist.Retained{}, persist.ErrNotRetained
	case errors.Is(err, ErrClosed):
		return persist.Retained{}, err
	}
	var v persist.Retained
	if err == nil {
		v, err = parseRetained(data)
	}
	if err != nil {
		return persist.Retained{}, d.damaged(key, err)
	}
	return v, nil
}
