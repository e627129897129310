package ops

import (
	"container/list"
	"context"
	"net"
	"net/http"
	"sync"
)

// A limitListener bounds the connections that are open. When they are as many as there
// may be and one more comes, the oldest is reset that nobody works for: one that is idle,
// has not sent the head of its request yet, or does not read its reply. So whoever holds
// connections open keeps nobody else out. Where all are being worked for, which takes some
// seconds at most, the next one waits.
type limitListener struct {
	net.Listener
	most int

	mu       sync.Mutex // guards all below, and the state of the connections
	open     list.List  // of *limitedConn, what has been in its state longest first
	changed  sync.Cond  // a connection has ended, or may be reset by now; or closed is set
	dropping bool       // one has been reset and has not ended
	closed   bool
}

func newLimitListener(l net.Listener, most int) *limitListener {
	b := &limitListener{Listener: l, most: most}
	b.changed.L = &b.mu
	return b
}

// Accept returns when there is room for the connection that it has accepted. There is
// when the goroutine of the one that was reset has ended.
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
	c := &limitedConn{Conn: conn, of: l}
	c.place = l.open.PushBack(c)
	return c, nil
}

// dropOldest resets one connection, if there is one to be reset, and none on its way out.
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
	of    *limitListener
	place *list.Element // nil: it has ended

	serving int // 1 while somebody works for its request
	writing int // calls of Write
	dropped bool
}

// reset ends the connection at once. What the system holds for the peer is dropped: it
// may never read that.
func (c *limitedConn) reset() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	c.Conn.Close()
}

// become puts the connection into another state, in which it is the newest.
func (c *limitedConn) become(change func()) {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	change()
	if c.place != nil {
		c.of.open.MoveToBack(c.place)
	}
	c.of.changed.Signal()
}

func (c *limitedConn) Write(p []byte) (int, error) {
	c.become(func() { c.writing++ })
	defer c.become(func() { c.writing-- })
	return c.Conn.Write(p)
}

func (c *limitedConn) Close() error {
	c.of.mu.Lock()
	if c.place != nil {
		c.of.open.Remove(c.place)
		c.place = nil
		if c.dropped {
			c.of.dropping = false
		}
		c.of.changed.Signal()
	}
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// connKey is the key of a request's connection in its context.
type connKey struct{}

func withConn(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

// pauseServing tells the listener that nobody works for a request until resume, which must
// be called.
func pauseServing(r *http.Request) (resume func()) {
	c, ok := r.Context().Value(connKey{}).(*limitedConn)
	if !ok { // the listener is not ours
		return func() {}
	}
	c.become(func() { c.serving-- })
	return func() { c.become(func() { c.serving++ }) }
}

// markServing lets the listener know which connections are being worked for.
func markServing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := r.Context().Value(connKey{}).(*limitedConn)
		c.become(func() { c.serving++ })
		defer c.become(func() { c.serving-- })
		next.ServeHTTP(w, r)
	})
}
