package servertest

import (
	"testing"
	"time"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/testkit"
)

// A DB gives a test access to a database of the server: see testkit.DB, whose
// methods these are. Where those return an error, these end the test.
type DB struct {
	db testkit.DB
	t  testing.TB
}

// DB gives access to the database with that number.
func (s *Server) DB(index int) DB { return DB{s.Kit.DB(index), s.t} }

func (d DB) must(err error) {
	if err != nil {
		d.t.Helper()
		d.t.Fatal(err)
	}
}

// Do runs any command except those about the client's own connection, and
// returns its reply in RESP3. No command blocks: BZPOPMIN of an empty key
// returns null.
func (d DB) Do(words ...string) resp.Value {
	d.t.Helper()
	reply, err := d.db.Do(words...)
	d.must(err)
	return reply
}

// Get returns the string at a key; ok is false if there is no such key.
func (d DB) Get(key string) (value string, ok bool) {
	d.t.Helper()
	value, ok, err := d.db.Get(key)
	d.must(err)
	return value, ok
}

// Set stores a string without a deadline, and replaces any value of the key.
func (d DB) Set(key, value string) {
	d.t.Helper()
	d.must(d.db.Set(key, value))
}

// Del deletes keys and returns how many of them existed.
func (d DB) Del(keys ...string) int {
	d.t.Helper()
	v, err := d.db.Del(keys...)
	d.must(err)
	return v
}

// Exists reports whether a key exists.
func (d DB) Exists(key string) bool {
	d.t.Helper()
	v, err := d.db.Exists(key)
	d.must(err)
	return v
}

// Keys returns the keys that match a pattern of KEYS ("*" for all), sorted.
func (d DB) Keys(pattern string) []string {
	d.t.Helper()
	v, err := d.db.Keys(pattern)
	d.must(err)
	return v
}

// Type returns "string", "hash", "set", "zset", or "none" if there is no such
// key.
func (d DB) Type(key string) string {
	d.t.Helper()
	v, err := d.db.Type(key)
	d.must(err)
	return v
}

// TTL returns a key's time to live; ok is false if it has no deadline or does
// not exist.
func (d DB) TTL(key string) (left time.Duration, ok bool) {
	d.t.Helper()
	left, ok, err := d.db.TTL(key)
	d.must(err)
	return left, ok
}

// Expire sets a key's time to live, in whole milliseconds, and reports whether
// the key exists. A time of 0 or less deletes it.
func (d DB) Expire(key string, left time.Duration) bool {
	d.t.Helper()
	v, err := d.db.Expire(key, left)
	d.must(err)
	return v
}

// HGet returns a field of a hash; ok is false if the field or the key does not
// exist.
func (d DB) HGet(key, field string) (value string, ok bool) {
	d.t.Helper()
	value, ok, err := d.db.HGet(key, field)
	d.must(err)
	return value, ok
}

// HGetAll returns all fields of a hash. It is empty if the key does not exist:
// no key holds an empty hash.
func (d DB) HGetAll(key string) map[string]string {
	d.t.Helper()
	v, err := d.db.HGetAll(key)
	d.must(err)
	return v
}

// HSet sets fields of a hash, each followed by its value, and returns how many
// are new.
func (d DB) HSet(key string, pairs ...string) int {
	d.t.Helper()
	v, err := d.db.HSet(key, pairs...)
	d.must(err)
	return v
}

// HDel deletes fields of a hash and returns how many of them existed.
func (d DB) HDel(key string, fields ...string) int {
	d.t.Helper()
	v, err := d.db.HDel(key, fields...)
	d.must(err)
	return v
}

// SMembers returns the members of a set, sorted. It is empty if the key does
// not exist.
func (d DB) SMembers(key string) []string {
	d.t.Helper()
	v, err := d.db.SMembers(key)
	d.must(err)
	return v
}

// SIsMember reports whether a set has a member.
func (d DB) SIsMember(key, member string) bool {
	d.t.Helper()
	v, err := d.db.SIsMember(key, member)
	d.must(err)
	return v
}

// SAdd adds members to a set and returns how many are new.
func (d DB) SAdd(key string, members ...string) int {
	d.t.Helper()
	v, err := d.db.SAdd(key, members...)
	d.must(err)
	return v
}

// SRem removes members from a set and returns how many of them existed.
func (d DB) SRem(key string, members ...string) int {
	d.t.Helper()
	v, err := d.db.SRem(key, members...)
	d.must(err)
	return v
}

// ZScore returns the score of a member of a sorted set; ok is false if the
// member or the key does not exist.
func (d DB) ZScore(key, member string) (score float64, ok bool) {
	d.t.Helper()
	score, ok, err := d.db.ZScore(key, member)
	d.must(err)
	return score, ok
}

// ZRange returns the members of a sorted set from rank start to rank stop,
// inclusive and in order; -1 is the last rank. It is empty if the key does not
// exist.
func (d DB) ZRange(key string, start, stop int) []Member {
	d.t.Helper()
	v, err := d.db.ZRange(key, start, stop)
	d.must(err)
	return v
}

// ZAdd adds members to a sorted set, or updates their scores, and returns how
// many are new.
func (d DB) ZAdd(key string, members ...Member) int {
	d.t.Helper()
	v, err := d.db.ZAdd(key, members...)
	d.must(err)
	return v
}

// ZRem removes members from a sorted set and returns how many of them existed.
func (d DB) ZRem(key string, members ...string) int {
	d.t.Helper()
	v, err := d.db.ZRem(key, members...)
	d.must(err)
	return v
}

// Publish sends a message to a channel and returns how many clients receive it.
func (d DB) Publish(channel, message string) int {
	d.t.Helper()
	v, err := d.db.Publish(channel, message)
	d.must(err)
	return v
}
