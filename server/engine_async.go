package server

import (
	"context"

	"github.com/parley-chat/parley/internal/wire"

	"github.com/parley-chat/parley/commands"
)

// startAsync runs f without the lock, in a goroutine; its result is the reply to p. The
// context ends when the call is unblocked, or its client disconnects. The client does not
// count in blocked_clients: no other client could unblock it.
func (e *engine) startAsync(p *blockedCall, f commands.AsyncFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	p.reason, p.detach = blockedByAsync, cancel
	p.caller.client.Blocked, p.caller.client.AsyncPending = false, true
	e.tasks.Add(1)
	go func() {
		defer e.tasks.Done()
		reply, err := e.runAsync(ctx, p.request.command, f)
		e.finishAsync(p, reply, err)
	}()
}

// runAsync runs f. A panic costs the client its reply and nothing else.
func (e *engine) runAsync(ctx context.Context, m *commands.Command, f commands.AsyncFunc) (
	reply func(*wire.Writer), err error) {
	defer func() {
		if p := recover(); p != nil {
			e.logPanic(m.FullName(), p)
			reply, err = nil, errPanicked
		}
	}()
	return f(ctx)
}

// finishAsync replies to a call whose work is done, unless it is no longer blocked.
func (e *engine) finishAsync(p *blockedCall, reply func(*wire.Writer), err error) {
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

// replyAsync writes the reply. If reply panics, the client gets an error.
func (e *engine) replyAsync(c *caller, m *commands.Command, reply func(*wire.Writer), err error) {
	mark := c.w.Len()
	defer func() {
		if p := recover(); p != nil {
			e.logPanic(m.FullName(), p)
			c.w.Truncate(mark)
			c.ctx.FinishAsync(m, nil, errPanicked)
		}
	}()
	c.ctx.FinishAsync(m, reply, err)
}
