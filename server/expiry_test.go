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
	client.Ask("CONFIG SET notify-keyspace-events Ex")
	listener.Ask("SUBSCRIBE __keyevent@0__:expired")
	client.Ask("SET late x PX 20")
	client.Ask("SET early x PX 10")
	client.Ask("SET stays x")
	clock.Advance(21 * time.Millisecond)
	for _, key := range []string{"early", "late"} {
		require.Equal(t, fmt.Sprintf("1) \"message\"\n2) \"__keyevent@0__:expired\"\n3) %q", key), listener.Read())
	}
	require.Equal(t, "(integer) 1", client.Ask("DBSIZE"))
}

func TestKeyIsThereUntilItsDeadlineIsPast(t *testing.T) {
	clock := server.NewManualClock(time.UnixMilli(1615480369000))
	s := newServer(t, server.Options{Clock: clock})
	client := dial(t, s)
	client.Ask("SET k x PX 10")
	clock.Advance(10 * time.Millisecond)
	require.Equal(t, `"x"`, client.Ask("GET k"))
	clock.Advance(time.Millisecond)
	require.Equal(t, "(nil)", client.Ask("GET k"))
}

// More keys than one critical section expires are due at once.
func TestManyKeysExpireAtOnce(t *testing.T) {
	clock := server.NewManualClock(time.UnixMilli(1615480369000))
	s := newServer(t, server.Options{Clock: clock})
	client := dial(t, s)
	const keys = 5000
	for i := range keys {
		client.Send(fmt.Sprintf("SET k%d x PX 10", i))
		client.Read()
	}
	client.Ask("SET stays x")
	clock.Advance(11 * time.Millisecond)
	require.Equal(t, "(integer) 1", client.Ask("DBSIZE"))
	require.Equal(t, "(nil)", client.Ask(fmt.Sprintf("GET k%d", keys-1)))
	require.Equal(t, "OK", client.Ask("SET k0 again KEEPTTL"))
	require.Equal(t, "(integer) -1", client.Ask("PTTL k0"))
}

// The last moment there is must not come at once, and for ever.
func TestDeadlineAtTheEndOfTime(t *testing.T) {
	clock := server.NewManualClock(time.UnixMilli(1615480369000))
	s := newServer(t, server.Options{Clock: clock})
	client := dial(t, s)
	client.Ask("SET k x")
	require.Equal(t, "(integer) 1", client.Ask("PEXPIREAT k 9223372036854775807"))
	clock.Advance(time.Hour)
	require.Equal(t, `"x"`, client.Ask("GET k"))
}

func TestTimeIsTheBubbles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, server.Options{})
		client := dial(t, s)
		client.Ask("SET k x EX 30")
		time.Sleep(30 * time.Second)
		require.Equal(t, `"x"`, client.Ask("GET k"))
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		require.Equal(t, "(integer) 0", client.Ask("DBSIZE"))
		client.Send("BZPOPMIN z 3600")
		require.Equal(t, "(nil)", client.Read())
	})
}

// Fields go at their own deadlines, in order among keys and among each other;
// those of one moment and one hash are one event, and the key goes with the last.
func TestFieldsExpireInOrderAndOnTime(t *testing.T) {
	clock := server.NewManualClock(time.UnixMilli(1615480369000))
	s := newServer(t, server.Options{Clock: clock})
	listener, client := dial(t, s), dial(t, s)
	client.Ask("CONFIG SET notify-keyspace-events EAh")
	client.Ask("HSET h a 1 b 2 c 3 d 4")
	client.Ask("HSET g a 1")
	client.Ask("SET k v PX 20")
	client.Ask("HPEXPIRE h 30 FIELDS 1 a")
	client.Ask("HPEXPIRE h 10 FIELDS 2 b c")
	client.Ask("HPEXPIRE h 40 FIELDS 1 d")
	client.Ask("HPEXPIRE g 20 FIELDS 1 a")
	listener.Ask("PSUBSCRIBE __keyevent@0__:*")
	clock.Advance(9 * time.Millisecond)
	require.Equal(t, "(integer) 4", client.Ask("HLEN h"))
	clock.Advance(20 * time.Second)
	for _, event := range []string{"hexpired h", "expired k", "hexpired g", "del g", "hexpired h", "hexpired h", "del h"} {
		name, key, _ := strings.Cut(event, " ")
		require.Equal(t, fmt.Sprintf("1) \"pmessage\"\n2) \"__keyevent@0__:*\"\n3) \"__keyevent@0__:%s\"\n4) %q", name, key), listener.Read())
	}
	require.Equal(t, "(integer) 0", client.Ask("DBSIZE"))
	require.Contains(t, client.Ask("INFO stats"), "expired_subkeys:5")
}

func TestFieldsExpireInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, server.Options{})
		client := dial(t, s)
		client.Ask("HSETEX h EX 30 FIELDS 1 f v")
		time.Sleep(30 * time.Second)
		require.Equal(t, `"v"`, client.Ask("HGET h f"))
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		require.Equal(t, "(integer) 0", client.Ask("DBSIZE"))
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
		client.Ask(fmt.Sprintf("HSETEX h PX 10 FIELDS 1 f%d v", i))
	}
	client.Ask("HSET h stays v")
	clock.Advance(11 * time.Millisecond)
	require.Equal(t, "1) \"stays\"", client.Ask("HKEYS h"))
	require.Contains(t, client.Ask("INFO stats"), "expired_subkeys:5000")
	require.Equal(t, "1) (integer) -2", client.Ask("HTTL h FIELDS 1 f7"))
}

// A change of the deadline moves the alarm, both ways.
func TestFieldDeadlinesMayChange(t *testing.T) {
	clock := server.NewManualClock(time.UnixMilli(1615480369000))
	s := newServer(t, server.Options{Clock: clock})
	client := dial(t, s)
	client.Ask("HSETEX h PX 1000 FIELDS 2 a 1 b 2")
	client.Ask("HPEXPIRE h 10 FIELDS 1 a")
	clock.Advance(11 * time.Millisecond)
	require.Equal(t, "1) \"b\"", client.Ask("HKEYS h"))
	client.Ask("HPEXPIRE h 5000 FIELDS 1 b")
	clock.Advance(2 * time.Second)
	require.Equal(t, "1) \"b\"", client.Ask("HKEYS h"))
	client.Ask("HPERSIST h FIELDS 1 b")
	clock.Advance(10 * time.Second)
	require.Equal(t, "(integer) 1", client.Ask("HLEN h"))
}
