package testkit

import (
	"errors"
	"math"
	"time"
)

// ErrClockRuns is the error of Advance if the server's clock cannot be moved:
// it is the real clock, or one without a method Advance.
var ErrClockRuns = errors.New("servertest: the server's clock cannot be moved: give it a server.ManualClock or a server.RunningClock as Options.Clock")

// ErrTooFar is the error of Advance past the range of Unix time in nanoseconds,
// which ends in 2262.
var ErrTooFar = errors.New("servertest: the clock cannot be moved past the year 2262")

var lastTime = time.Unix(0, math.MaxInt64)

// Advance moves the server's clock forward by d. Timers on the way fire at
// their own time, in the order of their deadlines. When Advance returns, their
// effects are complete: keys and fields have expired and their events are sent,
// blocked calls have timed out and the input after them has run, and idle
// clients are disconnected. Clients with in-memory connections can read replies
// and messages at once; on a network they are on their way. Advance takes time
// in proportion to the timers that fire, not to d. If a network client has
// timed out, Advance waits for what the client has sent before it disconnects
// it, for at most some seconds.
//
// As in Redis a key exists up to and including the millisecond of its deadline:
// a key with a time to live of 30 seconds exists after Advance(30 *
// time.Second), and not a millisecond later.
//
// Advance moves every server with that clock. Concurrent calls run one after
// another. A negative d does nothing.
func (r *Kit) Advance(d time.Duration) error {
	c, ok := r.clock.(interface{ Advance(time.Duration) })
	if !ok {
		return ErrClockRuns
	}
	if d > lastTime.Sub(r.clock.Now()) {
		return ErrTooFar
	}
	c.Advance(d)
	return nil
}
