package servertest_test

import (
	"bufio"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/server"
	"github.com/parley-chat/parley/server/servertest"
)

// standing sets a clock that stands still.
func standing(o *servertest.Options) {
	o.Clock = server.NewManualClock(time.UnixMilli(1_700_000_000_000))
}

func TestDirectAccess(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, standing)
	db := s.DB(0)

	require.Equal(t, 2, db.HSet("user:1", "name", "Ada", "language", "en"))
	require.Equal(t, map[string]string{"name": "Ada", "language": "en"}, db.HGetAll("user:1"))
	_, ok := db.HGet("user:1", "age")
	require.False(t, ok)

	db.SAdd("online", "bob", "ada")
	require.Equal(t, []string{"ada", "bob"}, db.SMembers("online"))

	db.ZAdd("seen", servertest.Member{Member: "ada", Score: 12.5})
	require.Equal(t, []servertest.Member{{Member: "ada", Score: 12.5}}, db.ZRange("seen", 0, -1))

	s.DB(3).Set("motto", "")
	motto, ok := s.DB(3).Get("motto")
	require.True(t, ok, "an empty string is a value")
	require.Empty(t, motto)

	require.True(t, db.Expire("online", time.Minute))
	left, ok := db.TTL("online")
	require.True(t, ok)
	require.Equal(t, time.Minute, left)
}

func TestDirectAccessHasTheWordsOfTheCommands(t *testing.T) {
	t.Parallel()
	db := servertest.New(t, standing).DB(1)
	db.Set("k", "v")
	require.Equal(t, "string", db.Type("k"))
	require.Equal(t, "none", db.Type("nothing"))
	require.True(t, db.Exists("k"))
	require.Equal(t, []string{"k"}, db.Keys("*"))
	_, ok := db.TTL("k")
	require.False(t, ok)
	_, ok = db.Get("nothing")
	require.False(t, ok)
	require.Equal(t, 1, db.Del("k", "nothing"))
	require.False(t, db.Expire("k", time.Second))
	require.Empty(t, db.HGetAll("h"))

	db.HSet("h", "f", "1")
	require.Equal(t, 1, db.HDel("h", "f", "g"))
	require.Equal(t, 2, db.SAdd("s", "a", "b"))
	require.True(t, db.SIsMember("s", "a"))
	require.Equal(t, 1, db.SRem("s", "a"))
	require.Equal(t, 2, db.ZAdd("z", servertest.Member{Member: "low", Score: math.Inf(-1)}, servertest.Member{Member: "third", Score: 1.0 / 3}))
	score, ok := db.ZScore("z", "third")
	require.True(t, ok)
	require.Equal(t, 1.0/3, score)
	_, ok = db.ZScore("z", "nobody")
	require.False(t, ok)
	require.Equal(t, 1, db.ZRem("z", "low"))
	require.Zero(t, db.Publish("news", "hello"))
}

// A failure ends the test, and names the key and its type.
func TestDirectAccessNamesTheKeyOfAnotherType(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	s.DB(2).Set("user:1", "Ada")
	_, err := s.Kit.DB(2).HGetAll("user:1")
	require.ErrorIs(t, err, commands.ErrWrongType)
	require.EqualError(t, err, "servertest: HGETALL: "+commands.ErrWrongType.Error()+"; user:1 is a string")

	_, err = s.Kit.DB(16).Keys("*")
	require.EqualError(t, err, "servertest: database 16 of 16")
	_, err = s.Kit.DB(0).HSet("h", "odd")
	require.EqualError(t, err, "servertest: HSET: ERR wrong number of arguments for 'hset' command")
	_, err = s.Kit.DB(0).Do("SUBSCRIBE", "c")
	require.ErrorContains(t, err, "needs a connection")
	_, err = s.Kit.DB(0).Do("NONSENSE")
	require.ErrorContains(t, err, "unknown command")
	_, err = s.Kit.DB(0).Do()
	require.Error(t, err)
}

