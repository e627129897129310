package server

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// Sizes in bytes of the buffer that a connection reads into. It grows with the size of
// reads, and is small while the client is idle.
const (
	smallRead = 1 << 10
	largeRead = 64 << 10
)

// serveConn serves a connection of the network. It returns when the client is admitted or
// refused. After that the connection has one goroutine, and a second one while messages of
// other clients are written to it.
func (s *Server) serveConn(conn net.Conn) {
	admitted := false
	defer func() {
		if !admitted {
			conn.Close()
		}
	}()
	handshakeDone, ok := s.tlsHandshake(conn)
	if !ok {
		return
	}
	defer handshakeDone()
	t := newNetTransport(s, conn)
	err := t.session.connect(t)
	handshakeDone()
	if err != nil {
		writeRefusal(conn, err)
		return
	}
	keepAlive(conn, s.engine.settings.Load().keepAlive)
	if !s.track(t) {
		t.session.leave()
		return
	}
	admitted = true
	t.serveAsync()
}

const maxKeepAlive = 32767 * time.Second

// keepAlive enables TCP keepalive. The first probe is sent after silent, the connection ends
// after about twice that, as in Redis. Values above the maximum of Linux become the maximum.
func keepAlive(conn net.Conn, silent time.Duration) {
	if tcp, ok := baseConn(conn).(*net.TCPConn); ok {
		tcp.SetKeepAliveConfig(net.KeepAliveConfig{
			Enable: silent > 0, Idle: min(silent, maxKeepAlive), Interval: min(max(silent/3, time.Second), maxKeepAlive), Count: 3,
		})
	}
}

// baseConn returns the connection below TLS, or the connection itself.
func baseConn(conn net.Conn) net.Conn {
	for {
		outer, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return conn
		}
		conn = outer.NetConn()
	}
}

// writeRefusal sends the reason why a client is refused. The text is so short that the
// write does not wait.
func writeRefusal(conn net.Conn, err error) {
	if errors.Is(err, ErrClosed) {
		return
	}
	conn.SetDeadline(realClock{}.Now().Add(time.Second))
	conn.Write([]byte("-" + err.Error() + "\r\n"))
}

// A netTransport is the transport of a socket, or of any other net.Conn.
type netTransport struct {
	server  *Server
	conn    net.Conn
	session *session
	socket  syscall.RawConn // below TLS; nil: its readiness is unknown
	raw     syscall.RawConn // socket, if waiting for input needs no buffer; else nil
	reading atomic.Bool     // a goroutine waits for input, or reads it
	stalled atomic.Bool     // input is not read until the client reads
}

func newNetTransport(s *Server, conn net.Conn) *netTransport {
	t := &netTransport{
		server:  s,
		conn:    conn,
		session: newSession(s.engine, peerAddrOf(conn)),
		socket:  rawConnOf(baseConn(conn)),
	}
	if tlsConn, ok := conn.(*tls.Conn); ok {
		if below, ok := tlsConn.NetConn().(*watchedConn); ok {
			t.session.readsBelow = &below.reads
		}
	}
	if resumable(conn) && t.socket != nil {
		t.raw = t.socket
	}
	return t
}

// The next methods implement transport.

func (t *netTransport) proceed() {
	t.server.engine.pending.begin()
	t.server.spawn(func() {
		open := t.session.Proceed()
		t.server.engine.pending.end()
		if !t.send(open) {
			t.conn.Close() // ends read
		}
	})
}

func (t *netTransport) startFlush() {
	t.server.spawn(func() { t.flush(true) })
}

func (t *netTransport) interruptWrite() bool {
	if !resumable(t.conn) {
		return false
	}
	t.conn.SetWriteDeadline(pastDeadline)
	return true
}

func (t *netTransport) retire() {
	t.server.spawn(func() {
		t.flush(false)
		t.conn.Close() // ends read
	})
}

