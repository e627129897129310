package ops

import (
	"net"
	"sync"
)

// A bounded listener accepts a connection when fewer than so many are open.
type bounded struct {
	net.Listener
	open  chan struct{} // holds a token for each, and for the next
	ended chan struct{}
	end   func()
}

func newBounded(l net.Listener, most int) *bounded {
	b := &bounded{Listener: l, open: make(chan struct{}, most), ended: make(chan struct{})}
	b.end = sync.OnceFunc(func() { close(b.ended) })
	return b
}

func (b *bounded) Accept() (net.Conn, error) {
	select {
	case b.open <- struct{}{}:
	case <-b.ended:
		return nil, net.ErrClosed
	}
	leave := sync.OnceFunc(func() { <-b.open })
	conn, err := b.Listener.Accept()
	if err != nil {
		leave()
		return nil, err
	}
	return &boundedConn{conn, leave}, nil
}

func (b *bounded) Close() error {
	b.end()
	return b.Listener.Close()
}

type boundedConn struct {
	net.Conn
	leave func()
}

func (c *boundedConn) Close() error {
	c.leave()
	return c.Conn.Close()
}
