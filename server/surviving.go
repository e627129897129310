package server

import (
	"fmt"
	"runtime/debug"

	"github.com/parley-chat/parley/commands"
)

// Whatever panics, the process that embeds a server goes on. A handler costs its
// client that reply; see perform. What is below is for the rest: there is no
// known way to get there. All locks are let go of by those who have taken them.

// tellPanic logs what has panicked, with the stack. It is called while that is
// still there, by the function that has recovered.
func (e *engine) tellPanic(what string, panicked any) {
	e.log.tell(commandPanicked, "command", what, "panic", fmt.Sprint(panicked), "stack", string(debug.Stack()))
}

// expire does what is due, in the name of a context. What cannot expire is mended.
func (e *engine) expire(c *commands.Context) (done bool) {
	defer func() {
		if p := recover(); p != nil {
			e.tellPanic("(expiry)", p)
			c.MendExpiry()
		}
	}()
	return c.Expire(expireAtOnce)
}

// survive ends an alarm, a timeout or the end of a pause that has panicked.
// Deferred before the lock is taken, it runs when that is free again.
func (e *engine) survive() {
	if p := recover(); p != nil {
		e.tellPanic("(timer)", p)
	}
}

// survive ends the session whose Feed or Proceed has panicked, and nothing else.
func (s *session) survive(open *bool) {
	if p := recover(); p != nil {
		s.engine.tellPanic("(session)", p)
		s.over, *open = true, false
		s.Kill()
	}
}

// survive makes a panic the error of Do.
func (d *direct) survive(e *engine, failure *error) {
	if p := recover(); p != nil {
		e.tellPanic("(Do)", p)
		*failure = errPanicked
	}
}
