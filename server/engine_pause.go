package server

import (
	"container/list"
	"math"
	"time"

	"github.com/parley-chat/parley/commands"
)

// A pauseState holds the calls that CLIENT PAUSE blocks. The engine's lock guards it.
type pauseState struct {
	held     list.List      // of *blockedCall: held calls, in order of arrival
	current  commands.Pause // the pause that endTimer is set for
	endTimer timer
}

// holdForPause blocks a call until the pause ends. Then it runs as if it had just arrived.
func (e *engine) holdForPause(c *caller, r request) {
	p := e.block(c, r, blockedByPause)
	p.detach = p.queueIn(&e.pause.held)
}

// followPause applies changes of State.Pause: it sets the timer, and runs the held calls
// if the pause has ended.
func (e *engine) followPause() {
	for !e.closed {
		if e.state.Pause != e.pause.current {
			e.pause.current = e.state.Pause
			e.armPause()
		}
		if e.state.Pause.On() || e.pause.held.Len() == 0 {
			return
		}
		e.releaseHeld()
	}
}

// armPause sets the timer that ends the pause. A pause longer than a time.Duration, some
// 292 years, gets none.
func (e *engine) armPause() {
	p := e.pause.current
	left := p.End - e.micros()/1000
	if !p.On() || left > math.MaxInt64/int64(time.Millisecond) {
		e.pause.endTimer.clear(e.timers)
		return
	}
	e.pause.endTimer.set(e.timers, time.Duration(left)*time.Millisecond, e.endPause)
}

// endPause ends the pause, unless another has replaced it. It is the call of endTimer.
func (e *engine) endPause(n int) {
	e.background("(end of a pause)", func() {
		if e.pause.endTimer.fire(n) {
			e.state.Pause = commands.Pause{}
		}
	})
}

// releaseHeld runs each held call once, in order of arrival. Calls that are held again are
// appended behind the others.
func (e *engine) releaseHeld() {
	for range e.pause.held.Len() {
		e.rerun(e.pause.held.Front().Value.(*blockedCall))
	}
}

// rerun runs a blocked call as if it had just arrived. isBlocked stays set until the reply
// has been taken from w: from then on the caller may run and write to w without the lock.
func (e *engine) rerun(p *blockedCall) {
	c := p.caller
	if c.finished.Load() {
		e.unblockCaller(p) // killed, and about to be removed
		return
	}
	defer e.recoverBlockedCall(c)
	e.removeBlocked(p)
	begun := e.clock.Now()
	now := begun.UnixMicro()
	c.ctx.Begin(c.client, now)
	e.expire(&c.ctx)
	if o, ran := e.doWithFaults(c, p.request); ran {
		e.report(c, p.request, o, since(e.clock, begun))
	}
	if c.blocked == nil {
		c.ctx.FlushInvalidations(p.request.command)
		c.ctx.EndCall()
	}
	c.conn.deliver()
	e.state.AccountClient(c.client)
	e.serveQueues(now)
	e.copyLimits(c)
	if c.blocked == nil {
		c.isBlocked.Store(false)
		c.conn.resume()
	}
}
