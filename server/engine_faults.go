package server

import (
	"container/list"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/internal/control"
)

// faults are the calls that strikes keep from running, in the order in which they
// came. The engine's lock guards it.
type faults struct{ held list.List } // of *blockedCall

// intake is do for a call that comes in, and for one that was kept and goes on:
// tests hear of it, and may let it go wrong.
func (e *engine) doWithFaults(c *caller, r request) (o commands.Outcome, ran bool) {
	if !e.hooked || r.streamErr != nil || hidden(r.command) {
		return e.do(c, r)
	}
	if !r.faultChosen {
		r.faultChosen = true
		if r.fault = e.chooseFault(c, r); r.fault != nil && e.updateLink(c).NoInput {
			e.holdCall(c, r) // it has not come in
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

// strike asks what goes wrong with a call. If anything does, the replies to those
// before it are sent first: they are none of its business.
func (e *engine) chooseFault(c *caller, r request) *control.Fault {
	if e.hooks.Fault == nil {
		return nil
	}
	s := e.hooks.Fault(c.client, r.command, r.args)
	if s != nil {
		c.deliverReply()
	}
	return s
}

// applyFault is do for a call that was struck.
func (e *engine) applyFault(c *caller, r request) (o commands.Outcome, ran bool) {
	s := r.fault
	c.client.Active, c.client.Last = c.ctx.Now, r.command
	mark := c.w.Len()
	switch {
	case s.Err != nil:
		e.reject(c, r, s.Err)
	case s.Cut == control.CutBefore:
	default:
		o, ran = e.do(c, r)
	}
	if c.blocked == nil {
		e.applyCut(c, s, mark)
	}
	return o, ran
}

// cut ends the connection of a struck call, if its strike says so. The reply begins
// at mark.
func (e *engine) applyCut(c *caller, s *control.Fault, mark int) {
	if s == nil || s.Cut == control.NoCut || s.Removed {
		return
	}
	switch s.Cut {
	case control.CutNoReply:
		c.w.Truncate(mark)
	case control.CutMidReply:
		c.w.Truncate(mark + (c.w.Len()-mark)/2)
	}
	c.finished.Store(true)
	c.deliverReply()
	if session, ok := c.client.Peer.(*session); ok {
		session.out.finish() // messages come too late
	}
}

// holdCall keeps a call until releaseFaulted.
func (e *engine) holdCall(c *caller, r request) *blockedCall {
	p := e.block(c, r, blockedByFault)
	p.detach = p.queueIn(&e.faults.held)
	return p
}

// delay keeps a call for as long as its strike says.
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

// releaseFaulted makes the calls again that nothing keeps any more: a delay that is
// undone, a line that lets them pass.
func (e *engine) releaseFaulted() {
	for at := e.faults.held.Front(); at != nil; {
		p := at.Value.(*blockedCall)
		at = at.Next()
		if s := p.request.fault; p.request.hooked && !s.Removed || !p.request.hooked && e.updateLink(p.caller).NoInput {
			continue
		}
		e.rerun(p)
	}
}
