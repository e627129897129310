// Package rdb reads and writes values in the form that Redis gives them in the
// payloads of DUMP and in its snapshot files: RDB version 10, that of Redis 7.0.
//
// What is written is what redis-server 7.0.15 writes, byte for byte wherever
// the value has an order; a hash table's order is its own. What is read are all
// forms in which Redis 7.0 takes a string, hash, set or sorted set, those of
// its predecessors included. Input is believed in nothing: each length, count
// and checksum is checked, order and uniqueness too, and memory is taken for
// what is there, not for what is announced.
package rdb

import (
	"encoding/binary"
	"errors"
	"hash/crc64"

	"github.com/parley-chat/parley/datastructs"
)

// Version is that of the format which is written, and the last that is read.
const Version = 10

// Errors of Restore.
var (
	ErrFooter      = errors.New("rdb: payload version or checksum are wrong")
	ErrFormat      = errors.New("rdb: bad data format")
	ErrUnsupported = errors.New("rdb: a value of a kind that there is not")
)

// footerLen is the length of what ends a payload: the version and a checksum of
// all before it.
const footerLen = 2 + 8

// Dump returns a value as DUMP gives it.
func Dump(v datastructs.Value) []byte { return Seal(Append(nil, v)) }

// Seal appends to a value what ends a payload.
func Seal(value []byte) []byte {
	p := binary.LittleEndian.AppendUint16(value, Version)
	return binary.LittleEndian.AppendUint64(p, checksum(p))
}

// Restore reads what Dump, or DUMP of a Redis, has given. An error is one of
// those above.
func Restore(payload []byte) (datastructs.Value, error) {
	body := len(payload) - footerLen
	if body < 0 {
		return nil, ErrFooter
	}
	footer := payload[body:]
	if binary.LittleEndian.Uint16(footer) > Version || binary.LittleEndian.Uint64(footer[2:]) != checksum(payload[:body+2]) {
		return nil, ErrFooter
	}
	v, rest, err := Read(payload[:body])
	if err == nil && len(rest) > 0 {
		return nil, ErrFormat
	}
	return v, err
}

// jones is the polynomial of Redis's checksums, reflected.
var jones = crc64.MakeTable(0x95ac9329ac4bc9b5)

// checksum starts at 0 and is told as it is; crc64 turns round all bits at both
// ends.
func checksum(p []byte) uint64 { return ^crc64.Update(^uint64(0), jones, p) }
