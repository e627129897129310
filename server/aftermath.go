package server

import (
	"sync"
	"time"
)

// An aftermath is what others than a caller have set in motion, in goroutines of
// its own: what a client has sent behind a call that waited, the leaving of one
// that was closed. Who moves a clock waits until it is over, so that all that
// falls due has its time and its order.
type aftermath struct {
	mu   sync.Mutex // guards all below; may be taken under any other lock
	n    int        // what is under way
	over *sync.Cond // on mu: nothing is; nil: nobody has asked yet
}

func (a *aftermath) begin() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.n++
}

func (a *aftermath) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.n--; a.n == 0 && a.over != nil {
		a.over.Broadcast()
	}
}

func (a *aftermath) wait() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over == nil {
		a.over = sync.NewCond(&a.mu)
	}
	for a.n > 0 {
		a.over.Wait()
	}
}

// A settlingClock is one that can be moved. What it calls returns when its
// aftermath is over, too.
type settlingClock struct {
	Clock
	aftermath *aftermath
}

// settling is the clock as the engine uses it. For what comes of the real one
// nobody waits.
func (e *engine) settling(c Clock) Clock {
	if _, real := c.(realClock); real {
		return c
	}
	return settlingClock{c, &e.aftermath}
}

func (c settlingClock) AfterFunc(d time.Duration, f func()) func() bool {
	return c.Clock.AfterFunc(d, func() {
		f()
		c.aftermath.wait()
	})
}
