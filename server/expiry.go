package server

import "time"

// expireAtOnce bounds how many keys and fields one stay under the lock may
// expire. Those that are left read as absent, and the alarm comes for them.
const expireAtOnce = 1000

// An alarm wakes the engine at the next deadline of a key or a field, so that
// these go, and their "expired" and "hexpired" events come, on time and not when
// somebody looks.
type alarm struct {
	at   int64 // Unix ms; 0: not set
	stop func() bool
	n    int // how many have been set: one that has been replaced may go off all the same
}

// setAlarm sees to it that the alarm goes off for the earliest deadline. One
// that is set too early is left: it sets the right one when it goes off.
func (e *engine) setAlarm() {
	at, ok := e.nextDeadline()
	if !ok || e.closed || e.state.Pause.On() || e.state.KeepExpired || e.alarm.at != 0 && e.alarm.at <= at {
		return
	}
	e.clearAlarm()
	e.alarm.at = at
	e.alarm.n++
	n := e.alarm.n
	e.tasks.Add(1)
	// A key is there until its deadline is past, as in Redis.
	wait := time.UnixMilli(at).Add(time.Millisecond).Sub(e.clock.Now()) // at may be the last ms there is
	e.alarm.stop = e.clock.AfterFunc(wait, func() { e.goOff(n) })
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

func (e *engine) clearAlarm() {
	if e.alarm.at != 0 && e.alarm.stop() {
		e.tasks.Done()
	}
	e.alarm.at, e.alarm.stop = 0, nil
}

// goOff expires what is due, in the name of no client.
func (e *engine) goOff(n int) {
	defer e.tasks.Done()
	defer e.survive()
	e.mu.Lock()
	defer e.mu.Unlock()
	if n == e.alarm.n {
		e.alarm.at, e.alarm.stop = 0, nil
	}
	if e.closed {
		return
	}
	now := e.micros()
	e.house.ctx.Now, e.house.ctx.Micros = now/1000, now
	begun := e.clock.Now()
	done := e.expire(&e.house.ctx)
	e.house.ctx.ReportExpiry(since(e.clock, begun), done)
	e.serve(now)
	e.setAlarm()
	e.house.ctx.Broadcast()
	e.noteMemory()
	e.settled()
}
