package server

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/internal/test/transcript"
)

// With the same seed, the same calls give the same replies, byte for byte: picks,
// scans, what goes when memory is full, and what subscribers hear of it.
func TestSameSeedSameCallsSameReplies(t *testing.T) {
	t.Parallel()
	for seed := uint64(1); seed <= uint64(harness.Count(1, 2)); seed++ {
		calls := randomSteps(seed)
		first, second := repliesTo(t, calls, seed), repliesTo(t, calls, seed)
		at := 0
		for at < min(len(first), len(second)) && first[at] == second[at] {
			at++
		}
		require.True(t, first == second, "seed %d: they differ at byte %d of %d: %q, and %q", seed, at, len(first), around(first, at), around(second, at))
		require.Greater(t, len(first), 100_000)
		require.False(t, first == repliesTo(t, calls, seed+1), "the seed changes nothing")
	}
}

func around(s string, at int) string { return s[max(0, at-100):min(len(s), at+100)] }

// randomSteps makes calls, of which some name times of today.
func randomSteps(seed uint64) (steps []transcript.Step) {
	g := newGenerator(seed)
	for range 4000 {
		steps = append(steps, g.step())
	}
	return steps
}

// repliesTo makes calls to a server with a seed, and returns all that comes back.
func repliesTo(t *testing.T, calls []transcript.Step, seed uint64) string {
	clock := NewManualClock(time.UnixMilli(1615480369000))
	s, err := New(Options{Seed: seed, Clock: clock, AdversarialScans: true, Config: map[string]string{
		"notify-keyspace-events": "KEA", "maxmemory-policy": "allkeys-random",
	}})
	require.NoError(t, err)
	defer s.Close()
	var all strings.Builder
	conns := make(map[string]net.Conn)
	for _, name := range []string{"", "a", "b", "events"} {
		conns[name], err = s.Dial()
		require.NoError(t, err)
		defer conns[name].Close()
	}
	say := func(name string, words ...string) {
		var call bytes.Buffer
		fmt.Fprintf(&call, "*%d\r\n", len(words))
		for _, w := range words {
			fmt.Fprintf(&call, "$%d\r\n%s\r\n", len(w), w)
		}
		_, err := conns[name].Write(call.Bytes())
		require.NoError(t, err)
		s.engine.pending.wait() // what others had sent behind a call that this one has answered
		for _, name := range []string{"", "a", "b", "events"} {
			fmt.Fprintf(&all, "%s> %s\n", name, unread(conns[name]))
		}
	}
	say("events", "PSUBSCRIBE", "*")
	say("", "CONFIG", "SET", "maxmemory", "2mb")
	for n, step := range calls {
		if step.Pause > 0 {
			clock.Advance(step.Pause)
			continue
		}
		say(step.Conn, step.Words...)
		more := [][]string{
			{"SADD", "crowd", fmt.Sprint(n), fmt.Sprint(-n)}, {"SET", fmt.Sprint("key:", n%700), strings.Repeat("x", n)}, {"RANDOMKEY"},
			{"SPOP", "crowd"}, {"SRANDMEMBER", "crowd", "-3"}, {"SCAN", fmt.Sprint(n % 50)}, {"SSCAN", "crowd", fmt.Sprint(n % 50)}, {"KEYS", "*1"},
		}
		say("", more[n%len(more)]...)
	}
	return all.String()
}

// unread is what a client has not read yet. Nothing here goes on by itself.
func unread(c net.Conn) []byte {
	out := &c.(*memoryConn).session.out
	if size, _ := out.usage(); size == 0 {
		return nil
	}
	var got bytes.Buffer
	for size, _ := out.usage(); size > 0; size, _ = out.usage() {
		p := make([]byte, 64<<10)
		n, err := c.Read(p)
		got.Write(p[:n])
		if err == io.EOF {
			break
		}
	}
	return got.Bytes()
}
