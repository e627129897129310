package servertest_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/server"
	"github.com/parley-chat/parley/server/servertest"
)

// over runs a test in memory and over the network.
func over(t *testing.T, f func(*testing.T, *servertest.Server)) {
	t.Run("in memory", func(t *testing.T) {
		t.Parallel()
		f(t, servertest.New(t))
	})
	t.Run("over the network", func(t *testing.T) {
		t.Parallel()
		f(t, servertest.New(t, func(o *servertest.Options) { o.Network = true }))
	})
}

func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

func TestSubscribersAreWaitedFor(t *testing.T) {
	t.Parallel()
	over(t, func(t *testing.T, s *servertest.Server) {
		go func() {
			for range 2 {
				connect(t, s).Send("SUBSCRIBE room:1 room:2", "PSUBSCRIBE room:*", "SSUBSCRIBE shard")
			}
		}()
		s.WaitSubscribers(t.Context(), "room:1", 2)
		s.WaitSubscribers(t.Context(), "room:2", 2)
		s.WaitPatternSubscribers(t.Context(), "room:*", 2)
		s.WaitShardSubscribers(t.Context(), "shard", 2)
		s.WaitSubscribers(t.Context(), "room:3", 0)
	})
}

func TestWaitForSubscribersTellsWhoIsThere(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	a, b := connect(t, s), connect(t, s)
	a.AskLine("CLIENT SETNAME alice")
	a.Send("SUBSCRIBE room:1")
	b.Send("PSUBSCRIBE room:*")

	err := s.Kit.WaitSubscribers(soon(t), "room:1", 2)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.EqualError(t, err, "servertest: 1 of 2 subscribers to room:1: client 1 name=alice: context deadline exceeded")
	require.EqualError(t, s.Kit.WaitPatternSubscribers(soon(t), "room:*", 3),
		"servertest: 1 of 3 subscribers to pattern room:*: client 2: context deadline exceeded")
	require.EqualError(t, s.Kit.WaitShardSubscribers(soon(t), "room:1", 1),
		"servertest: 0 of 1 subscribers to shard channel room:1: context deadline exceeded")
	require.EqualError(t, s.Kit.WaitSubscribers(soon(t), "room:1", 0),
		"servertest: 1 subscribers to room:1 are left: client 1 name=alice: context deadline exceeded")
}

func TestSubscriberThatLeavesIsWaitedFor(t *testing.T) {
	t.Parallel()
	over(t, func(t *testing.T, s *servertest.Server) {
		c := connect(t, s)
		c.Send("SUBSCRIBE room:1")
		s.WaitSubscribers(t.Context(), "room:1", 1)
		go c.Close()
		s.WaitSubscribers(t.Context(), "room:1", 0)
		s.WaitClients(t.Context(), 0)
	})
}

func TestBlockedCallsAreWaitedFor(t *testing.T) {
	t.Parallel()
	over(t, func(t *testing.T, s *servertest.Server) {
		c := connect(t, s)
		done := make(chan string)
		go func() {
			v, _ := s.Do(t.Context(), "BZPOPMIN", "queue", 0)
			done <- v.String()
		}()
		s.WaitBlocked(t.Context(), 1)
		go c.Send("BZPOPMIN queue other 0")
		s.WaitBlocked(t.Context(), 2)
		require.Regexp(t, `^servertest: 2 of 3 blocked calls: (client \d in BZPOPMIN queue other 0; Do in BZPOPMIN queue 0|`+
			`Do in BZPOPMIN queue 0; client \d in BZPOPMIN queue other 0): context deadline exceeded$`, s.Kit.WaitBlocked(soon(t), 3))

		_, err := s.Do(t.Context(), "ZADD", "queue", 1, "job")
		require.NoError(t, err)
		require.Contains(t, <-done, "job")
		_, err = s.Do(t.Context(), "ZADD", "other", 1, "job")
		require.NoError(t, err)
		s.WaitBlocked(t.Context(), 0)
	})
}

func TestBlockedCallThatIsWithdrawnIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	go s.Do(ctx, "BZPOPMIN", "queue", 0)
	s.WaitBlocked(t.Context(), 1)
	go cancel()
	s.WaitBlocked(t.Context(), 0)
}

