package clienttest

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"
	"github.com/valkey-io/valkey-go"

	"github.com/parley-chat/parley/internal/test/harness"
)

// caches are the libraries that keep what they have read, each with a way to
// get a key through its cache: "" if there is none.
var caches = map[string]func(testing.TB, endpoint) func(ctx context.Context, key string) (string, error){
	"rueidis": func(t testing.TB, e endpoint) func(context.Context, string) (string, error) {
		c := rueidisClient(t, e)
		return func(ctx context.Context, key string) (string, error) {
			s, err := c.DoCache(ctx, c.B().Get().Key(key).Cache(), time.Hour).ToString()
			if rueidis.IsRedisNil(err) {
				err = nil
			}
			return s, err
		}
	},
	"valkey-go": func(t testing.TB, e endpoint) func(context.Context, string) (string, error) {
		c := valkeyClient(t, e)
		return func(ctx context.Context, key string) (string, error) {
			s, err := c.DoCache(ctx, c.B().Get().Key(key).Cache(), time.Hour).ToString()
			if valkey.IsValkeyNil(err) {
				err = nil
			}
			return s, err
		}
	},
	"go-redis": func(t testing.TB, e endpoint) func(context.Context, string) (string, error) {
		o := &goredis.Options{Network: e.network, Addr: e.addr, Password: e.password, ClientSideCacheConfig: &goredis.ClientSideCacheConfig{}}
		if e.network == "memory" {
			o.Network, o.Dialer = "", e.dial
		}
		c := goredis.NewClient(o)
		t.Cleanup(func() { require.NoError(t, c.Close()) })
		return func(ctx context.Context, key string) (string, error) {
			s, err := c.Get(ctx, key).Result()
			if errors.Is(err, goredis.Nil) {
				err = nil
			}
			return s, err
		}
	},
}

// A library's cache answers without asking the server, until another client has
// changed the key, the key has expired, or all keys have gone.
func TestCaches(t *testing.T) {
	for name, library := range caches {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			overAll(t, func(t *testing.T, e endpoint) {
				read := library(t, e)
				get := func() string {
					value, err := read(t.Context(), "k")
					require.NoError(t, err)
					return value
				}
				cached := func(value string) {
					t.Helper()
					harness.Until(t, "a call is answered "+value+" from the cache", func() bool {
						before := gets(t, e)
						require.Equal(t, value, get())
						return gets(t, e) == before
					})
				}
				do(t, e, "SET", "k", "first")
				cached("first")
				do(t, e, "SET", "k", "second")
				harness.Until(t, "the change is seen", func() bool { return get() == "second" })
				cached("second")
				do(t, e, "FLUSHALL")
				harness.Until(t, "the end is seen", func() bool { return get() == "" })
				cached("")
				do(t, e, "SET", "k", "mortal", "PX", 100)
				harness.Until(t, "the key is seen", func() bool { return get() == "mortal" })
				harness.Until(t, "that it has expired is seen", func() bool { return get() == "" })
			})
		})
	}
}

func do(t *testing.T, e endpoint, words ...any) string { return harness.Do(t, e.server, words...) }

var getCalls = regexp.MustCompile(`cmdstat_get:calls=\d+`)

// gets tells how often the server has been asked.
func gets(t *testing.T, e endpoint) string {
	t.Helper()
	return strings.Join(getCalls.FindAllString(do(t, e, "INFO", "commandstats"), 1), "")
}
