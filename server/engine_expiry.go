package server

import "time"

// expiryBatch is the number of keys and fields that one critical section expires at most.
// Further expired ones read as absent until the timer fires.
const expiryBatch = 1000

// An expiryTimer fires at the next deadline of a key or a field. So they expire, and
// their "expired" and "hexpired" events are sent, on time and not at the next access.
type expiryTimer struct {
	timer
	at int64 // Unix ms; meaningless if the timer is not set
}

// armExpiry sets the timer for the earliest deadline. A timer that is set too early stays
// set, and is set again when it fires.
func (e *engine) armExpiry() {
	at, ok := e.nextDeadline()
	t := &e.expiry
	if !ok || e.closed || e.state.Pause.On() || e.state.KeepExpired || t.isSet() && t.at <= at {
		return
	}
	t.at = at
	// A key exists until its deadline has passed, as in Redis.
	wait := time.UnixMilli(at).Add(time.Millisecond).Sub(e.clock.Now()) // at+1 could overflow
	t.set(e.timers, wait, e.expireDue)
}

// nextDeadline returns the first deadline of all databases, in Unix ms. ok is false if
// there is none.
func (e *engine) nextDeadline() (first int64, ok bool) {
	for _, db := range e.state.Databases {
		if !db.HasDeadlines() {
			continue
		}
		if next, found := db.Next(); found && (!ok || next.At < first) {
			first, ok = next.At, true
		}
	}
	return first, ok
}

// expireDue expires what is due, without a client. It is the call of the timer.
func (e *engine) expireDue(n int) {
	e.background("(expiry timer)", func() {
		if !e.expiry.fire(n) {
			return
		}
		begun := e.clock.Now()
		done := e.expire(e.serverContext())
		e.serverCaller.ctx.ReportExpiry(since(e.clock, begun), done)
	})
}
