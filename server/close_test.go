package server_test

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/server"
)

// Close under load: it comes to its end soon, and each client sees the whole
// replies to the first calls that it has sent, and then the end of the connection.
func TestCloseUnderLoad(t *testing.T) {
	const clients = 1000
	overTransports(t, func(t *testing.T, s *server.Server, dial func() *harness.Client) {
		do(t, s, "SET", "k", strings.Repeat("x", 1000))
		pipeline := []byte(strings.Repeat("ECHO hello\r\nGET k\r\n", 50))
		var answered, cut atomic.Int64
		begin, busy := make(chan struct{}), make(chan struct{})
		var all sync.WaitGroup
		for i := range clients {
			p := dial()
			all.Go(func() {
				defer p.Close()
				<-begin
				for n := 0; ; n++ {
					if n%100 == 0 {
						if _, err := p.Conn.Write(pipeline); err != nil {
							break
						}
					}
					v, err := resp.NewReader(p.R).Read()
					if errors.Is(err, io.ErrUnexpectedEOF) {
						cut.Add(1)
					}
					if err != nil {
						break
					}
					if n%2 == 0 && v.Str != "hello" || n%2 == 1 && len(v.Str) != 1000 {
						t.Errorf("client %d: reply %d is %q", i, n, v.Str)
						break
					}
					if answered.Add(1) == 100*clients {
						close(busy)
					}
				}
			})
		}
		close(begin)
		<-busy
		begun := time.Now()
		require.NoError(t, s.Close())
		took := time.Since(begun)
		all.Wait()
		t.Logf("%d replies; %d clients saw a part of one", answered.Load(), cut.Load())
		harness.RequireWithin(t, took, closeBound(), "Close")
	})
}

// Replies to what has run are sent, should the client begin to read late.
func TestCloseSendsWhatWasAnswered(t *testing.T) {
	overTransports(t, func(t *testing.T, s *server.Server, dial func() *harness.Client) {
		do(t, s, "SET", "k", strings.Repeat("x", 400<<10))
		p := dial()
		p.Send("GET k\r\nGET k\r\nINCR n")
		harness.Until(t, "all has run", func() bool { return do(t, s, "EXISTS", "n") == "(integer) 1" })
		closed := make(chan error)
		go func() { closed <- s.Close() }()
		harness.Until(t, "Close is under way", func() bool {
			conn, err := s.Dial()
			if err == nil {
				conn.Close()
			}
			return errors.Is(err, server.ErrClosed)
		})
		readLength(p, 400<<10)
		readLength(p, 400<<10)
		require.Equal(t, "(integer) 1", p.Read())
		p.RequireClosed()
		require.NoError(t, <-closed)
	})
}

// A client that does not read keeps Close waiting for a second, not more.
func TestCloseDoesNotWaitForClientsThatDoNotRead(t *testing.T) {
	t.Parallel()
	overTransports(t, func(t *testing.T, s *server.Server, dial func() *harness.Client) {
		do(t, s, "SET", "k", strings.Repeat("x", 1<<20))
		stuck := dial()
		stuck.Send(strings.Repeat("GET k\r\n", 50) + "QUIT")
		harness.Until(t, "much is unread", func() bool { return strings.Contains(do(t, s, "CLIENT", "LIST"), " cmd=get ") })
		begun := time.Now()
		require.NoError(t, s.Close())
		harness.RequireWithin(t, time.Since(begun), closeBound(), "Close")
		require.NoError(t, stuck.SetReadDeadline(time.Now().Add(time.Minute)))
		_, err := io.Copy(io.Discard, stuck.Conn)
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
		_, err = net.Dial("tcp", s.Addr())
		require.Error(t, err)
	})
}

// closeBound is what Close may take.
func closeBound() time.Duration {
	if harness.Race {
		return 10 * time.Second
	}
	return 2 * time.Second
}
