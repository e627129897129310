package server_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/server"
)

func TestExpiredEventsComeInOrderAndOnTime(t *testing.T) {
	clock := server.NewManualClock(time.UnixMilli(1615480369000))
	s := newServer(t, server.Options{Clock: clock})
	listener, client := dial(t, s), dial(t, s)
	client.ask("CONFIG SET notify-keyspace-events Ex")
	listener.ask("SUBSCRIBE __keyevent@0__:expired")
	client.ask("SET late x PX 20")
	client.ask("SET early x PX 10")
	client.ask("SET stays x")
	clock.Advance(21 * time.Millisecond)
	for _, key := range []string{"early", "late"} {
		require.Equal(t, fmt.Sprintf("1) \"message\"\n2) \"__keyevent@0__:expired\"\n3) %q", key), listener.read())
	}
	require.Equal(t, "(integer) 1", client.ask("DBSIZE"))
}

func TestKeyIsThereUntilItsDeadlineIsPast(t *testing.T) {
	clock := server.NewManualClock(time.UnixMilli(1615480369000))
	s := newServer(t, server.Options{Clock: clock})
	client := dial(t, s)
	client.ask("SET k x PX 10")
	clock.Advance(10 * time.Millisecond)
	require.Equal(t, `"x"`, client.ask("GET k"))
	clock.Advance(time.Millisecond)
	require.Equal(t, "(nil)", client.ask("GET k"))
}

// More keys than one stay under the lock expires are due at once.
func TestManyKeysExpireAtOnce(t *testing.T) {
	clock := server.NewManualClock(time.UnixMilli(1615480369000))
	s := newServer(t, server.Options{Clock: clock})
	client := dial(t, s)
	const keys = 5000
	for i := range keys {
		client.send(fmt.Sprintf("SET k%d x PX 10", i))
		client.read()
	}
	client.ask("SET stays x")
	clock.Advance(11 * time.Millisecond)
	require.Equal(t, "(integer) 1", client.ask("DBSIZE"))
	require.Equal(t, "(nil)", client.ask(fmt.Sprintf("GET k%d", keys-1)))
	require.Equal(t, "OK", client.ask("SET k0 again KEEPTTL"))
	require.Equal(t, "(integer) -1", client.ask("PTTL k0"))
}

// The last moment there is must not come at once, and for ever.
func TestDeadlineAtTheEndOfTime(t *testing.T) {
	clock := server.NewManualClock(time.UnixMilli(1615480369000))
	s := newServer(t, server.Options{Clock: clock})
	client := dial(t, s)
	client.ask("SET k x")
	require.Equal(t, "(integer) 1", client.ask("PEXPIREAT k 9223372036854775807"))
	clock.Advance(time.Hour)
	require.Equal(t, `"x"`, client.ask("GET k"))
}

func TestTimeIsTheBubbles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, server.Options{})
		client := dial(t, s)
		client.ask("SET k x EX 30")
		time.Sleep(30 * time.Second)
		require.Equal(t, `"x"`, client.ask("GET k"))
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		require.Equal(t, "(integer) 0", client.ask("DBSIZE"))
		client.send("BZPOPMIN z 3600")
		require.Equal(t, "(nil)", client.read())
	})
}
