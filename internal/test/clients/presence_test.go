package clienttest

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/server/servertest"
)

var presenceRuns = flag.Int("presence.runs", 10, "how often the hour of presence is lived through, each time the same")

// beat is what the application sends every ten seconds for a user who is there.
func beat(ctx context.Context, c *redis.Client, user string) error {
	var came *redis.IntCmd
	_, err := c.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.Set(ctx, "presence:"+user, "here", 30*time.Second)
		came = p.SAdd(ctx, "online", user)
		return nil
	})
	if err == nil && came.Val() == 1 {
		err = c.Publish(ctx, "presence", user+" is online").Err()
	}
	return err
}

// watch takes those out who have not been heard of for thirty seconds, and tells the others.
func watch(ctx context.Context, c *redis.Client, expired *redis.PubSub) error {
	for {
		m, err := expired.ReceiveMessage(ctx)
		if err != nil {
			return err
		}
		if user, ok := strings.CutPrefix(m.Payload, "presence:"); ok && c.SRem(ctx, "online", user).Val() == 1 {
			if err := c.Publish(ctx, "presence", user+" is offline").Err(); err != nil {
				return err
			}
		}
	}
}

// A user who closes the laptop is offline for the others thirty seconds later: the
// real application, and no time is lost.
func TestUserGoesOffline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servertest.New(t, withExpiredEvents)
		c := redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379", Dialer: s.DialContext})
		defer c.Close()
		ctx := t.Context()
		expired, others := c.Subscribe(ctx, "__keyevent@0__:expired"), c.Subscribe(ctx, "presence")
		defer expired.Close()
		defer others.Close()
		go watch(ctx, c, expired)
		synctest.Wait() // until all have subscribed

		require.NoError(t, beat(ctx, c, "ada"))
		s.Advance(30 * time.Second)
		require.Equal(t, []string{"ada"}, c.SMembers(ctx, "online").Val())
		s.Advance(time.Millisecond)
		require.Empty(t, c.SMembers(ctx, "online").Val())
		for _, want := range []string{"ada is online", "ada is offline"} {
			m, err := others.ReceiveMessage(ctx)
			require.NoError(t, err)
			require.Equal(t, want, m.Payload)
		}
	})
}

func withExpiredEvents(o *servertest.Options) {
	o.Config = map[string]string{"notify-keyspace-events": "Ex"}
}

// An hour of the application, with users who come and go: in the same way each
// time, and in some milliseconds.
func TestHourOfPresence(t *testing.T) {
	users := []string{"ada", "bob", "cyd", "dee"}
	var first []string
	var times []time.Duration
	for range *presenceRuns {
		begun := time.Now()
		var heard []string
		synctest.Test(t, func(t *testing.T) { heard = hourOfPresence(t, users) })
		times = append(times, time.Since(begun))
		if first == nil {
			first = heard
		}
		require.Equal(t, first, heard)
	}
	slices.Sort(times)
	t.Logf("%d lines in each of %d runs; median %v, slowest %v", len(first), len(times), times[len(times)/2], times[len(times)-1])
	require.Greater(t, len(first), 40)
	harness.RequireWithin(t, times[0], 50*time.Millisecond*harness.Slowness, "the fastest run")
}

// hourOfPresence returns what was told, and when. Each user hears the same.
func hourOfPresence(t *testing.T, users []string) []string {
	s := servertest.New(t, withExpiredEvents)
	c := redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379", Dialer: s.DialContext})
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	begun := time.Now()

	expired := c.Subscribe(ctx, "__keyevent@0__:expired")
	defer expired.Close()
	go watch(ctx, c, expired)
	heard := make([][]string, len(users))
	for i, user := range users {
		messages := c.Subscribe(ctx, "presence")
		defer messages.Close()
		go func() {
			for m, err := messages.ReceiveMessage(ctx); err == nil; m, err = messages.ReceiveMessage(ctx) {
				heard[i] = append(heard[i], fmt.Sprint(time.Since(begun), " ", m.Payload))
			}
		}()
		go comeAndGo(ctx, c, user, i)
	}
	<-ctx.Done()
	synctest.Wait()
	for _, h := range heard {
		require.Equal(t, heard[0], h)
	}
	return heard[0]
}

// comeAndGo is a user: some minutes here, some away. No two act in the same instant.
func comeAndGo(ctx context.Context, c *redis.Client, user string, number int) {
	random := rand.New(rand.NewPCG(1, uint64(number)))
	wait := func(d time.Duration) bool {
		select {
		case <-time.After(d):
			return true
		case <-ctx.Done():
			return false
		}
	}
	for there := wait(time.Duration(1+number) * 10 * time.Millisecond); there; there = wait(time.Duration(1+random.IntN(300)) * time.Second) {
		for range 1 + random.IntN(60) {
			if beat(ctx, c, user) != nil || !wait(10*time.Second) {
				return
			}
		}
	}
}
