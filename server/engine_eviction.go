package server

import (
	"math"
	"time"

	"github.com/parley-chat/parley/commands"
)

// evictAtOnce is how many keys go before the clock is looked at.
const evictionBatch = 16

// ensureMemory lets keys go before a call if memory is full. It returns the error with
// which the call is to be refused: none has gone, and it would take more. What takes too
// long to go is left to the next calls and to evictMore; meanwhile calls run, as in
// Redis.
func (e *engine) ensureMemory(c *caller, m *commands.Command) error {
	if e.state.Config.MaxMemory == 0 || c.sharesLock {
		return nil
	}
	if done, some := e.evict(&c.ctx); !done && some {
		e.evictLater()
	} else if !done && c.client.NeedsRoom(m) {
		return commands.ErrOOM
	}
	return nil
}

// evict lets keys go until there is room again, there are none, or it has taken as
// long as it may. done: there is room. some: there are keys that may go.
func (e *engine) evict(c *commands.Context) (done, some bool) {
	if e.state.Pause.On() {
		return true, true // nothing is to change meanwhile
	}
	if done = !e.state.MemoryFull(); !done && e.state.Config.Policy.Evicts() {
		done, some = e.evictFor(c, evictionTime(e.state.Config.Tenacity))
	}
	c.NoteFull(!done)
	return done, some
}

func (e *engine) evictFor(c *commands.Context, limit time.Duration) (done, some bool) {
	begun := e.clock.Now()
	c.BeginEvicting()
	some = true
	for n := 1; !done && some; n++ {
		if some = c.EvictOne(); some {
			done = !e.state.MemoryFull()
		}
		if n%evictionBatch == 0 && since(e.clock, begun) > limit {
			break
		}
	}
	c.ReportEviction(since(e.clock, begun))
	return done, some
}

// evictionTime is how long keys may go before a call: Redis's scale, of which 10 is half a
// millisecond, 100 has no end, and a step between makes it longer by 15 percent.
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

// evictLater sees to it that keys go on going, also when no call comes.
func (e *engine) evictLater() {
	if e.evictionTimer.isSet() || e.closed {
		return
	}
	e.evictionTimer.set(e.timers, 0, e.evictMore)
}

func (e *engine) evictMore(n int) {
	e.background("(eviction timer)", func() {
		if e.evictionTimer.fire(n) {
			e.evictInBackground()
		}
	})
}

// evictInBackground evicts on behalf of no client, for as long as one call may.
func (e *engine) evictInBackground() {
	if done, some := e.evict(e.serverContext()); !done && some {
		e.evictLater()
	}
}

// applyMaxMemory applies a maxmemory that has changed, at once, as Redis does.
func (e *engine) applyMaxMemory() {
	if !e.maxMemoryChanged {
		return
	}
	e.maxMemoryChanged = false
	if e.onMaxMemory != nil {
		e.onMaxMemory(e.state.Config.MaxMemory)
	}
	if e.state.MemoryFull() {
		e.log.log(eventMaxMemory, "maxmemory", e.state.Config.MaxMemory, "used", e.state.Used())
		e.evictInBackground()
	}
}
