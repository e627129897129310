package server_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/server"
)

// These calls once took seconds to hours, or did not end, because they took
// quadratic time in what a client had sent.
const soon = 10 * time.Second

func numbered(name, format string, n int) string {
	var b strings.Builder
	b.WriteString(name)
	for i := range n {
		fmt.Fprintf(&b, " "+format, i)
	}
	return b.String()
}

func TestDoEndsWhenItsContextAndTheServerDo(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			s, err := server.New(server.Options{})
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			var ended sync.WaitGroup
			for range 100 {
				ended.Go(func() {
					_, err := s.Do(ctx, "BZPOPMIN", "z", 0)
					require.Error(t, err)
				})
			}
			synctest.Wait()
			ended.Go(cancel)
			require.NoError(t, s.Close())
			ended.Wait()
		})
	}
}

func TestKillWhileTheVictimRunsATransaction(t *testing.T) {
	s := newServer(t, server.Options{})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 50 {
				conn, err := s.Dial()
				require.NoError(t, err)
				all.Go(func() { io.Copy(io.Discard, conn) })
				for err == nil { // until it is killed
					_, err = io.WriteString(conn, "MULTI\r\nGET k\r\nEXEC\r\nGET k\r\n")
				}
				conn.Close()
			}
		})
	}
	ended := make(chan struct{})
	go func() {
		all.Wait()
		close(ended)
	}()
	for {
		select {
		case <-ended:
			return
		default:
			do(t, s, "CLIENT", "KILL", "TYPE", "NORMAL")
		}
	}
}

func TestKilledWaiterTakesNothingAtItsTimeout(t *testing.T) {
	for range 50 {
		clock := server.NewManualClock(time.UnixMilli(1615480369000))
		s := newServer(t, server.Options{Clock: clock})
		waiter, killer := dial(t, s), dial(t, s)
		waiter.Send("BZPOPMIN z 1")
		killer.Ask("MULTI")
		killer.Ask("CLIENT KILL ID 1")
		killer.Ask("ZADD z 1 a")
		killer.Ask("EXEC")
		clock.Advance(time.Second)
		require.Equal(t, "(integer) 1", killer.Ask("ZCARD z"))
	}
}

func TestWaitingForManyKeys(t *testing.T) {
	const keys = 50_000
	s := newServer(t, server.Options{})
	waiter, client := dial(t, s), dial(t, s)
	harness.RequireCPU(t, soon, "what goes by the length of the input", func() {
		waiter.SendWords(strings.Fields(numbered("BZPOPMIN", "k%d", keys) + " 0")...)
		blocked(t, s, 1)
		client.SendWords(strings.Fields(numbered("MSET", "k%d x", keys))...)
		require.Equal(t, "OK", client.Read())
		require.Equal(t, "OK", client.Ask("SWAPDB 0 1"))
		require.Equal(t, "OK", client.Ask("SWAPDB 0 1"))
		require.Equal(t, "(integer) 1", client.Ask("DEL k7"))
		require.Equal(t, "(integer) 1", client.Ask("ZADD k7 1 a"))
		require.Equal(t, popped("k7", "a", "1"), waiter.Read())
	})
}

func TestManyPatternsEnd(t *testing.T) {
	const patterns = 100_000
	s := newServer(t, server.Options{})
	listener, client := dial(t, s), dial(t, s)
	listener.SendWords(strings.Fields(numbered("PSUBSCRIBE", "p%d", patterns))...)
	for range patterns {
		listener.Read()
	}
	harness.RequireCPU(t, soon, "what goes by the length of the input", func() {
		listener.Close()
		require.Equal(t, "(integer) 0", client.Ask("PUBSUB NUMPAT"))
	})
}

func TestPatternsAreAskedInTheOrderOfTheirSubscription(t *testing.T) {
	s := newServer(t, server.Options{})
	listener, client := dial(t, s), dial(t, s)
	for _, line := range []string{"PSUBSCRIBE c*", "PSUBSCRIBE a*", "PSUBSCRIBE *", "PUNSUBSCRIBE c*", "PSUBSCRIBE b*", "PSUBSCRIBE c*"} {
		listener.Ask(line)
	}
	require.Equal(t, "(integer) 2", client.Ask("PUBLISH c x"))
	for _, pattern := range []string{"*", "c*"} {
		require.Equal(t, fmt.Sprintf("1) \"pmessage\"\n2) %q\n3) \"c\"\n4) \"x\"", pattern), listener.Read())
	}
}

