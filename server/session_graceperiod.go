package server

import "time"

// Bounds of a grace period, in real time whatever the server's clock is.
const (
	graceIdle = 250 * time.Millisecond // without a call, of a client that is idle
	graceSent = time.Second            // without progress, of one that has something to send or to take
	graceMax  = 5 * time.Second        // after which it is over all the same
)

// graceReads is how many pieces of input end a grace period: what had arrived when
// it began has been read by then, however large the system's receive buffer is.
const graceReads = 256

// A gracePeriod is what a client has, once its time is up, before it is
// disconnected. Time only counts against a client while the server has nothing
// left to do for it; but it may have passed while the server was busy, or while
// bytes were on their way because a test has moved the clock. So what the client
// has sent by then still arrives, and counts. One goroutine at a time uses it.
//
// While the whole process or the machine stands still, nothing can arrive: of the
// time between two looks no more counts than the longest pause between them.
type gracePeriod struct {
	maxProgress int64 // progress that ends it

	lastCheck      time.Time     // last; zero: it has not begun
	stalled, total time.Duration // without progress; in all; neither while the server was busy
	first, last    int64         // progress when it began, and at the last look
}

// over reports whether the grace period is over, which is so after a time without
// progress; the first call begins it. progress counts what the client has sent, or
// taken, in all. busy: the server has something left to do for it.
func (g *gracePeriod) expired(without time.Duration, progress int64, busy bool) bool {
	now := realClock{}.Now()
	if g.lastCheck.IsZero() {
		g.stalled, g.total, g.first, g.last = 0, 0, progress, progress
	} else {
		passed := min(now.Sub(g.lastCheck), maxRetryDelay)
		g.stalled, g.total = g.stalled+passed, g.total+passed
	}
	g.lastCheck = now
	if progress != g.last {
		g.stalled, g.last = 0, progress
	}
	if busy {
		g.stalled, g.total = 0, 0
	}
	return progress-g.first > g.maxProgress || !busy && (g.stalled >= without || g.total >= graceMax)
}

// end is for a client that is late no more.
func (g *gracePeriod) end() { g.lastCheck = time.Time{} }

// readiness is what can be done with a socket without waiting.
type readiness struct{ input, output bool }
