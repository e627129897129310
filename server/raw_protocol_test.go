package server

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/harness"
)

// TestRawProtocolIsRedis sends a server what raw_protocol.txt holds: it replies
// and closes as Redis did, on each transport and however the input is cut.
func TestRawProtocolIsRedis(t *testing.T) {
	for _, c := range loadRawProtocol(t) {
		if c.password == "" {
			c.input = "FLUSHALL\r\n" + c.input
			c.output = "+OK\r\n" + c.output
		}
		o := Options{Password: c.password}
		for _, cut := range []int{7, 4096, len(c.input) + 1} {
			s, err := New(o)
			require.NoError(t, err)
			conn, err := s.Dial()
			require.NoError(t, err)
			sendCut(conn, c.input, cut)
			if unread, _ := conn.(*memoryConn).session.out.usage(); unread > len(c.output) {
				c.closed = true // read more than what is expected, to show it
			}
			requireRaw(t, c, conn)
			conn.Close()
			require.NoError(t, s.Close())
		}
	}
}

func TestRawProtocolIsRedisOnSockets(t *testing.T) {
	cases := loadRawProtocol(t)
	servers := map[string]*Server{}
	for _, c := range cases {
		if servers[c.password] != nil {
			continue
		}
		s, err := Start(Options{Password: c.password, Socket: filepath.Join(t.TempDir(), "s")})
		require.NoError(t, err)
		harness.CloseAtEnd(t, s)
		servers[c.password] = s
	}
	for _, c := range cases {
		s := servers[c.password]
		for _, at := range [][2]string{{"tcp", s.Addr()}, {"unix", s.options.Socket}} {
			_, err := s.Do(t.Context(), "FLUSHALL")
			require.NoError(t, err)
			conn, err := net.Dial(at[0], at[1])
			require.NoError(t, err)
			sendCut(conn, c.input, len(c.input)+1)
			if !c.closed { // then the server says no more and closes when the client does
				require.NoError(t, conn.(interface{ CloseWrite() error }).CloseWrite())
			}
			sent := c
			sent.closed = true
			requireRaw(t, sent, conn)
			conn.Close()
		}
	}
}

// sendCut sends input in pieces. The server may close before it has all.
func sendCut(conn net.Conn, input string, cut int) {
	for input != "" {
		n := min(cut, len(input))
		if _, err := io.WriteString(conn, input[:n]); err != nil {
			return
		}
		input = input[n:]
	}
}

// requireRaw reads what is expected and, if the connection is to be closed, on to its end.
func requireRaw(t *testing.T, c rawCase, conn net.Conn) {
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Minute)))
	got := make([]byte, len(c.output))
	n, err := io.ReadFull(conn, got)
	require.Equal(t, c.output, string(got[:n]), "%s:%d (%v)", rawProtocolFile, c.line, err)
	if !c.closed {
		return
	}
	rest, err := io.ReadAll(conn)
	require.Empty(t, string(rest), "%s:%d", rawProtocolFile, c.line)
	require.False(t, errors.Is(err, os.ErrDeadlineExceeded), "%s:%d: not closed", rawProtocolFile, c.line)
}

// A connection that waits keeps its own copy of what comes behind, once.
func TestWaitingSessionCopiesOnce(t *testing.T) {
	s, err := New(Options{})
	require.NoError(t, err)
	harness.CloseAtEnd(t, s)
	conn, err := s.Dial()
	require.NoError(t, err)
	session := conn.(*memoryConn).session
	require.True(t, session.Feed([]byte("BZPOPMIN z 0\r\nSET k first\r\n")))
	kept := &session.batch[session.next].args[2][0]
	require.True(t, session.Feed([]byte("SET k second\r\n")))
	require.Same(t, kept, &session.batch[session.next].args[2][0])
	_, err = s.Do(t.Context(), "ZADD", "z", 1, "m")
	require.NoError(t, err)
	require.True(t, session.Proceed())
	v, err := s.Do(t.Context(), "GET", "k")
	require.NoError(t, err)
	require.Equal(t, "second", v.Str)
}

// Little input that asks for much output does not gather it.
func TestRepliesDoNotGather(t *testing.T) {
	s, err := New(Options{})
	require.NoError(t, err)
	harness.CloseAtEnd(t, s)
	const size, calls = 256 << 10, 500
	_, err = s.Do(t.Context(), "SET", "k", string(make([]byte, size)))
	require.NoError(t, err)

	client, transport := net.Pipe()
	served := make(chan struct{})
	go func() {
		s.serveConn(transport)
		close(served)
	}()
	var input []byte
	for range calls {
		input = append(input, "GET k\r\n"...)
	}
	_, err = client.Write(input[:smallRead]) // as much as is read at once
	require.NoError(t, err)
	// The server writes, and so has stopped running commands. It cannot go on before this reads.
	one := make([]byte, 1)
	_, err = io.ReadFull(client, one)
	require.NoError(t, err)
	s.mu.Lock()
	for c := range s.conns {
		held, _ := c.(*netTransport).session.out.usage()
		require.LessOrEqual(t, held, maxUnread+2*size)
	}
	s.mu.Unlock()
	require.NoError(t, client.Close())
	<-served
}

// Input is taken in at a cost that is linear even while the session waits and
// does not look at it.
func TestInputOfAWaitingSessionCostsLittle(t *testing.T) {
	s, err := New(Options{})
	require.NoError(t, err)
	harness.CloseAtEnd(t, s)
	conn, err := s.Dial()
	require.NoError(t, err)
	session := conn.(*memoryConn).session
	require.True(t, session.Feed([]byte("*3\r\n$8\r\nBZPOPMIN\r\n$1\r\nz\r\n$1\r\n0\r\n*2\r\n$4\r\nECHO\r\n$10\r\n01234")))
	require.True(t, session.isBlocked.Load())
	const size = 16 << 20
	piece := make([]byte, 4<<10)
	for range size / len(piece) {
		require.True(t, session.Feed(piece))
	}
	require.Less(t, session.in.work, int64(4*size))
}
