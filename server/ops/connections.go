package ops

import (
	"container/list"
	"context"
	"net"
	"net/http"
	"sync"
)

// A limitListener limits the number of open connections. When the limit is
// reached and another connection arrives, it resets the oldest connection
// without a request in progress: one that is idle, has not sent its request
// header yet, or does not read its response. So open connections alone cannot
// block others. If all have a request in progress, which takes some seconds at
// most, the next connection waits.
type limitListener struct {
	net.Listener
	most int

	mu       sync.Mutex // guards all below, and the state of the connections
	open     list.List  // of *limitedConn; the one whose state changed longest ago comes first
	changed  sync.Cond  // a connection has ended or changed its state, or the listener is closed
	dropping bool       // a connection has been reset and has not ended
	closed   bool
}

func newLimitListener(l net.Listener, most int) *limitListener {
	b := &limitListener{Listener: l, most: most}
	b.changed.L = &b.mu
	return b
}

// Accept returns once the number of open connections allows one more. If it has
// reset a connection, it waits until that one's goroutine has ended.
func (l *limitListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.open.Len() >= l.most && !l.closed {
		l.dropOldest()
		l.changed.Wait()
	}
	if l.closed {
		conn.Close()
		return nil, net.ErrClosed
	}
	c := &limitedConn{Conn: conn, listener: l}
	c.place = l.open.PushBack(c)
	return c, nil
}

// dropOldest resets the oldest connection that may be reset, unless one is
// already ending.
func (l *limitListener) dropOldest() {
	for e := l.open.Front(); e != nil && !l.dropping; e = e.Next() {
		if c := e.Value.(*limitedConn); c.serving < 1 || c.writing > 0 {
			l.dropping, c.dropped = true, true
			c.reset()
		}
	}
}

func (l *limitListener) Close() error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.changed.Broadcast()
	return l.Listener.Close()
}

// A limitedConn is a connection of a limitListener.
type limitedConn struct {
	net.Conn
	listener *limitListener
	place    *list.Element // nil: it has ended

	serving int // 1 while a request is being handled
	writing int // running calls of Write
	dropped bool
}

// reset closes the connection at once and drops unsent output, which the peer
// may never read.
func (c *limitedConn) reset() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	c.Conn.Close()
}

// setState changes the connection's state, and moves it to the end of the list.
func (c *limitedConn) setState(change func()) {
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	change()
	if c.place != nil {
		c.listener.open.MoveToBack(c.place)
	}
	c.listener.changed.Signal()
}

func (c *limitedConn) Write(p []byte) (int, error) {
	c.setState(func() { c.writing++ })
	defer c.setState(func() { c.writing-- })
	return c.Conn.Write(p)
}

func (c *limitedConn) Close() error {
	c.listener.mu.Lock()
	if c.place != nil {
		c.listener.open.Remove(c.place)
		c.place = nil
		if c.dropped {
			c.listener.dropping = false
		}
		c.listener.changed.Signal()
	}
	c.listener.mu.Unlock()
	return c.Conn.Close()
}

// connKey is the context key of a request's connection.
type connKey struct{}

func withConn(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

// pauseServing marks the request's connection as not being served until resume
// is called, which the caller must do.
func pauseServing(r *http.Request) (resume func()) {
	c, ok := r.Context().Value(connKey{}).(*limitedConn)
	if !ok { // not a limitListener
		return func() {}
	}
	c.setState(func() { c.serving-- })
	return func() { c.setState(func() { c.serving++ }) }
}

// markServing marks connections as being served while next runs.
func markServing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := r.Context().Value(connKey{}).(*limitedConn)
		c.setState(func() { c.serving++ })
		defer c.setState(func() { c.serving-- })
		next.ServeHTTP(w, r)
	})
}
