package clienttest

import (
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/server/servertest"
)

// A test with go-redis: its connections are in memory, and closed in time.
func TestGoRedisInOneTest(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	c := redis.NewClient(&redis.Options{Dialer: s.DialContext})
	defer c.Close()

	require.NoError(t, c.SAdd(t.Context(), "user:online", 1).Err())
	require.True(t, c.SIsMember(t.Context(), "user:online", 1).Val())
}
