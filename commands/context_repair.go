package commands

import (
	"strconv"

	"github.com/parley-chat/parley/datastructs"
	"github.com/parley-chat/parley/datastructs/rdb"
)

// What follows when a handler panics, which none should. Nobody knows then how
// far it has come: a value may have been changed and not stored, some of several
// keys may have been written. There is no way back. So each of its keys is made
// sound, counts as changed for all who watch or track it, and is told whole as
// an effect: whoever follows the effects has what is here, whatever that is.

// repair repairs the keys of the current call, in all databases, since MOVE and COPY write
// to others.
func (c *Context) repair() {
	c.unit = c.unit[:c.call.unit] // what it has told of itself is told again
	uses, _ := c.Command.Keys.In(c.Args)
	if len(uses) == 0 && c.call.changes > 0 { // FLUSHALL, SWAPDB, which change all in one step
		c.addEffect(Effect{c.index, c.Args})
	}
	for i := range c.Databases {
		c.In(i, func() {
			for _, use := range uses {
				c.repairKey(use.Key)
			}
		})
	}
	c.State.changes += int64(c.call.changes)
}

func (c *Context) repairKey(key []byte) {
	v := c.DB.Repair(key)
	if c.Effects != nil {
		c.emitValue(key, v)
	}
	c.call.changes++
	defer func() { recover() }() // what has panicked may have been the telling
	c.changed(key, c.Client)
}

// emitValue makes effects of all that a key holds.
func (c *Context) emitValue(key []byte, v datastructs.Value) {
	if v == nil {
		c.addEffect(Effect{c.index, [][]byte{[]byte("DEL"), key}})
		return
	}
	at, hasDeadline := c.DB.Deadline(key)
	restored := [][]byte{[]byte("RESTORE"), key, strconv.AppendInt(nil, at, 10), rdb.Dump(v), []byte("REPLACE")}
	if hasDeadline {
		restored = append(restored, []byte("ABSTTL"))
	}
	c.addEffect(Effect{c.index, restored})
	h, ok := v.(*datastructs.Hash)
	if !ok || h.NumDeadlines() == 0 {
		return
	}
	for field := range h.All() {
		if at, ok := h.Deadline(field); ok {
			field = []byte(string(field)) // the effect may outlive the hash's next change
			c.addEffect(Effect{c.index, [][]byte{[]byte("HPEXPIREAT"), key, strconv.AppendInt(nil, at, 10), []byte("FIELDS"), []byte("1"), field}})
		}
	}
}

// RepairExpiry must be called after the expiry of a key or a field has panicked. If that is
// still due, it is repaired. If it panics again, active expiry stops, as after DEBUG
// SET-ACTIVE-EXPIRE 0; otherwise it would fail for ever.
func (c *Context) RepairExpiry() {
	failed := c.dueKey
	if next, ok := c.Databases[failed.db].Next(); !ok || next != failed.Due {
		return // it is gone
	}
	if c.failedExpiry == failed {
		c.KeepExpired = true
		return
	}
	c.failedExpiry = failed
	c.In(failed.db, func() {
		if c.DB.Repair([]byte(failed.Key)) == nil {
			c.emit("DEL", failed.Key)
		}
	})
}

// A dueKey is a key whose expiry is being run.
type dueKey struct {
	db int
	datastructs.Due
}
