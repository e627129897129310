package server_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/server"
)

func debugged(t *testing.T) (*server.Server, *server.ManualClock) {
	clock := server.NewManualClock(time.UnixMilli(1615480369000))
	return newServer(t, server.Options{Clock: clock, Debug: "yes"}), clock
}

// The refusal comes before all others but arity, and spoils a transaction.
func TestDebugIsOffUnlessAllowed(t *testing.T) {
	p := dial(t, newServer(t, server.Options{Password: "secret"}))
	require.Contains(t, p.Ask("DEBUG"), "wrong number of arguments")
	require.Contains(t, p.Ask("DEBUG HELP"), "ERR DEBUG command not allowed. ")
	p.Ask("AUTH secret")
	p.Ask("MULTI")
	require.Contains(t, p.Ask("DEBUG HELP"), "ERR DEBUG command not allowed. ")
	require.Contains(t, p.Ask("EXEC"), "EXECABORT")
}

func TestDebugForThisMachine(t *testing.T) {
	s := newServer(t, server.Options{Debug: "local"})
	for _, addr := range []string{"127.0.0.1:4711", "[::1]:4711"} {
		require.NotContains(t, dialFrom(t, s, addr).Ask("DEBUG SLEEP 0"), "ERR", addr)
	}
	require.Equal(t, "OK", dial(t, s).Ask("DEBUG SLEEP 0"), "as over a unix socket")
	require.Contains(t, do(t, s, "CONFIG", "GET", "enable-debug-command"), `"local"`)
	do(t, s, "CONFIG", "SET", "protected-mode", "no")
	require.Contains(t, dialFrom(t, s, "192.0.2.7:4711").Ask("DEBUG SLEEP 0"), "ERR DEBUG command not allowed. ")
	_, err := server.New(server.Options{Debug: "maybe"})
	require.ErrorContains(t, err, "want no, local or yes")
}

func TestDebugObject(t *testing.T) {
	s, clock := debugged(t)
	p := dial(t, s)
	p.Ask("SET n 1")
	clock.Advance(3 * time.Second)
	require.Regexp(t, `Value at:0x[0-9a-f]+ refcount:2147483647 encoding:int serializedlength:2 lru:\d+ lru_seconds_idle:3$`, p.Ask("DEBUG OBJECT n"))
}

// Calls of other clients run after the sleep, and see the time after it.
func TestDebugSleepHoldsBackAll(t *testing.T) {
	s, clock := debugged(t)
	sleeper, other := dial(t, s), dial(t, s)
	require.Equal(t, "PONG", other.Ask("PING"))
	sleeper.Send("DEBUG SLEEP 0.5")
	other.Send("TIME")
	clock.Advance(500 * time.Millisecond)
	require.Equal(t, "OK", sleeper.Read())
	require.Contains(t, other.Read(), "500000")
}

// A word is read as far as it is a number, in all forms that C knows.
func TestDebugSleepReadsNumbersAsC(t *testing.T) {
	for word, want := range map[string]time.Duration{
		"0x10": 16 * time.Second, "0x.8": 500 * time.Millisecond, "0x1p-1": 500 * time.Millisecond,
		".5": 500 * time.Millisecond, "+1_0": time.Second, `"\t0.5x"`: 500 * time.Millisecond, "1e-1e": 100 * time.Millisecond,
		"x": 0, "0x": 0, "-1": 0, "infinity": 0, "1e400": 0, "1e-400": 0,
	} {
		s, clock := debugged(t)
		end := clock.Now().Add(want)
		sleeper, other := dial(t, s), dial(t, s)
		sleeper.Send("DEBUG SLEEP " + word)
		other.Send("TIME") // runs when the sleep is over
		clock.Advance(time.Hour)
		require.Equal(t, "OK", sleeper.Read(), word)
		require.Equal(t, fmt.Sprintf("1) \"%d\"\n2) \"%d\"", end.Unix(), end.Nanosecond()/1000), other.Read(), word)
	}
}

// A weaker pause that lasts longer is not made one of all calls by it.
func TestDebugSleepWithinAPauseOfWrites(t *testing.T) {
	s, clock := debugged(t)
	sleeper, other := dial(t, s), dial(t, s)
	require.Equal(t, "OK", other.Ask("CLIENT PAUSE 60000 WRITE"))
	sleeper.Send("DEBUG SLEEP 0.5")
	clock.Advance(500 * time.Millisecond)
	require.Equal(t, "OK", sleeper.Read())
	require.Equal(t, "PONG", other.Ask("PING"))
}

func TestCloseDuringDebugSleep(t *testing.T) {
	s, err := server.New(server.Options{Debug: "yes"})
	require.NoError(t, err)
	p := dial(t, s)
	p.Send("DEBUG SLEEP 100000")
	require.NoError(t, s.Close())
}

func TestDebugSetActiveExpire(t *testing.T) {
	s, clock := debugged(t)
	p := dial(t, s)
	p.Ask("DEBUG SET-ACTIVE-EXPIRE 0")
	p.Ask("SET k v PX 10")
	clock.Advance(time.Second)
	require.Equal(t, "(integer) 1", p.Ask("DBSIZE"))
	require.Equal(t, "(nil)", p.Ask("GET k"))
	p.Ask("DEBUG SET-ACTIVE-EXPIRE 1")
	clock.Advance(time.Millisecond)
	require.Equal(t, "(integer) 0", p.Ask("DBSIZE"))
}
