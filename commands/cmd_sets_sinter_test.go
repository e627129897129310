package commands_test

import (
	"bytes"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/parley-chat/parley/internal/wire"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/datastructs"
	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/server"
)

// Redis refuses a sorted set among the keys of SINTER, so that no transcript
// can hold what follows. ZINTER, which Redis has, is the model for the members.

var sinterData = []string{
	"ZADD room 1 ann 2 bob 3 eve",
	"ZADD other 1 eve 2 ann",
	"ZADD numbers 1 1 2 2 3 x",
	"SADD online bob eve zoe",
	"SADD ints 1 2 3",
	"SET text x",
	"HSET hash ann 1",
}

func sinterServer(t *testing.T, o server.Options) func(line string) resp.Value {
	s, err := server.New(o)
	require.NoError(t, err)
	harness.CloseAtEnd(t, s)
	do := func(line string) resp.Value {
		var words []any
		for _, w := range strings.Fields(line) {
			words = append(words, w)
		}
		v, _ := s.Do(t.Context(), words...)
		return v
	}
	for _, line := range sinterData {
		require.NoError(t, do(line).Err(), line)
	}
	// More members than a small sorted set or set holds.
	for i := range 300 {
		do("ZADD large " + strconv.Itoa(i) + " m" + strconv.Itoa(i))
		do("SADD big m" + strconv.Itoa(2*i))
	}
	return do
}

func TestSinterTakesSortedSets(t *testing.T) {
	do := sinterServer(t, server.Options{})
	for line, want := range map[string]string{
		"room online":            "bob eve",
		"online room":            "bob eve",
		"room":                   "ann bob eve",
		"room room":              "ann bob eve",
		"room other":             "ann eve",
		"room online other":      "eve",
		"online other room room": "eve",
		"numbers ints":           "1 2",
		"room ints":              "",
		"room nokey":             "",
		"nokey room online":      "",
		"large room":             "",
	} {
		members := strings.Fields(want)
		v := do("SINTER " + line)
		require.Equal(t, resp.TypeSet, v.Type, line)
		require.ElementsMatch(t, members, v.Strings(), line)

		keys := strconv.Itoa(len(strings.Fields(line)))
		require.Equal(t, int64(len(members)), do("SINTERCARD "+keys+" "+line).Int, line)
		require.Equal(t, min(int64(len(members)), 1), do("SINTERCARD "+keys+" "+line+" LIMIT 1").Int, line)

		do("ZADD dest 1 old")
		require.Equal(t, int64(len(members)), do("SINTERSTORE dest "+line).Int, line)
		require.ElementsMatch(t, members, do("SMEMBERS dest").Strings(), line)
	}
	require.Len(t, do("SINTER large big").Elems, 150)
	require.Len(t, do("SINTER big large").Elems, 150)
}

func TestSinterstoreOntoItsSortedSet(t *testing.T) {
	do := sinterServer(t, server.Options{})
	require.Equal(t, int64(2), do("SINTERSTORE room room online").Int)
	require.Equal(t, "set", do("TYPE room").Str)
	require.Equal(t, int64(0), do("SINTERSTORE other other nokey").Int)
	require.Equal(t, "none", do("TYPE other").Str)
}

func TestSinterStillRefusesOtherKinds(t *testing.T) {
	do := sinterServer(t, server.Options{})
	for _, keys := range []string{"room text", "text room", "room hash", "nokey room text", "room ints hash", "text"} {
		n := strconv.Itoa(len(strings.Fields(keys)))
		for _, line := range []string{"SINTER " + keys, "SINTERCARD " + n + " " + keys, "SINTERSTORE online " + keys} {
			require.ErrorIs(t, do(line).Err(), commands.ErrWrongType, line)
		}
	}
	for _, line := range []string{"SUNION room", "SDIFF room online", "SUNIONSTORE d online room", "SDIFFSTORE d room"} {
		require.ErrorIs(t, do(line).Err(), commands.ErrWrongType, line)
	}
	require.Equal(t, int64(3), do("SCARD online").Int)
}

func TestSinterStrict(t *testing.T) {
	var log bytes.Buffer
	do := sinterServer(t, server.Options{Strict: true, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for _, line := range []string{
		"SINTER room", "SINTER room online", "SINTER online room", "SINTER nokey room",
		"SINTERCARD 2 online room", "SINTERSTORE online online room",
	} {
		require.ErrorIs(t, do(line).Err(), commands.ErrWrongType, line)
	}
	require.Equal(t, int64(3), do("SCARD online").Int)
	require.Empty(t, log.String())
}

func TestSinterWarnsOnce(t *testing.T) {
	var log bytes.Buffer
	do := sinterServer(t, server.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	do("SINTER online ints")
	do("SINTER room text") // refused: nothing was served
	require.Empty(t, log.String())

	var all sync.WaitGroup // reads share the lock
	for range 8 {
		all.Go(func() {
			for range 20 {
				do("SINTER online room")
				do("SINTERCARD 2 room online")
			}
		})
	}
	all.Wait()
	do("SINTERSTORE d online other")
	require.Equal(t, 1, strings.Count(log.String(), "\n"), log.String())
	require.Contains(t, log.String(), "level=WARN")
	require.Contains(t, log.String(), "Redis rejects this, ZINTER works on both")
	require.Contains(t, log.String(), "key=room")

	log.Reset()
	another := sinterServer(t, server.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	another("SINTER other online")
	require.Contains(t, log.String(), "key=other", "each server tells its operator")
}

// What a log or a replica receives must run on Redis.
func TestSinterstoreTellsPlainCommands(t *testing.T) {
	var effects []string
	state := &commands.State{
		Table:     commands.Standard(),
		Databases: []*datastructs.Keyspace{new(datastructs.Keyspace)},
		Effects: func(unit []commands.Effect) {
			for _, e := range unit {
				effects = append(effects, string(bytes.Join(e.Words, []byte(" "))))
			}
		},
	}
	state.Stats.Reset(state.Table)
	c := &commands.Context{Writer: new(wire.Writer), State: state, Rand: rand.New(rand.NewPCG(1, 2))}
	c.Begin(new(commands.Client), 1)
	run := func(line string) []string {
		effects = nil
		args := bytes.Fields([]byte(line))
		m, err := state.Table.Find(args)
		require.NoError(t, err)
		require.NoError(t, c.Perform(m, args).Err)
		return slices.Clone(effects)
	}
	for _, line := range sinterData {
		require.Equal(t, []string{line}, run(line))
	}
	require.Equal(t, []string{"DEL dest", "SADD dest 1 2"}, run("SINTERSTORE dest numbers ints"))
	require.Equal(t, []string{"SINTERSTORE dest ints ints"}, run("SINTERSTORE dest ints ints"))
	require.Equal(t, []string{"DEL dest"}, run("SINTERSTORE dest numbers nokey"))
	require.Empty(t, run("SINTERSTORE dest numbers nokey"), "nothing changed")
	require.Equal(t, []string{"DEL room", "SADD room eve"}, run("SINTERSTORE room online room other"))
	require.Equal(t, []string{"DEL other"}, run("SINTERSTORE other other ints"))
}
