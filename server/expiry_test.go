package server_test

import (
	"fmt"
	"strings"
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

// More keys than one critical section expires are due at once.
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

// Fields go at their own deadlines, in order among keys and among each other;
// those of one moment and one hash are one event, and the key goes with the last.
func TestFieldsExpireInOrderAndOnTime(t *testing.T) {
	clock := server.NewManualClock(time.UnixMilli(1615480369000))
	s := newServer(t, server.Options{Clock: clock})
	listener, client := dial(t, s), dial(t, s)
	client.ask("CONFIG SET notify-keyspace-events EAh")
	client.ask("HSET h a 1 b 2 c 3 d 4")
	client.ask("HSET g a 1")
	client.ask("SET k v PX 20")
	client.ask("HPEXPIRE h 30 FIELDS 1 a")
	client.ask("HPEXPIRE h 10 FIELDS 2 b c")
	client.ask("HPEXPIRE h 40 FIELDS 1 d")
	client.ask("HPEXPIRE g 20 FIELDS 1 a")
	listener.ask("PSUBSCRIBE __keyevent@0__:*")
	clock.Advance(9 * time.Millisecond)
	require.Equal(t, "(integer) 4", client.ask("HLEN h"))
	clock.Advance(20 * time.Second)
	for _, event := range []string{"hexpired h", "expired k", "hexpired g", "del g", "hexpired h", "hexpired h", "del h"} {
		name, key, _ := strings.Cut(event, " ")
		require.Equal(t, fmt.Sprintf("1) \"pmessage\"\n2) \"__keyevent@0__:*\"\n3) \"__keyevent@0__:%s\"\n4) %q", name, key), listener.read())
	}
	require.Equal(t, "(integer) 0", client.ask("DBSIZE"))
	require.Contains(t, client.ask("INFO stats"), "expired_subkeys:5")
}

func TestFieldsExpireInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, server.Options{})
		client := dial(t, s)
		client.ask("HSETEX h EX 30 FIELDS 1 f v")
		time.Sleep(30 * time.Second)
		require.Equal(t, `"v"`, client.ask("HGET h f"))
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		require.Equal(t, "(integer) 0", client.ask("DBSIZE"))
	})
}

// More fields of one hash than one critical section expires are due at once,
// beside one that stays.
func TestManyFieldsExpireAtOnce(t *testing.T) {
	clock := server.NewManualClock(time.UnixMilli(1615480369000))
	s := newServer(t, server.Options{Clock: clock})
	client := dial(t, s)
	const fields = 5000
	for i := range fields {
		client.ask(fmt.Sprintf("HSETEX h PX 10 FIELDS 1 f%d v", i))
	}
	client.ask("HSET h stays v")
	clock.Advance(11 * time.Millisecond)
	require.Equal(t, "1) \"stays\"", client.ask("HKEYS h"))
	require.Contains(t, client.ask("INFO stats"), "expired_subkeys:5000")
	require.Equal(t, "1) (integer) -2", client.ask("HTTL h FIELDS 1 f7"))
}

// A change of the deadline moves the alarm, both ways.
func TestFieldDeadlinesMayChange(t *testing.T) {
	clock := server.NewManualClock(time.UnixMilli(1615480369000))
	s := newServer(t, server.Options{Clock: clock})
	client := dial(t, s)
	client.ask("HSETEX h PX 1000 FIELDS 2 a 1 b 2")
	client.ask("HPEXPIRE h 10 FIELDS 1 a")
	clock.Advance(11 * time.Millisecond)
	require.Equal(t, "1) \"b\"", client.ask("HKEYS h"))
	client.ask("HPEXPIRE h 5000 FIELDS 1 b")
	clock.Advance(2 * time.Second)
	require.Equal(t, "1) \"b\"", client.ask("HKEYS h"))
	client.ask("HPERSIST h FIELDS 1 b")
	clock.Advance(10 * time.Second)
	require.Equal(t, "(integer) 1", client.ask("HLEN h"))
}
