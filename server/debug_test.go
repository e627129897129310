package server_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/server"
)

func debugged(t *testing.T) (*server.Server, *server.ManualClock) {
	clock := server.NewManualClock(time.UnixMilli(1615480369000))
	return newServer(t, server.Options{Clock: clock, Debug: true}), clock
}

// The refusal comes before all others but arity, and spoils a transaction.
func TestDebugIsOffUnlessAllowed(t *testing.T) {
	p := dial(t, newServer(t, server.Options{Password: "secret"}))
	require.Contains(t, p.ask("DEBUG"), "wrong number of arguments")
	require.Contains(t, p.ask("DEBUG HELP"), "ERR DEBUG command not allowed. ")
	p.ask("AUTH secret")
	p.ask("MULTI")
	require.Contains(t, p.ask("DEBUG HELP"), "ERR DEBUG command not allowed. ")
	require.Contains(t, p.ask("EXEC"), "EXECABORT")
}

func TestDebugObject(t *testing.T) {
	s, clock := debugged(t)
	p := dial(t, s)
	p.ask("SET n 1")
	clock.Advance(3 * time.Second)
	require.Regexp(t, `Value at:0x[0-9a-f]+ refcount:2147483647 encoding:int serializedlength:2 lru:\d+ lru_seconds_idle:3$`, p.ask("DEBUG OBJECT n"))
}

// What others send meanwhile runs when the sleep is over: they are told that time.
func TestDebugSleepHoldsBackAll(t *testing.T) {
	s, clock := debugged(t)
	sleeper, other := dial(t, s), dial(t, s)
	require.Equal(t, "PONG", other.ask("PING"))
	sleeper.send("DEBUG SLEEP 0.5")
	other.send("TIME")
	clock.Advance(500 * time.Millisecond)
	require.Equal(t, "OK", sleeper.read())
	require.Contains(t, other.read(), "500000")
}

// A weaker pause that lasts longer is not made one of all calls by it.
func TestDebugSleepWithinAPauseOfWrites(t *testing.T) {
	s, clock := debugged(t)
	sleeper, other := dial(t, s), dial(t, s)
	require.Equal(t, "OK", other.ask("CLIENT PAUSE 60000 WRITE"))
	sleeper.send("DEBUG SLEEP 0.5")
	clock.Advance(500 * time.Millisecond)
	require.Equal(t, "OK", sleeper.read())
	require.Equal(t, "PONG", other.ask("PING"))
}

func TestCloseDuringDebugSleep(t *testing.T) {
	s, err := server.New(server.Options{Debug: true})
	require.NoError(t, err)
	p := dial(t, s)
	p.send("DEBUG SLEEP 100000")
	require.NoError(t, s.Close())
}

func TestDebugSetActiveExpire(t *testing.T) {
	s, clock := debugged(t)
	p := dial(t, s)
	p.ask("DEBUG SET-ACTIVE-EXPIRE 0")
	p.ask("SET k v PX 10")
	clock.Advance(time.Second)
	require.Equal(t, "(integer) 1", p.ask("DBSIZE"))
	require.Equal(t, "(nil)", p.ask("GET k"))
	p.ask("DEBUG SET-ACTIVE-EXPIRE 1")
	clock.Advance(time.Millisecond)
	require.Equal(t, "(integer) 0", p.ask("DBSIZE"))
}
