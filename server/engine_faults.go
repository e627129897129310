package server

import (
	"container/list"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/internal/control"
)

// faults are the calls that injected faults hold, in order of arrival. The engine's lock
// guards it.
type faults struct{ held list.List } // of *blockedCall

// doWithFaults is do for a call that arrives, or that was held and continues. It calls
// the hooks and applies faults.
func (e *engine) doWithFaults(c *caller, r request) (o commands.Outcome, ran bool) {
	if !e.hooked || r.streamErr != nil || hidden(r.command) {
		return e.do(c, r)
	}
	if !r.faultChosen {
		r.faultChosen = true
		if r.fault = e.chooseFault(c, r); r.fault != nil && e.updateLink(c).NoInput {
			e.holdCall(c, r) // it has not arrived
			return o, false
		}
	}
	if !r.hooked {
		r.hooked = true
		e.hookCall(c.client, r)
		if r.fault != nil && r.fault.Delay > 0 && !r.fault.Removed {
			e.delay(c, r)
			return o, false
		}
	}
	if r.fault == nil || r.fault.Removed {
		return e.do(c, r)
	}
	return e.applyFault(c, r)
}

// chooseFault returns the fault of a call, or nil. If there is one, replies to earlier
// calls are sent first: the fault must not affect them.
func (e *engine) chooseFault(c *caller, r request) *control.Fault {
	if e.hooks.Fault == nil {
		return nil
	}
	f := e.hooks.Fault(c.client, r.command, r.args)
	if f != nil {
		c.conn.deliver()
	}
	return f
}

// applyFault is do for a call with a fault.
func (e *engine) applyFault(c *caller, r request) (o commands.Outcome, ran bool) {
	f := r.fault
	c.client.Active, c.client.Last = c.ctx.Now, r.command
	mark := c.w.Len()
	switch {
	case f.Err != nil:
		e.reject(c, r, f.Err)
	case f.Cut == control.CutBefore:
	default:
		o, ran = e.do(c, r)
	}
	if c.blocked == nil {
		e.applyCut(c, f, mark)
	}
	return o, ran
}

// applyCut ends the connection if a fault says so. f may be nil. The reply begins at mark.
func (e *engine) applyCut(c *caller, f *control.Fault, mark int) {
	if f == nil || f.Cut == control.NoCut || f.Removed {
		return
	}
	switch f.Cut {
	case control.CutNoReply:
		c.w.Truncate(mark)
	case control.CutMidReply:
		c.w.Truncate(mark + (c.w.Len()-mark)/2)
	}
	c.finished.Store(true)
	c.conn.deliver()
	if s := e.sessions[c.client.ID]; s != nil {
		s.out.finish() // later messages are dropped
	}
}

// holdCall blocks a call until releaseFaulted.
func (e *engine) holdCall(c *caller, r request) *blockedCall {
	p := e.block(c, r, blockedByFault)
	p.detach = p.queueIn(&e.faults.held)
	return p
}

// delay blocks a call for the delay of its fault.
func (e *engine) delay(c *caller, r request) {
	c.client.Active, c.client.Last = c.ctx.Now, r.command
	p := e.holdCall(c, r)
	p.timeout.set(e.timers, r.fault.Delay, func(n int) { e.endDelay(p, n) })
}

func (e *engine) endDelay(p *blockedCall, n int) {
	e.background("(delay of a call)", func() {
		if p.timeout.fire(n) {
			e.rerun(p)
		}
	})
}

// releaseFaulted runs the held calls whose fault is removed, or whose link passes input
// again.
func (e *engine) releaseFaulted() {
	for at := e.faults.held.Front(); at != nil; {
		p := at.Value.(*blockedCall)
		at = at.Next()
		if p.request.hooked {
			if !p.request.fault.Removed {
				continue
			}
		} else if e.updateLink(p.caller).NoInput {
			continue
		}
		e.rerun(p)
	}
}
