package server

import (
	"io"
	"net"
	"os"
	"time"
)

// maxSparePieces is the capacity for pieces that an idle connection keeps.
const maxSparePieces = 4

// A memoryConn is the client's end of a connection in memory, and its transport. There is
// no goroutine behind it and no copy in between: Write runs the commands in the caller's
// goroutine, Read takes from the session's outbox. It waits on a sync.Cond or a channel,
// which is durably blocking in the sense of testing/synctest.
type memoryConn struct {
	server  *Server
	session *session
	reading handoffLock // held by Read; guards rest, used, unread, spare
	rest    []piece     // taken from the outbox, not yet read
	used    int         // bytes of rest[0] that were read
	unread  int         // bytes in rest that were not
	spare   []piece     // an empty slice, for the outbox to append to

	// The outbox's mu guards these, too.
	readBy, writeBy deadline
	closed          bool
}

func (s *Server) dial() (net.Conn, error) {
	c := &memoryConn{
		server:  s,
		session: newSession(s.engine, peerAddr{addr: "memory", local: "memory", inProcess: true}),
		reading: newHandoffLock(),
	}
	if err := c.session.connect(c); err != nil {
		return nil, err
	}
	if !s.track(c) {
		c.session.leave()
		return nil, ErrClosed
	}
	if c.session.finished.Load() {
		c.leave() // it was killed, and may have left, before it was tracked
	}
	return c, nil
}

// The next methods implement transport. Nothing writes the outbox or waits for input, so
// most have nothing to do.

func (c *memoryConn) proceed() { c.server.spawnPending(c.run) }
func (c *memoryConn) retire()  { c.server.spawnPending(c.leave) }
func (c *memoryConn) abort()   { c.retire() }

func (c *memoryConn) startFlush()          {}
func (c *memoryConn) interruptWrite() bool { return false }
func (c *memoryConn) park()                {}
func (c *memoryConn) readiness() readiness { return readiness{} }

// Read returns replies and messages. When the server has closed the connection, it returns
// the rest of them, then io.EOF.
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
			c.rest[0] = piece{} // releases the memory
			c.rest, c.used = c.rest[1:], 0
		}
	}
	c.unread -= n
	if rest := &c.session.out.takenUnread; rest.Load() != int64(c.unread) {
		rest.Store(int64(c.unread))
	}
	return n, nil
}

// awaitOutput waits until there is something in rest.
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

// Write adds p to the input, and runs the commands that are complete.
func (c *memoryConn) Write(p []byte) (int, error) {
	if err := c.awaitInputRoom(); err != nil {
		return 0, err
	}
	if !c.session.Feed(p) {
		c.leave()
	}
	return len(p), nil
}

// run runs the input behind a call that was blocked.
func (c *memoryConn) run() {
	if !c.session.Proceed() || c.isClosed() {
		c.leave()
	}
}

// leave removes the client from the server. Its replies can still be read. If the link blocks
// the end of the connection, nothing happens until proceed is called.
func (c *memoryConn) leave() {
	if c.session.out.linkBlocks(c.isClosed()) {
		return
	}
	c.session.leave()
	c.server.untrack(c)
}

// awaitInputRoom waits while too much input has not run, until the client has read enough.
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

// Close closes the connection. The client is removed from the server before it returns.
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

// end closes the connection for the server: Read returns the rest, then io.EOF.
func (c *memoryConn) end() {
	c.session.Finish()
	c.leave()
}

// kill does nothing: the server does not wait for the client after end.
func (c *memoryConn) kill() {}

func (c *memoryConn) name() string { return "connection in memory" }

// LocalAddr and RemoteAddr are the same, as there is no network.
func (c *memoryConn) LocalAddr() net.Addr  { return memoryAddr{} }
func (c *memoryConn) RemoteAddr() net.Addr { return memoryAddr{} }

// SetDeadline sets both deadlines.
func (c *memoryConn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline makes Read fail from t on. The zero time means no deadline.
func (c *memoryConn) SetReadDeadline(t time.Time) error { return c.set(&c.readBy, t) }

// SetWriteDeadline makes Write fail from t on. The zero time means no deadline.
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
