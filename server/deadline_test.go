package server_test

import (
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/server"
)

// inMemory dials a server in a bubble.
func inMemory(t *testing.T, test func(*testing.T, net.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		s, err := server.New(server.Options{})
		require.NoError(t, err)
		conn, err := s.Dial()
		require.NoError(t, err)
		test(t, conn)
		require.NoError(t, conn.Close())
		require.NoError(t, s.Close())
	})
}

func requireTimeout(t *testing.T, _ int, err error) {
	t.Helper()
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	var timeout net.Error
	require.ErrorAs(t, err, &timeout)
	require.True(t, timeout.Timeout())
}

// Read gives up at its deadline, and does so again until it is moved.
func TestReadGivesUpAtItsDeadline(t *testing.T) {
	inMemory(t, func(t *testing.T, conn net.Conn) {
		begun := time.Now()
		require.NoError(t, conn.SetReadDeadline(begun.Add(time.Minute)))
		for range 2 {
			n, err := conn.Read(make([]byte, 1))
			requireTimeout(t, n, err)
			require.Equal(t, time.Minute, time.Since(begun))
		}
		require.NoError(t, conn.SetReadDeadline(begun.Add(time.Hour)))
		n, err := conn.Read(make([]byte, 1))
		requireTimeout(t, n, err)
		require.Equal(t, time.Hour, time.Since(begun))
	})
}

// A deadline that is moved while Read waits is the one that counts, in either
// direction.
func TestDeadlineMovesUnderTheReader(t *testing.T) {
	for _, c := range []struct{ first, then, ends time.Duration }{
		{0, time.Minute, time.Minute},
		{time.Hour, time.Minute, time.Minute},
		{time.Minute, time.Hour, time.Hour},
		{time.Hour, -1, time.Second},
	} {
		inMemory(t, func(t *testing.T, conn net.Conn) {
			begun := time.Now()
			if c.first > 0 {
				require.NoError(t, conn.SetReadDeadline(begun.Add(c.first)))
			}
			failed := make(chan error, 1)
			go func() {
				_, err := conn.Read(make([]byte, 1))
				failed <- err
			}()
			time.Sleep(time.Second)
			require.NoError(t, conn.SetReadDeadline(begun.Add(c.then)))
			require.ErrorIs(t, <-failed, os.ErrDeadlineExceeded)
			require.Equal(t, c.ends, time.Since(begun))
		})
	}
}

// Past its deadline a connection does nothing, though it could: like one of the
// network. The zero time takes the deadline away.
func TestNothingIsDonePastADeadline(t *testing.T) {
	inMemory(t, func(t *testing.T, conn net.Conn) {
		_, err := conn.Write([]byte("PING\r\n"))
		require.NoError(t, err)
		require.NoError(t, conn.SetDeadline(time.Now().Add(time.Second)))
		time.Sleep(time.Second)
		n, err := conn.Read(make([]byte, 1))
		requireTimeout(t, n, err)
		n, err = conn.Write([]byte("PING\r\n"))
		requireTimeout(t, n, err)
		require.NoError(t, conn.SetDeadline(time.Time{}))
		reply := make([]byte, 7)
		_, err = io.ReadFull(conn, reply)
		require.NoError(t, err)
		require.Equal(t, "+PONG\r\n", string(reply))
	})
}

// Clients set deadlines for each call. That costs nothing that has to be
// collected, and no timer, as long as nobody waits.
func TestDeadlinesAllocateNothing(t *testing.T) {
	s, err := server.New(server.Options{})
	require.NoError(t, err)
	defer s.Close()
	conn, err := s.Dial()
	require.NoError(t, err)
	require.Zero(t, testing.AllocsPerRun(1000, func() { conn.SetDeadline(time.Now().Add(time.Minute)) }))
}
