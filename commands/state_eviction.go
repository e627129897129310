package commands

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/parley-chat/parley/commands/resp"
)

// Keys go when memory is full, before a call that would take more of it runs, as
// the maxmemory policy says. Where the policy goes by how keys are used, it is
// asked of some keys that are drawn at random, and the best of those drawn so far
// are remembered: that comes close to looking at all.

// ErrOOM refuses a call that may take memory when there is no more.
const ErrOOM = resp.Error("OOM command not allowed when used memory > 'maxmemory'.")

// An Eviction is what is known of keys that may go. The zero value is ready, but for
// Rand.
type Eviction struct {
	Rand *rand.Rand

	pool      []candidate // the one to go first is the last
	next      int         // database from which a key went by chance
	databases []int       // databases that hold something to go, for one stay

	since    int64 // Unix µs: memory has been too full from then on; 0: it is not
	exceeded int64 // µs for which it was, in all, before
}

// A candidate is a key that deserves to go more than others, as far as they are known.
type candidate struct {
	db    int
	key   string
	score int64
}

const (
	poolSize   = 16
	maxSamples = 256 // more draws from a database find no better key
)

// MemoryFull reports whether more memory is in use than there may be.
func (s *State) MemoryFull() bool {
	limit := s.Config.MaxMemory
	return limit > 0 && uint64(s.UsedMemory()) > limit
}

// MustEvict reports whether keys are to go, or to be looked for, before a call.
func (s *State) MustEvict() bool { return s.Config.Policy.Evicts() && s.MemoryFull() && !s.Pause.On() }

// NeedsMemory reports whether a call may take memory, so that it is refused when
// there is none: what its row says, or, for EXEC, one of the calls that it would run.
// Within a transaction that is all calls but those that end it.
func (l *Client) NeedsMemory(m *Command) bool {
	switch {
	case l.Multi == nil:
		return m.Has(DenyOOM)
	case m.Has(EndsMulti):
		return l.Multi.needsMemory
	}
	return !m.Has(LeavesMulti)
}

// BeginEviction is to be called before keys are evicted in one stay under the lock.
func (c *Context) BeginEviction() {
	e := &c.Eviction
	e.databases = e.databases[:0]
	for i := range c.Databases {
		if c.evictable(i) > 0 {
			e.databases = append(e.databases, i)
		}
	}
}

// evictable is how many keys of a database may go.
func (c *Context) evictable(db int) int {
	if c.Config.Policy.volatile {
		return c.Databases[db].Volatile()
	}
	return c.Databases[db].Len()
}

// EvictOne lets the key go that is to go first. It reports whether there was one.
func (c *Context) EvictOne() bool {
	db, key, ok := c.evictionCandidate()
	if ok {
		c.In(db, func() { c.evict([]byte(key)) })
	}
	return ok
}

func (c *Context) evict(key []byte) {
	c.DB.Delete(key)
	c.changed(key, nil)
	c.Stats.Evicted.Add(1)
	c.Notify(eventEvicted, "evicted", key)
	c.emit("DEL", key)
}

func (c *Context) evictionCandidate() (db int, key string, ok bool) {
	switch c.Config.Policy.order {
	case noEviction:
		return 0, "", false
	case byRandom:
		return c.randomCandidate()
	case byTTL:
		return c.soonestToExpire()
	}
	return c.leastUsed()
}

// randomCandidate takes turns between databases, as Redis does.
func (c *Context) randomCandidate() (db int, key string, ok bool) {
	e := &c.Eviction
	for range e.databases {
		e.next++
		db = e.databases[e.next%len(e.databases)]
		if n := c.evictable(db); n > 0 {
			return db, c.candidateAt(db, e.Rand.IntN(n)), true
		}
	}
	return 0, "", false
}

// candidateAt is the i-th of the keys of a database that may go.
func (c *Context) candidateAt(db, i int) string {
	if c.Config.Policy.volatile {
		return c.Databases[db].VolatileAt(i)
	}
	key, _ := c.Databases[db].At(i)
	return key
}

// soonestToExpire knows exactly, where Redis draws.
func (c *Context) soonestToExpire() (db int, key string, ok bool) {
	first := int64(0)
	for _, i := range c.Eviction.databases {
		if next, at, some := c.Databases[i].NextDeadline(); some && (!ok || at < first) {
			db, key, first, ok = i, next, at, true
		}
	}
	return db, key, ok
}

// leastUsed draws some keys of each database and takes the best of all that are
// remembered. One that has gone since, or has been used, is forgotten.
func (c *Context) leastUsed() (db int, key string, ok bool) {
	e := &c.Eviction
	for {
		found := false
		for _, db := range e.databases {
			found = c.sampleKeys(db) || found
		}
		if !found {
			e.clearPool()
			return 0, "", false
		}
		for len(e.pool) > 0 {
			best := e.pool[len(e.pool)-1]
			e.pool[len(e.pool)-1] = candidate{}
			e.pool = e.pool[:len(e.pool)-1]
			if now, there := c.evictionScore(best.db, best.key); there && now >= best.score {
				return best.db, best.key, true
			}
		}
	}
}

// evictionScore tells by how much a key deserves to go, if it is there to go.
func (c *Context) evictionScore(db int, key string) (score int64, ok bool) {
	return c.Databases[db].EvictionScore(key, c.Config.Policy.volatile, c.Now)
}

// sampleKeys looks at some keys of a database. It reports whether there are any.
func (c *Context) sampleKeys(db int) bool {
	n := c.evictable(db)
	for range min(int64(n), c.Config.EvictionSamples, maxSamples) {
		key := c.candidateAt(db, c.Eviction.Rand.IntN(n))
		score, _ := c.evictionScore(db, key)
		c.Eviction.addCandidate(candidate{db, key, score})
	}
	return n > 0
}

// addCandidate keeps a candidate if it is one of the best.
func (e *Eviction) addCandidate(c candidate) {
	if len(e.pool) == poolSize && c.score <= e.pool[0].score || slices.Contains(e.pool, c) {
		return
	}
	if len(e.pool) == poolSize {
		e.pool = slices.Delete(e.pool, 0, 1)
	}
	i, _ := slices.BinarySearchFunc(e.pool, c, func(a, b candidate) int { return cmp.Compare(a.score, b.score) })
	e.pool = slices.Insert(e.pool, i, c)
}

// clearPool is for when what candidates are judged by has changed, or where they are.
func (e *Eviction) clearPool() {
	clear(e.pool[:cap(e.pool)])
	e.pool = e.pool[:0]
}

// RecordOverLimit keeps for how long memory has been too full, though keys have gone.
func (c *Context) RecordOverLimit(full bool) {
	e := &c.Eviction
	switch {
	case full && e.since == 0:
		e.since = c.Micros
	case !full && e.since != 0:
		e.exceeded += max(0, c.Micros-e.since)
		e.since = 0
	}
}

// exceededFor tells for how long memory is too full now, and was in all before.
func (e *Eviction) exceededFor(micros int64) (now, before time.Duration) {
	if e.since != 0 {
		now = time.Duration(max(0, micros-e.since)) * time.Microsecond
	}
	return now, time.Duration(e.exceeded) * time.Microsecond
}

func (e *Eviction) resetTimes() { e.since, e.exceeded = 0, 0 }
