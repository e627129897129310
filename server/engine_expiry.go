package server

import "time"

// expireAtOnce bounds how many keys and fields one critical section may expire. Those
// that are left read as absent, and the timer fires for them.
const expiryBatch = 1000

// An expiryTimer fires at the next deadline of a key or a field. So they expire, and
// their "expired" and "hexpired" events come, on time and not at the next access.
type expiryTimer struct {
	timer
	at int64 // Unix ms; meaningless if the timer is not set
}

// armExpiry sets the timer for the earliest deadline. One that is set too early is
// left: it sets the right one when it fires.
func (e *engine) armExpiry() {
	at, ok := e.nextDeadline()
	t := &e.expiry
	if !ok || e.closed || e.state.Pause.On() || e.state.KeepExpired || t.isSet() && t.at <= at {
		return
	}
	t.at = at
	// A key is there until its deadline is past, as in Redis.
	wait := time.UnixMilli(at).Add(time.Millisecond).Sub(e.clock.Now()) // at may be the last ms there is
	t.set(e.timers, wait, e.expireDue)
}

func (e *engine) nextDeadline() (first int64, ok bool) {
	for _, db := range e.state.Databases {
		if !db.Mortal() {
			continue
		}
		if due, some := db.Next(); some && (!ok || due.At < first) {
			first, ok = due.At, true
		}
	}
	return first, ok
}

// expireDue expires what is due, on behalf of no client.
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
