package server

import (
	"sync"
	"sync/atomic"
	"time"
)

// What must have become free before Options.FreeMemory is called: so many bytes, and a
// quarter of what was in use at most since the last call.
const (
	minFreed        = 32 << 20
	freedShare      = 4
	reclaimDelay    = 100 * time.Millisecond // after memory has become free: more often does at once
	reclaimInterval = time.Second            // between calls, and looks at what clients hold
	reclaimBackoff  = 20                     // so many times as long as a call took there is no other
)

// A memoryReclaimer finds out when memory has become free that the process could give back.
// It goes by the account of what the server takes, which is known at any time. Without
// a hook it does nothing.
type memoryReclaimer struct {
	hook func()
	peak atomic.Int64 // that was in use since the last call, in bytes

	mu    sync.Mutex // guards all below; taken behind the engine's lock
	timer timer      // set until reclaim has ended
	next  time.Time  // no call before
}

// noteMemory is to be called when the account may have grown or fallen. The engine's
// lock is held, or shared.
func (e *engine) noteMemory() {
	if e.reclaimer.hook != nil {
		e.reclaimer.note(e)
	}
}

// noteInput is noteMemory for what a client that leaves has sent, so many bytes: no call
// may have been made since that grew. It takes the lock.
func (e *engine) noteInput(bytes int) {
	if e.reclaimer.hook != nil && bytes >= minFreed/2 {
		e.mu.RLock()
		defer e.mu.RUnlock()
		e.noteMemory()
	}
}

func (r *memoryReclaimer) note(e *engine) {
	used := int64(e.state.Used())
	most := r.peak.Load()
	for used > most && !r.peak.CompareAndSwap(most, used) {
		most = r.peak.Load()
	}
	switch {
	case enoughFreed(most, used):
		r.arm(e, reclaimDelay)
	case e.state.Held.Load() >= minFreed: // they let go of it without a word
		r.arm(e, reclaimInterval)
	}
}

// enoughFreed reports whether enough has become free.
func enoughFreed(most, used int64) bool {
	return most-used >= minFreed && most-used >= most/freedShare
}

// arm sets the time to look, unless there is one.
func (r *memoryReclaimer) arm(e *engine, wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.timer.isSet() || e.closed {
		return
	}
	wait = max(wait, r.next.Sub(e.clock.Now()))
	r.timer.set(e.timers, wait, func(n int) {
		e.recoverPanic("(memory timer)", func() { e.reclaim(n) })
	})
}

// reclaim calls the hook if memory is free, and sees to the next look.
func (e *engine) reclaim(n int) {
	r := &e.reclaimer
	e.mu.RLock()
	used, most, closed := int64(e.state.Used()), r.peak.Load(), e.closed
	e.mu.RUnlock()
	if closed {
		return
	}
	if enoughFreed(most, used) {
		r.peak.Store(used)
		begun := e.clock.Now()
		e.recoverPanic("(FreeMemory)", r.hook)
		took := since(e.clock, begun)
		r.mu.Lock()
		r.next = e.clock.Now().Add(max(reclaimInterval, reclaimBackoff*took))
		r.mu.Unlock()
	}
	r.mu.Lock()
	r.timer.fire(n)
	r.mu.Unlock()
	e.mu.RLock()
	defer e.mu.RUnlock()
	r.note(e)
}

// stopReclaiming is for close, under the engine's lock: no call of the hook begins.
func (r *memoryReclaimer) stopReclaiming(e *engine) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.timer.clear(e.timers)
}
