package server

import (
	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/internal/control"
)

func init() {
	control.Configure = func(options any, h control.Hooks, rows ...commands.Command) {
		o := options.(*Options)
		o.hooks, o.commands = h, append(rows, o.commands...)
	}
	control.Of = func(server any) control.Controller { return controller{server.(*Server).engine} }
}

// A controller implements control.Controller on an engine.
type controller struct{ e *engine }

func (c controller) Inspect(f func(*commands.State)) {
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	f(&c.e.state)
}

func (c controller) UpdateHooks(f func(*commands.State)) {
	e := c.e
	if e.exclusive(func() {
		f(&e.state)
		e.updateLinks()
		e.releaseFaulted()
	}) == ErrClosed {
		c.Inspect(f)
	}
}

func (c controller) Exec(f func(*commands.Context)) error {
	e := c.e
	return e.exclusive(func() {
		c := e.adminCaller()
		c.ctx.Begin(c.client, e.micros())
		e.expire(&c.ctx)
		f(&c.ctx)
		c.w.Take(nil)
	})
}

// adminCaller returns the caller of Exec.
func (e *engine) adminCaller() *caller {
	if e.admin == nil {
		e.admin = new(caller)
		e.admin.init(e, &commands.Client{
			Protocol: 3,
			Authed:   true,
			Direct:   true,
			NoTouch:  true,
			NoStats:  true,
		}, nil)
		e.admin.w.SetProtocol(3)
		e.admin.ctx.Final = true
	}
	return e.admin
}
