package server

import (
	"fmt"
	"runtime/debug"

	"github.com/parley-chat/parley/commands"
)

// No panic ends the process that embeds a server. A panicking handler costs its client
// the reply: see perform. The functions below are for all other code, where no panic is
// known. Every lock is released by a deferred call of the function that took it.

// logPanic logs a panic with its stack. The deferred function that recovers must call it,
// while the stack is still there.
func (e *engine) logPanic(what string, panicked any) {
	e.log.log(eventPanic, "command", what, "panic", fmt.Sprint(panicked), "stack", string(debug.Stack()))
}

// expire expires what is due. A key whose expiry panics is repaired. done: nothing else
// is due.
func (e *engine) expire(c *commands.Context) (done bool) {
	defer func() {
		if p := recover(); p != nil {
			e.logPanic("(expiry)", p)
			c.RepairExpiry()
		}
	}()
	return c.Expire(expiryBatch)
}

// recoverPanic runs f and recovers a panic. what names the task in the log.
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

// settleAfterPanic runs afterChange for a critical section that a panic has ended.
func (e *engine) settleAfterPanic() {
	e.recoverPanic("(after a panic)", func() { e.exclusive(func() {}) })
}

// recoverBlockedCall is deferred by functions that end a blocked call, or run it again.
// After a panic the state of the call is unknown: its caller gets an error reply and its
// connection ends, so that it does not wait forever.
func (e *engine) recoverBlockedCall(c *caller) {
	p := recover()
	if p == nil {
		return
	}
	e.logPanic("(blocked call)", p)
	if !c.isBlocked.Load() {
		return // it was unblocked before the panic
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
	c.conn.resume()
}

// timerPanicked ends the connection whose timeout check has panicked: it would not be
// checked again.
func (e *engine) timerPanicked(owner timeoutChecker, panicked any) {
	e.logPanic("(timer)", panicked)
	switch owner := owner.(type) {
	case *session:
		owner.Kill()
	case *handshake:
		e.recoverPanic("(connection)", owner.kill)
	}
}
