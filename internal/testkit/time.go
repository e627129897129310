package testkit

import (
	"errors"
	"math"
	"time"
)

// ErrClockRuns is what Advance answers where the server's clock cannot be moved:
// it is the real one, or a clock of the caller's without the method Advance.
var ErrClockRuns = errors.New("servertest: the server's clock cannot be moved: give it a server.ManualClock or a server.RunningClock as Options.Clock")

// ErrTooFar is what Advance answers that would leave the years which Unix time in
// nanoseconds can tell: they end in 2262.
var ErrTooFar = errors.New("servertest: the clock cannot be moved past the year 2262")

var lastTime = time.Unix(0, math.MaxInt64)

// Advance moves the server's clock on by d, if it can be moved. What falls due on
// the way happens at its own time, in the order of the deadlines, and is over when
// Advance returns: keys and fields have expired, their events are with the
// subscribers, blocked calls that timed out are answered and what clients had sent
// behind them has run, clients that were silent for too long have left. For those
// with connections in memory, replies and messages are there to be read; over a
// network they are under way. What it costs grows with what falls due, not with d;
// where a client over a network has run out of time, what it has sent is waited for
// before it is disconnected, which takes up to some seconds.
//
// As in Redis a key is there up to its deadline, that millisecond included: one
// that is set for 30 seconds is there after Advance(30 * time.Second), and gone a
// millisecond later.
//
// Every server with that clock moves. Calls from several goroutines follow one
// another. A d below zero is none.
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
