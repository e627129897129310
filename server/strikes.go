package server

import (
	"container/list"
	"time"

	"github.com/parley-chat/parley/commands"
)

// A Strike is what goes wrong with calls: a delay first, then an error or an end of
// the connection. Several calls may share one.
type Strike struct {
	// Delay is how long a call waits, on the server's clock, before it goes on as if
	// it had just come. What its client has sent behind it waits, too; nobody else
	// does.
	Delay time.Duration

	// Err refuses the call, as what Redis refuses is: within a transaction EXEC then
	// does so, too.
	Err error

	// Cut ends the connection. A caller without one must not be struck so.
	Cut Cut

	// Undone makes calls go on as if nothing had struck them. It is to be set in
	// Retap.
	Undone bool
}

// A Cut tells where a connection ends. What was answered before the call is sent in
// any case, and nothing that comes behind it.
type Cut int

// The places where a connection may end.
const (
	NoCut       Cut = iota
	CutBefore       // before the call runs
	CutNoReply      // after it has run, and before the reply
	CutMidReply     // in the middle of the reply, of which half is sent
	CutAfter        // after the reply
)

// struck are the calls that strikes keep from running, in the order in which they
// came. The engine's lock guards it.
type struck struct{ kept list.List } // of *blockedCall

// receive is do for a call that comes in, and for one that was kept and goes on:
// tests hear of it, and may let it go wrong.
func (e *engine) receive(c *caller, r request) (o commands.Outcome, ran bool) {
	if !e.tapped || r.broken != nil || aside(r.command) {
		return e.do(c, r)
	}
	if !r.asked {
		r.asked = true
		if r.strike = e.strike(c, r); r.strike != nil && e.followLine(c).NoInput {
			e.keep(c, r) // it has not come in
			return o, false
		}
	}
	if !r.told {
		r.told = true
		e.tapCall(c.client, r)
		if r.strike != nil && r.strike.Delay > 0 && !r.strike.Undone {
			e.delay(c, r)
			return o, false
		}
	}
	if r.strike == nil || r.strike.Undone {
		return e.do(c, r)
	}
	return e.suffer(c, r)
}

// strike asks what goes wrong with a call. If anything does, the replies to those
// before it are sent first: they are none of its business.
func (e *engine) strike(c *caller, r request) *Strike {
	if e.taps.Strike == nil {
		return nil
	}
	s := e.taps.Strike(c.client, r.command, r.args)
	if s != nil {
		c.answered()
	}
	return s
}

// suffer is do for a call that was struck.
func (e *engine) suffer(c *caller, r request) (o commands.Outcome, ran bool) {
	s := r.strike
	c.client.Active, c.client.Last = c.ctx.Now, r.command
	mark := c.w.Len()
	switch {
	case s.Err != nil:
		e.reject(c, r, s.Err)
	case s.Cut == CutBefore:
	default:
		o, ran = e.do(c, r)
	}
	if c.blocked == nil {
		e.cut(c, s, mark)
	}
	return o, ran
}

// cut ends the connection of a struck call, if its strike says so. The reply begins
// at mark.
func (e *engine) cut(c *caller, s *Strike, mark int) {
	if s == nil || s.Cut == NoCut || s.Undone {
		return
	}
	switch s.Cut {
	case CutNoReply:
		c.w.Truncate(mark)
	case CutMidReply:
		c.w.Truncate(mark + (c.w.Len()-mark)/2)
	}
	c.finished.Store(true)
	c.answered()
	if session, ok := c.client.Peer.(*session); ok {
		session.out.finish() // messages come too late
	}
}

// keep keeps a call until letStruckGo.
func (e *engine) keep(c *caller, r request) *blockedCall {
	p := e.block(c, r, blockedByFault)
	p.leave = p.queueIn(&e.struck.kept)
	return p
}

// delay keeps a call for as long as its strike says.
func (e *engine) delay(c *caller, r request) {
	c.client.Active, c.client.Last = c.ctx.Now, r.command
	p := e.keep(c, r)
	p.timeout.set(e.timers, r.strike.Delay, func(n int) { e.endDelay(p, n) })
}

func (e *engine) endDelay(p *blockedCall, n int) {
	e.background("(delay of a call)", func() {
		if p.timeout.fire(n) {
			e.again(p)
		}
	})
}

// letStruckGo makes the calls again that nothing keeps any more: a delay that is
// undone, a line that lets them pass.
func (e *engine) letStruckGo() {
	for at := e.struck.kept.Front(); at != nil; {
		p := at.Value.(*blockedCall)
		at = at.Next()
		if s := p.request.strike; p.request.told && !s.Undone || !p.request.told && e.followLine(p.caller).NoInput {
			continue
		}
		e.again(p)
	}
}
