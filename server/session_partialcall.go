package server

import (
	"sync"
	"time"

	"github.com/parley-chat/parley/commands"
)

// A partialCall is a call of which a part has arrived. The session records when, and the
// session's timer checks client-query-timeout.
type partialCall struct {
	mu             sync.Mutex // guards all below
	open           bool       // there is a partial call
	call           int64      // its number among the client's calls
	periodStart    int64      // Unix ns: start of the present period of client-query-timeout
	receivedBefore int64      // bytes of the call that had arrived by then
	lastInput      int64      // Unix ns: when bytes of any partial call last arrived
}

// begin records that a part of a call has arrived, and reports whether it is the first.
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

// end records that there is no partial call. Only the session writes open, so it may read
// it without the lock.
func (p *partialCall) end() {
	if !p.open {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = false
}

// lastInputTime returns when a part of a call last arrived.
func (p *partialCall) lastInputTime() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Unix(0, p.lastInput)
}

// deadline returns when the rest of a call, of which bytes have arrived, must have arrived,
// and whether the client is late. A client that kept to client-query-min-rate gets another
// period.
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
