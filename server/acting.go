package server

import "github.com/parley-chat/parley/commands"

// Act runs f while no command does, in the name of nobody: no client, no entry of
// the slow log, no statistics of commands, no monitor, and nothing that listens to
// calls knows of it. What f changes through the context is a change like any other
// to all who watch or cache a key, wait for it, or are subscribed to its events.
// Reads are no use of a key, and neither hits nor misses. Commands run by
// Context.Perform; it is as if they were within EXEC, so that none waits. Those
// about a connection have none.
//
// f must not call the server, and keep nothing of what it sees. The context works
// on database 0 and writes RESP3. The error is ErrClosed, or nil.
func (s *Server) Act(f func(*commands.Context)) error {
	e := s.engine
	return e.exclusive(func() {
		c := e.unseen()
		c.ctx.Begin(c.client, e.micros())
		e.expire(&c.ctx)
		f(&c.ctx)
		c.w.Take(nil)
	})
}

// unseen is who acts for Act.
func (e *engine) unseen() *caller {
	if e.actor == nil {
		e.actor = new(caller)
		e.actor.init(e, &commands.Client{Protocol: 3, Authed: true, Direct: true, NoTouch: true, Unseen: true})
		e.actor.w.SetProtocol(3)
		e.actor.ctx.Final = true
	}
	return e.actor
}
