package comparison

import (
	"context"
	"net"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/server/servertest"
)

// A rival is a server and a way to connect to it. All are used as documented,
// with the same client.
type rival struct {
	name  string
	start func(testing.TB, ...func(*servertest.Options)) dialer // miniredis has no options
}

// A dialer returns a new connection to a server that lives as long as the test.
type dialer func() (net.Conn, error)

// The others are compared with the first.
var rivals = []rival{
	{"parley in memory", func(t testing.TB, o ...func(*servertest.Options)) dialer { return servertest.New(t, o...).Dial }},
	{"miniredis over TCP", func(t testing.TB, _ ...func(*servertest.Options)) dialer {
		return tcp(miniredisOf(t, (*miniredis.Miniredis).Start).Addr())
	}},
	{"miniredis in memory", func(t testing.TB, _ ...func(*servertest.Options)) dialer {
		return miniredisOf(t, func(*miniredis.Miniredis) error { return nil }).Dial
	}},
	{"parley over TCP", func(t testing.TB, o ...func(*servertest.Options)) dialer {
		return tcp(servertest.New(t, append(o, func(o *servertest.Options) { o.Network = true })...).Addr())
	}},
}

// miniredisOf returns what miniredis.RunT does, with or without a listener.
func miniredisOf(t testing.TB, start func(*miniredis.Miniredis) error) *miniredis.Miniredis {
	m := miniredis.NewMiniRedis()
	require.NoError(t, start(m))
	t.Cleanup(m.Close)
	return m
}

func tcp(addr string) dialer {
	return func() (net.Conn, error) { return net.Dial("tcp", addr) }
}

// client returns a go-redis client with no options except the dialer.
func (d dialer) client(t testing.TB) *redis.Client {
	c := redis.NewClient(&redis.Options{Dialer: func(context.Context, string, string) (net.Conn, error) { return d() }})
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}