func TestIdleServerHasNoUnreadMessages(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	s.WaitIdle(t.Context())

	c := connect(t, s)
	c.AskLine("CLIENT SETNAME reader")
	c.Send("SUBSCRIBE room:1")
	require.EqualError(t, s.Kit.WaitIdle(soon(t)),
		"servertest: not idle: client 1 name=reader has 35 bytes of replies unread: context deadline exceeded")
	c.Skip(6)
	s.WaitIdle(t.Context())

	for range 3 {
		_, err := s.Do(t.Context(), "PUBLISH", "room:1", "hello")
		require.NoError(t, err)
	}
	require.EqualError(t, s.Kit.WaitIdle(soon(t)),
		"servertest: not idle: client 1 name=reader has 3 messages, 120 bytes, unread: context deadline exceeded")

	idle := make(chan error)
	go func() { idle <- s.Kit.WaitIdle(t.Context()) }()
	c.Skip(3 * 7)
	require.NoError(t, <-idle)
}

func TestPartOfAReplyIsUnread(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	conn, err := s.Dial()
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte("ECHO hello\r\n"))
	require.NoError(t, err)
	_, err = conn.Read(make([]byte, 4))
	require.NoError(t, err)
	require.EqualError(t, s.Kit.WaitIdle(soon(t)), "servertest: not idle: client 1 has 7 bytes of replies unread: context deadline exceeded")
	go conn.Read(make([]byte, 7))
	s.WaitIdle(t.Context())
}

func TestIdleServerHasHandedAllToTheSystem(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, func(o *servertest.Options) { o.Network = true })
	c := connect(t, s)
	c.Send("SUBSCRIBE room:1")
	c.Skip(6)
	for range 100 {
		_, err := s.Do(t.Context(), "PUBLISH", "room:1", "hello")
		require.NoError(t, err)
	}
	s.WaitIdle(t.Context())
	c.Skip(700)
}

func TestIdleServerHoldsNoCallBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := servertest.New(t)
		a, b := connect(t, s), connect(t, s)
		a.AskLine("CLIENT PAUSE 1000")
		done := make(chan string)
		go func() { done <- b.AskLine("SET k v") }()
		synctest.Wait()
		require.EqualError(t, s.Kit.WaitIdle(soon(t)), "servertest: not idle: client 2 is delayed in SET k v: context deadline exceeded")
		begun := time.Now()
		s.WaitIdle(t.Context())
		require.Equal(t, 990*time.Millisecond, time.Since(begun))
		require.Equal(t, "+OK", <-done)
	})
}

func TestCallThatWaitsForAKeyIsAtRest(t *testing.T) {
	t.Parallel()
	over(t, func(t *testing.T, s *servertest.Server) {
		c := connect(t, s)
		c.Send("BZPOPMIN queue 0", "PING")
		s.WaitBlocked(t.Context(), 1)
		s.WaitIdle(t.Context())
	})
}

func TestPartOfACallIsUnderWay(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	c := connect(t, s)
	_, err := c.Conn.Write([]byte("PIN"))
	require.NoError(t, err)
	require.EqualError(t, s.Kit.WaitIdle(soon(t)), "servertest: not idle: client 1 has sent 3 bytes of an incomplete call: context deadline exceeded")
	_, err = c.Conn.Write([]byte("G\r\n"))
	require.NoError(t, err)
	go c.Line()
	s.WaitIdle(t.Context())
}

func TestWaitsEndWithTheServer(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	ended := make(chan error)
	go func() { ended <- s.Kit.WaitClients(t.Context(), 1) }()
	go func() { ended <- s.Kit.WaitSubscribers(t.Context(), "room:1", 1) }()
	require.NoError(t, s.Close())
	require.ErrorIs(t, <-ended, server.ErrClosed)
	require.ErrorIs(t, <-ended, server.ErrClosed)
	require.ErrorIs(t, s.Kit.WaitBlocked(t.Context(), 1), server.ErrClosed)
}

func TestWaitWithoutADeadlineIsGivenOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &failing{TB: t}
		s := servertest.New(f)
		begun := time.Now()
		f.run(func() { s.WaitSubscribers(context.Background(), "room:1", 1) })
		require.Equal(t, []string{"servertest: 0 of 1 subscribers to room:1: context deadline exceeded"}, f.fatal)
		require.Equal(t, 10*time.Second, time.Since(begun))
	})
}

// In a bubble a wait lets time pass, so a wait for a state that never comes
// times out.
func TestWaitsAreDurablyBlocking(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := servertest.New(t)
		go func() {
			time.Sleep(time.Hour)
			connect(t, s).Send("SUBSCRIBE room:1")
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
		defer cancel()
		s.WaitSubscribers(ctx, "room:1", 1)
	})
}
