package server

import (
	"math"
	"time"

	"github.com/parley-chat/parley/commands"
)

// evictionBatch is the number of keys that are evicted between readings of the clock.
const evictionBatch = 16

// ensureMemory evicts keys before a call if memory is full. If nothing can be evicted and
// the call may use more memory, it returns the error that rejects the call. If eviction
// takes too long, later calls and evictMore continue it; calls run meanwhile, as in Redis.
func (e *engine) ensureMemory(c *caller, m *commands.Command) error {
	if e.state.Config.MaxMemory == 0 || c.sharesLock {
		return nil
	}
	if done, more := e.evict(&c.ctx); !done && more {
		e.evictLater()
	} else if !done && c.client.NeedsMemory(m) {
		return commands.ErrOOM
	}
	return nil
}

// evict evicts keys until memory is below the limit, no key may be evicted, or the time
// limit has passed. done: memory is below the limit. more: there may be further keys to
// evict.
func (e *engine) evict(c *commands.Context) (done, more bool) {
	if e.state.Pause.On() {
		return true, true // a pause must not change data
	}
	if done = !e.state.MemoryFull(); !done && e.state.Config.Policy.Evicts() {
		done, more = e.evictFor(c, evictionTime(e.state.Config.EvictionTenacity))
	}
	c.RecordOverLimit(!done)
	return done, more
}

// evictFor is evict with a time limit.
func (e *engine) evictFor(c *commands.Context, limit time.Duration) (done, more bool) {
	begun := e.clock.Now()
	c.BeginEviction()
	more = true
	for n := 1; !done && more; n++ {
		if more = c.EvictOne(); more {
			done = !e.state.MemoryFull()
		}
		if n%evictionBatch == 0 && since(e.clock, begun) > limit {
			break
		}
	}
	c.ReportEviction(since(e.clock, begun))
	return done, more
}

// evictionTime is how long one call may evict, by maxmemory-eviction-tenacity. The scale
// is Redis's: 10 is half a millisecond, each further step adds 15 percent, and 100 is
// unlimited.
func evictionTime(n int64) time.Duration {
	const step = 50 * time.Microsecond
	switch {
	case n <= 10:
		return time.Duration(n) * step
	case n < 100:
		return time.Duration(10 * float64(step) * math.Pow(1.15, float64(n-10)))
	}
	return math.MaxInt64
}

// evictLater sets the timer that continues eviction without a call.
func (e *engine) evictLater() {
	if e.evictionTimer.isSet() || e.closed {
		return
	}
	e.evictionTimer.set(e.timers, 0, e.evictMore)
}

// evictMore is the call of evictionTimer.
func (e *engine) evictMore(n int) {
	e.background("(eviction timer)", func() {
		if e.evictionTimer.fire(n) {
			e.evictInBackground()
		}
	})
}

// evictInBackground evicts without a client, for as long as one call may.
func (e *engine) evictInBackground() {
	if done, more := e.evict(e.serverContext()); !done && more {
		e.evictLater()
	}
}

// applyMaxMemory applies a changed maxmemory immediately, as Redis does.
func (e *engine) applyMaxMemory() {
	if !e.maxMemoryChanged {
		return
	}
	e.maxMemoryChanged = false
	if e.onMaxMemory != nil {
		e.onMaxMemory(e.state.Config.MaxMemory)
	}
	if e.state.MemoryFull() {
		e.log.log(eventMaxMemory, "maxmemory", e.state.Config.MaxMemory, "used", e.state.UsedMemory())
		e.evictInBackground()
	}
}
