package testkit

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/commands/resp"
)

// A DB gives a test access to a database of the server, by means of commands
// and without a client.
//
// Reads have no side effects: no LRU/LFU or hit/miss update, and they are
// invisible to MONITOR, statistics, the slow log, recorders and faults. CLIENT
// PAUSE does not block them, and they need no password. Changes are announced
// like those of any client, to clients that watch or cache the key, are blocked
// on it, or are subscribed to its events.
//
// Errors are the error replies that a client would get, with the name of the
// command. WRONGTYPE errors also name the key and its type.
type DB struct {
	kit   *Kit
	index int
}

// DB gives access to the database with that number. If there is none, its
// methods return an error.
func (r *Kit) DB(index int) DB { return DB{r, index} }

// A Member is a member of a sorted set.
type Member struct {
	Member string
	Score  float64
}

// Do runs any command except those about the client's own connection, and
// returns its reply in RESP3. No command blocks: BZPOPMIN of an empty key
// returns null.
func (d DB) Do(words ...string) (reply resp.Value, err error) {
	if len(words) == 0 {
		return reply, errors.New("servertest: no command")
	}
	args := make([][]byte, len(words))
	for i, w := range words {
		args[i] = []byte(w)
	}
	failure := d.kit.control.Exec(func(c *commands.Context) {
		if d.index < 0 || d.index >= len(c.Databases) {
			err = fmt.Errorf("servertest: database %d of %d", d.index, len(c.Databases))
			return
		}
		m, bad := findCommand(c, args)
		if bad != nil {
			err = fmt.Errorf("servertest: %s: %w", word(args[0]), bad)
			return
		}
		if reply, err = perform(c, d.index, m, args); err != nil {
			err = fmt.Errorf("servertest: %w", err)
		}
	})
	return reply, errors.Join(failure, err)
}

// perform runs a command in a database that exists.
func perform(c *commands.Context, db int, m *commands.Command, args [][]byte) (reply resp.Value, err error) {
	from := c.Len()
	c.In(db, func() {
		if o := c.Perform(m, args); o.Err != nil {
			err = fmt.Errorf("%s: %w%s", strings.ToUpper(m.FullName()), o.Err, keyTypes(c, m, args, o.Err))
		}
	})
	if err == nil {
		reply, err = resp.Parse(c.From(from))
	}
	return reply, err
}

// findCommand finds the row of a call, which must not need a connection.
func findCommand(c *commands.Context, args [][]byte) (*commands.Command, error) {
	m, err := c.Table.Find(args)
	switch {
	case err != nil:
		return nil, err
	case !m.Accepts(len(args)):
		return nil, commands.ArityError(m)
	case m.Has(commands.NeedsConnection):
		return nil, errors.New("it needs a connection of its own: see Dial")
	}
	return m, nil
}

// keyTypes describes the types of the call's keys if failure is WRONGTYPE.
func keyTypes(c *commands.Context, m *commands.Command, args [][]byte, failure error) string {
	if !errors.Is(failure, commands.ErrWrongType) {
		return ""
	}
	var b strings.Builder
	uses, _ := m.Keys.In(args)
	for _, use := range uses {
		if v := c.Peek(use.Key); v != nil {
			fmt.Fprintf(&b, "; %s is a %s", word(use.Key), v.Kind())
		}
	}
	return b.String()
}

// query is Do for a reply that read converts.
func query[T any](d DB, read func(resp.Value) T, words ...string) (T, error) {
	v, err := d.Do(words...)
	if err != nil {
		var none T
		return none, err
	}
	return read(v), nil
}

func number(v resp.Value) int      { return int(v.Int) }
func sorted(v resp.Value) []string { return slices.Sorted(slices.Values(v.Strings())) }
func isOne(v resp.Value) bool      { return v.Int == 1 }

// queryString is query for a string that may be absent.
func queryString(d DB, words ...string) (string, bool, error) {
	v, err := d.Do(words...)
	return v.Str, err == nil && !v.IsNull(), err
}

// Get returns the string at a key; ok is false if there is no such key.
func (d DB) Get(key string) (value string, ok bool, err error) { return queryString(d, "GET", key) }

// Set stores a string without a deadline, and replaces any value of the key.
func (d DB) Set(key, value string) error {
	_, err := d.Do("SET", key, value)
	return err
}

// Del deletes keys and returns how many of them existed.
func (d DB) Del(keys ...string) (int, error) {
	return query(d, number, append([]string{"DEL"}, keys...)...)
}

