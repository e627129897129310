package commands

import (
	"github.com/parley-chat/parley/datastructs"
)

// Read returns the value of a key for reading. An absent key gives nil, which
// all structures read as empty; a value of another kind gives ErrWrongType.
func Read[T datastructs.Value](c *Context, key []byte) (T, error) {
	return as[T](c.Lookup(key))
}

// Open returns the value of a key for changing. An absent key gives a fresh
// value that Save stores; a value of another kind gives ErrWrongType.
func Open[T interface {
	*E
	datastructs.Value
}, E any](c *Context, key []byte) (T, error) {
	v, err := Find[T](c, key)
	if err == nil && v == nil {
		v = new(E)
	}
	return v, err
}

// Find is Open for handlers to which an absent key is not an empty value: it returns nil.
func Find[T datastructs.Value](c *Context, key []byte) (T, error) {
	v := c.useForWrite(key) // no hit and no miss: Redis counts reads
	if v != nil {
		c.DB.BeginChange(key, v)
	}
	return as[T](v)
}

func as[T datastructs.Value](v datastructs.Value) (T, error) {
	var none T
	if v == nil {
		return none, nil
	}
	t, ok := v.(T)
	if !ok {
		return none, ErrWrongType
	}
	return t, nil
}

// use returns the value of a key and marks its use, unless the client does not
// want its calls to count.
func (c *Context) use(key []byte) datastructs.Value {
	if c.Client != nil && c.Client.NoTouch {
		return c.DB.Peek(key, c.Now)
	}
	return c.DB.Get(key, c.Now, c.Rand)
}

// Lookup returns the value of a key for reading, nil if there is none, and
// records its use.
func (c *Context) Lookup(key []byte) datastructs.Value {
	return c.recordLookup(key, c.use(key))
}

// Peek is Lookup without recording the use, for questions about the key itself.
func (c *Context) Peek(key []byte) datastructs.Value {
	return c.recordLookup(key, c.DB.Peek(key, c.Now))
}

// recordLookup counts a hit or a miss, and publishes the event keymiss.
func (c *Context) recordLookup(key []byte, v datastructs.Value) datastructs.Value {
	if c.Client != nil && c.Client.NoStats {
		return v
	}
	c.Stats.lookup(v != nil)
	if v == nil {
		c.Notify(EventMiss, "keymiss", key)
	}
	return v
}

// Save stores a changed value, marks the key as changed and publishes the event. The key
// keeps its deadline. An empty value deletes the key, with the event "del" after the other.
func (c *Context) Save(key []byte, v datastructs.Value, class Event, event string) {
	c.Store(key, v)
	c.Notify(class, event, key)
	if v.Empty() {
		c.Notify(EventGeneric, "del", key)
	}
}

// Store is Save without events except "new", for handlers that reply before they publish
// events.
func (c *Context) Store(key []byte, v datastructs.Value) {
	c.expireDue(key)
	if v.Empty() {
		if c.backlog && c.DB.Hides(key) {
			c.expireRest(key)
		}
		c.DB.Delete(key)
		c.touch(key)
		return
	}
	put := c.DB.Put
	if c.Client != nil && c.Client.NoTouch {
		put = c.DB.PutNoTouch
	}
	added := put(key, v, c.Now)
	if added {
		c.signalReady(c.index, key, v)
	}
	c.touch(key)
	if added {
		c.Notify(eventNew, "new", key)
	}
}

// Replace stores a value in place of any other and removes the deadline. It publishes the
// events of Store. An empty value leaves no key.
func (c *Context) Replace(key []byte, v datastructs.Value) {
	c.expireDue(key)
	if c.Counting.On {
		c.use(key) // Redis looks whether there is one
	}
	c.DB.ClearDeadline(key)
	c.Store(key, v)
}

// Delete removes a key and reports whether it was there.
func (c *Context) Delete(key []byte) bool {
	c.expireDue(key)
	if c.DB.Peek(key, c.Now) == nil {
		return false
	}
	c.DB.Delete(key)
	c.touch(key)
	return true
}

// SetDeadline makes a key expire at a Unix time in ms.
func (c *Context) SetDeadline(key []byte, at int64) {
	c.DB.SetDeadline(key, at)
	c.touch(key)
}

// ClearDeadline makes a key stay and reports whether it had a deadline.
func (c *Context) ClearDeadline(key []byte) bool {
	if !c.DB.ClearDeadline(key) {
		return false
	}
	c.touch(key)
	return true
}

// flush empties the current database.
func (c *Context) flush() {
	c.empty()
	c.invalidateAll()
}

// flushAll empties all databases.
func (c *Context) flushAll() {
	for i := range c.Databases {
		c.In(i, c.empty)
	}
	c.invalidateAll()
}

func (c *Context) empty() {
	c.touchAll(c.index, c.DB)
	c.call.changes += c.DB.Len()
	c.DB.Clear()
}

// swap exchanges two databases, for all clients that watch, wait for or use their keys.
func (c *Context) swap(a, b int) {
	x, y := c.Databases[a], c.Databases[b]
	if a == b || x.Len()+y.Len() == 0 {
		return
	}
	c.touchAll(a, x, y)
	c.touchAll(b, x, y)
	c.Databases[a], c.Databases[b] = y, x
	c.selectDB(c.index)
	c.call.changes += x.Len() + y.Len()
	c.signalWaiters(a)
	c.signalWaiters(b)
}

// signalWaiters signals the awaited keys that a database now holds. Awaited keys are few;
// the keys of a database may be very many.
func (c *Context) signalWaiters(db int) {
	if c.AwaitedKeys == nil {
		return
	}
	for _, key := range c.AwaitedKeys(db) {
		if v := c.Databases[db].Peek(key, c.Now); v != nil {
			c.signalReady(db, key, v)
		}
	}
}

// signalReady reports a new key to blocked calls if it is of the type that they wait for. As
// in Redis, a key of another type does not count, even if it becomes one of that type within
// the same EXEC.
func (c *Context) signalReady(db int, key []byte, v datastructs.Value) {
	if c.KeyReady != nil && v.Kind() == datastructs.KindSortedSet {
		c.KeyReady(db, key)
	}
}

// touch records that the call has changed a key.
func (c *Context) touch(key []byte) {
	c.call.changes++
	c.changed(key, c.Client)
}

// changed marks a key as dirty for WATCH and invalidates it for tracking. by is the client
// that changed it; nil: none did.
func (c *Context) changed(key []byte, by *Client) {
	if watched := c.watchers[c.index]; watched != nil {
		watched.find(key).markDirty()
	}
	if c.Tracking.any() {
		c.invalidate(key, by)
	}
}

// useForWrite is use for handlers that will change the value.
func (c *Context) useForWrite(key []byte) datastructs.Value {
	v := c.use(key)
	if c.backlog && v != nil {
		if h := c.DB.HidingHash(key, c.Now); h != nil {
			return h
		}
	}
	return v
}
