package clienttest

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/server/servertest"
)

// README.md shows this test.
func TestSessionExpires(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)                                      // in memory, closed at the end of the test
	c := redis.NewClient(&redis.Options{Dialer: s.DialContext}) // go-redis, without a network
	defer c.Close()

	require.NoError(t, c.Set(t.Context(), "session:ann", "token", time.Hour).Err())
	s.Advance(time.Hour + time.Millisecond) // time stands still until the test moves it
	require.Equal(t, redis.Nil, c.Get(t.Context(), "session:ann").Err())
}
