package servertest_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/server/servertest"
)

// message is a message as a RESP2 subscriber receives it.
func message(channel, payload string) []string {
	return []string{"*3", "$7", "message", fmt.Sprint("$", len(channel)), channel, fmt.Sprint("$", len(payload)), payload}
}

// subscribe connects a subscriber.
func subscribe(t testing.TB, s *servertest.Server, name, channel string) *harness.Client {
	c := dialAs(t, s, name)
	c.AskLines("SUBSCRIBE "+channel, "*3", "$9", "subscribe", fmt.Sprint("$", len(channel)), channel, ":1")
	return c
}

func publish(t testing.TB, s *servertest.Server, channel, payload string, receivers int) {
	t.Helper()
	v, err := s.Do(t.Context(), "PUBLISH", channel, payload)
	require.NoError(t, err)
	require.EqualValues(t, receivers, v.Int)
}

// One subscriber misses a message, another receives it twice, and the publisher
// does not notice. Messages are counted for each subscriber.
func TestMessagesDroppedAndDoubled(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	phone, tablet, web := subscribe(t, s, "phone", "room:1"), subscribe(t, s, "tablet", "room:1"), subscribe(t, s, "web", "room:1")
	lost := s.Inject(servertest.Fault{Client: "phone", Channel: "room:*", Nth: 2, Drop: true})
	twice := s.Inject(servertest.Fault{Client: "t*", Channel: "room:1", From: 2, Double: true})
	publish(t, s, "room:1", "a", 3)
	publish(t, s, "room:1", "b", 3)
	publish(t, s, "other", "c", 0)
	twice.Undo()
	publish(t, s, "room:1", "d", 3)
	phone.RequireLines(append(message("room:1", "a"), message("room:1", "d")...)...)
	tablet.RequireLines(append(append(append(message("room:1", "a"), message("room:1", "b")...), message("room:1", "b")...), message("room:1", "d")...)...)
	web.RequireLines(append(append(message("room:1", "a"), message("room:1", "b")...), message("room:1", "d")...)...)
	require.Equal(t, 1, lost.Strikes())
	require.Equal(t, 1, twice.Strikes())
}

// Faults apply to messages of patterns, shards and keyspace events, too, and to
// messages that a client publishes to itself.
func TestMessagesOfEachKind(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	app := dialAs(t, s, "app")
	_, err := s.Do(t.Context(), "CONFIG", "SET", "notify-keyspace-events", "KA")
	require.NoError(t, err)
	app.AskLines("HELLO 3 SETNAME app", "%7", "$6", "server", "$5", "redis", "$7", "version", "$6", "7.0.15", "$5", "proto", ":3", "$2", "id", ":1",
		"$4", "mode", "$10", "standalone", "$4", "role", "$6", "master", "$7", "modules", "*0")
	app.AskLines("PSUBSCRIBE room:*\nSSUBSCRIBE shard\nSUBSCRIBE __keyspace@0__:k", ">3", "$10", "psubscribe", "$6", "room:*", ":1",
		">3", "$10", "ssubscribe", "$5", "shard", ":1", ">3", "$9", "subscribe", "$16", "__keyspace@0__:k", ":2")
	i := s.Inject(servertest.Fault{Client: "app", Drop: true})
	app.AskLines("PUBLISH room:1 x\nSPUBLISH shard x\nSET k v\nPING", ":1", ":1", "+OK", "+PONG")
	require.Equal(t, 3, i.Strikes())
	i.Undo()
	i = s.Inject(servertest.Fault{Client: "app", Channel: "shard", Double: true})
	shard := []string{">3", "$8", "smessage", "$5", "shard", "$1", "x"}
	app.AskLines("SPUBLISH shard x\nDEL k", append(append(append([]string{}, shard...), shard...), ":1",
		">3", "$7", "message", "$16", "__keyspace@0__:k", "$3", "del", ":1")...)
	require.Equal(t, 1, i.Strikes())
}

// With the same seed the same messages are lost, however many subscribers there
// are and in whatever order they are served.
func TestSeedDecidesWhichMessagesAreLost(t *testing.T) {
	t.Parallel()
	lost := func(seed uint64) (strikes []int) {
		s := servertest.New(t, func(o *servertest.Options) { o.Seed = seed })
		i := s.Inject(servertest.Fault{Channel: "c", Drop: true, Chance: 0.3})
		for n := range 10 {
			subscribe(t, s, fmt.Sprint("n", n), "c")
		}
		for range 20 {
			publish(t, s, "c", "x", 10)
			strikes = append(strikes, i.Strikes())
		}
		return strikes
	}
	first := lost(1)
	require.Equal(t, first, lost(1))
	require.NotEqual(t, first, lost(2))
	require.InDelta(t, 0.3*200, first[19], 25)
}