// Exists reports whether a key exists.
func (d DB) Exists(key string) (bool, error) { return query(d, isOne, "EXISTS", key) }

// Keys returns the keys that match a pattern of KEYS ("*" for all), sorted.
func (d DB) Keys(pattern string) ([]string, error) { return query(d, sorted, "KEYS", pattern) }

// Type returns "string", "hash", "set", "zset", or "none" if there is no such
// key.
func (d DB) Type(key string) (string, error) {
	v, err := d.Do("TYPE", key)
	return v.Str, err
}

// TTL returns a key's time to live; ok is false if it has no deadline or does
// not exist.
func (d DB) TTL(key string) (left time.Duration, ok bool, err error) {
	ms, err := query(d, number, "PTTL", key)
	return time.Duration(max(ms, 0)) * time.Millisecond, err == nil && ms >= 0, err
}

// Expire sets a key's time to live, in whole milliseconds, and reports whether
// the key exists. A time of 0 or less deletes it.
func (d DB) Expire(key string, left time.Duration) (bool, error) {
	return query(d, isOne, "PEXPIRE", key, strconv.FormatInt(left.Milliseconds(), 10))
}

// HGet returns a field of a hash; ok is false if the field or the key does not
// exist.
func (d DB) HGet(key, field string) (value string, ok bool, err error) {
	return queryString(d, "HGET", key, field)
}

// HGetAll returns all fields of a hash. It is empty if the key does not exist:
// no key holds an empty hash.
func (d DB) HGetAll(key string) (map[string]string, error) {
	return query(d, resp.Value.Map, "HGETALL", key)
}

// HSet sets fields of a hash, each followed by its value, and returns how many
// are new.
func (d DB) HSet(key string, pairs ...string) (int, error) {
	return query(d, number, append([]string{"HSET", key}, pairs...)...)
}

// HDel deletes fields of a hash and returns how many of them existed.
func (d DB) HDel(key string, fields ...string) (int, error) {
	return query(d, number, append([]string{"HDEL", key}, fields...)...)
}

// SMembers returns the members of a set, sorted. It is empty if the key does
// not exist.
func (d DB) SMembers(key string) ([]string, error) { return query(d, sorted, "SMEMBERS", key) }

// SIsMember reports whether a set has a member.
func (d DB) SIsMember(key, member string) (bool, error) {
	return query(d, isOne, "SISMEMBER", key, member)
}

// SAdd adds members to a set and returns how many are new.
func (d DB) SAdd(key string, members ...string) (int, error) {
	return query(d, number, append([]string{"SADD", key}, members...)...)
}

// SRem removes members from a set and returns how many of them existed.
func (d DB) SRem(key string, members ...string) (int, error) {
	return query(d, number, append([]string{"SREM", key}, members...)...)
}

// ZScore returns the score of a member of a sorted set; ok is false if the
// member or the key does not exist.
func (d DB) ZScore(key, member string) (score float64, ok bool, err error) {
	v, err := d.Do("ZSCORE", key, member)
	return v.Double, err == nil && !v.IsNull(), err
}

// ZRange returns the members of a sorted set from rank start to rank stop,
// inclusive and in order; -1 is the last rank. It is empty if the key does not
// exist.
func (d DB) ZRange(key string, start, stop int) ([]Member, error) {
	return query(d, members, "ZRANGE", key, strconv.Itoa(start), strconv.Itoa(stop), "WITHSCORES")
}

func members(v resp.Value) []Member {
	list := make([]Member, len(v.Elems))
	for i, pair := range v.Elems {
		list[i] = Member{pair.Elems[0].Str, pair.Elems[1].Double}
	}
	return list
}

// ZAdd adds members to a sorted set, or updates their scores, and returns how
// many are new.
func (d DB) ZAdd(key string, members ...Member) (int, error) {
	words := []string{"ZADD", key}
	for _, m := range members {
		words = append(words, strconv.FormatFloat(m.Score, 'g', -1, 64), m.Member)
	}
	return query(d, number, words...)
}

// ZRem removes members from a sorted set and returns how many of them existed.
func (d DB) ZRem(key string, members ...string) (int, error) {
	return query(d, number, append([]string{"ZREM", key}, members...)...)
}

// Publish sends a message to a channel and returns how many clients receive it.
func (d DB) Publish(channel, message string) (int, error) {
	return query(d, number, "PUBLISH", channel, message)
}
