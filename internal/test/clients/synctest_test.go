package clienttest

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/server"
)

// inBubble runs a test on the clock of a synctest bubble: server, client and
// all keys with it. go-redis needs no other options than a dialer and, in the
// address that it then does not dial, a number for the host: the default is a
// name, which it would look up, and that cannot be done in a bubble. What is
// opened in the bubble must be closed in it.
func inBubble(t *testing.T, test func(*testing.T, *server.Server, *redis.Client)) {
	synctest.Test(t, func(t *testing.T) {
		s, err := server.New(server.Options{})
		require.NoError(t, err)
		c := redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379", Dialer: s.DialContext})
		test(t, s, c)
		require.NoError(t, c.Close())
		require.NoError(t, s.Close())
	})
}

// A key expires on the bubble's clock, to the millisecond, and its event comes then.
func TestBubbleExpiry(t *testing.T) {
	inBubble(t, func(t *testing.T, s *server.Server, c *redis.Client) {
		ctx := t.Context()
		require.NoError(t, c.ConfigSet(ctx, "notify-keyspace-events", "Ex").Err())
		events := c.Subscribe(ctx, "__keyevent@0__:expired")
		defer events.Close()
		_, err := events.Receive(ctx)
		require.NoError(t, err)

		begun := time.Now()
		require.NoError(t, c.Set(ctx, "presence:1", "here", time.Hour).Err())
		time.Sleep(time.Hour - time.Millisecond)
		require.Equal(t, "here", c.Get(ctx, "presence:1").Val())
		m, err := events.ReceiveMessage(ctx)
		require.NoError(t, err)
		require.Equal(t, "presence:1", m.Payload)
		require.WithinDuration(t, begun.Add(time.Hour), time.Now(), time.Millisecond)
		require.ErrorIs(t, c.Get(ctx, "presence:1").Err(), redis.Nil)
		require.EqualValues(t, 0, c.DBSize(ctx).Val())
	})
}

// TTL and TIME tell the bubble's time.
func TestBubbleTime(t *testing.T) {
	inBubble(t, func(t *testing.T, s *server.Server, c *redis.Client) {
		ctx := t.Context()
		require.NoError(t, c.HSet(ctx, "user:1", "username", "ada").Err())
		require.True(t, c.Expire(ctx, "user:1", 24*time.Hour).Val())
		time.Sleep(10 * time.Hour)
		require.Equal(t, 14*time.Hour, c.TTL(ctx, "user:1").Val())
		require.True(t, time.Now().Equal(c.Time(ctx).Val()))
	})
}

// A blocked call times out when the bubble's clock says so. The library's own
// timeout of reading is lengthened by that of the call.
func TestBubbleBlockedCallTimesOut(t *testing.T) {
	inBubble(t, func(t *testing.T, s *server.Server, c *redis.Client) {
		begun := time.Now()
		require.ErrorIs(t, c.BZPopMin(t.Context(), 90*time.Second, "queue").Err(), redis.Nil)
		require.Equal(t, 90*time.Second, time.Since(begun))
	})
}

// A blocked call is served by another, and the bubble knows when it waits.
func TestBubbleBlockedCallIsServed(t *testing.T) {
	inBubble(t, func(t *testing.T, s *server.Server, c *redis.Client) {
		ctx := t.Context()
		popped := make(chan *redis.ZWithKey, 1)
		go func() { popped <- c.BZPopMin(ctx, 0, "queue").Val() }()
		synctest.Wait()
		require.EqualValues(t, 1, c.ZAdd(ctx, "queue", redis.Z{Score: 2, Member: "job"}).Val())
		require.Equal(t, &redis.ZWithKey{Z: redis.Z{Score: 2, Member: "job"}, Key: "queue"}, <-popped)
	})
}
