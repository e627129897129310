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

// A DB is a database of the server, to be looked at and changed by the test
// itself, in the words of the commands and without a client.
//
// A look changes nothing: it is no use of the key (OBJECT IDLETIME), no hit and no
// miss, and neither monitors, statistics and the slow log nor what this package
// records or spoils see it. It is not held back by CLIENT PAUSE and needs no
// password. A change is one as any client's: whoever watches or caches the key,
// waits for it, or is subscribed to its events, is told.
//
// Errors are those that a client would get, with the name of the command; one
// about the type of a key names the key and its type too.
type DB struct {
	kit   *Kit
	index int
}

// DB gives access to a database by its number. Its methods give an error if there
// is no such.
func (r *Kit) DB(index int) DB { return DB{r, index} }

// A Member is one of a sorted set.
type Member struct {
	Member string
	Score  float64
}

// Do runs any command but those about the connection that they are sent on, and
// returns its reply in RESP3. None waits: a BZPOPMIN of nothing gives null.
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
		m, bad := runnable(c, args)
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

// perform runs a row in a database that there is.
func perform(c *commands.Context, db int, m *commands.Command, args [][]byte) (reply resp.Value, err error) {
	from := c.Len()
	c.In(db, func() {
		if o := c.Perform(m, args); o.Err != nil {
			err = fmt.Errorf("%s: %w%s", strings.ToUpper(m.FullName()), o.Err, kindsOf(c, m, args, o.Err))
		}
	})
	if err == nil {
		reply, err = resp.Parse(c.From(from))
	}
	return reply, err
}

// runnable finds the row of a call that needs no connection.
func runnable(c *commands.Context, args [][]byte) (*commands.Command, error) {
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

// kindsOf says what the keys of a call hold, if it failed for that.
func kindsOf(c *commands.Context, m *commands.Command, args [][]byte, failure error) string {
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

// ask is Do for those who want one number, string or list of strings.
func ask[T any](d DB, read func(resp.Value) T, words ...string) (T, error) {
	v, err := d.Do(words...)
	if err != nil {
		var none T
		return none, err
	}
	return read(v), nil
}

func number(v resp.Value) int      { return int(v.Int) }
func sorted(v resp.Value) []string { return slices.Sorted(slices.Values(v.Strings())) }
func yes(v resp.Value) bool        { return v.Int == 1 }

// maybe is ask for a string that may be absent.
func maybe(d DB, words ...string) (string, bool, error) {
	v, err := d.Do(words...)
	return v.Str, err == nil && !v.IsNull(), err
}

// Get returns the string that a key holds; not ok if there is no such key.
func (d DB) Get(key string) (value string, ok bool, err error) { return maybe(d, "GET", key) }

// Set stores a string, in place of whatever was there, without a deadline.
func (d DB) Set(key, value string) error {
	_, err := d.Do("SET", key, value)
	return err
}

// Del deletes keys and returns how many there were.
func (d DB) Del(keys ...string) (int, error) {
	return ask(d, number, append([]string{"DEL"}, keys...)...)
}

// Exists reports whether there is such a key.
func (d DB) Exists(key string) (bool, error) { return ask(d, yes, "EXISTS", key) }

// Keys lists the keys that match a pattern of KEYS ("*" for all), sorted.
func (d DB) Keys(pattern string) ([]string, error) { return ask(d, sorted, "KEYS", pattern) }

// Type returns "string", "hash", "set", "zset", or "none" if there is no such key.
func (d DB) Type(key string) (string, error) {
	v, err := d.Do("TYPE", key)
	return v.Str, err
}

// TTL returns the time that a key has left; not ok if it has no deadline, or if
// there is no such key.
func (d DB) TTL(key string) (left time.Duration, ok bool, err error) {
	ms, err := ask(d, number, "PTTL", key)
	return time.Duration(max(ms, 0)) * time.Millisecond, err == nil && ms >= 0, err
}

// Expire gives a key so much time, in whole milliseconds, in place of any
// deadline, and reports whether there is such a key. No time at all deletes it.
func (d DB) Expire(key string, left time.Duration) (bool, error) {
	return ask(d, yes, "PEXPIRE", key, strconv.FormatInt(left.Milliseconds(), 10))
}

// HGet returns the value of a hash's field; not ok if there is no such field, or key.
func (d DB) HGet(key, field string) (value string, ok bool, err error) {
	return maybe(d, "HGET", key, field)
}

// HGetAll returns all fields of a hash. It is empty if there is no such key: no key
// holds an empty hash.
func (d DB) HGetAll(key string) (map[string]string, error) {
	return ask(d, resp.Value.Map, "HGETALL", key)
}

// HSet sets fields of a hash, each followed by its value, and returns how many are new.
func (d DB) HSet(key string, pairs ...string) (int, error) {
	return ask(d, number, append([]string{"HSET", key}, pairs...)...)
}

// HDel deletes fields of a hash and returns how many there were.
func (d DB) HDel(key string, fields ...string) (int, error) {
	return ask(d, number, append([]string{"HDEL", key}, fields...)...)
}

// SMembers lists the members of a set, sorted. It is empty if there is no such key.
func (d DB) SMembers(key string) ([]string, error) { return ask(d, sorted, "SMEMBERS", key) }

// SIsMember reports whether a set has a member.
func (d DB) SIsMember(key, member string) (bool, error) {
	return ask(d, yes, "SISMEMBER", key, member)
}

// SAdd adds members to a set and returns how many are new.
func (d DB) SAdd(key string, members ...string) (int, error) {
	return ask(d, number, append([]string{"SADD", key}, members...)...)
}

// SRem removes members from a set and returns how many there were.
func (d DB) SRem(key string, members ...string) (int, error) {
	return ask(d, number, append([]string{"SREM", key}, members...)...)
}

// ZScore returns the score of a member of a sorted set; not ok if there is no such
// member, or key.
func (d DB) ZScore(key, member string) (score float64, ok bool, err error) {
	v, err := d.Do("ZSCORE", key, member)
	return v.Double, err == nil && !v.IsNull(), err
}

// ZRange lists the members from one rank to another, which is included, in order;
// -1 is the last rank. It is empty if there is no such key.
func (d DB) ZRange(key string, start, stop int) ([]Member, error) {
	return ask(d, members, "ZRANGE", key, strconv.Itoa(start), strconv.Itoa(stop), "WITHSCORES")
}

func members(v resp.Value) []Member {
	list := make([]Member, len(v.Elems))
	for i, pair := range v.Elems {
		list[i] = Member{pair.Elems[0].Str, pair.Elems[1].Double}
	}
	return list
}

// ZAdd adds members to a sorted set, or gives those that are there another score,
// and returns how many are new.
func (d DB) ZAdd(key string, members ...Member) (int, error) {
	words := []string{"ZADD", key}
	for _, m := range members {
		words = append(words, strconv.FormatFloat(m.Score, 'g', -1, 64), m.Member)
	}
	return ask(d, number, words...)
}

// ZRem removes members from a sorted set and returns how many there were.
func (d DB) ZRem(key string, members ...string) (int, error) {
	return ask(d, number, append([]string{"ZREM", key}, members...)...)
}

// Publish sends a message to a channel and returns how many clients receive it.
func (d DB) Publish(channel, message string) (int, error) {
	return ask(d, number, "PUBLISH", channel, message)
}
