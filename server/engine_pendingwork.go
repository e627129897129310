package server

import (
	"sync"
	"time"
)

// An aftermath is what others than a caller have set in motion, in goroutines of
// its own: what a client has sent behind a call that waited, the leaving of one
// that was closed. Who moves a clock waits until it is over, so that all that
// falls due has its time and its order.
type pendingWork struct {
	mu   sync.Mutex // guards all below; may be taken under any other lock
	n    int        // what is under way
	idle *sync.Cond // on mu: nothing is; nil: nobody has asked yet
}

func (a *pendingWork) begin() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.n++
}

func (a *pendingWork) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.n--; a.n == 0 && a.idle != nil {
		a.idle.Broadcast()
	}
}

func (a *pendingWork) wait() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.idle == nil {
		a.idle = sync.NewCond(&a.mu)
	}
	for a.n > 0 {
		a.idle.Wait()
	}
}

// A drainingClock is one that can be moved. What it calls returns when its
// aftermath is over, too.
type drainingClock struct {
	Clock
	pending *pendingWork
}

// drainingClockOf is the clock as the engine uses it. For what comes of the real one
// nobody waits.
func (e *engine) drainingClockOf(c Clock) Clock {
	if _, real := c.(realClock); real {
		return c
	}
	return drainingClock{c, &e.pending}
}

func (c drainingClock) AfterFunc(d time.Duration, f func()) func() bool {
	return c.Clock.AfterFunc(d, func() {
		f()
		c.pending.wait()
	})
}
