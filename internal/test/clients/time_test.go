package clienttest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/server/servertest"
)

// A library is one that lives in the time of a test, in the words that both have.
type library struct {
	do     func(words ...any) (any, error)                       // nil for null
	pop    func(queue string, timeout time.Duration) (null bool) // BZPOPMIN
	listen func(channel string) (next func() string)
}

// overGoRedis needs no option beside a dialer, and in a bubble a number for the
// host in the address that it then does not dial: the default is a name, which it
// would look up, and that cannot be done there.
func overGoRedis(t *testing.T, s *servertest.Server) library {
	c := redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379", Dialer: s.DialContext})
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return library{
		do: func(words ...any) (any, error) {
			v, err := c.Do(t.Context(), words...).Result()
			if errors.Is(err, redis.Nil) {
				return nil, nil
			}
			return v, err
		},
		pop: func(queue string, timeout time.Duration) bool { // Do would give up after the ReadTimeout
			return errors.Is(c.BZPopMin(t.Context(), timeout, queue).Err(), redis.Nil)
		},
		listen: func(channel string) func() string {
			sub := c.Subscribe(t.Context(), channel)
			t.Cleanup(func() { sub.Close() })
			_, err := sub.Receive(t.Context())
			require.NoError(t, err)
			return func() string {
				m, err := sub.ReceiveMessage(t.Context())
				require.NoError(t, err)
				return m.Payload
			}
		},
	}
}

// overRueidis needs no option beside a dialer either. It sends PING in every second
// in which nothing else is under way, in a bubble thousands in an hour: KeepAlive
// below zero switches that off.
func overRueidis(t *testing.T, s *servertest.Server) library {
	c, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{"parley"},
		Dialer:      net.Dialer{KeepAlive: -1},
		DialCtxFn: func(ctx context.Context, addr string, _ *net.Dialer, _ *tls.Config) (net.Conn, error) {
			return s.DialContext(ctx, "", addr)
		},
	})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return library{
		do: func(words ...any) (any, error) {
			texts := make([]string, len(words))
			for i, w := range words {
				texts[i] = fmt.Sprint(w)
			}
			v, err := c.Do(t.Context(), c.B().Arbitrary(texts...).Build()).ToAny()
			if rueidis.IsRedisNil(err) {
				return nil, nil
			}
			return v, err
		},
		pop: func(queue string, timeout time.Duration) bool {
			call := c.B().Bzpopmin().Key(queue).Timeout(timeout.Seconds()).Build()
			return rueidis.IsRedisNil(c.Do(t.Context(), call).Error())
		},
		listen: func(channel string) func() string {
			subscribed, texts := make(chan struct{}), make(chan string, 100)
			ctx := rueidis.WithOnSubscriptionHook(t.Context(), func(rueidis.PubSubSubscription) { close(subscribed) })
			go c.Receive(ctx, c.B().Subscribe().Channel(channel).Build(), func(m rueidis.PubSubMessage) { texts <- m.Message })
			<-subscribed
			return func() string { return <-texts }
		},
	}
}

// inBothTimes runs a test with both libraries, on the clock of a bubble, and on one
// that the test moves.
func inBothTimes(t *testing.T, test func(t *testing.T, s *servertest.Server, l library)) {
	t.Parallel()
	for name, over := range map[string]func(*testing.T, *servertest.Server) library{"go-redis": overGoRedis, "rueidis": overRueidis} {
		t.Run(name+" inside a bubble", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := servertest.New(t, withExpiredEvents)
				test(t, s, over(t, s))
			})
		})
		t.Run(name+" outside", func(t *testing.T) {
			s := servertest.New(t, withExpiredEvents)
			test(t, s, over(t, s))
		})
	}
}

func TestKeysGoAtTheirTime(t *testing.T) {
	inBothTimes(t, func(t *testing.T, s *servertest.Server, l library) {
		next := l.listen("__keyevent@0__:expired")
		for _, call := range [][]any{{"SET", "session", "x", "EX", 60}, {"HSET", "h", "f", "v", "g", "w"}, {"HEXPIRE", "h", 30, "FIELDS", 1, "f"}} {
			_, err := l.do(call...)
			require.NoError(t, err)
		}
		s.Advance(30*time.Second + time.Millisecond)
		requireReply(t, l, int64(29999), "PTTL", "session")
		requireReply(t, l, int64(0), "HEXISTS", "h", "f")
		s.Advance(30*time.Second - time.Millisecond)
		requireReply(t, l, int64(1), "EXISTS", "session")
		s.Advance(time.Millisecond)
		require.Equal(t, "session", next())
		requireReply(t, l, int64(0), "EXISTS", "session")
		v, err := l.do("TIME")
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(s.Now().Unix()), v.([]any)[0])
	})
}

func requireReply(t *testing.T, l library, want any, words ...any) {
	t.Helper()
	got, err := l.do(words...)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

// A blocked call ends when its time is up, whatever that is in real time. The
// libraries' own timeouts of reading do not come first.
func TestBlockedCallsEndAtTheirTime(t *testing.T) {
	inBothTimes(t, func(t *testing.T, s *servertest.Server, l library) {
		begun := s.Now()
		null := make(chan bool, 1)
		go func() { null <- l.pop("queue", time.Hour) }()
		s.WaitBlocked(t.Context(), 1)
		s.Advance(time.Hour)
		require.True(t, <-null)
		require.Equal(t, time.Hour, s.Now().Sub(begun))
	})
}

// Values that rueidis keeps on the client's side go when the server says so: the
// server's clock is what counts, in a bubble the library's as well.
func TestCachedValueGoesAtItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := servertest.New(t)
		c, err := rueidis.NewClient(rueidis.ClientOption{
			InitAddress: []string{"parley"},
			Dialer:      net.Dialer{KeepAlive: -1},
			DialCtxFn: func(ctx context.Context, addr string, _ *net.Dialer, _ *tls.Config) (net.Conn, error) {
				return s.DialContext(ctx, "", addr)
			},
		})
		require.NoError(t, err)
		defer c.Close()
		ctx := t.Context()
		require.NoError(t, c.Do(ctx, c.B().Set().Key("k").Value("v").ExSeconds(60).Build()).Error())
		get := func() rueidis.RedisResult { return c.DoCache(ctx, c.B().Get().Key("k").Cache(), time.Hour) }
		require.NoError(t, get().Error())
		s.Advance(time.Minute - time.Millisecond)
		require.True(t, get().IsCacheHit())
		s.Advance(2 * time.Millisecond)
		require.True(t, rueidis.IsRedisNil(get().Error()))
	})
}
