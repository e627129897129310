package clienttest

import (
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/server/servertest"
)

// A library that subscribes in its own time is waited for, and what it calls is known.
func TestGoRedisIsWaitedFor(t *testing.T) {
	s := servertest.New(t)
	rooms := s.Recorder("room:1")
	c := redis.NewClient(&redis.Options{Dialer: s.DialContext, ClientName: "app"})
	defer c.Close()
	sub := c.Subscribe(t.Context(), "room:1")
	defer sub.Close()
	heard := sub.Channel()

	s.WaitSubscribers(t.Context(), "room:1", 1)
	require.NoError(t, c.Publish(t.Context(), "room:1", "hello").Err())
	require.Equal(t, "hello", (<-heard).Payload)
	s.WaitIdle(t.Context())
	require.Equal(t, 1, rooms.Next(t.Context()).Receivers)

	popped := make(chan error, 1)
	go func() { popped <- c.BZPopMin(t.Context(), 0, "queue").Err() }()
	s.WaitBlocked(t.Context(), 1)
	require.NoError(t, c.ZAdd(t.Context(), "queue", redis.Z{Score: 1, Member: "job"}).Err())
	require.NoError(t, <-popped)
	s.Calls().By("app").RequireCalledInOrder("SUBSCRIBE room:1", "PUBLISH room:1 hello", "BZPOPMIN queue", "ZADD queue 1 job")
}
