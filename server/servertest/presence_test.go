package servertest_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/server/servertest"
)

var presenceRuns = flag.Int("presence.runs", 10, "how often the hour of presence is lived through, each time the same")

// Outside of a bubble the test moves time itself, from one thing that happens to
// the next: users who are there say so every ten seconds, a watcher takes those out
// whose key has expired, and the others hear of both.
func TestHourOfPresence(t *testing.T) {
	var first string
	var times []time.Duration
	for range *presenceRuns {
		begun := time.Now()
		t.Run("", func(t *testing.T) {
			heard := hourOfPresence(t, []string{"ada", "bob", "cyd", "dee"})
			if first == "" {
				first = heard
			}
			require.Equal(t, first, heard)
		})
		times = append(times, time.Since(begun))
	}
	slices.Sort(times)
	t.Logf("%d lines in each of %d runs; median %v, slowest %v", strings.Count(first, "\n"), len(times), times[len(times)/2], times[len(times)-1])
	require.Greater(t, strings.Count(first, "\n"), 40)
	harness.RequireWithin(t, times[0], 50*time.Millisecond*harness.Slowness, "the fastest run")
}

func hourOfPresence(t *testing.T, users []string) string {
	s := servertest.New(t, func(o *servertest.Options) {
		o.Seed, o.Start = 1, time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)
		o.Config = map[string]string{"notify-keyspace-events": "Ex"}
	})
	do := func(words ...any) int64 {
		v, err := s.Do(t.Context(), words...)
		require.NoError(t, err)
		return v.Int
	}
	expired, others := subscriber{dial(t, s)}, subscriber{dial(t, s)}
	expired.Ask("SUBSCRIBE __keyevent@0__:expired")
	others.Ask("SUBSCRIBE presence")

	var heard strings.Builder
	begun, random := s.Now(), rand.New(rand.NewPCG(1, 0))
	here := make([]bool, len(users))
	for s.Now().Sub(begun) < time.Hour {
		for i, user := range users {
			if random.IntN(30) == 0 {
				here[i] = !here[i]
			}
			if !here[i] {
				continue
			}
			do("SET", "presence:"+user, "here", "EX", 30)
			if do("SADD", "online", user) == 1 {
				do("PUBLISH", "presence", user+" is online")
			}
		}
		s.Advance(10 * time.Second)
		for _, key := range expired.messages() {
			user := strings.TrimPrefix(key, "presence:")
			do("SREM", "online", user)
			do("PUBLISH", "presence", user+" is offline")
		}
		for _, text := range others.messages() {
			fmt.Fprintln(&heard, s.Now().Sub(begun), text)
		}
	}
	return heard.String()
}

type subscriber struct{ *harness.Client }

// messages returns what a subscriber has been sent by now: what comes before the
// answer to a PING.
func (l subscriber) messages() (texts []string) {
	l.Send("PING")
	for {
		v, err := resp.NewReader(l.R).Read()
		require.NoError(l.T, err)
		if v.Elems[0].Str != "message" {
			return texts
		}
		texts = append(texts, v.Elems[2].Str)
	}
}
