package server

import (
	"io"
	"net"
	"os"
	"time"
)

// maxSpare is how many pieces an idle connection has room for.
const maxSparePieces = 4

// A memoryConn is the client's end of a connection without a network. There is
// no goroutine behind it and no copy in between: Write runs the commands in the
// caller's goroutine, Read takes from the session's outbox. Waiting is on a
// sync.Cond or a channel, which is durably blocking in the sense of
// testing/synctest.
type memoryConn struct {
	server  *Server
	session *session
	reading handoffLock // of who is in Read; guards rest, used, left, spare
	rest    []piece     // taken from the outbox, not yet read
	used    int         // bytes of rest[0] that were read
	unread  int         // bytes in rest that were not
	spare   []piece     // where rest was, for the outbox to fill when that is read

	// The outbox's mu guards these too.
	readBy, writeBy deadline
	closed          bool
}

func (s *Server) dial() (net.Conn, error) {
	c := &memoryConn{server: s, reading: newHandoffLock()}
	if _, err := newSession(s.engine, peerAddr{addr: "memory", local: "memory", inProcess: true}, c.attach); err != nil {
		return nil, err
	}
	if !s.track(c) {
		c.session.leave()
		return nil, ErrClosed
	}
	if c.session.finished.Load() {
		c.leave() // it may have been killed, and have left, before it was tracked
	}
	return c, nil
}

func (c *memoryConn) attach(s *session) {
	c.session = s
	s.proceed = func() { c.server.spawnPending(c.proceed) }
	s.retire = func() { c.server.spawnPending(c.leave) }
	s.out.abort = s.retire
}

// Read returns replies and messages. After the server has closed the
// connection it returns what is left and then io.EOF.
func (c *memoryConn) Read(p []byte) (int, error) {
	c.reading.lock()
	defer c.reading.unlock()
	if len(p) == 0 {
		return 0, nil
	}
	if err := c.awaitOutput(); err != nil {
		return 0, err
	}
	n := 0
	defer c.session.notifyIdle()
	for n < len(p) && len(c.rest) > 0 {
		first := c.rest[0]
		m := copy(p[n:], first.bytes[c.used:])
		n += m
		c.used += m
		if c.used == len(first.bytes) {
			if first.own {
				recycleReply(first.bytes)
			}
			c.rest[0] = piece{} // not to be held on to
			c.rest, c.used = c.rest[1:], 0
		}
	}
	c.unread -= n
	if rest := &c.session.out.takenUnread; rest.Load() != int64(c.unread) {
		rest.Store(int64(c.unread))
	}
	return n, nil
}

// take waits until there is something in rest.
func (c *memoryConn) awaitOutput() error {
	out := &c.session.out
	out.mu.Lock()
	defer out.mu.Unlock()
	for {
		switch {
		case c.closed:
			return net.ErrClosed
		case c.readBy.passed():
			return os.ErrDeadlineExceeded
		case len(c.rest) > 0:
			return nil
		case len(out.pieces) > 0:
			c.rest, out.pieces, c.spare = out.pieces, c.spare, nil
			if cap(c.rest) <= maxSparePieces {
				c.spare = c.rest[:0]
			}
			c.unread = out.sendable()
			out.taken(c.unread)
			return nil
		case out.ended && !out.link.NoOutput:
			return io.EOF
		}
		c.readBy.wait(&out.changed)
	}
}

// Write runs the commands that p completes.
func (c *memoryConn) Write(p []byte) (int, error) {
	if err := c.awaitInputRoom(); err != nil {
		return 0, err
	}
	if !c.session.Feed(p) {
		c.leave()
	}
	return len(p), nil
}

// proceed runs what is left of a pipeline after a call that waited.
func (c *memoryConn) proceed() {
	if !c.session.Proceed() || c.isClosed() {
		c.leave()
	}
}

// leave makes the server forget the client. Replies that are there can still
// be read. Behind a line that does not let it in, it learns of it later: proceed
// is called then.
func (c *memoryConn) leave() {
	if c.session.out.linkBlocks(c.isClosed()) {
		return
	}
	c.session.leave()
	c.server.untrack(c)
}

// room waits, where too much is left to run, until the client has read enough.
func (c *memoryConn) awaitInputRoom() error {
	out := &c.session.out
	out.mu.Lock()
	defer out.mu.Unlock()
	for {
		switch {
		case c.closed:
			return net.ErrClosed
		case out.ended:
			return io.ErrClosedPipe
		case c.writeBy.passed():
			return os.ErrDeadlineExceeded
		case !out.blocked && !out.link.NoInput || !c.session.inputFull():
			return nil
		}
		c.writeBy.wait(&out.changed)
	}
}

// Close ends the connection: the server forgets the client before it returns.
func (c *memoryConn) Close() error {
	out := &c.session.out
	out.mu.Lock()
	if c.closed {
		out.mu.Unlock()
		return net.ErrClosed
	}
	c.closed = true
	c.readBy.set(time.Time{})
	c.writeBy.set(time.Time{})
	out.changed.Broadcast()
	out.mu.Unlock()
	c.leave()
	return nil
}

func (c *memoryConn) isClosed() bool {
	c.session.out.mu.Lock()
	defer c.session.out.mu.Unlock()
	return c.closed
}

func (c *memoryConn) clientSession() *session { return c.session }

// end is the server's way of closing it: Read returns what is left, then io.EOF.
func (c *memoryConn) end() {
	c.session.Finish()
	c.leave()
}

// kill need do nothing: nobody waits for the client after end.
func (c *memoryConn) kill() {}

func (c *memoryConn) name() string { return "connection in memory" }

// LocalAddr and RemoteAddr are the same: there is no network in between.
func (c *memoryConn) LocalAddr() net.Addr  { return memoryAddr{} }
func (c *memoryConn) RemoteAddr() net.Addr { return memoryAddr{} }

// SetDeadline sets both deadlines.
func (c *memoryConn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline makes Read fail from t on; the zero time never.
func (c *memoryConn) SetReadDeadline(t time.Time) error { return c.set(&c.readBy, t) }

// SetWriteDeadline makes Write fail from t on; the zero time never.
func (c *memoryConn) SetWriteDeadline(t time.Time) error { return c.set(&c.writeBy, t) }

func (c *memoryConn) set(d *deadline, t time.Time) error {
	out := &c.session.out
	out.mu.Lock()
	defer out.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	d.set(t)
	if d.waited > 0 {
		out.changed.Broadcast()
	}
	return nil
}

type memoryAddr struct{}

func (memoryAddr) Network() string { return "memory" }
func (memoryAddr) String() string  { return "memory" }
