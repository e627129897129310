package server

import (
	"context"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/commands/resp"
)

// startAsync runs the errand of a call that waits for it. Its client does not count as
// blocked: what it waits for is not in the hands of other clients.
func (e *engine) startAsync(p *blockedCall, f commands.Errand) {
	ctx, cancel := context.WithCancel(context.Background())
	p.reason, p.detach = blockedByAsync, cancel
	p.caller.client.Blocked, p.caller.client.Away = false, true
	e.tasks.Add(1)
	go func() {
		defer e.tasks.Done()
		reply, err := e.runAsync(ctx, p.request.command, f)
		e.finishAsync(p, reply, err)
	}()
}

// runAsync is perform for errands: one that panics costs its client the reply.
func (e *engine) runAsync(ctx context.Context, m *commands.Command, f commands.Errand) (reply func(*resp.Writer), err error) {
	defer func() {
		if p := recover(); p != nil {
			e.logPanic(m.FullName(), p)
			reply, err = nil, errPanicked
		}
	}()
	return f(ctx)
}

// finishAsync replies to a call whose errand has been run, unless it waits no more.
func (e *engine) finishAsync(p *blockedCall, reply func(*resp.Writer), err error) {
	e.background("(async call)", func() {
		c := p.caller
		if c.blocked != p || c.finished.Load() { // as in retry
			return
		}
		defer e.recoverBlockedCall(c)
		e.replyAsync(c, p.request.command, reply, err)
		e.finishBlocked(p)
	})
}

// replyAsync writes the reply. That it panics, which none should, leaves nobody waiting.
func (e *engine) replyAsync(c *caller, m *commands.Command, reply func(*resp.Writer), err error) {
	mark := c.w.Len()
	defer func() {
		if p := recover(); p != nil {
			e.logPanic(m.FullName(), p)
			c.w.Truncate(mark)
			c.ctx.Conclude(m, nil, errPanicked)
		}
	}()
	c.ctx.Conclude(m, reply, err)
}
