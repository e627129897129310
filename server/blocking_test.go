package server_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/server"
)

func dial(t *testing.T, s *server.Server) *harness.Client { return harness.Connect(t, s.Dial) }

// nextValue is the next reply or push of a client.
func nextValue(c *harness.Client) resp.Value {
	c.T.Helper()
	v, err := resp.NewReader(c.R).Read()
	require.NoError(c.T, err)
	return v
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

func TestBlockedClientsAreServedInOrder(t *testing.T) {
	s := newServer(t, server.Options{})
	first, second, third, giver := dial(t, s), dial(t, s), dial(t, s), dial(t, s)
	first.Send("BZPOPMIN a b 0")
	second.Send("BZPOPMAX b 0")
	third.Send("BZMPOP 0 1 b MIN")
	require.Equal(t, "(integer) 2", giver.Ask("ZADD b 1 x 2 y"))
	require.Equal(t, popped("b", "x", "1"), first.Read())
	require.Equal(t, popped("b", "y", "2"), second.Read())
	giver.Ask("ZADD b 3 z")
	require.Equal(t, "1) \"b\"\n2) 1) 1) \"z\"\n      2) \"3\"", third.Read())
	require.Equal(t, "(integer) 0", giver.Ask("EXISTS b"))
}

func TestNobodyIsServedWithinATransaction(t *testing.T) {
	s := newServer(t, server.Options{})
	waiter, giver := dial(t, s), dial(t, s)
	waiter.Send("BZPOPMIN z 0")
	giver.Ask("MULTI")
	giver.Ask("ZADD z 1 x")
	giver.Ask("ZREM z x")
	giver.Ask("ZADD z 2 y")
	giver.Ask("EXEC")
	require.Equal(t, popped("z", "y", "2"), waiter.Read())
}

func TestWaiterPassesOverOtherTypes(t *testing.T) {
	s := newServer(t, server.Options{})
	waiter, giver := dial(t, s), dial(t, s)
	waiter.Send("BZPOPMIN a b 0")
	giver.Ask("SET a text")
	giver.Ask("ZADD b 1 x")
	require.Equal(t, popped("b", "x", "1"), waiter.Read())
}

func TestGoneWaiterTakesNothing(t *testing.T) {
	s := newServer(t, server.Options{})
	gone, staying, giver := dial(t, s), dial(t, s), dial(t, s)
	gone.Send("BZPOPMIN z 0")
	staying.Send("BZPOPMIN z 0")
	require.NoError(t, gone.Close())
	giver.Ask("ZADD z 1 x")
	require.Equal(t, popped("z", "x", "1"), staying.Read())
}

func TestInputBehindABlockedCallRunsAfterIt(t *testing.T) {
	s := newServer(t, server.Options{})
	waiter, giver := dial(t, s), dial(t, s)
	waiter.Send("BZPOPMIN z 0\r\nINCR n\r\nBZPOPMIN z 0")
	waiter.Send("INCR n")
	require.Equal(t, "(nil)", giver.Ask("GET n"))
	giver.Ask("ZADD z 1 x")
	require.Equal(t, popped("z", "x", "1"), waiter.Read())
	require.Equal(t, "(integer) 1", waiter.Read())
	giver.Ask("ZADD z 2 y")
	require.Equal(t, popped("z", "y", "2"), waiter.Read())
	require.Equal(t, "(integer) 2", waiter.Read())
}

func TestWaitEndsAtItsTime(t *testing.T) {
	clock := server.NewManualClock(time.UnixMilli(1615480369000))
	s := newServer(t, server.Options{Clock: clock})
	waiter, other := dial(t, s), dial(t, s)
	waiter.Send("BZPOPMIN z 0.25")
	clock.Advance(249 * time.Millisecond)
	require.Contains(t, other.Ask("CLIENT LIST"), "flags=b")
	clock.Advance(time.Millisecond)
	require.Equal(t, "(nil)", waiter.Read())
	require.NotContains(t, other.Ask("CLIENT LIST"), "flags=b")
}

func TestWaitForKeyOfAnotherTypeEndsWithNull(t *testing.T) {
	clock := server.NewManualClock(time.UnixMilli(1615480369000))
	s := newServer(t, server.Options{Clock: clock})
	waiter, other := dial(t, s), dial(t, s)
	waiter.Send("BZPOPMIN k 1")
	other.Ask("SET k text")
	clock.Advance(time.Second)
	require.Equal(t, "(nil)", waiter.Read())
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
