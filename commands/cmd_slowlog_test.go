package commands_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/commands/resp"
)

// slowCalls returns the slow log without times and addresses.
func slowCalls(t *testing.T, v resp.Value) (calls []string) {
	t.Helper()
	for _, e := range v.Elems {
		require.Len(t, e.Elems, 6)
		require.NotZero(t, e.Elems[1].Int)
		require.GreaterOrEqual(t, e.Elems[2].Int, int64(0))
		require.NotEmpty(t, e.Elems[4].Str)
		calls = append(calls, fmt.Sprintf("%d %s by %q", e.Elems[0].Int, e.Elems[3], e.Elems[5].Str))
	}
	return calls
}

func TestSlowLogIsThatOfRedis(t *testing.T) {
	onBoth(t, func(t *testing.T, s *talked) (got []string) {
		a, b := s.dial(), s.dial()
		a.ask("CLIENT", "SETNAME", "ann")
		a.ask("CONFIG", "SET", "slowlog-log-slower-than", "0")
		many := strings.Fields("MGET" + strings.Repeat(" k", 40))
		for _, call := range [][]string{
			many[:31], many[:32], many[:33], many[:34], many,
			{"SET", "k", strings.Repeat("x", 128)}, {"SET", "k", strings.Repeat("x", 129)}, {"SET", "k", strings.Repeat("x", 100_000)},
			append([]string{"DEL", strings.Repeat("y", 500)}, many...),
			{"GET"}, {"NOSUCH"}, {"INCR", "k"},
			{"MULTI"}, {"GET", "k"}, {"INCR", "k"}, {"EXEC"}, {"MULTI"}, {"DISCARD"},
			{"AUTH", "secret"}, {"AUTH", "default", "secret"}, {"HELLO", "2", "AUTH", "default", "secret"},
			{"HELLO", "2", "AUTH", "nobody", "secret"}, {"HELLO", "2", "AUTH", "default", "secret", "BAD"},
			{"CONFIG", "SET", "requirepass", "", "maxclients", "10000"},
			{"config", "set", "maxclients", "x", "REQUIREPASS", "secret"},
			{"CONFIG", "SET", "nosuch", "x", "requirepass", "secret"},
			{"CONFIG", "SET", "nosuch", "x", "masterauth", "secret", "MASTERUSER", "secret"},
			{"SLOWLOG", "GET", "x"}, {"CLIENT", "LIST"}, {"BZPOPMIN", "z", "0.01"},
		} {
			a.send(call...)
			if call[0] == "BZPOPMIN" {
				s.Advance(50 * time.Millisecond)
			}
			a.read()
		}
		got = slowCalls(t, a.ask("SLOWLOG", "GET", "-1"))

		a.send("BZPOPMIN", "z", "0")
		for !strings.Contains(b.ask("CLIENT", "LIST").Str, " flags=b") {
		}
		b.ask("ZADD", "z", "1", "m")
		a.read()
		// How often was asked for that depends on the machine.
		for _, call := range slowCalls(t, b.ask("SLOWLOG", "GET", "-1")) {
			if strings.Contains(call, "BZPOPMIN") || strings.Contains(call, "ZADD") {
				_, call, _ = strings.Cut(call, " ")
				got = append(got, call)
			}
		}
		return got
	})
}

// Times come from the clock of the server, whatever kind of call it is.
func TestSlowLogAddsUpWhatACallTook(t *testing.T) {
	c := emptyServer(2)
	c.Config.SlowlogSlowerThan = 100
	for _, micros := range []time.Duration{99, 100, 5000} {
		m, args := c.Table.Named([]byte("ping")), [][]byte{[]byte("PING")}
		c.Report(m, args, commands.Outcome{}, micros*time.Microsecond)
	}
	c.Truncate(0)
	perform(t, c, "SLOWLOG", "GET")
	v, err := resp.Parse(c.Bytes())
	require.NoError(t, err)
	require.Len(t, v.Elems, 2)
	require.Equal(t, int64(5000), v.Elems[0].Elems[2].Int)
	require.Equal(t, int64(1_700_000_000), v.Elems[0].Elems[1].Int)
	require.Equal(t, int64(100), v.Elems[1].Elems[2].Int)
}

// A log that may be as long as it likes, or not at all.
func TestSlowLogOfAnyLength(t *testing.T) {
	c := emptyServer(2)
	m, args := c.Table.Named([]byte("ping")), [][]byte{[]byte("PING")}
	c.Config.SlowlogSlowerThan = 0
	for _, length := range []int64{math.MaxInt64, 3, 0} {
		c.Config.SlowlogMaxLen = length
		for range 1000 {
			c.Report(m, args, commands.Outcome{}, 0)
		}
		c.Truncate(0)
		perform(t, c, "SLOWLOG", "LEN")
		require.Equal(t, fmt.Sprintf(":%d\r\n", min(length, 1000)), string(c.Bytes()))
	}
}
