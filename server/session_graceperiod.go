package server

import "time"

// Bounds of a grace period, in real time whatever the server's clock is.
const (
	graceIdle = 250 * time.Millisecond // without progress, for a client that is idle
	graceSent = time.Second            // without progress, for one that must send or take something
	graceMax  = 5 * time.Second        // in all
)

// graceReads is how many reads end a grace period. All input that had arrived when it began
// has been read by then, however large the system's receive buffer is.
const graceReads = 256

// A gracePeriod is the real time that a late client has before it is disconnected. Time
// counts against a client only while the server has nothing left to do for it. But its
// timeout may have passed while the server was busy, or while bytes were under way because
// a test has moved the clock. Such input still arrives in the grace period, and counts.
//
// Nothing arrives while the process is stopped. So at most maxRetryDelay counts of the time
// between two checks. Only one goroutine at a time uses a gracePeriod.
type gracePeriod struct {
	maxProgress int64 // progress that ends it

	lastCheck      time.Time     // zero: it has not begun
	stalled, total time.Duration // time without progress; time in all; 0 while the server is busy
	first, last    int64         // progress at the beginning, and at lastCheck
}

// expired reports whether the period has ended; its first call begins it. without is the
// time without progress that ends it, progress the number of reads or bytes in all. busy:
// the server has something left to do for the client.
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

// end resets the period, for a client that is no longer late.
func (g *gracePeriod) end() { g.lastCheck = time.Time{} }
