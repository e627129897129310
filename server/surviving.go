package server

import (
	"crypto/tls"
	"fmt"
	"io"
	"runtime/debug"

	"github.com/parley-chat/parley/commands"
)

// Whatever panics, the process that embeds a server goes on. A handler costs its
// client that reply; see perform. What is below is for the rest: there is no
// known way to get there. All locks are let go of by those who have taken them.

// tellPanic logs what has panicked, with the stack. It is called while that is
// still there, by the function that has recovered.
func (e *engine) logPanic(what string, panicked any) {
	e.log.tell(commandPanicked, "command", what, "panic", fmt.Sprint(panicked), "stack", string(debug.Stack()))
}

// expire does what is due, in the name of a context. What cannot expire is mended.
func (e *engine) expire(c *commands.Context) (done bool) {
	defer func() {
		if p := recover(); p != nil {
			e.logPanic("(expiry)", p)
			c.MendExpiry()
		}
	}()
	return c.Expire(expireAtOnce)
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

// goOn does what must follow the critical section that a panic has ended.
func (e *engine) goOn() {
	e.recoverPanic("(after a panic)", func() { e.exclusive(func() {}) })
}

// rescue is deferred by what ends, or makes again, a call that waits. If that
// panics, nobody knows what has become of the call: a caller that would wait for
// ever is answered the error, and its connection ends.
func (e *engine) rescue(c *caller) {
	p := recover()
	if p == nil {
		return
	}
	e.logPanic("(waiting call)", p)
	if !c.parked.Load() {
		return // it goes on already
	}
	if c.blocked != nil {
		e.forget(c.blocked)
	}
	c.w.Truncate(0)
	c.w.Error(errPanicked)
	c.finished.Store(true)
	if peer := c.client.Peer; peer != nil {
		peer.Kill()
	}
	c.parked.Store(false)
	c.resume()
}

// survive ends the session whose Feed or Proceed has panicked, and nothing else.
func (s *session) survive(open *bool) {
	if p := recover(); p != nil {
		s.engine.logPanic("(session)", p)
		s.over, *open = true, false
		s.Kill()
		s.engine.goOn()
	}
}

// lookPanicked ends the connection that was looked at: nobody would do so again.
func (e *engine) lookPanicked(whose looker, panicked any) {
	e.logPanic("(timer)", panicked)
	switch whose := whose.(type) {
	case *session:
		whose.Kill()
	case *handshake:
		e.recoverPanic("(connection)", whose.kill)
	}
}

// survive makes a panic the error of Do.
func (d *direct) survive(e *engine, failure *error) {
	if p := recover(); p != nil {
		e.logPanic("(Do)", p)
		*failure = errPanicked
		e.goOn()
	}
}

// handshake is that of a connection with TLS. It runs code of the program: the
// functions of a tls.Config.
func (s *Server) handshake(conn *tls.Conn) (err error) {
	err = errPanicked // should it
	s.engine.recoverPanic("(TLS handshake)", func() { err = conn.Handshake() })
	return err
}

// writeAll writes the pieces to a connection, which may be one of the program's own.
func (o *outbox) writeAll(w io.Writer, pieces []piece) (n int, err error) {
	defer func() {
		if p := recover(); p != nil {
			o.keeper.panicked(p)
			err = errPanicked
		}
	}()
	return writeAll(w, pieces)
}

// panicked tells that the client's connection has.
func (s *session) panicked(p any) { s.engine.logPanic("(connection)", p) }
