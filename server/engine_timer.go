package server

import (
	"sync"
	"time"
)

// timers starts timers on a clock and waits for the calls that they make.
type timers struct {
	clock Clock
	tasks *sync.WaitGroup // timers that are set, and calls under way
}

// A timer makes one call at a time to come. The zero value is not set. The lock of its
// owner guards it.
type timer struct {
	stop func() bool // nil: not set
	n    int         // how often it has been set
}

// set makes the timer call f after d, instead of what was set before. f must take the
// owner's lock, and do nothing unless fire(n) is true then: a call that was replaced or
// cleared may be under way already.
func (t *timer) set(on timers, d time.Duration, f func(n int)) {
	t.clear(on)
	t.n++
	n := t.n
	on.tasks.Add(1)
	t.stop = on.clock.AfterFunc(d, func() {
		defer on.tasks.Done()
		f(n)
	})
}

func (t *timer) isSet() bool { return t.stop != nil }

// fire reports whether the n-th call is the one that is set, which it no longer is.
func (t *timer) fire(n int) bool {
	if t.stop == nil || n != t.n {
		return false
	}
	t.stop = nil
	return true
}

func (t *timer) clear(on timers) {
	if t.stop != nil && t.stop() {
		on.tasks.Done()
	}
	t.stop = nil
}
