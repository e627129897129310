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
func (e *engine) logPanic(what string, panicked any) {
	e.log.log(eventPanic, "command", what, "panic", fmt.Sprint(panicked), "stack", string(debug.Stack()))
}

// expire does what is due, in the name of a context. What cannot expire is mended.
func (e *engine) expire(c *commands.Context) (done bool) {
	defer func() {
		if p := recover(); p != nil {
			e.logPanic("(expiry)", p)
			c.MendExpiry()
		}
	}()
	return c.Expire(expiryBatch)
}

// recoverPanic runs f. A panic ends f and nothing else.
func (e *engine) recoverPanic(what string, f func()) (panicked bool) {
	defer func() {
		if p := recover(); p != nil {
			e.logPanic(what, p)
			panicked = true
		}
	}()
	f()
	return false
}

// settleAfterPanic does what must follow the critical section that a panic has ended.
func (e *engine) settleAfterPanic() {
	e.recoverPanic("(after a panic)", func() { e.exclusive(func() {}) })
}

// recoverBlockedCall is deferred by what ends, or makes again, a call that waits. If that
// panics, nobody knows what has become of the call: a caller that would wait for
// ever is answered the error, and its connection ends.
func (e *engine) recoverBlockedCall(c *caller) {
	p := recover()
	if p == nil {
		return
	}
	e.logPanic("(waiting call)", p)
	if !c.isBlocked.Load() {
		return // it goes on already
	}
	if c.blocked != nil {
		e.removeBlocked(c.blocked)
	}
	c.w.Truncate(0)
	c.w.Error(errPanicked)
	c.finished.Store(true)
	if peer := c.client.Peer; peer != nil {
		peer.Kill()
	}
	c.isBlocked.Store(false)
	c.resume()
}

// timerPanicked ends the connection that was looked at: nobody would do so again.
func (e *engine) timerPanicked(whose timeoutChecker, panicked any) {
	e.logPanic("(timer)", panicked)
	switch whose := whose.(type) {
	case *session:
		whose.Kill()
	case *handshake:
		e.recoverPanic("(connection)", whose.kill)
	}
}
