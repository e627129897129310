package server

import (
	"sync"
	"time"

	"github.com/parley-chat/parley/commands"
)

// A part is a call that a client has begun to send and not ended. The session
// notes when; whether that is too slow is found out by whoever is reminded.
type partialCall struct {
	mu             sync.Mutex // guards all below
	open           bool
	call           int64 // how many the client has sent before it
	periodStart    int64 // Unix ns: when it began, or the last span that was fast enough
	receivedBefore int64 // bytes of it that had come by then
	lastInput      int64 // Unix ns: when the last bytes of any came
}

// begin notes that there is a part of a call, and reports whether it is new.
func (p *partialCall) begin(call int64, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lastInput = now.UnixNano()
	if p.open && p.call == call {
		return false
	}
	p.open, p.call, p.periodStart, p.receivedBefore = true, call, p.lastInput, 0
	return true
}

// end notes that there is none. Only the session changes open, so it may look at
// it without the lock.
func (p *partialCall) end() {
	if !p.open {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = false
}

// lastActivity is when the client has last sent a part of a call.
func (p *partialCall) lastInputTime() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Unix(0, p.lastInput)
}

// due is when the rest of a call must have come of which there are some bytes,
// and whether that time has passed. Who has sent fast enough gets it again.
func (p *partialCall) deadline(now time.Time, bytes int64, timeouts commands.Timeouts) (due time.Time, late bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.open || timeouts.Query == 0 {
		return time.Time{}, false
	}
	due = after(time.Unix(0, p.periodStart), timeouts.Query)
	if due.After(now) {
		return due, false
	}
	if (bytes-p.receivedBefore)/timeouts.Query < timeouts.QueryRate {
		return due, true
	}
	p.periodStart, p.receivedBefore = now.UnixNano(), bytes
	return after(now, timeouts.Query), false
}
