package server

import (
	"container/list"
	"math"
	"time"

	"github.com/parley-chat/parley/commands"
)

// pausing is the engine's side of CLIENT PAUSE. The engine's lock guards it.
type pauseState struct {
	held     list.List      // of *blockedCall: calls that are held back, in order of arrival
	current  commands.Pause // the pause that the timer is set for
	endTimer timer
}

// holdForPause blocks a call until the pause is over. Then it runs as if it had just arrived.
func (e *engine) holdForPause(c *caller, r request) {
	p := e.block(c, r, blockedByPause)
	p.detach = p.queueIn(&e.pause.held)
}

// followPause applies what calls have changed about the pause: it has begun, lasts
// longer, or is over. Then the calls run that were held back.
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

// armPause sets the time at which the pause ends by itself. One that lasts longer than
// a time.Duration, some 292 years, does not.
func (e *engine) armPause() {
	p := e.pause.current
	left := p.End - e.micros()/1000
	if !p.On() || left > math.MaxInt64/int64(time.Millisecond) {
		e.pause.endTimer.clear(e.timers)
		return
	}
	e.pause.endTimer.set(e.timers, time.Duration(left)*time.Millisecond, e.endPause)
}

// endPause ends a pause whose time is up, unless another has replaced it.
func (e *engine) endPause(n int) {
	e.background("(end of a pause)", func() {
		if e.pause.endTimer.fire(n) {
			e.state.Pause = commands.Pause{}
		}
	})
}

// releaseHeld makes each call that is held back, in the order in which they came.
// Those that are held back again come behind the others.
func (e *engine) releaseHeld() {
	for range e.pause.held.Len() {
		e.rerun(e.pause.held.Front().Value.(*blockedCall))
	}
}

// rerun makes a call that was held back. Its caller stays parked until the reply
// is out of w: from then on it may run, and writes to w without the lock.
func (e *engine) rerun(p *blockedCall) {
	c := p.caller
	if c.finished.Load() {
		e.unblockCaller(p) // killed, and about to leave
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
		c.ctx.Answered(p.request.command)
		c.ctx.EndCall()
	}
	c.deliverReply()
	e.state.Weigh(c.client)
	e.serveQueues(now)
	e.copyLimits(c)
	if c.blocked == nil {
		c.isBlocked.Store(false)
		c.resume()
	}
}