func TestTransactionThatDescribesItself(t *testing.T) {
	const calls = 50_000
	s := newServer(t, server.Options{})
	client := dial(t, s)
	client.Ask("MULTI")
	for range calls {
		client.Send("CLIENT INFO")
		client.Read()
	}
	harness.RequireCPU(t, soon, "what goes by the length of the input", func() {
		client.Send("EXEC")
		require.Contains(t, client.Read(), fmt.Sprintf("multi=%d ", calls))
	})
}

// A client is disconnected at its output limit. The rest of its transaction
// runs, but does not produce as much output again.
func TestTransactionOfRepliesWithoutEnd(t *testing.T) {
	s := newServer(t, server.Options{})
	client := dial(t, s)
	do(t, s, "SADD", "s", "")
	do(t, s, "CONFIG", "SET", "client-output-buffer-limit", "normal 8mb 0 0")
	client.Ask("MULTI")
	for range 1000 {
		client.Ask("SRANDMEMBER s -9223372036854775807")
	}
	client.Ask("INCR n")
	harness.RequireCPU(t, soon, "what goes by the length of the input", func() {
		client.Send("EXEC")
		client.RequireClosed()
	})
	require.Equal(t, `"1"`, do(t, s, "GET", "n"))
}

// A call whose reply is known to be too large does not run, and blocks no other
// client.
func TestReplyWithoutEndIsNotBegun(t *testing.T) {
	s := newServer(t, server.Options{})
	do(t, s, "SADD", "s", "", "b")
	do(t, s, "HSET", "h", "", "")
	do(t, s, "ZADD", "z", 1, "")
	harness.RequireCPU(t, soon, "what goes by the length of the input", func() {
		for range 100 {
			for _, call := range [][]any{{"SRANDMEMBER", "s", int64(-math.MaxInt64)}, {"HRANDFIELD", "h", -(64 << 20)}, {"ZRANDMEMBER", "z", -(64 << 20)}} {
				_, err := s.Do(t.Context(), call...)
				require.Error(t, err)
			}
		}
	})
}

func TestHTTPDoesNotFillTheLog(t *testing.T) {
	var log bytes.Buffer
	clock := server.NewManualClock(time.UnixMilli(1615480369000))
	s := newServer(t, server.Options{Clock: clock, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	attack := func() {
		for range 10 {
			client := dial(t, s)
			client.Send("POST / HTTP/1.1")
			client.RequireClosed()
		}
	}
	attack()
	require.Equal(t, 1, strings.Count(log.String(), "possible attack"))
	clock.Advance(time.Minute)
	require.Equal(t, 2, strings.Count(log.String(), "possible attack"))
	require.Equal(t, 1, strings.Count(log.String(), "suppressed=9 within=1m0s"))
	attack()
	require.Equal(t, 3, strings.Count(log.String(), "possible attack"))
}

func TestNoConfigurationLetsAStringTakeAllMemory(t *testing.T) {
	s := newServer(t, server.Options{})
	client := dial(t, s)
	client.Ask("CONFIG SET proto-max-bulk-len 9223372036854775807")
	for _, offset := range []string{"9223372036854775800", "35184372088832"} {
		require.Contains(t, client.Ask("SETRANGE k "+offset+" x"), "string exceeds maximum allowed size")
	}
}

// A set that is named many times is read once.
func TestAlgebraOfOneSetManyTimes(t *testing.T) {
	const members, times = 20_000, 20_000
	s := newServer(t, server.Options{})
	p := dial(t, s)
	p.SendWords(strings.Fields(numbered("SADD s", "m%d", members))...)
	p.SendWords(strings.Fields("SADD other m1 x")...)
	p.Read()
	p.Read()
	harness.RequireCPU(t, soon, "what goes by the length of the input", func() {
		for call, want := range map[string]string{
			"SINTERCARD 20001 other":  "(integer) 1",
			"SINTERSTORE to s":        "(integer) 20000",
			"SUNIONSTORE to s":        "(integer) 20000",
			"SDIFFSTORE to other":     "(integer) 1",
			"SDIFFSTORE to s":         "(integer) 0",
			"SINTERSTORE to s other ": "(integer) 1",
		} {
			p.SendWords(strings.Fields(call + strings.Repeat(" s", times))...)
			require.Equal(t, want, p.Read(), call)
		}
	})
}
