package clienttest

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/server/servertest"
)

// appClient is an application's client, with the name that faults are aimed at.
func appClient(s *servertest.Server, change ...func(*redis.Options)) *redis.Client {
	o := &redis.Options{Addr: "127.0.0.1:6379", Dialer: s.DialContext, ClientName: "app"}
	for _, f := range change {
		f(o)
	}
	return redis.NewClient(o)
}

// A failover: the server is read only for two calls, which the library repeats.
func TestGoRedisRepeatsWhatIsReadOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := servertest.New(t)
		c := appClient(s)
		defer c.Close()
		failover := s.Inject(servertest.Fault{Client: "app", Error: "READONLY", Times: 2})
		require.NoError(t, c.Set(t.Context(), "k", "v", 0).Err())
		require.Equal(t, 2, failover.Strikes())
	})
}

// A server that loads its data lets a client say hello, and is waited for.
func TestGoRedisWaitsForLoading(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := servertest.New(t)
		c := appClient(s)
		defer c.Close()
		s.Inject(servertest.Fault{Error: "LOADING", Times: 3})
		require.ErrorIs(t, c.Get(t.Context(), "k").Err(), redis.Nil)
	})
}

// The reply to INCR is lost, the library makes the call again, and it has counted
// twice: what is repeated must bear it.
func TestGoRedisCountsTwiceWhenAReplyIsLost(t *testing.T) {
	t.Parallel()
	for _, network := range []bool{false, true} {
		s := servertest.New(t, func(o *servertest.Options) { o.Network = network })
		c := appClient(s, func(o *redis.Options) {
			if network {
				o.Addr, o.Dialer = s.Addr(), nil
			}
		})
		defer c.Close()

		s.Inject(servertest.Fault{Command: "incr", Key: "messages:*", Client: "app", Nth: 1, Cut: servertest.CutNoReply})

		n, err := c.Incr(t.Context(), "messages:1").Result()
		require.NoError(t, err)
		require.EqualValues(t, 2, n)
	}
}

// Without retries the application sees that it does not know.
func TestGoRedisDropsAConnectionThatWasCut(t *testing.T) {
	t.Parallel()
	for _, cut := range []servertest.Cut{servertest.CutBefore, servertest.CutNoReply, servertest.CutMidReply, servertest.CutAfter} {
		s := servertest.New(t)
		c := appClient(s, func(o *redis.Options) { o.MaxRetries, o.PoolSize = -1, 1 })
		defer c.Close()
		require.NoError(t, c.Ping(t.Context()).Err())
		i := s.Inject(servertest.Fault{Command: "get", Cut: cut})
		if err := c.Get(t.Context(), "k").Err(); cut == servertest.CutAfter {
			require.ErrorIs(t, err, redis.Nil)
		} else {
			require.Error(t, err)
			require.NotErrorIs(t, err, redis.Nil)
		}
		i.Undo()
		if cut == servertest.CutAfter {
			c.Ping(t.Context()) // the pool may find out by this call only
		}
		require.ErrorIs(t, c.Get(t.Context(), "k").Err(), redis.Nil, "the pool has dialled again")
	}
}

// A subscriber misses a message, which nobody tells it.
func TestGoRedisSubscriberMissesAMessage(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	c := appClient(s)
	defer c.Close()
	room := c.Subscribe(t.Context(), "room:1")
	defer room.Close()
	_, err := room.Receive(t.Context())
	require.NoError(t, err)
	s.Inject(servertest.Fault{Client: "app", Channel: "room:*", Nth: 2, Drop: true})
	for _, text := range []string{"a", "b", "c"} {
		require.EqualValues(t, 1, c.Publish(t.Context(), "room:1", text).Val())
	}
	for _, want := range []string{"a", "c"} {
		m, err := room.ReceiveMessage(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, m.Payload)
	}
}

// A client behind a partition runs into its timeout of reading, in the bubble's time.
// Its call is made when the partition is over, long after it was given up.
func TestGoRedisBehindAPartition(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := servertest.New(t)
		c := appClient(s, func(o *redis.Options) { o.ReadTimeout, o.MaxRetries = 3*time.Second, -1 })
		defer c.Close()
		require.NoError(t, c.Ping(t.Context()).Err())

		partition := s.Inject(servertest.Fault{Client: "app", Partition: true})
		begun := time.Now()
		err := c.Set(t.Context(), "k", "late", 0).Err()
		require.Equal(t, 3*time.Second, time.Since(begun))
		var timeout net.Error
		require.ErrorAs(t, err, &timeout)
		require.True(t, timeout.Timeout())
		require.False(t, s.DB(0).Exists("k"))

		partition.Undo()
		synctest.Wait()
		require.True(t, s.DB(0).Exists("k"))
		require.NoError(t, c.Ping(t.Context()).Err())
	})
}

// A slow call makes its client wait and no other.
func TestGoRedisSlowCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := servertest.New(t)
		slow, other := appClient(s), appClient(s, func(o *redis.Options) { o.ClientName = "other" })
		defer slow.Close()
		defer other.Close()
		s.Inject(servertest.Fault{Client: "app", Command: "hgetall", Delay: 2 * time.Second})
		begun := time.Now()
		done := make(chan error)
		go func() { done <- slow.HGetAll(t.Context(), "user:1").Err() }()
		synctest.Wait()
		require.NoError(t, other.HGetAll(t.Context(), "user:1").Err())
		require.Zero(t, time.Since(begun))
		require.NoError(t, <-done)
		require.Equal(t, 2*time.Second, time.Since(begun))
	})
}
