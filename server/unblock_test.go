package server_test

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/server"
)

const unblocked = "(error) UNBLOCKED client unblocked via CLIENT UNBLOCK"

func TestUnblockEndsACallThatWaits(t *testing.T) {
	s := newServer(t, server.Options{})
	waiter, other := dial(t, s), dial(t, s)
	id := waiter.ID()
	for call, over := range map[string]string{
		"BZPOPMIN z 0":     "(nil)",
		"BZPOPMAX y z 0":   "(nil)",
		"BZMPOP 0 1 z MIN": "(nil)",
		"WAIT 1 0":         "(integer) 0",
		"WAIT 3 1000000":   "(integer) 0",
	} {
		for how, want := range map[string]string{"": over, " TIMEOUT": over, " timeout": over, " ERROR": unblocked, " error": unblocked} {
			waiter.Send(call + "\r\nPING behind")
			require.Equal(t, "(integer) 1", other.Ask("CLIENT UNBLOCK "+id+how), call)
			require.Equal(t, want, waiter.Read(), call)
			require.Equal(t, `"behind"`, waiter.Read())
			require.Equal(t, "(integer) 0", other.Ask("CLIENT UNBLOCK "+id+how), "it does not wait any more")
		}
	}
	require.Equal(t, "(integer) 0", other.Ask("CLIENT UNBLOCK "+other.ID()), "who asks does not wait")
	require.Contains(t, other.Ask("INFO errorstats"), "errorstat_UNBLOCKED:count=10\\r\\n")
	require.Contains(t, other.Ask("INFO commandstats"), "cmdstat_wait:calls=10,usec=")
	require.Regexp(t, `cmdstat_bzmpop:[^\\]*,failed_calls=5\\r`, other.Ask("INFO commandstats"))
}

// The unblocked has taken nothing, and leaves its place to those behind it.
func TestUnblockedTakesNothing(t *testing.T) {
	s := newServer(t, server.Options{})
	first, second, other := dial(t, s), dial(t, s), dial(t, s)
	id := first.ID()
	first.Send("BZPOPMIN z 0")
	second.Send("BZPOPMIN z 0")
	for _, line := range []string{"MULTI", "ZADD z 1 x", "CLIENT UNBLOCK " + id} {
		other.Ask(line)
	}
	require.Equal(t, "1) (integer) 1\n2) (integer) 1", other.Ask("EXEC"))
	require.Equal(t, "(nil)", first.Read())
	require.Equal(t, popped("z", "x", "1"), second.Read())
}

func TestUnblockOfAGoneOrKilledClient(t *testing.T) {
	s := newServer(t, server.Options{})
	gone, killed, other := dial(t, s), dial(t, s), dial(t, s)
	goneID, killedID := gone.ID(), killed.ID()
	gone.Send("WAIT 1 0")
	require.NoError(t, gone.Close())
	require.Equal(t, "(integer) 0", other.Ask("CLIENT UNBLOCK "+goneID))
	killed.Send("WAIT 1 0")
	other.Send("CLIENT KILL ID " + killedID + "\r\nCLIENT UNBLOCK " + killedID)
	require.Equal(t, "(integer) 1", other.Read())
	require.Equal(t, "(integer) 0", other.Read())
	rest, err := io.ReadAll(killed.Conn)
	require.NoError(t, err)
	require.Empty(t, rest)
	require.Contains(t, other.Ask("INFO clients"), "blocked_clients:0")
}

func TestWaitForReplicasEndsAtItsTime(t *testing.T) {
	clock := server.NewManualClock(time.UnixMilli(1615480369000))
	s := newServer(t, server.Options{Clock: clock})
	waiter, other := dial(t, s), dial(t, s)
	waiter.Send("WAIT 1 250\r\nTIME")
	clock.Advance(249 * time.Millisecond)
	require.Contains(t, other.Ask("CLIENT LIST"), "flags=b")
	require.Contains(t, other.Ask("INFO clients"), "blocked_clients:1")
	clock.Advance(time.Millisecond)
	require.Equal(t, "(integer) 0", waiter.Read())
	require.Equal(t, "1) \"1615480369\"\n2) \"250000\"", waiter.Read())
	require.Contains(t, other.Ask("INFO clients"), "blocked_clients:0")
	waiter.Send("WAIT 1 9223372036854775807")
	clock.Advance(1 << 62)
	require.Contains(t, other.Ask("INFO clients"), "blocked_clients:1")
}

// Timeouts are exact: rounded up to a millisecond, as Redis does, and no later.
func TestTimeoutsAreExact(t *testing.T) {
	clock := server.NewManualClock(time.UnixMilli(1615480369000))
	s := newServer(t, server.Options{Clock: clock})
	waiter, other := dial(t, s), dial(t, s)
	for timeout, ms := range map[string]time.Duration{"0.001": 1, "0.0001": 1, "0.0021": 3, "1.5": 1500, "1e-1": 100, "0x1p-1": 500} {
		for _, call := range []string{"BZPOPMIN z %s", "BZPOPMAX y z %s", "BZMPOP %s 1 z MAX"} {
			waiter.Send(fmt.Sprintf(call, timeout))
			clock.Advance((ms - 1) * time.Millisecond)
			require.Contains(t, other.Ask("INFO clients"), "blocked_clients:1")
			clock.Advance(time.Millisecond)
			require.Equal(t, "(nil)", waiter.Read())
		}
	}
}