func (t *netTransport) abort() { t.server.spawn(t.kill) }

// park makes read return, and awaitInput run in a new goroutine.
func (t *netTransport) park() { t.conn.SetReadDeadline(pastDeadline) }

func (t *netTransport) readiness() readiness {
	now := socketReadiness(t.socket)
	now.input = !t.stalled.Load() && (!t.reading.Load() || now.input)
	return now
}

// serveAsync serves the connection in a new goroutine. Its stack stays small until there is
// input; that of a goroutine that has served input would not shrink.
func (t *netTransport) serveAsync() { t.server.spawn(t.awaitInput) }

func (t *netTransport) awaitInput() {
	if t.raw != nil {
		t.reading.Store(true)
		t.raw.Read(readable) // serve meets the same error
		t.reading.Store(false)
	}
	t.serve()
}

// serve serves the connection until it ends or is parked.
func (t *netTransport) serve() {
	idle := false
	defer func() { // even if a connection of the program panics
		if idle {
			t.serveAsync()
			return
		}
		t.session.leave()
		t.server.untrack(t)
		t.conn.Close()
	}()
	if t.raw != nil {
		t.session.markActive()
	}
	idle = t.read()
}

// read feeds the session until the connection or the session ends. idle: park has ended it.
func (t *netTransport) read() (idle bool) {
	buf := make([]byte, smallRead)
	for {
		t.reading.Store(true)
		n, err := t.conn.Read(buf)
		t.reading.Store(false)
		if n > 0 {
			if !t.send(t.session.Feed(buf[:n])) {
				return false
			}
			if t.session.inputFull() {
				t.awaitUnblocked()
			}
		}
		if err == io.EOF {
			t.finish()
		}
		if errors.Is(err, os.ErrDeadlineExceeded) && t.raw != nil {
			t.conn.SetReadDeadline(time.Time{})
			return true
		}
		if err != nil {
			return false
		}
		switch {
		case n == len(buf) && n < largeRead:
			buf = make([]byte, 4*n)
		case n < smallRead/2 && len(buf) > smallRead:
			buf = make([]byte, smallRead)
		}
	}
}

// awaitUnblocked waits until the client has read enough.
func (t *netTransport) awaitUnblocked() {
	t.stalled.Store(true)
	defer t.stalled.Store(false)
	t.session.out.awaitUnblocked()
}

// finish runs the input that is left when the client has closed its side. It may still read
// replies.
func (t *netTransport) finish() {
	for t.send(t.session.Proceed()) && t.session.isBackpressured() {
		t.awaitUnblocked()
	}
	t.send(false)
}

// send sends replies. The last ones, with open false, are sent before it returns; others as
// the client takes them. If it returns false, the connection has ended.
func (t *netTransport) send(open bool) bool {
	switch {
	case !open:
		t.stalled.Store(true) // no more input is read
		t.flush(false)
		return false
	case resumable(t.conn):
		defer t.session.notifyIdle()
		return t.session.out.flushSoon(t.conn) == nil
	}
	return t.session.out.flushAsync() == nil
}

func (t *netTransport) flush(started bool) {
	defer t.session.notifyIdle()
	t.session.out.flush(t.conn, started)
}

// resumable reports whether a connection can be written to after a deadline has ended a
// write. A TLS connection cannot; of other types it is not known.
func resumable(conn net.Conn) bool {
	switch conn.(type) {
	case *net.TCPConn, *net.UnixConn:
		return true
	}
	return false
}

func (t *netTransport) clientSession() *session { return t.session }

func (t *netTransport) end() {
	t.session.Finish()
	t.session.out.finish()
	t.retire()
}

// kill closes the connection with SO_LINGER 0, so that the kernel drops unsent output too. It
// sends no TLS alert, which might wait.
func (t *netTransport) kill() {
	conn := baseConn(t.conn)
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
}

func (t *netTransport) name() string { return "connection from " + t.session.client.Addr }
