package testkit_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/internal/testkit"
	"github.com/parley-chat/parley/server"
)

func startForClients(t *testing.T, o server.Options) *testkit.Kit {
	r, err := testkit.StartForClients(o)
	require.NoError(t, err)
	harness.CloseAtEnd(t, r.Server)
	return r
}

func connect(t *testing.T, r *testkit.Kit) *harness.Client { return harness.Dial(t, "tcp", r.Addr()) }

func TestResetMakesTheServerWhatItWas(t *testing.T) {
	r := startForClients(t, server.Options{Config: map[string]string{"maxclients": "77"}})
	w, other := connect(t, r), connect(t, r)
	users := w.AskWords("ACL", "LIST")
	parameters := w.AskWords("CONFIG", "GET", "*")
	for _, call := range [][]string{
		{"SET", "k", "v"},
		{"CONFIG", "SET", "maxclients", "99", "maxmemory-policy", "allkeys-lru", "notify-keyspace-events", "KEA", "timeout", "60"},
		{"ACL", "SETUSER", "bob", "on", "nopass", "+@all", "(~x* +get)"},
		{"ACL", "SETUSER", "default", ">secret", "-flushall", "resetkeys", "~only:*"},
		{"ACL", "SETUSER", "default", "(~a* +get +set)", "(~b* +del)"},
		{"CLIENT", "PAUSE", "100000", "WRITE"},
	} {
		require.Equal(t, "OK", w.AskWords(call...), call)
	}
	other.SendWords("SET", "only:held", "back")
	require.Equal(t, "OK", w.AskWords("TEST", "RESET"))
	require.Equal(t, "OK", other.Read(), "no pause holds anybody back")
	require.Equal(t, "OK", w.AskWords("TEST", "RESET"))
	require.Equal(t, "OK", w.AskWords("CLIENT", "PAUSE", "100000", "ALL"))
	require.Equal(t, "OK", w.AskWords("TEST", "RESET"), "nor this call itself")
	require.Equal(t, "(integer) 0", w.AskWords("DBSIZE"))
	require.Equal(t, users, strings.ReplaceAll(w.AskWords("ACL", "LIST"), " sanitize-payload", ""), "which is the default, but told once a user was reset")
	require.Equal(t, parameters, w.AskWords("CONFIG", "GET", "*"))
	require.Equal(t, "(error) WRONGPASS invalid username-password pair or user is disabled.", w.AskWords("AUTH", "bob", "x"))
}

func TestNoUserIsKeptFromReset(t *testing.T) {
	r := startForClients(t, server.Options{})
	w := connect(t, r)
	require.Equal(t, "OK", w.AskWords("ACL", "SETUSER", "default", "-@all", "+get", "resetkeys"))
	require.Contains(t, w.AskWords("SET", "k", "v"), "NOPERM")
	require.Equal(t, "OK", test(w, "RESET"))
	require.Equal(t, "OK", w.AskWords("SET", "k", "v"))
}

func TestResetLetsKeysExpireAgain(t *testing.T) {
	r := startForClients(t, server.Options{Debug: commands.DebugLocal, Config: map[string]string{"notify-keyspace-events": "Ex"}})
	w := connect(t, r)
	require.Equal(t, "OK", w.AskWords("DEBUG", "SET-ACTIVE-EXPIRE", "0"))
	require.Equal(t, "OK", test(w, "RESET"))
	require.Equal(t, "OK", test(w, "RECORD", "gone"))
	require.Equal(t, "OK", w.AskWords("SET", "k", "v", "EX", "30"))
	require.Equal(t, "OK", test(w, "ADVANCE", "31s"))
	require.Contains(t, test(w, "RECORDED", "gone"), "expired")
}

// TEST's rows are listed like all others, but its calls are invisible to
// MONITOR.
func TestTheCommandIsOneOfTheTable(t *testing.T) {
	r := startForClients(t, server.Options{Password: "secret"})
	w := connect(t, r)
	require.Equal(t, "(error) NOAUTH Authentication required.", w.AskWords("TEST", "RESET"))
	require.Equal(t, "OK", w.AskWords("AUTH", "secret"))
	require.Equal(t, "OK", w.AskWords("CONFIG", "SET", "slowlog-log-slower-than", "0"))
	monitor := connect(t, r)
	monitor.AskWords("AUTH", "secret")
	require.Equal(t, "OK", monitor.AskWords("MONITOR"))
	require.Contains(t, w.AskWords("TEST", "HELP"), "TEST <subcommand>")
	require.Equal(t, "(error) ERR unknown subcommand 'NOSUCH'. Try TEST HELP.", w.AskWords("TEST", "NOSUCH"))
	require.Equal(t, "(error) ERR wrong number of arguments for 'test|reset' command", w.AskWords("TEST", "RESET", "x"))
	require.Contains(t, w.AskWords("COMMAND", "DOCS", "test"), "Resets the server to its state")
	require.Contains(t, w.AskWords("ACL", "CAT", "dangerous"), `"test|reset"`)
	require.NotContains(t, w.AskWords("SLOWLOG", "GET", "100"), `"TEST"`)
	w.AskWords("MULTI")
	require.Equal(t, "(error) ERR Command not allowed inside a transaction", w.AskWords("TEST", "RESET"))
	w.AskWords("DISCARD")
	w.AskWords("ECHO", "end")
	for line := ""; !strings.Contains(line, `"end"`); line = monitor.Read() {
		require.NotContains(t, line, "TEST")
	}
}
