package server_test

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/server"
)

func TestServeTakesAListener(t *testing.T) {
	s := newServer(t, server.Options{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error)
	go func() { served <- s.Serve(l) }()
	conn, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "PING\r\n")
	require.NoError(t, err)
	pong, err := resp.NewReader(conn).Read()
	require.NoError(t, err)
	require.Equal(t, "PONG", pong.Str)

	require.NoError(t, s.Close())
	require.ErrorIs(t, <-served, server.ErrClosed)
	l, err = net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.ErrorIs(t, s.Serve(l), server.ErrClosed)
}

func TestParametersFromTheStart(t *testing.T) {
	s, err := server.Start(server.Options{Config: map[string]string{"maxclients": "7", "RequirePass": "secret"}})
	require.NoError(t, err)
	harness.CloseAtEnd(t, s)
	require.Contains(t, do(t, s, "CONFIG", "GET", "maxclients"), `"7"`)
	require.Contains(t, s.URL(), ":secret@")

	for name, value := range map[string]string{
		"maxclients": "0",
		"no-such":    "1",
		"databases":  "3", // an Option
	} {
		_, err := server.New(server.Options{Config: map[string]string{name: value}})
		require.ErrorContains(t, err, "server: Config: "+name)
	}
}

func TestAllCallsOfCloseWaitForTheEnd(t *testing.T) {
	s, err := server.Start(server.Options{})
	require.NoError(t, err)
	var closers sync.WaitGroup
	for range 4 {
		closers.Go(func() {
			require.NoError(t, s.Close())
			_, err := net.Dial("tcp", s.Addr())
			require.Error(t, err)
		})
	}
	closers.Wait()
	_, err = s.Dial()
	require.ErrorIs(t, err, server.ErrClosed)
}

func TestSoftOutputLimit(t *testing.T) {
	clock := server.NewManualClock(time.UnixMilli(1615480369000))
	s := newServer(t, server.Options{Clock: clock})
	subscriber, publisher := dial(t, s), dial(t, s)
	subscriber.Ask("SUBSCRIBE news")
	publisher.Ask("CONFIG SET client-output-buffer-limit \"pubsub 100mb 100kb 10\"")
	message := "PUBLISH news " + strings.Repeat("x", 60<<10)
	for range 5 {
		require.Equal(t, "(integer) 1", publisher.Ask(message))
	}
	clock.Advance(10 * time.Second)
	require.Equal(t, "(integer) 1", publisher.Ask(message), "not longer than allowed")
	clock.Advance(time.Second)
	publisher.Ask(message)
	_, err := io.ReadAll(subscriber.Conn)
	require.NoError(t, err, "the connection ends")
	subscriber.Close()
	require.Equal(t, "(integer) 0", publisher.Ask(message))
}
