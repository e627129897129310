package clienttest

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/server"
)

// What go-redis has for fields of a hash that expire.
func TestGoRedisFieldsThatExpire(t *testing.T) {
	overProtocols(t, func(t *testing.T, e endpoint, protocol int) {
		ctx, c := t.Context(), goRedis(t, e, protocol)
		require.NoError(t, c.HSet(ctx, "h", "a", "1", "b", "2", "c", "3").Err())
		ints := func(cmd *redis.IntSliceCmd) []int64 {
			t.Helper()
			list, err := cmd.Result()
			require.NoError(t, err)
			return list
		}
		at := time.Now().Add(24 * time.Hour).Truncate(time.Second)
		require.Equal(t, []int64{1, -2}, ints(c.HExpire(ctx, "h", time.Hour, "a", "none")))
		require.Equal(t, []int64{0, 1}, ints(c.HExpireWithArgs(ctx, "h", time.Minute, redis.HExpireArgs{NX: true}, "a", "b")))
		require.Equal(t, []int64{1}, ints(c.HPExpireWithArgs(ctx, "h", 2*time.Hour, redis.HExpireArgs{GT: true}, "a")))
		require.Equal(t, []int64{1}, ints(c.HExpireAt(ctx, "h", at, "a")))
		require.Equal(t, []int64{at.Unix(), -1, -2}, ints(c.HExpireTime(ctx, "h", "a", "c", "none")))
		require.Equal(t, []int64{1}, ints(c.HPExpireAt(ctx, "h", at.Add(time.Millisecond), "a")))
		require.Equal(t, []int64{at.UnixMilli() + 1}, ints(c.HPExpireTime(ctx, "h", "a")))
		require.InDelta(t, 60, ints(c.HTTL(ctx, "h", "b"))[0], 10)
		require.InDelta(t, 60_000, ints(c.HPTTL(ctx, "h", "b"))[0], 10_000)
		require.Equal(t, []int64{1, -1, -2}, ints(c.HPersist(ctx, "h", "b", "c", "none")))
		require.Equal(t, []int64{2}, ints(c.HExpireAt(ctx, "h", time.Unix(1, 0), "b")))

		values, err := c.HGetEXWithArgs(ctx, "h", &redis.HGetEXOptions{ExpirationType: redis.HGetEXExpirationPERSIST}, "a").Result()
		require.NoError(t, err)
		require.Equal(t, []string{"1"}, values)
		require.Equal(t, []string{"1", "3"}, c.HGetEX(ctx, "h", "a", "c").Val())
		require.EqualValues(t, 1, c.HSetEX(ctx, "h", "d", "4").Val())
		set := &redis.HSetEXOptions{Condition: redis.HSetEXFNX, ExpirationType: redis.HSetEXExpirationEX, ExpirationVal: 100}
		require.EqualValues(t, 0, c.HSetEXWithArgs(ctx, "h", set, "d", "5").Val())
		require.EqualValues(t, 1, c.HSetEXWithArgs(ctx, "h", set, "e", "5").Val())
		require.InDelta(t, 100, ints(c.HTTL(ctx, "h", "e"))[0], 10)
		require.Equal(t, []string{"5"}, c.HGetDel(ctx, "h", "e").Val())
		require.Equal(t, map[string]string{"a": "1", "c": "3", "d": "4"}, c.HGetAll(ctx, "h").Val())
	})
}

// A field expires on the bubble's clock, and the hash goes with the last.
func TestBubbleFieldExpiry(t *testing.T) {
	inBubble(t, func(t *testing.T, s *server.Server, c *redis.Client) {
		ctx := t.Context()
		require.NoError(t, c.HSet(ctx, "typing:room:1", "ann", "1", "bob", "1").Err())
		require.Equal(t, []int64{1, 1}, c.HExpire(ctx, "typing:room:1", 5*time.Second, "ann", "bob").Val())
		time.Sleep(3 * time.Second)
		require.Equal(t, []int64{1}, c.HExpire(ctx, "typing:room:1", 5*time.Second, "bob").Val())
		time.Sleep(2*time.Second + 2*time.Millisecond)
		require.Equal(t, []string{"bob"}, c.HKeys(ctx, "typing:room:1").Val())
		time.Sleep(3 * time.Second)
		require.EqualValues(t, 0, c.Exists(ctx, "typing:room:1").Val())
	})
}
