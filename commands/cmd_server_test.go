package commands_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/commands/resp"
)

func TestTimeIsThatOfTheCall(t *testing.T) {
	require.Equal(t, []string{"1700000000", "123456"}, here(t, "TIME").Strings())
}

func TestShutdown(t *testing.T) {
	c := emptyServer(2)
	require.Error(t, perform(t, c, "SHUTDOWN").Err, "where clients may not")

	ended, peer := 0, new(finished)
	c.Host.Shutdown = func() { ended++ }
	c.Client.Peer = peer
	require.Error(t, perform(t, c, "SHUTDOWN", "SAVE").Err, "nothing can be saved")
	require.Zero(t, ended)

	c.Truncate(0)
	require.NoError(t, perform(t, c, "SHUTDOWN", "NOSAVE", "NOW").Err)
	require.Equal(t, 1, ended)
	require.True(t, bool(*peer))
	require.Empty(t, c.Bytes(), "the connection closes without a reply")
}

func TestShutdownByACallerWithoutConnection(t *testing.T) {
	c := emptyServer(2)
	c.Host.Shutdown = func() {}
	perform(t, c, "SHUTDOWN")
	require.Equal(t, "+OK\r\n", string(c.Bytes()))
}

// finished is a connection that notes that it is to close.
type finished bool

func (f *finished) Push(*commands.Message) {}
func (f *finished) Finish()                { *f = true }
func (f *finished) Kill()                  {}
func (f *finished) Usage() commands.Usage  { return commands.Usage{} }

func (f *finished) InFlight() commands.InFlight { return commands.InFlight{} }

func TestInfoSections(t *testing.T) {
	usual := []string{
		"Server", "Clients", "Memory", "Persistence", "Stats", "Replication", "CPU", "Modules", "Errorstats",
		"Cluster", "Keyspace",
	}
	all := []string{
		"Server", "Clients", "Memory", "Persistence", "Stats", "Replication", "CPU", "Modules", "Commandstats",
		"Errorstats", "Latencystats", "Cluster", "Keyspace",
	}
	for asked, want := range map[string][]string{
		"": usual, "default": usual, "all": all, "Everything": all, "default all": all, "cpu all": all,
		"default commandstats": append(append(append([]string{}, usual[:8]...), "Commandstats"), usual[8:]...),
		"keyspace SERVER":      {"Server", "Keyspace"},
		"nosuch":               nil,
	} {
		reply := here(t, append([]string{"INFO"}, strings.Fields(asked)...)...)
		require.Equal(t, resp.TypeVerbatim, reply.Type)
		var got []string
		for line := range strings.Lines(reply.Str) {
			require.True(t, strings.HasSuffix(line, "\r\n"))
			if title, ok := strings.CutPrefix(strings.TrimSpace(line), "# "); ok {
				got = append(got, title)
			}
		}
		require.Equal(t, want, got, asked)
	}
}

// What redis-cli --stat reads.
func TestInfoHasWhatRedisCLIReads(t *testing.T) {
	text := here(t, "INFO").Str
	for _, field := range []string{
		"used_memory:", "connected_clients:", "blocked_clients:", "total_commands_processed:",
		"total_connections_received:", "loading:0", "rdb_bgsave_in_progress:0", "aof_rewrite_in_progress:0",
		"redis_version:7.0.15", "redis_mode:standalone", "role:master",
	} {
		require.Contains(t, text, "\r\n"+field)
	}
}

