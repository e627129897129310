package comparison

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// A workload is one command of the schema; i differs from call to call.
type workload struct {
	name string
	call func(context.Context, redis.Cmdable, int) redis.Cmder
}

// users is the number of users and of rooms.
const users = 1000

var workloads = []workload{
	{"SET", func(ctx context.Context, c redis.Cmdable, i int) redis.Cmder {
		return c.Set(ctx, name(i), "v", 0)
	}},
	{"GET", func(ctx context.Context, c redis.Cmdable, i int) redis.Cmder {
		return c.Get(ctx, name(i))
	}},
	{"HSET", func(ctx context.Context, c redis.Cmdable, i int) redis.Cmder {
		return c.HSet(ctx, user(i), "username", "ada", "password", "secret")
	}},
	{"HGETALL", func(ctx context.Context, c redis.Cmdable, i int) redis.Cmder {
		return c.HGetAll(ctx, user(i))
	}},
	{"ZADD", func(ctx context.Context, c redis.Cmdable, i int) redis.Cmder {
		return c.ZAdd(ctx, "room:1:messages", redis.Z{Score: float64(i % users), Member: i % users})
	}},
	{"ZRANGE", func(ctx context.Context, c redis.Cmdable, i int) redis.Cmder {
		return c.ZRange(ctx, "room:0:messages", 0, 19)
	}},
	{"PUBLISH", func(ctx context.Context, c redis.Cmdable, i int) redis.Cmder {
		return c.Publish(ctx, "room:1", "hello")
	}},
}

func name(i int) string { return fmt.Sprintf("user:name:%d", i%users) }
func user(i int) string { return fmt.Sprintf("user:%d", i%users) }

// fill creates the data that the workloads read: all users, and a room of 100
// messages.
func fill(t testing.TB, c *redis.Client) {
	ctx := t.Context()
	for i := range users {
		require.NoError(t, c.Set(ctx, name(i), "v", 0).Err())
		require.NoError(t, c.HSet(ctx, user(i), "username", "ada", "password", "secret").Err())
	}
	for i := range 100 {
		require.NoError(t, c.ZAdd(ctx, "room:0:messages", redis.Z{Score: float64(i), Member: i}).Err())
	}
}

// A form is a way to make calls, by how many run at a time.
type form struct {
	name string
	run  func(ctx context.Context, c *redis.Client, w workload, n int) error // n calls
}

const (
	clients = 8
	depth   = 16
)

var forms = []form{
	{"one at a time", oneByOne},
	{"8 clients", inParallel},
	{"pipelines of 16", pipelined},
}

func oneByOne(ctx context.Context, c *redis.Client, w workload, n int) error {
	for i := range n {
		if err := w.call(ctx, c, i).Err(); err != nil {
			return err
		}
	}
	return nil
}

func inParallel(ctx context.Context, c *redis.Client, w workload, n int) error {
	var all sync.WaitGroup
	errs := make([]error, clients)
	for k := range clients {
		all.Go(func() {
			for i := k; i < n && errs[k] == nil; i += clients {
				errs[k] = w.call(ctx, c, i).Err()
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func pipelined(ctx context.Context, c *redis.Client, w workload, n int) error {
	for i := 0; i < n; i += depth {
		_, err := c.Pipelined(ctx, func(p redis.Pipeliner) error {
			for j := range min(depth, n-i) {
				w.call(ctx, p, i+j)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
