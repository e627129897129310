package server

import (
	"sync"
	"sync/atomic"
	"time"
)

// Options.FreeMemory is called when minFreed bytes have become free, and at least
// 1/freedShare of the peak since the last call.
const (
	minFreed        = 32 << 20
	freedShare      = 4
	reclaimDelay    = 100 * time.Millisecond // after memory is freed: usually more follows
	reclaimInterval = time.Second            // between calls, and checks of client memory
	reclaimBackoff  = 20                     // between calls, in durations of the last call
)

// A memoryReclaimer calls Options.FreeMemory when so much memory has become free that the
// process could return it to the system. It compares used_memory, which is computed, with
// its peak. Without a hook it does nothing.
type memoryReclaimer struct {
	hook func()
	peak atomic.Int64 // maximum of used memory since the last call, in bytes

	mu    sync.Mutex // guards all below; taken behind the engine's lock
	timer timer      // set until reclaim returns
	next  time.Time  // time of the next call at the earliest
}

// noteMemory is to be called when used memory may have changed. The caller holds the
// engine's lock, or shares it.
func (e *engine) noteMemory() {
	if e.reclaimer.hook != nil {
		e.reclaimer.note(e)
	}
}

// noteInput is noteMemory for a client that disconnects with bytes of input in its buffer,
// which no call may have noted. It takes the lock.
func (e *engine) noteInput(bytes int) {
	if e.reclaimer.hook != nil && bytes >= minFreed/2 {
		e.mu.RLock()
		defer e.mu.RUnlock()
		e.noteMemory()
	}
}

func (r *memoryReclaimer) note(e *engine) {
	used := int64(e.state.UsedMemory())
	peak := r.peak.Load()
	for used > peak && !r.peak.CompareAndSwap(peak, used) {
		peak = r.peak.Load()
	}
	switch {
	case enoughFreed(peak, used):
		r.arm(e, reclaimDelay)
	case e.state.ClientBytes.Load() >= minFreed: // clients free their buffers without calling noteMemory
		r.arm(e, reclaimInterval)
	}
}

// enoughFreed reports whether enough memory, in bytes, has become free for a call.
func enoughFreed(peak, used int64) bool {
	return peak-used >= minFreed && peak-used >= peak/freedShare
}

// arm sets the timer, unless it is set.
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

// reclaim calls the hook if enough memory is free, and sets the timer again if necessary.
func (e *engine) reclaim(n int) {
	r := &e.reclaimer
	e.mu.RLock()
	used, peak, closed := int64(e.state.UsedMemory()), r.peak.Load(), e.closed
	e.mu.RUnlock()
	if closed {
		return
	}
	if enoughFreed(peak, used) {
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

// stopReclaiming stops the timer, for close. The caller holds the engine's lock.
func (r *memoryReclaimer) stopReclaiming(e *engine) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.timer.clear(e.timers)
}
