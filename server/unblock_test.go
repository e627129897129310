package server_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/server"
)

// id is the number by which others know a client.
func (p *peer) id() string {
	p.t.Helper()
	return strings.TrimPrefix(p.ask("CLIENT ID"), "(integer) ")
}

const unblocked = "(error) UNBLOCKED client unblocked via CLIENT UNBLOCK"

func TestUnblockEndsACallThatWaits(t *testing.T) {
	s := newServer(t, server.Options{})
	waiter, other := dial(t, s), dial(t, s)
	id := waiter.id()
	for call, over := range map[string]string{
		"BZPOPMIN z 0":     "(nil)",
		"BZPOPMAX y z 0":   "(nil)",
		"BZMPOP 0 1 z MIN": "(nil)",
		"WAIT 1 0":         "(integer) 0",
		"WAIT 3 1000000":   "(integer) 0",
	} {
		for how, want := range map[string]string{"": over, " TIMEOUT": over, " timeout": over, " ERROR": unblocked, " error": unblocked} {
			waiter.send(call + "\r\nPING behind")
			require.Equal(t, "(integer) 1", other.ask("CLIENT UNBLOCK "+id+how), call)
			require.Equal(t, want, waiter.read(), call)
			require.Equal(t, `"behind"`, waiter.read())
			require.Equal(t, "(integer) 0", other.ask("CLIENT UNBLOCK "+id+how), "it does not wait any more")
		}
	}
	require.Equal(t, "(integer) 0", other.ask("CLIENT UNBLOCK "+other.id()), "who asks does not wait")
	require.Contains(t, other.ask("INFO errorstats"), "errorstat_UNBLOCKED:count=10\\r\\n")
	require.Contains(t, other.ask("INFO commandstats"), "cmdstat_wait:calls=10,usec=")
	require.Regexp(t, `cmdstat_bzmpop:[^\\]*,failed_calls=5\\r`, other.ask("INFO commandstats"))
}

// The unblocked has taken nothing, and leaves its place to those behind it.
func TestUnblockedTakesNothing(t *testing.T) {
	s := newServer(t, server.Options{})
	first, second, other := dial(t, s), dial(t, s), dial(t, s)
	id := first.id()
	first.send("BZPOPMIN z 0")
	second.send("BZPOPMIN z 0")
	for _, line := range []string{"MULTI", "ZADD z 1 x", "CLIENT UNBLOCK " + id} {
		other.ask(line)
	}
	require.Equal(t, "1) (integer) 1\n2) (integer) 1", other.ask("EXEC"))
	require.Equal(t, "(nil)", first.read())
	require.Equal(t, popped("z", "x", "1"), second.read())
}

func TestUnblockOfAGoneOrKilledClient(t *testing.T) {
	s := newServer(t, server.Options{})
	gone, killed, other := dial(t, s), dial(t, s), dial(t, s)
	goneID, killedID := gone.id(), killed.id()
	gone.send("WAIT 1 0")
	require.NoError(t, gone.conn.Close())
	require.Equal(t, "(integer) 0", other.ask("CLIENT UNBLOCK "+goneID))
	killed.send("WAIT 1 0")
	other.send("CLIENT KILL ID " + killedID + "\r\nCLIENT UNBLOCK " + killedID)
	require.Equal(t, "(integer) 1", other.read())
	require.Equal(t, "(integer) 0", other.read())
	rest, err := io.ReadAll(killed.conn)
	require.NoError(t, err)
	require.Empty(t, rest)
	require.Contains(t, other.ask("INFO clients"), "blocked_clients:0")
}

func TestWaitForReplicasEndsAtItsTime(t *testing.T) {
	clock := server.NewManualClock(time.UnixMilli(1615480369000))
	s := newServer(t, server.Options{Clock: clock})
	waiter, other := dial(t, s), dial(t, s)
	waiter.send("WAIT 1 250\r\nTIME")
	clock.Advance(249 * time.Millisecond)
	require.Contains(t, other.ask("CLIENT LIST"), "flags=b")
	require.Contains(t, other.ask("INFO clients"), "blocked_clients:1")
	clock.Advance(time.Millisecond)
	require.Equal(t, "(integer) 0", waiter.read())
	require.Equal(t, "1) \"1615480369\"\n2) \"250000\"", waiter.read())
	require.Contains(t, other.ask("INFO clients"), "blocked_clients:0")
	waiter.send("WAIT 1 9223372036854775807")
	clock.Advance(1 << 62)
	require.Contains(t, other.ask("INFO clients"), "blocked_clients:1")
}

// Timeouts are exact: rounded up to a millisecond, as Redis does, and no later.
func TestTimeoutsAreExact(t *testing.T) {
	clock := server.NewManualClock(time.UnixMilli(1615480369000))
	s := newServer(t, server.Options{Clock: clock})
	waiter, other := dial(t, s), dial(t, s)
	for timeout, ms := range map[string]time.Duration{"0.001": 1, "0.0001": 1, "0.0021": 3, "1.5": 1500, "1e-1": 100, "0x1p-1": 500} {
		for _, call := range []string{"BZPOPMIN z %s", "BZPOPMAX y z %s", "BZMPOP %s 1 z MAX"} {
			waiter.send(fmt.Sprintf(call, timeout))
			clock.Advance((ms - 1) * time.Millisecond)
			require.Contains(t, other.ask("INFO clients"), "blocked_clients:1")
			clock.Advance(time.Millisecond)
			require.Equal(t, "(nil)", waiter.read())
		}
	}
}
