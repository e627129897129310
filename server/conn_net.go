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

// Bounds of the buffer that a connection reads into: it grows with what a
// client sends at once, and is small while the client is idle.
const (
	smallRead = 1 << 10
	largeRead = 64 << 10
)

// serveConn lets in one connection of the network, and returns when that is a
// client, or gone. From then on it has one goroutine; messages that others send
// bring one of their own for as long as it takes to write them.
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
	t := &netTransport{server: s, conn: conn, socket: rawConnOf(baseConn(conn))}
	session, err := newSession(s.engine, peerAddrOf(conn), t.attach)
	handshakeDone()
	if err != nil {
		writeRefusal(conn, err)
		return
	}
	keepAlive(conn, s.engine.settings.Load().keepAlive)
	if !s.track(t) {
		session.leave()
		return
	}
	admitted = true
	t.serveAsync()
}

const maxKeepAlive = 32767 * time.Second

// keepAlive has the kernel find out that a client is gone without a word, in
// twice the time after which it begins to ask, as in Redis. A time that is longer
// than Linux knows becomes the longest.
func keepAlive(conn net.Conn, silent time.Duration) {
	if tcp, ok := baseConn(conn).(*net.TCPConn); ok {
		tcp.SetKeepAliveConfig(net.KeepAliveConfig{
			Enable: silent > 0, Idle: min(silent, maxKeepAlive), Interval: min(max(silent/3, time.Second), maxKeepAlive), Count: 3,
		})
	}
}

// bare is the connection below TLS, or the connection itself.
func baseConn(conn net.Conn) net.Conn {
	for {
		outer, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return conn
		}
		conn = outer.NetConn()
	}
}

// refuse tells a client why it is not served. The text is short enough for the
// kernel to take it without waiting.
func writeRefusal(conn net.Conn, err error) {
	if errors.Is(err, ErrClosed) {
		return
	}
	conn.SetDeadline(realClock{}.Now().Add(time.Second))
	conn.Write([]byte("-" + err.Error() + "\r\n"))
}

type netTransport struct {
	server  *Server
	conn    net.Conn
	session *session
	socket  syscall.RawConn // below TLS; nil: there is none that can be asked
	raw     syscall.RawConn // the same, if input can be waited for without a buffer; else nil
	reading atomic.Bool     // input is waited for, or being read
	stalled atomic.Bool     // input is left unread until the client reads
}

// attach lets others than the reader set the connection in motion.
func (t *netTransport) attach(s *session) {
	t.session = s
	s.proceed, s.retire = t.proceedAsync, t.retireAsync
	s.out.wake, s.out.abort = t.flushAsync, t.abortAsync
	if resumable(t.conn) {
		s.out.interruptWrite = func() { t.conn.SetWriteDeadline(pastDeadline) }
	}
	s.unreadInput = func() bool { return !t.stalled.Load() && (!t.reading.Load() || socketReadiness(t.socket).input) }
	if tlsConn, ok := t.conn.(*tls.Conn); ok {
		if below, ok := tlsConn.NetConn().(*watchedConn); ok {
			s.readsBelow = &below.reads
		}
	}
	s.takesOutput = func() bool { return socketReadiness(t.socket).output }
	if resumable(t.conn) && t.socket != nil {
		t.raw, s.park = t.socket, t.park
	}
}

// awaitAside waits for input and serves it, in a new goroutine, whose stack is
// small as long as it waits. One that has served would keep what it had grown to.
func (t *netTransport) serveAsync() { t.server.spawn(t.awaitInput) }

func (t *netTransport) awaitInput() {
	if t.raw != nil {
		t.reading.Store(true)
		t.raw.Read(readable) // an error is read once more, below
		t.reading.Store(false)
	}
	t.serve()
}

// serve serves the connection until it ends or is idle.
func (t *netTransport) serve() {
	idle := false
	defer func() { // a connection of the program's own may panic
		if idle {
			t.serveAsync()
			return
		}
		t.session.leave()
		t.server.untrack(t)
		t.conn.Close()
	}()
	t.session.markActive()
	idle = t.read()
}

// park makes read return.
func (t *netTransport) park() { t.conn.SetReadDeadline(pastDeadline) }

// read feeds the session until the connection or the session ends, or until
// quieten ends it: true.
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

// awaitRoom waits until the client has read some.
func (t *netTransport) awaitUnblocked() {
	t.stalled.Store(true)
	defer t.stalled.Store(false)
	t.session.out.awaitUnblocked()
}

// finish runs and answers what is left for a client that sends no more. It may
// still read.
func (t *netTransport) finish() {
	for t.send(t.session.Proceed()) && t.session.isBackpressured() {
		t.awaitUnblocked()
	}
	t.send(false)
}

// flushAside writes what others have sent, in a goroutine of its own.
func (t *netTransport) flushAsync() {
	t.server.spawn(func() { t.session.out.flush(t.conn, true) })
}

// proceedAside runs what is left of a pipeline after a call that waited.
func (t *netTransport) proceedAsync() {
	t.server.engine.pending.begin()
	t.server.spawn(func() {
		open := t.session.Proceed()
		t.server.engine.pending.end()
		if !t.send(open) {
			t.conn.Close() // ends read
		}
	})
}

// send sends replies: the last ones before it returns, others when the client
// takes them. false: the connection has come to its end.
func (t *netTransport) send(open bool) bool {
	if open && resumable(t.conn) {
		return t.session.out.flushSoon(t.conn) == nil
	}
	if open {
		return t.session.out.flushAsync() == nil
	}
	t.stalled.Store(true) // what is unread remains so
	t.session.out.flush(t.conn, false)
	return false
}

// resumable reports whether a connection can still be written to after a
// deadline has ended a write. One of TLS cannot; of others nothing is known.
func resumable(conn net.Conn) bool {
	switch conn.(type) {
	case *net.TCPConn, *net.UnixConn:
		return true
	}
	return false
}

// retireAside closes the connection once what there is has been sent.
func (t *netTransport) retireAsync() {
	t.server.spawn(func() {
		t.session.out.flush(t.conn, false)
		t.conn.Close() // ends read
	})
}

// abortAside cuts the connection. What the kernel holds for the client is
// dropped: who does not read would make it keep that for minutes.
func (t *netTransport) abortAsync() {
	t.server.spawn(t.abort)
}

func (t *netTransport) abort() {
	conn := baseConn(t.conn) // without a last word of TLS, which might have to wait
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
}

func (t *netTransport) clientSession() *session { return t.session }

func (t *netTransport) end() {
	t.session.Finish()
	t.session.out.finish()
	t.retireAsync()
}

func (t *netTransport) kill() { t.abort() }

func (t *netTransport) name() string { return "connection from " + t.session.client.Addr }
