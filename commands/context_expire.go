package commands

import (
	"math"
	"slices"

	"github.com/parley-chat/parley/datastructs"
)

// What happens by itself when the time of keys and of fields is up.

// Expire deletes keys and fields whose deadline has passed, at most limit of them, in order
// of their deadlines. Effects and events are those of a deletion. It reports whether all are
// deleted; the rest read as absent all the same. During a pause, or after DEBUG
// SET-ACTIVE-EXPIRE 0, it deletes none.
func (c *Context) Expire(limit int) (done bool) {
	if c.Pause.On() || c.KeepExpired {
		limit = 0
	}
	before := c.index
	defer c.selectDB(before)
	for i, db := range c.Databases {
		for db.HasDeadlines() {
			due, ok := db.Next()
			if !ok || due.At >= c.Now {
				break
			}
			if limit <= 0 {
				c.backlog = true
				return false
			}
			c.selectDB(i)
			c.dueKey = dueKey{i, due}
			limit -= c.expire(due, limit)
		}
	}
	c.backlog = false
	return true
}

// expire does the first of what is due and returns how much that was.
func (c *Context) expire(due datastructs.Due, limit int) int {
	key := []byte(due.Key)
	if due.Fields {
		return c.expireFields(key, limit)
	}
	c.expireKey(key)
	return 1
}

func (c *Context) expireKey(key []byte) {
	c.DB.Delete(key)
	c.Stats.Expired.Add(1)
	c.emit("DEL", key)
	c.changed(key, nil)
	c.Notify(eventExpired, "expired", key)
}

// expireFields deletes the fields of a hash that are due first, and tells them
// as one event. If the hash has no others the key goes.
func (c *Context) expireFields(key []byte, limit int) int {
	effect := []any{"HDEL", key}
	n, emptied := c.DB.ExpireFields(key, limit, func(field []byte) {
		if c.Effects != nil {
			effect = append(effect, slices.Clone(field))
		}
	})
	c.Stats.ExpiredFields.Add(int64(n))
	if emptied {
		effect = []any{"DEL", key}
	}
	c.emit(effect...)
	c.changed(key, nil)
	c.Notify(EventHash, "hexpired", key)
	if emptied {
		c.Notify(EventGeneric, "del", key)
		return 1
	}
	return n
}

// maxDueFields bounds how many fields of a hash expireDue expires.
var maxDueFields = 1000

// expireDue expires a key, or fields of it, before the key is written to, where Expire has
// not reached them yet. Fields beyond maxDueFields stay, hidden.
func (c *Context) expireDue(key []byte) {
	if !c.backlog {
		return
	}
	if at, ok := c.DB.Deadline(key); ok && at < c.Now {
		c.expireKey(key)
	}
	left := maxDueFields
	for at, ok := c.DB.FieldDeadline(key); ok && at < c.Now; at, ok = c.DB.FieldDeadline(key) {
		switch {
		case left > 0:
			left -= c.expireFields(key, left)
		case c.DB.Expired(key, c.Now):
			c.expireRest(key)
			c.Notify(EventGeneric, "del", key)
		case !c.DB.HideFields(key, c.Now):
			c.expireFields(key, math.MaxInt)
		}
	}
}

// expireDueKeys calls expireDue for the keys of a call, so that its handler finds nothing
// expired in them. If fields stay hidden, those that the call may name (any of its words)
// are deleted.
func (c *Context) expireDueKeys(m *Command, args [][]byte) {
	uses, _ := m.Keys.In(args)
	for _, u := range uses {
		c.expireDue(u.Key)
		if c.DB.Hides(u.Key) {
			c.expireNamed(u.Key, args)
		}
	}
}

func (c *Context) expireNamed(key []byte, fields [][]byte) {
	effect := []any{"HDEL", key}
	for _, field := range fields {
		if c.DB.ExpireField(key, field) {
			effect = append(effect, field)
		}
	}
	if n := len(effect) - 2; n > 0 {
		c.changed(key, nil)
		c.Stats.ExpiredFields.Add(int64(n))
		c.emit(effect...)
		c.Notify(EventHash, "hexpired", key)
	}
}

// expireRest deletes a hash of which no field is left that has not expired.
func (c *Context) expireRest(key []byte) {
	n := c.DB.Fields(key)
	c.DB.Delete(key)
	c.changed(key, nil)
	c.Stats.ExpiredFields.Add(int64(n))
	c.emit("DEL", key)
	c.Notify(EventHash, "hexpired", key)
}

// expireAt makes a key expire, or deletes it at once if that time is not in the
// future, and tells the event and the effect.
func (c *Context) expireAt(key []byte, at int64) {
	if at <= c.Now {
		c.Delete(key)
		c.Notify(EventGeneric, "del", key)
		c.EmitAs("DEL", key)
		return
	}
	c.SetDeadline(key, at)
	c.Notify(EventGeneric, "expire", key)
	c.EmitAs("PEXPIREAT", key, at)
}
