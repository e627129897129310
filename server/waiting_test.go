package server_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/server"
)

// peer is a client of a server in memory.
type peer struct {
	t       *testing.T
	conn    net.Conn
	replies *resp.Reader
}

func dial(t *testing.T, s *server.Server) *peer {
	conn, err := s.Dial()
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return &peer{t, conn, resp.NewReader(conn)}
}

func (p *peer) send(line string) {
	p.t.Helper()
	_, err := fmt.Fprint(p.conn, line+"\r\n")
	require.NoError(p.t, err)
}

func (p *peer) read() string {
	p.t.Helper()
	v, err := p.replies.Read()
	require.NoError(p.t, err)
	return v.String()
}

func (p *peer) ask(line string) string {
	p.t.Helper()
	p.send(line)
	return p.read()
}

func newServer(t *testing.T, o server.Options) *server.Server {
	s, err := server.New(o)
	require.NoError(t, err)
	harness.CloseAtEnd(t, s)
	return s
}

func popped(key, member, score string) string {
	return fmt.Sprintf("1) %q\n2) %q\n3) %q", key, member, score)
}

func TestWhoCameFirstIsServedFirst(t *testing.T) {
	s := newServer(t, server.Options{})
	first, second, third, giver := dial(t, s), dial(t, s), dial(t, s), dial(t, s)
	first.send("BZPOPMIN a b 0")
	second.send("BZPOPMAX b 0")
	third.send("BZMPOP 0 1 b MIN")
	require.Equal(t, "(integer) 2", giver.ask("ZADD b 1 x 2 y"))
	require.Equal(t, popped("b", "x", "1"), first.read())
	require.Equal(t, popped("b", "y", "2"), second.read())
	giver.ask("ZADD b 3 z")
	require.Equal(t, "1) \"b\"\n2) 1) 1) \"z\"\n      2) \"3\"", third.read())
	require.Equal(t, "(integer) 0", giver.ask("EXISTS b"))
}

func TestNobodyIsServedWithinATransaction(t *testing.T) {
	s := newServer(t, server.Options{})
	waiter, giver := dial(t, s), dial(t, s)
	waiter.send("BZPOPMIN z 0")
	giver.ask("MULTI")
	giver.ask("ZADD z 1 x")
	giver.ask("ZREM z x")
	giver.ask("ZADD z 2 y")
	giver.ask("EXEC")
	require.Equal(t, popped("z", "y", "2"), waiter.read())
}

func TestWaiterPassesOverOtherTypes(t *testing.T) {
	s := newServer(t, server.Options{})
	waiter, giver := dial(t, s), dial(t, s)
	waiter.send("BZPOPMIN a b 0")
	giver.ask("SET a text")
	giver.ask("ZADD b 1 x")
	require.Equal(t, popped("b", "x", "1"), waiter.read())
}

func TestGoneWaiterTakesNothing(t *testing.T) {
	s := newServer(t, server.Options{})
	gone, staying, giver := dial(t, s), dial(t, s), dial(t, s)
	gone.send("BZPOPMIN z 0")
	staying.send("BZPOPMIN z 0")
	require.NoError(t, gone.conn.Close())
	giver.ask("ZADD z 1 x")
	require.Equal(t, popped("z", "x", "1"), staying.read())
}

func TestWhatFollowsAWaitingCallRunsAfterIt(t *testing.T) {
	s := newServer(t, server.Options{})
	waiter, giver := dial(t, s), dial(t, s)
	waiter.send("BZPOPMIN z 0\r\nINCR n\r\nBZPOPMIN z 0")
	waiter.send("INCR n")
	require.Equal(t, "(nil)", giver.ask("GET n"))
	giver.ask("ZADD z 1 x")
	require.Equal(t, popped("z", "x", "1"), waiter.read())
	require.Equal(t, "(integer) 1", waiter.read())
	giver.ask("ZADD z 2 y")
	require.Equal(t, popped("z", "y", "2"), waiter.read())
	require.Equal(t, "(integer) 2", waiter.read())
}

func TestWaitEndsAtItsTime(t *testing.T) {
	clock := server.NewManualClock(time.UnixMilli(1615480369000))
	s := newServer(t, server.Options{Clock: clock})
	waiter, other := dial(t, s), dial(t, s)
	waiter.send("BZPOPMIN z 0.25")
	clock.Advance(249 * time.Millisecond)
	require.Contains(t, other.ask("CLIENT LIST"), "flags=b")
	clock.Advance(time.Millisecond)
	require.Equal(t, "(nil)", waiter.read())
	require.NotContains(t, other.ask("CLIENT LIST"), "flags=b")
}

func TestWaitForKeyOfAnotherTypeEndsWithNull(t *testing.T) {
	clock := server.NewManualClock(time.UnixMilli(1615480369000))
	s := newServer(t, server.Options{Clock: clock})
	waiter, other := dial(t, s), dial(t, s)
	waiter.send("BZPOPMIN k 1")
	other.ask("SET k text")
	clock.Advance(time.Second)
	require.Equal(t, "(nil)", waiter.read())
}

func TestDoWaitsUntilItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, server.Options{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, err := s.Do(ctx, "BZPOPMIN", "z", 0)
		require.ErrorIs(t, err, context.DeadlineExceeded)

		go func() {
			time.Sleep(time.Minute)
			s.Do(t.Context(), "ZADD", "z", 1, "x")
		}()
		v, err := s.Do(t.Context(), "BZPOPMIN", "z", 0)
		require.NoError(t, err)
		require.Equal(t, []string{"z", "x", "1"}, v.Strings())
	})
}

func TestCloseEndsDoThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := server.New(server.Options{})
		require.NoError(t, err)
		failed := make(chan error)
		go func() {
			_, err := s.Do(t.Context(), "BZPOPMIN", "z", 0)
			failed <- err
		}()
		synctest.Wait()
		require.NoError(t, s.Close())
		require.Error(t, <-failed)
		_, err = s.Do(t.Context(), "PING")
		require.Error(t, err)
	})
}
