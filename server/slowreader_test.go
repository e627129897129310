package server

import (
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
)

// A slowConn takes what a test lets it take, and a write waits for the rest until
// its deadline.
type slowConn struct {
	net.Conn
	mu      sync.Mutex // guards all below
	changed sync.Cond
	room    int
	past    bool
	waiting bool
}

func (c *slowConn) Write(p []byte) (n int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		m := min(len(p)-n, c.room)
		n, c.room = n+m, c.room-m
		switch {
		case n == len(p):
			return n, nil
		case c.past:
			return n, os.ErrDeadlineExceeded
		}
		c.waiting = true
		c.changed.Broadcast()
		c.changed.Wait()
		c.waiting = false
	}
}

func (c *slowConn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.past = !t.IsZero()
	c.changed.Broadcast()
	return nil
}

// take lets the client read n bytes more, and waits until it has.
func (c *slowConn) take(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.room += n
	c.changed.Broadcast()
	for c.room > 0 || c.past || !c.waiting {
		c.changed.Wait()
	}
}

// Whoever reads fast enough is waited for, however long it takes: what it has
// taken of a piece that is being written counts.
func TestSlowReaderIsWaitedFor(t *testing.T) {
	clock := NewManualClock(time.UnixMilli(1615480369000))
	conn := new(slowConn)
	conn.changed.L = &conn.mu
	cut := make(chan struct{})
	o := newOutbox(clock, commands.Timeouts{Output: 60, OutputRate: 1 << 10}, func(reason slowReason) {
		require.Equal(t, outputTimedOut, reason)
		close(cut)
	})
	o.conn = detached{onInterrupt: func() { conn.SetWriteDeadline(pastDeadline) }}

	o.reply(make([]byte, 1<<20), false)
	ended := make(chan error)
	go func() { ended <- o.flush(conn, false) }()
	conn.take(0)
	late := func() bool {
		_, late := o.checkReader(clock.Now())
		return late
	}
	for range 16 {
		clock.Advance(59 * time.Second)
		require.False(t, late())
		conn.take(60 << 10)
		clock.Advance(time.Second)
		late() // has the writer return, and count what has been taken
		conn.take(0)
		require.False(t, late())
	}
	size, _ := o.usage()
	require.Equal(t, 1<<20-16*60<<10, size, "what has been taken is counted at once")

	conn.take(59 << 10)
	clock.Advance(60 * time.Second)
	require.True(t, late())
	conn.take(0)
	require.True(t, late())
	o.expireReader()
	<-cut
	conn.SetWriteDeadline(pastDeadline) // as closing does
	require.ErrorIs(t, <-ended, net.ErrClosed)
}
