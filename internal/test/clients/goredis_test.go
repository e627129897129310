package clienttest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/schematest"
)

// goRedis connects with the library's defaults. protocol 0 is its default too.
func goRedis(t testing.TB, e endpoint, protocol int) *redis.Client {
	o := &redis.Options{Network: e.network, Addr: e.addr, Password: e.password, Protocol: protocol}
	if e.network == "memory" {
		o.Network, o.Dialer = "", e.dial
	}
	c := redis.NewClient(o)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// overProtocols runs a test over all transports in the library's default
// protocol, RESP3, and in RESP2.
func overProtocols(t *testing.T, test func(t *testing.T, e endpoint, protocol int)) {
	for _, protocol := range []int{0, 2} {
		t.Run(fmt.Sprintf("protocol %d", protocol), func(t *testing.T) {
			overAll(t, func(t *testing.T, e endpoint) { test(t, e, protocol) })
		})
	}
}

func TestGoRedisSchema(t *testing.T) {
	overProtocols(t, func(t *testing.T, e endpoint, protocol int) {
		c := goRedis(t, e, protocol)
		for _, s := range schematest.Steps() {
			reply, err := c.Do(t.Context(), s.Args()...).Result()
			if errors.Is(err, redis.Nil) {
				reply, err = nil, nil
			}
			require.NoError(t, err, s)
			require.True(t, s.Equal(spoken(protocol), reply), "%v: %q", s, reply)
		}
	})
}

// spoken returns the protocol that a client speaks if it is configured with the given one.
func spoken(protocol int) int {
	if protocol == 0 {
		return 3
	}
	return protocol
}

// The calls that a program makes, each of which has its own idea of the reply.
func TestGoRedisTyped(t *testing.T) {
	overProtocols(t, func(t *testing.T, e endpoint, protocol int) {
		c, ctx := goRedis(t, e, protocol), t.Context()
		require.Equal(t, "PONG", c.Ping(ctx).Val())
		require.True(t, c.SetNX(ctx, "user:name:ada", 0, 0).Val())
		require.False(t, c.SetNX(ctx, "user:name:ada", 0, 0).Val())
		require.EqualValues(t, 1, c.Incr(ctx, "user:count").Val())
		require.EqualValues(t, 2, c.HSet(ctx, "user:1", "username", "ada", "password", "x").Val())
		require.Equal(t, map[string]string{"username": "ada", "password": "x"}, c.HGetAll(ctx, "user:1").Val())
		var user struct {
			Username string `redis:"username"`
		}
		require.NoError(t, c.HGetAll(ctx, "user:1").Scan(&user))
		require.Equal(t, "ada", user.Username)
		require.Equal(t, []any{"ada", nil}, c.HMGet(ctx, "user:1", "username", "nope").Val())
		require.EqualValues(t, 2, c.SAdd(ctx, "user:online", 1, 2).Val())
		require.ElementsMatch(t, []string{"1", "2"}, c.SMembers(ctx, "user:online").Val())
		require.Equal(t, map[string]struct{}{"1": {}, "2": {}}, c.SMembersMap(ctx, "user:online").Val())
		require.True(t, c.SIsMember(ctx, "user:online", 1).Val())
		messages := []redis.Z{{Score: 1.5, Member: "m1"}, {Score: 2, Member: "m2"}, {Score: 3, Member: "m3"}}
		require.EqualValues(t, 3, c.ZAdd(ctx, "room:1:messages", messages...).Val())
		require.Equal(t, messages[:2], c.ZRangeByScoreWithScores(ctx, "room:1:messages",
			&redis.ZRangeBy{Min: "1", Max: "+inf", Count: 2}).Val())
		require.Equal(t, []redis.Z{messages[2], messages[1]}, c.ZRevRangeWithScores(ctx, "room:1:messages", 0, 1).Val())
		require.Equal(t, 1.5, c.ZScore(ctx, "room:1:messages", "m1").Val())
		require.Equal(t, messages[:1], c.ZPopMin(ctx, "room:1:messages").Val())
		require.Equal(t, &redis.ZWithKey{Z: messages[1], Key: "room:1:messages"}, c.BZPopMin(ctx, 0, "room:1:messages").Val())
		require.ErrorIs(t, c.Get(ctx, "nope").Err(), redis.Nil)
		require.ErrorContains(t, c.Get(ctx, "user:1").Err(), "WRONGTYPE")
		require.True(t, c.Expire(ctx, "user:1", time.Hour).Val())
		require.InDelta(t, time.Hour, c.TTL(ctx, "user:1").Val(), float64(time.Minute))

		var keys []string
		for i := c.Scan(ctx, 0, "user:*", 2).Iterator(); i.Next(ctx); {
			keys = append(keys, i.Val())
		}
		require.ElementsMatch(t, []string{"user:name:ada", "user:count", "user:1", "user:online"}, keys)
		require.EqualValues(t, 5, c.DBSize(ctx).Val())

		info := c.InfoMap(ctx, "server").Val()
		require.Equal(t, "7.0.15", info["Server"]["redis_version"])
		require.Contains(t, c.ClientList(ctx).Val(), "lib-name=go-redis")
		commands, err := c.Command(ctx).Result()
		require.NoError(t, err)
		require.Greater(t, len(commands), 100)
		require.EqualValues(t, []string{"user:1"}, c.CommandGetKeys(ctx, "HSET", "user:1", "f", "v").Val())
	})
}

// longPipeline is more calls than the buffers of any transport hold the replies
// of: the library reads none before it has sent all.
const longPipeline = 50_000

func TestGoRedisPipelines(t *testing.T) {
	overProtocols(t, func(t *testing.T, e endpoint, protocol int) {
		c, ctx := goRedis(t, e, protocol), t.Context()
		replies, err := c.Pipelined(ctx, func(p redis.Pipeliner) error {
			for range longPipeline {
				p.Incr(ctx, "message:count")
			}
			return nil
		})
		require.NoError(t, err)
		for i, r := range replies {
			if got := r.(*redis.IntCmd).Val(); got != int64(i+1) {
				t.Fatalf("reply %d is %d", i+1, got)
			}
		}

		// One failing call fails alone, in a pipeline and in a transaction.
		for _, run := range []func(context.Context, func(redis.Pipeliner) error) ([]redis.Cmder, error){c.Pipelined, c.TxPipelined} {
			replies, err = run(ctx, func(p redis.Pipeliner) error {
				p.Set(ctx, "k", "v", 0)
				p.SAdd(ctx, "k", "wrong")
				p.Get(ctx, "k")
				return nil
			})
			require.ErrorContains(t, err, "WRONGTYPE")
			require.NoError(t, replies[0].Err())
			require.ErrorContains(t, replies[1].Err(), "WRONGTYPE")
			require.Equal(t, "v", replies[2].(*redis.StringCmd).Val())
		}
	})
}

// Optimistic locking: of two who watch a key, the one that comes second gets
// redis.TxFailedErr, tries again, and nothing is lost.
func TestGoRedisWatch(t *testing.T) {
	overProtocols(t, func(t *testing.T, e endpoint, protocol int) {
		c, ctx := goRedis(t, e, protocol), t.Context()
		err := c.Watch(ctx, func(tx *redis.Tx) error {
			require.NoError(t, c.Set(ctx, "k", "other", 0).Err())
			_, err := tx.TxPipelined(ctx, func(p redis.Pipeliner) error {
				p.Set(ctx, "k", "mine", 0)
				return nil
			})
			return err
		}, "k")
		require.ErrorIs(t, err, redis.TxFailedErr)
		require.Equal(t, "other", c.Get(ctx, "k").Val())

		const clients, each = 4, 25
		done := make(chan error, clients)
		for range clients {
			go func() { done <- addWithWatch(ctx, c, "sum", each) }()
		}
		for range clients {
			require.NoError(t, <-done)
		}
		require.Equal(t, fmt.Sprint(clients*each), c.Get(ctx, "sum").Val())
	})
}

// addWithWatch adds 1 n times, reading and writing.
func addWithWatch(ctx context.Context, c *redis.Client, key string, n int) error {
	for n > 0 {
		err := c.Watch(ctx, func(tx *redis.Tx) error {
			old, err := tx.Get(ctx, key).Int()
			if err != nil && !errors.Is(err, redis.Nil) {
				return err
			}
			_, err = tx.TxPipelined(ctx, func(p redis.Pipeliner) error {
				p.Set(ctx, key, old+1, 0)
				return nil
			})
			return err
		}, key)
		switch {
		case err == nil:
			n--
		case !errors.Is(err, redis.TxFailedErr):
			return err
		}
	}
	return nil
}

func TestGoRedisSubscribe(t *testing.T) {
	overProtocols(t, func(t *testing.T, e endpoint, protocol int) {
		c, ctx := goRedis(t, e, protocol), t.Context()
		ps := c.Subscribe(ctx, "message")
		defer ps.Close()
		receive := func() any {
			t.Helper()
			m, err := ps.Receive(ctx)
			require.NoError(t, err)
			return m
		}
		require.Equal(t, &redis.Subscription{Kind: "subscribe", Channel: "message", Count: 1}, receive())
		require.NoError(t, ps.PSubscribe(ctx, "mess*"))
		require.Equal(t, &redis.Subscription{Kind: "psubscribe", Channel: "mess*", Count: 2}, receive())
		require.EqualValues(t, 2, c.Publish(ctx, "message", "hi\r\n\x00").Val())
		require.Equal(t, &redis.Message{Channel: "message", Payload: "hi\r\n\x00"}, receive())
		require.Equal(t, &redis.Message{Channel: "message", Pattern: "mess*", Payload: "hi\r\n\x00"}, receive())
		require.NoError(t, ps.Ping(ctx, "there?"))
		require.Equal(t, &redis.Pong{Payload: "there?"}, receive())
		require.NoError(t, ps.Unsubscribe(ctx))
		require.Equal(t, &redis.Subscription{Kind: "unsubscribe", Channel: "message", Count: 1}, receive())
		require.EqualValues(t, 1, c.Publish(ctx, "message", "bye").Val())
		require.Equal(t, "bye", receive().(*redis.Message).Payload)
		require.Equal(t, map[string]int64{"message": 0}, c.PubSubNumSub(ctx, "message").Val())
		require.EqualValues(t, 1, c.PubSubNumPat(ctx).Val())
	})
}

// A go-redis subscriber comes back by itself when its connection is killed.
func TestGoRedisResubscribes(t *testing.T) {
	overAll(t, func(t *testing.T, e endpoint) {
		c, ctx := goRedis(t, e, 0), t.Context()
		ps := c.Subscribe(ctx, "message")
		defer ps.Close()
		_, err := ps.Receive(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 1, c.ClientKillByFilter(ctx, "TYPE", "pubsub").Val())
		_, err = ps.Receive(ctx)
		require.Error(t, err)
		_, err = ps.Receive(ctx) // subscribed again
		require.NoError(t, err)
		require.EqualValues(t, 1, c.Publish(ctx, "message", "back").Val())
		m, err := ps.ReceiveMessage(ctx)
		require.NoError(t, err)
		require.Equal(t, "back", m.Payload)
	})
}

// A wrong password is refused in the way that the library understands.
func TestGoRedisWrongPassword(t *testing.T) {
	overProtocols(t, func(t *testing.T, e endpoint, protocol int) {
		if e.password == "" {
			t.Skip("there is none")
		}
		for _, p := range []string{"", "wrong"} {
			bad := e
			bad.password = p
			err := goRedis(t, bad, protocol).Ping(t.Context()).Err()
			require.Error(t, err)
			require.Regexp(t, "^(NOAUTH|WRONGPASS)", err.Error())
		}
	})
}
