package clienttest

import (
	"context"
	"crypto/tls"
	"net"
	"testing"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/schematest"
)

// rueidisClient connects with the library's defaults.
func rueidisClient(t testing.TB, e endpoint) rueidis.Client {
	c, err := rueidis.NewClient(rueidisOptions(e))
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func rueidisOptions(e endpoint) rueidis.ClientOption {
	return rueidis.ClientOption{
		InitAddress: []string{e.addr},
		Password:    e.password,
		DialCtxFn: func(ctx context.Context, addr string, _ *net.Dialer, _ *tls.Config) (net.Conn, error) {
			return e.dial(ctx, e.network, addr)
		},
	}
}

func TestRueidisSchema(t *testing.T) {
	overAll(t, func(t *testing.T, e endpoint) {
		c := rueidisClient(t, e)
		for _, s := range schematest.Steps() {
			reply, err := c.Do(t.Context(), c.B().Arbitrary(s.Words...).Build()).ToAny()
			if rueidis.IsRedisNil(err) {
				reply, err = nil, nil
			}
			require.NoError(t, err, s)
			require.True(t, s.Equal(3, reply), "%v: %q", s, reply)
		}
	})
}

// The whole schema in one write: what the library does with many callers at once.
func TestRueidisPipeline(t *testing.T) {
	overAll(t, func(t *testing.T, e endpoint) {
		c := rueidisClient(t, e)
		steps := schematest.Steps()
		var calls rueidis.Commands
		for _, s := range steps {
			calls = append(calls, c.B().Arbitrary(s.Words...).Build())
		}
		for i, r := range c.DoMulti(t.Context(), calls...) {
			reply, err := r.ToAny()
			if rueidis.IsRedisNil(err) {
				reply, err = nil, nil
			}
			require.NoError(t, err, steps[i])
			require.True(t, steps[i].Equal(3, reply), "%v: %q", steps[i], reply)
		}

		const callers = 50
		done := make(chan error, callers)
		for range callers {
			go func() {
				for range 20 {
					if err := c.Do(t.Context(), c.B().Incr().Key("sum").Build()).Error(); err != nil {
						done <- err
						return
					}
				}
				done <- nil
			}()
		}
		for range callers {
			require.NoError(t, <-done)
		}
		sum, err := c.Do(t.Context(), c.B().Get().Key("sum").Build()).AsInt64()
		require.NoError(t, err)
		require.EqualValues(t, callers*20, sum)
	})
}

func TestRueidisTransaction(t *testing.T) {
	overAll(t, func(t *testing.T, e endpoint) {
		c := rueidisClient(t, e)
		ctx := t.Context()
		err := c.Dedicated(func(d rueidis.DedicatedClient) error {
			require.NoError(t, d.Do(ctx, d.B().Watch().Key("k").Build()).Error())
			replies := d.DoMulti(ctx, d.B().Multi().Build(), d.B().Incr().Key("k").Build(), d.B().Exec().Build())
			values, err := replies[2].AsIntSlice()
			require.NoError(t, err)
			require.Equal(t, []int64{1}, values)

			require.NoError(t, d.Do(ctx, d.B().Watch().Key("k").Build()).Error())
			require.NoError(t, c.Do(ctx, c.B().Incr().Key("k").Build()).Error())
			replies = d.DoMulti(ctx, d.B().Multi().Build(), d.B().Incr().Key("k").Build(), d.B().Exec().Build())
			require.True(t, rueidis.IsRedisNil(replies[2].Error()))
			return nil
		})
		require.NoError(t, err)
	})
}

func TestRueidisSubscribe(t *testing.T) {
	overAll(t, func(t *testing.T, e endpoint) {
		c := rueidisClient(t, e)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		confirmed := make(chan struct{}, 1)
		got := make(chan rueidis.PubSubMessage, 1)
		ended := make(chan error, 1)
		hooked := rueidis.WithOnSubscriptionHook(ctx, func(rueidis.PubSubSubscription) {
			select {
			case confirmed <- struct{}{}:
			default:
			}
		})
		go func() {
			ended <- c.Receive(hooked, c.B().Subscribe().Channel("message").Build(), func(m rueidis.PubSubMessage) { got <- m })
		}()
		<-confirmed
		n, err := c.Do(ctx, c.B().Publish().Channel("message").Message("hello").Build()).AsInt64()
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		require.Equal(t, rueidis.PubSubMessage{Channel: "message", Message: "hello"}, <-got)
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
}

func TestRueidisBlocks(t *testing.T) {
	overAll(t, func(t *testing.T, e endpoint) {
		c := rueidisClient(t, e)
		done := make(chan error, 1)
		go func() {
			popped, err := c.Do(t.Context(), c.B().Bzpopmin().Key("queue").Timeout(0).Build()).ToArray()
			if err == nil && len(popped) != 3 {
				err = errTooFew
			}
			done <- err
		}()
		require.NoError(t, c.Do(t.Context(), c.B().Zadd().Key("queue").ScoreMember().ScoreMember(1, "job").Build()).Error())
		require.NoError(t, <-done)
	})
}
