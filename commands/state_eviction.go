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

// An Eviction is the state of key eviction. The zero value is ready, except for Rand.
type Eviction struct {
	Rand *rand.Rand

	pool      []candidate // the one to go first is the last
	next      int         // database from which a key went by chance
	databases []int       // databases that hold something to go, for one stay

	since    int64 // Unix µs: memory has been too full from then on; 0: it is not
	exceeded int64 // µs for which it was, in all, before
}

// A candidate is a key that may be evicted, with its score; higher scores are evicted first.
type candidate struct {
	db    int
	key   string
	score int64
}

const (
	poolSize   = 16
	maxSamples = 256 // more draws from a database find no better key
)

// MemoryFull reports whether used memory exceeds maxmemory.
func (s *State) MemoryFull() bool {
	limit := s.Config.MaxMemory
	return limit > 0 && uint64(s.UsedMemory()) > limit
}

// MustEvict reports whether keys must be evicted, if there are any, before a call.
func (s *State) MustEvict() bool { return s.Config.Policy.Evicts() && s.MemoryFull() && !s.Pause.On() }

// NeedsMemory reports whether a call is refused when memory is full: its row says so, or,
// for EXEC, a queued call's row. Within a transaction that holds for all calls except those
// that end it.
func (l *Client) NeedsMemory(m *Command) bool {
	switch {
	case l.Multi == nil:
		return m.Has(DenyOOM)
	case m.Has(EndsMulti):
		return l.Multi.needsMemory
	}
	return !m.Has(LeavesMulti)
}

// BeginEviction must be called before keys are evicted, once per critical section.
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

// EvictOne evicts the next key. It reports whether there was one.
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

// randomCandidate takes the databases in turn, as Redis does.
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

// soonestToExpire is exact, where Redis samples.
func (c *Context) soonestToExpire() (db int, key string, ok bool) {
	first := int64(0)
	for _, i := range c.Eviction.databases {
		if next, at, some := c.Databases[i].NextDeadline(); some && (!ok || at < first) {
			db, key, first, ok = i, next, at, true
		}
	}
	return db, key, ok
}

// leastUsed samples keys of each database and returns the best candidate so far. Candidates
// that are gone or have been used since are dropped.
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

// evictionScore returns the score of a key; not ok if it cannot be evicted.
func (c *Context) evictionScore(db int, key string) (score int64, ok bool) {
	return c.Databases[db].EvictionScore(key, c.Config.Policy.volatile, c.Now)
}

// sampleKeys adds some keys of a database to the candidates. It reports whether there are
// any.
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

// clearPool drops all candidates, after the policy or the databases have changed.
func (e *Eviction) clearPool() {
	clear(e.pool[:cap(e.pool)])
	e.pool = e.pool[:0]
}

// RecordOverLimit records for how long used memory has exceeded maxmemory although keys were
// evicted.
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
