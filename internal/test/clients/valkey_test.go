package clienttest

import (
	"context"
	"crypto/tls"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/valkey-io/valkey-go"

	"github.com/parley-chat/parley/internal/test/schematest"
)

// valkeyClient connects with the library's defaults.
func valkeyClient(t testing.TB, e endpoint) valkey.Client {
	c, err := valkey.NewClient(valkey.ClientOption{
		InitAddress: []string{e.addr},
		Password:    e.password,
		DialCtxFn: func(ctx context.Context, addr string, _ *net.Dialer, _ *tls.Config) (net.Conn, error) {
			return e.dial(ctx, e.network, addr)
		},
	})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func TestValkeySchema(t *testing.T) {
	overAll(t, func(t *testing.T, e endpoint) {
		c := valkeyClient(t, e)
		for _, s := range schematest.Steps() {
			reply, err := c.Do(t.Context(), c.B().Arbitrary(s.Words...).Build()).ToAny()
			if valkey.IsValkeyNil(err) {
				reply, err = nil, nil
			}
			require.NoError(t, err, s)
			require.True(t, s.Equal(3, reply), "%v: %q", s, reply)
		}
	})
}

func TestValkeyTransaction(t *testing.T) {
	overAll(t, func(t *testing.T, e endpoint) {
		c, ctx := valkeyClient(t, e), t.Context()
		err := c.Dedicated(func(d valkey.DedicatedClient) error {
			require.NoError(t, d.Do(ctx, d.B().Watch().Key("k").Build()).Error())
			require.NoError(t, c.Do(ctx, c.B().Incr().Key("k").Build()).Error())
			replies := d.DoMulti(ctx, d.B().Multi().Build(), d.B().Incr().Key("k").Build(), d.B().Exec().Build())
			require.True(t, valkey.IsValkeyNil(replies[2].Error()))
			replies = d.DoMulti(ctx, d.B().Multi().Build(), d.B().Incr().Key("k").Build(), d.B().Exec().Build())
			values, err := replies[2].AsIntSlice()
			require.Equal(t, []int64{2}, values)
			return err
		})
		require.NoError(t, err)
	})
}

func TestValkeySubscribe(t *testing.T) {
	overAll(t, func(t *testing.T, e endpoint) {
		c := valkeyClient(t, e)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		confirmed, ended := make(chan struct{}, 1), make(chan error, 1)
		got := make(chan valkey.PubSubMessage, 1)
		hooked := valkey.WithOnSubscriptionHook(ctx, func(valkey.PubSubSubscription) {
			select {
			case confirmed <- struct{}{}:
			default:
			}
		})
		go func() {
			ended <- c.Receive(hooked, c.B().Subscribe().Channel("message").Build(), func(m valkey.PubSubMessage) { got <- m })
		}()
		<-confirmed
		n, err := c.Do(ctx, c.B().Publish().Channel("message").Message("hello").Build()).AsInt64()
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		require.Equal(t, valkey.PubSubMessage{Channel: "message", Message: "hello"}, <-got)
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
}