// Reads have no effect that a client or an operator can see.
func TestALookChangesNothing(t *testing.T) {
	t.Parallel()
	clock := server.NewManualClock(time.UnixMilli(1_700_000_000_000))
	s := servertest.New(t, func(o *servertest.Options) {
		o.Clock = clock
		o.Config = map[string]string{"notify-keyspace-events": "KEAm", "slowlog-log-slower-than": "0"}
	})
	conn, err := s.Dial()
	require.NoError(t, err)
	defer conn.Close()
	lines := bufio.NewReader(conn)
	fmt.Fprintf(conn, "HSET h f v\r\nMONITOR\r\n")
	for range 2 {
		_, err = lines.ReadString('\n')
		require.NoError(t, err)
	}
	subscriber, err := s.Dial()
	require.NoError(t, err)
	defer subscriber.Close()
	messages := bufio.NewReader(subscriber)
	fmt.Fprintf(subscriber, "PSUBSCRIBE *\r\n")
	for range 6 {
		_, err = messages.ReadString('\n')
		require.NoError(t, err)
	}
	clock.Advance(time.Minute)

	seen := func() string {
		var all strings.Builder
		for _, section := range []string{"commandstats", "keyspace"} {
			v, err := s.Do(t.Context(), "INFO", section)
			require.NoError(t, err)
			all.WriteString(strings.ReplaceAll(v.Str, "cmdstat_info", ""))
		}
		return all.String()
	}
	idle, err := s.Do(t.Context(), "OBJECT", "IDLETIME", "h")
	require.NoError(t, err)
	require.EqualValues(t, 60, idle.Int)
	stats, err := s.Do(t.Context(), "INFO", "stats")
	require.NoError(t, err)
	before := seen()

	require.Len(t, s.DB(0).HGetAll("h"), 1)
	require.False(t, s.DB(0).Exists("nothing"))
	require.Equal(t, []string{"h"}, s.DB(0).Keys("*"))

	for _, name := range []string{"keyspace_hits", "keyspace_misses"} {
		after, err := s.Do(t.Context(), "INFO", "stats")
		require.NoError(t, err)
		require.Equal(t, valueOf(stats.Str, name), valueOf(after.Str, name))
	}
	require.NotContains(t, seen()[len("# Commandstats"):], "hgetall")
	require.Contains(t, before, "cmdstat_hset")
	idle, err = s.Do(t.Context(), "OBJECT", "IDLETIME", "h")
	require.NoError(t, err)
	require.EqualValues(t, 60, idle.Int)
	slow, err := s.Do(t.Context(), "SLOWLOG", "GET", "-1")
	require.NoError(t, err)
	require.NotContains(t, strings.ToLower(slow.String()), "hgetall")

	// The next that comes to the others is what comes behind the looks.
	s.DB(0).Publish("end", "of it")
	for _, want := range []string{"*4\r\n", "$8\r\n", "pmessage\r\n", "$1\r\n", "*\r\n", "$3\r\n", "end\r\n"} {
		line, err := messages.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, want, line)
	}
	_, err = s.Do(t.Context(), "ECHO", "last")
	require.NoError(t, err)
	for {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		require.NotContains(t, strings.ToLower(line), "hgetall")
		if strings.Contains(line, "last") {
			break
		}
	}
}

func valueOf(info, name string) string {
	_, rest, _ := strings.Cut(info, "\n"+name+":")
	value, _, _ := strings.Cut(rest, "\r")
	return value
}

// Changes are announced like those of any client.
func TestADirectChangeReachesWhoWaitsForIt(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	conn, err := s.Dial()
	require.NoError(t, err)
	defer conn.Close()
	lines := bufio.NewReader(conn)
	fmt.Fprintf(conn, "SET watched 1\r\nWATCH watched\r\nMULTI\r\n")
	for range 3 {
		_, err := lines.ReadString('\n')
		require.NoError(t, err)
	}
	s.DB(0).Set("watched", "2")
	fmt.Fprintf(conn, "EXEC\r\n")
	line, err := lines.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "*-1\r\n", line)

	fmt.Fprintf(conn, "PING\r\nBZPOPMIN queue 0\r\n")
	line, err = lines.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "+PONG\r\n", line)
	s.DB(0).ZAdd("queue", servertest.Member{Member: "job", Score: 1})
	line, err = lines.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "*3\r\n", line)
	require.False(t, s.DB(0).Exists("queue"))
	require.True(t, s.DB(0).Do("BZPOPMIN", "queue", "0").IsNull(), "a call of the test never waits")
}

func rigOptions() server.Options {
	return server.Options{Clock: server.NewManualClock(time.UnixMilli(1_700_000_000_000))}
}
