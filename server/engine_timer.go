package server

import (
	"sync"
	"time"
)

// timers is what a timer needs to be set: a clock, and a group that close waits for.
type timers struct {
	clock Clock
	tasks *sync.WaitGroup // timers that are set, and running calls
}

// A timer calls a function once, like a time.Timer. The zero value is not set. The lock of
// its owner guards it.
type timer struct {
	stop func() bool // nil if not set
	n    int         // how often it has been set
}

// set makes the timer call f after d, and replaces an earlier set. f must take the owner's
// lock and do nothing unless fire(n) is true: a replaced or cleared call may be running
// already.
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

// fire reports whether the n-th call is the current one, and marks the timer as not set.
func (t *timer) fire(n int) bool {
	if t.stop == nil || n != t.n {
		return false
	}
	t.stop = nil
	return true
}

// clear stops the timer if it is set.
func (t *timer) clear(on timers) {
	if t.stop != nil && t.stop() {
		on.tasks.Done()
	}
	t.stop = nil
}
