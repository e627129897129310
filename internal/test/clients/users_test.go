package clienttest

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/gomodule/redigo/redis"
	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/schematest"
)

const userPassword = "of the chat's own"

// withUser makes a user who may do what the chat schema needs, and no more.
func withUser(t *testing.T, e endpoint) {
	_, err := e.server.Do(t.Context(), "ACL", "SETUSER", "chat", "on", ">"+userPassword,
		"~user:*", "~room:*", "~message:*", "&message", "+@all", "-@dangerous", "+info", "+client")
	require.NoError(t, err)
}

// The libraries present a user's name and password, and understand what the user
// is refused.
func TestGoRedisUser(t *testing.T) {
	overProtocols(t, func(t *testing.T, e endpoint, protocol int) {
		withUser(t, e)
		o := &goredis.Options{Network: e.network, Addr: e.addr, Username: "chat", Password: userPassword, Protocol: protocol}
		if e.network == "memory" {
			o.Network, o.Dialer = "", e.dial
		}
		c, ctx := goredis.NewClient(o), t.Context()
		t.Cleanup(func() { require.NoError(t, c.Close()) })
		for _, s := range schematest.Steps() {
			reply, err := c.Do(ctx, s.Args()...).Result()
			if errors.Is(err, goredis.Nil) {
				reply, err = nil, nil
			}
			require.NoError(t, err, s)
			require.True(t, s.Equal(spoken(protocol), reply), "%v: %q", s, reply)
		}
		require.Equal(t, "chat", c.Do(ctx, "ACL", "WHOAMI").Val())
		for _, err := range []error{
			c.Get(ctx, "secrets").Err(), c.FlushAll(ctx).Err(), c.Publish(ctx, "other", "x").Err(), c.ConfigSet(ctx, "maxclients", "1").Err(),
		} {
			require.True(t, goredis.HasErrorPrefix(err, "NOPERM"), "%v", err)
		}
		_, err := c.TxPipelined(ctx, func(p goredis.Pipeliner) error {
			p.Set(ctx, "user:1", "x", 0)
			p.Set(ctx, "secrets", "x", 0)
			return nil
		})
		require.Error(t, err)
		require.Equal(t, "hash", c.Type(ctx, "user:1").Val(), "nothing of it has run")
	})
}

func TestRueidisUser(t *testing.T) {
	overAll(t, func(t *testing.T, e endpoint) {
		withUser(t, e)
		o := rueidisOptions(e)
		o.Username, o.Password = "chat", userPassword
		c, err := rueidis.NewClient(o)
		require.NoError(t, err)
		t.Cleanup(c.Close)
		require.NoError(t, c.Do(t.Context(), c.B().Set().Key("user:name:ann").Value("1").Build()).Error())
		require.ErrorContains(t, c.Do(t.Context(), c.B().Get().Key("secrets").Build()).Error(), "NOPERM")
		require.ErrorContains(t, c.DoCache(t.Context(), c.B().Get().Key("secrets").Cache(), 1).Error(), "NOPERM") // within MULTI
	})
}

func TestRedigoUser(t *testing.T) {
	overAll(t, func(t *testing.T, e endpoint) {
		withUser(t, e)
		c, err := redis.DialContext(t.Context(), e.network, e.addr, redis.DialUsername("chat"), redis.DialPassword(userPassword),
			redis.DialContextFunc(func(ctx context.Context, network, addr string) (net.Conn, error) { return e.dial(ctx, network, addr) }))
		require.NoError(t, err)
		t.Cleanup(func() { c.Close() })
		_, err = c.Do("SET", "user:name:ann", "1")
		require.NoError(t, err)
		_, err = c.Do("SET", "secrets", "1")
		require.ErrorContains(t, err, "NOPERM")
	})
}
