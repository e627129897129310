package clienttest

import (
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/schematest"
	"github.com/parley-chat/parley/internal/test/tlstest"
	"github.com/parley-chat/parley/server"
)

// startTLS runs a server whose clients need certificates and a password.
func startTLS(t *testing.T) (*server.Server, *tlstest.Authority) {
	a := tlstest.New(t)
	p := a.Issue(t.TempDir(), "server")
	s, err := server.Start(server.Options{
		TLSAddr:  "127.0.0.1:0",
		TLSFiles: server.TLSFiles{Cert: p.Cert, Key: p.Key, CA: a.File},
		Password: "secret",
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s, a
}

func TestGoRedisOverTLS(t *testing.T) {
	for _, protocol := range []int{0, 2} {
		s, a := startTLS(t)
		o, err := redis.ParseURL(s.URL())
		require.NoError(t, err)
		o.TLSConfig, o.Protocol = a.Client(a.Certificate("alice")), protocol
		c := redis.NewClient(o)
		defer c.Close()
		for _, step := range schematest.Steps() {
			reply, err := c.Do(t.Context(), step.Args()...).Result()
			if err == redis.Nil {
				reply, err = nil, nil
			}
			require.NoError(t, err, step)
			require.True(t, step.Equal(spoken(protocol), reply), "%v: %q", step, reply)
		}

		o.TLSConfig, o.MaxRetries = a.Client(), -1
		without := redis.NewClient(o)
		defer without.Close()
		require.Error(t, without.Ping(t.Context()).Err(), "a client without a certificate")
	}
}
