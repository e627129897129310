package server

import (
	"container/list"
	"math"
	"time"

	"github.com/parley-chat/parley/commands"
)

// pausing is the engine's side of CLIENT PAUSE. The engine's lock guards it.
type pausing struct {
	held list.List      // of *waiter: calls that are held back, in the order in which they came
	now  commands.Pause // the pause that all is set for
	stop func() bool    // what will end it; nil: nothing, or there is none
}

// hold keeps a call back until the pause is over. Then it is made as if it had
// just come.
func (e *engine) hold(c *caller, r request) {
	p := e.block(c, r)
	p.held = e.pausing.held.PushBack(p)
}

// followPause sees to what calls have said about the pause: that there is one,
// that it lasts longer, that it is over. It calls done before those go on that
// were held back.
func (e *engine) followPause(done func()) {
	for !e.closed {
		if e.state.Pause != e.pausing.now {
			e.clearPause()
			e.pausing.now = e.state.Pause
			e.setPause()
		}
		if e.state.Pause.On() || e.pausing.held.Len() == 0 {
			return
		}
		done()
		e.letGo()
	}
}

// setPause sets the time at which the pause ends by itself. One that lasts
// longer than a time.Duration, some 292 years, does not.
func (e *engine) setPause() {
	p := e.pausing.now
	left := p.End - e.micros()/1000
	if !p.On() || left > math.MaxInt64/int64(time.Millisecond) {
		return
	}
	e.tasks.Add(1)
	e.pausing.stop = e.clock.AfterFunc(time.Duration(left)*time.Millisecond, func() { e.endPause(p) })
}

func (e *engine) clearPause() {
	if e.pausing.stop != nil && e.pausing.stop() {
		e.tasks.Done()
	}
	e.pausing.stop = nil
}

// endPause ends a pause whose time is up, unless another has taken its place.
func (e *engine) endPause(p commands.Pause) {
	defer e.tasks.Done()
	defer e.survive()
	e.mu.Lock()
	defer e.unlock()
	if e.closed || e.pausing.now != p {
		return
	}
	e.pausing.stop = nil
	e.state.Pause = commands.Pause{}
	e.followPause(func() {})
	e.setAlarm()
	e.publish()
	e.house.ctx.Broadcast()
	e.settled()
}

// letGo makes each call that is held back, in the order in which they came.
// Those that are held back again come behind the others.
func (e *engine) letGo() {
	for range e.pausing.held.Len() {
		e.again(e.pausing.held.Front().Value.(*waiter))
	}
}

// again makes a call that was held back. Its caller stays parked until the reply
// is out of w: from then on it may run, and writes to w without the lock.
func (e *engine) again(p *waiter) {
	c := p.caller
	if c.finished.Load() {
		e.unpark(p) // killed, and about to leave
		return
	}
	defer e.rescue(c)
	e.forget(p)
	begun := e.clock.Now()
	now := begun.UnixMicro()
	c.ctx.Begin(c.client, now)
	e.expire(&c.ctx)
	if o, ran := e.receive(c, p.request); ran {
		e.report(c, p.request, o, since(e.clock, begun))
	}
	if c.waiter == nil {
		c.ctx.Answered(p.request.command)
		c.ctx.EndCall()
	}
	c.answered()
	e.state.Weigh(c.client)
	e.serve(now)
	e.copyLimits(c)
	if c.waiter == nil {
		c.parked.Store(false)
		c.resume()
	}
}
