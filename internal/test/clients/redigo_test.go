package clienttest

import (
	"errors"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"
	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/schematest"
)

var errTooFew = errors.New("too few elements")

// redigo connects with the library's defaults. What it is given in memory is a
// connection, not an address.
func redigo(t testing.TB, e endpoint) redis.Conn {
	var c redis.Conn
	var err error
	if e.network == "memory" {
		conn, derr := e.server.Dial()
		require.NoError(t, derr)
		c = redis.NewConn(conn, 0, 0)
		if e.password != "" {
			_, err = c.Do("AUTH", e.password)
		}
	} else {
		var options []redis.DialOption
		if e.password != "" {
			options = append(options, redis.DialPassword(e.password))
		}
		c, err = redis.DialContext(t.Context(), e.network, e.addr, options...)
	}
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func TestRedigoSchema(t *testing.T) {
	overAll(t, func(t *testing.T, e endpoint) {
		c := redigo(t, e)
		for _, s := range schematest.Steps() {
			reply, err := c.Do(s.Words[0], s.Args()[1:]...)
			require.NoError(t, err, s)
			require.True(t, s.Equal(2, reply), "%v: %q", s, reply)
		}
	})
}

func TestRedigoPipelineAndTransaction(t *testing.T) {
	overAll(t, func(t *testing.T, e endpoint) {
		c := redigo(t, e)
		steps := schematest.Steps()
		for _, s := range steps {
			require.NoError(t, c.Send(s.Words[0], s.Args()[1:]...))
		}
		require.NoError(t, c.Flush())
		for _, s := range steps {
			reply, err := c.Receive()
			require.NoError(t, err, s)
			require.True(t, s.Equal(2, reply), "%v: %q", s, reply)
		}

		require.NoError(t, c.Send("MULTI"))
		require.NoError(t, c.Send("INCR", "a"))
		require.NoError(t, c.Send("SADD", "a", "wrong"))
		require.NoError(t, c.Send("INCR", "a"))
		replies, err := redis.Values(c.Do("EXEC"))
		require.NoError(t, err)
		require.Equal(t, int64(1), replies[0])
		require.ErrorContains(t, replies[1].(redis.Error), "WRONGTYPE")
		require.Equal(t, int64(2), replies[2])
	})
}

func TestRedigoSubscribe(t *testing.T) {
	overAll(t, func(t *testing.T, e endpoint) {
		c := redigo(t, e)
		ps := redis.PubSubConn{Conn: redigo(t, e)}
		require.NoError(t, ps.Subscribe("message"))
		require.Equal(t, redis.Subscription{Kind: "subscribe", Channel: "message", Count: 1}, ps.Receive())
		require.NoError(t, ps.PSubscribe("m*"))
		require.Equal(t, redis.Subscription{Kind: "psubscribe", Channel: "m*", Count: 2}, ps.Receive())
		n, err := redis.Int(c.Do("PUBLISH", "message", "hi"))
		require.NoError(t, err)
		require.Equal(t, 2, n)
		require.Equal(t, redis.Message{Channel: "message", Data: []byte("hi")}, ps.Receive())
		require.Equal(t, redis.Message{Channel: "message", Pattern: "m*", Data: []byte("hi")}, ps.Receive())
		require.NoError(t, ps.Ping("x"))
		require.Equal(t, redis.Pong{Data: "x"}, ps.Receive())
		require.NoError(t, ps.Unsubscribe())
		require.Equal(t, redis.Subscription{Kind: "unsubscribe", Channel: "message", Count: 1}, ps.Receive())
		require.NoError(t, ps.PUnsubscribe())
		require.Equal(t, redis.Subscription{Kind: "punsubscribe", Channel: "m*"}, ps.Receive())
		// In RESP2 the connection can do all again.
		pong, err := redis.String(ps.Conn.Do("PING"))
		require.NoError(t, err)
		require.Equal(t, "PONG", pong)
	})
}

// A pool whose connections are tried before each use, as its documentation has it.
func TestRedigoPool(t *testing.T) {
	overAll(t, func(t *testing.T, e endpoint) {
		pool := &redis.Pool{
			Dial:         func() (redis.Conn, error) { return redigo(t, e), nil },
			TestOnBorrow: func(c redis.Conn, _ time.Time) error { _, err := c.Do("PING"); return err },
			MaxIdle:      2,
		}
		defer pool.Close()
		for range 20 {
			c := pool.Get()
			_, err := c.Do("INCR", "n")
			require.NoError(t, err)
			require.NoError(t, c.Close()) // back to the pool
		}
		c := pool.Get()
		defer c.Close()
		n, err := redis.Int(c.Do("GET", "n"))
		require.NoError(t, err)
		require.Equal(t, 20, n)
	})
}
