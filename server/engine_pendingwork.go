package server

import (
	"sync"
	"time"
)

// pendingWork counts tasks that run in goroutines of the server for no caller: running the
// input behind a call that was blocked, or removing a client that was closed. A clock that
// is moved waits until there are none, so that everything happens at its time and in order.
type pendingWork struct {
	mu   sync.Mutex // guards all below; may be taken under any other lock
	n    int        // number of running tasks
	idle *sync.Cond // on mu: n is 0; nil before the first wait
}

func (p *pendingWork) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n++
}

func (p *pendingWork) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n--; p.n == 0 && p.idle != nil {
		p.idle.Broadcast()
	}
}

// wait returns when there are no tasks.
func (p *pendingWork) wait() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.idle == nil {
		p.idle = sync.NewCond(&p.mu)
	}
	for p.n > 0 {
		p.idle.Wait()
	}
}

// A drainingClock wraps a clock that can be moved. After each call that the clock makes,
// it waits for pending work.
type drainingClock struct {
	Clock
	pending *pendingWork
}

// drainingClockOf wraps a clock for the engine. The real clock is returned as it is.
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