func TestInfoTellsWhatWasCounted(t *testing.T) {
	c := emptyServer(2)
	perform(t, c, "SET", "k", "v", "PX", "1000")
	perform(t, c, "GET", "k")
	perform(t, c, "GET", "none")
	c.Stats.CountError(commands.ErrWrongType)
	c.Stats.CountError(commands.ErrSyntax)
	c.Stats.CountError(errors.New("anything"))
	m := c.Table.Named([]byte("get"))
	c.Stats.Of(m).Calls.Add(2)
	c.Stats.Of(m).Nanos.Add(5000)
	c.Host.CPU = func() (sys, user float64) { return 0.25, 1.5 }

	c.Truncate(0)
	perform(t, c, "INFO", "all")
	text := string(c.Bytes())
	for _, line := range []string{
		"server_time_usec:1700000000123456",
		"keyspace_hits:1", "keyspace_misses:1",
		"cmdstat_get:calls=2,usec=5,usec_per_call=2.50,rejected_calls=0,failed_calls=0",
		"total_error_replies:3", "errorstat_ERR:count=2", "errorstat_WRONGTYPE:count=1",
		"used_cpu_sys:0.250000", "used_cpu_user:1.500000",
		"db0:keys=1,expires=1,avg_ttl=1000",
	} {
		require.Contains(t, text, "\r\n"+line+"\r\n")
	}

	perform(t, c, "CONFIG", "RESETSTAT")
	c.Truncate(0)
	perform(t, c, "INFO", "all")
	require.NotContains(t, string(c.Bytes()), "errorstat_")
	require.NotContains(t, string(c.Bytes()), "cmdstat_")
}

// A manual clock may stand before 1970.
func TestDeadlinesBefore1970(t *testing.T) {
	c := emptyServer(2)
	c.Begin(c.Client, -5_000_000)
	perform(t, c, "SET", "k", "v")
	for _, call := range []struct{ words, reply string }{
		{"EXPIRE k 2", ":1\r\n"},
		{"PEXPIRETIME k", ":-3000\r\n"},
		{"PTTL k", ":2000\r\n"},
		{"PEXPIRE k 9223372036854775807", ":1\r\n"},
		{"PEXPIRETIME k", ":9223372036854770807\r\n"},
		{"PEXPIRE k -9223372036854775808", "-ERR invalid expire time in 'pexpire' command\r\n"},
		{"PEXPIRE k -1", ":1\r\n"},
		{"EXISTS k", ":0\r\n"},
	} {
		c.Truncate(0)
		perform(t, c, strings.Fields(call.words)...)
		require.Equal(t, call.reply, string(c.Bytes()), call.words)
	}
}

func TestTableRefusesRowsOfOneName(t *testing.T) {
	run := func(*commands.Context) error { return nil }
	get := commands.Command{Name: "get", Arity: 2, Run: run}
	require.Panics(t, func() { commands.NewTable([]commands.Command{get, get}) })
	holder := commands.Command{Name: "client", Arity: -2, Subs: []commands.Command{get, get}}
	require.Panics(t, func() { commands.NewTable([]commands.Command{holder}) })
}

func TestConfigSetLogLevel(t *testing.T) {
	c := emptyServer(2)
	require.Error(t, perform(t, c, "CONFIG", "SET", "loglevel", "debug").Err, "nothing logs")
	require.NoError(t, perform(t, c, "CONFIG", "SET", "loglevel", "notice").Err, "it is so already")

	var levels []string
	c.Config.SetLogLevel = func(level string) { levels = append(levels, level) }
	require.NoError(t, perform(t, c, "CONFIG", "SET", "loglevel", "DEBUG").Err)
	require.Error(t, perform(t, c, "CONFIG", "SET", "loglevel", "warning", "maxclients", "x").Err)
	require.Equal(t, []string{"debug"}, levels)
	require.Equal(t, "debug", c.Config.LogLevel)
}

// SWAPDB looks at the keys that somebody waits for, however many there are.
func TestSwapOffersOnlyWhatIsAwaited(t *testing.T) {
	c := emptyServer(2)
	for i := range 1000 {
		perform(t, c, "ZADD", fmt.Sprint("z", i), "1", "a")
	}
	perform(t, c, "SET", "text", "x")
	var ready []string
	c.KeyReady = func(db int, key []byte) { ready = append(ready, fmt.Sprint(db, " ", string(key))) }
	c.AwaitedKeys = func(db int) [][]byte { return [][]byte{[]byte("none"), []byte("text"), []byte("z7")} }
	perform(t, c, "SWAPDB", "0", "1")
	require.Equal(t, []string{"1 z7"}, ready)
}
