package testkit_test

import (
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/internal/testkit"
	"github.com/parley-chat/parley/server"
)

// A wire is a client of a kit that its clients operate.
type wire struct {
	t       *testing.T
	conn    net.Conn
	replies *resp.Reader
}

func startForClients(t *testing.T, o server.Options) *testkit.Kit {
	r, err := testkit.StartForClients(o)
	require.NoError(t, err)
	harness.CloseAtEnd(t, r.Server)
	return r
}

func connect(t *testing.T, r *testkit.Kit) *wire {
	conn, err := net.Dial("tcp", r.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return &wire{t, conn, resp.NewReader(conn)}
}

func (w *wire) send(words ...string) {
	w.t.Helper()
	var p resp.Writer
	p.Array(len(words))
	for _, word := range words {
		p.BulkString(word)
	}
	_, err := w.conn.Write(p.Bytes())
	require.NoError(w.t, err)
}

func (w *wire) read() string {
	w.t.Helper()
	v, err := w.replies.Read()
	require.NoError(w.t, err)
	return v.String()
}

func (w *wire) ask(words ...string) string {
	w.t.Helper()
	w.send(words...)
	return w.read()
}

func TestResetMakesTheServerWhatItWas(t *testing.T) {
	r := startForClients(t, server.Options{Config: map[string]string{"maxclients": "77"}})
	w, other := connect(t, r), connect(t, r)
	users := w.ask("ACL", "LIST")
	parameters := w.ask("CONFIG", "GET", "*")
	for _, call := range [][]string{
		{"SET", "k", "v"},
		{"CONFIG", "SET", "maxclients", "99", "maxmemory-policy", "allkeys-lru", "notify-keyspace-events", "KEA", "timeout", "60"},
		{"ACL", "SETUSER", "bob", "on", "nopass", "+@all", "(~x* +get)"},
		{"ACL", "SETUSER", "default", ">secret", "-flushall", "resetkeys", "~only:*"},
		{"ACL", "SETUSER", "default", "(~a* +get +set)", "(~b* +del)"},
		{"CLIENT", "PAUSE", "100000", "WRITE"},
	} {
		require.Equal(t, "OK", w.ask(call...), call)
	}
	other.send("SET", "only:held", "back")
	require.Equal(t, "OK", w.ask("TEST", "RESET"))
	require.Equal(t, "OK", other.read(), "no pause holds anybody back")
	require.Equal(t, "OK", w.ask("TEST", "RESET"))
	require.Equal(t, "OK", w.ask("CLIENT", "PAUSE", "100000", "ALL"))
	require.Equal(t, "OK", w.ask("TEST", "RESET"), "nor this call itself")
	require.Equal(t, "(integer) 0", w.ask("DBSIZE"))
	require.Equal(t, users, strings.ReplaceAll(w.ask("ACL", "LIST"), " sanitize-payload", ""), "which is the default, but told once a user was reset")
	require.Equal(t, parameters, w.ask("CONFIG", "GET", "*"))
	require.Equal(t, "(error) WRONGPASS invalid username-password pair or user is disabled.", w.ask("AUTH", "bob", "x"))
}

func TestNoUserIsKeptFromReset(t *testing.T) {
	r := startForClients(t, server.Options{})
	w := connect(t, r)
	require.Equal(t, "OK", w.ask("ACL", "SETUSER", "default", "-@all", "+get", "resetkeys"))
	require.Contains(t, w.ask("SET", "k", "v"), "NOPERM")
	require.Equal(t, "OK", w.test("RESET"))
	require.Equal(t, "OK", w.ask("SET", "k", "v"))
}

func TestResetLetsKeysExpireAgain(t *testing.T) {
	r := startForClients(t, server.Options{Debug: commands.DebugLocal, Config: map[string]string{"notify-keyspace-events": "Ex"}})
	w := connect(t, r)
	require.Equal(t, "OK", w.ask("DEBUG", "SET-ACTIVE-EXPIRE", "0"))
	require.Equal(t, "OK", w.test("RESET"))
	require.Equal(t, "OK", w.test("RECORD", "gone"))
	require.Equal(t, "OK", w.ask("SET", "k", "v", "EX", "30"))
	require.Equal(t, "OK", w.test("ADVANCE", "31s"))
	require.Contains(t, w.test("RECORDED", "gone"), "expired")
}

// The rows are rows like all others, but nobody who listens in is told of their calls.
func TestTheCommandIsOneOfTheTable(t *testing.T) {
	r := startForClients(t, server.Options{Password: "secret"})
	w := connect(t, r)
	require.Equal(t, "(error) NOAUTH Authentication required.", w.ask("TEST", "RESET"))
	require.Equal(t, "OK", w.ask("AUTH", "secret"))
	require.Equal(t, "OK", w.ask("CONFIG", "SET", "slowlog-log-slower-than", "0"))
	monitor := connect(t, r)
	monitor.ask("AUTH", "secret")
	require.Equal(t, "OK", monitor.ask("MONITOR"))
	require.Contains(t, w.ask("TEST", "HELP"), "TEST <subcommand>")
	require.Equal(t, "(error) ERR unknown subcommand 'NOSUCH'. Try TEST HELP.", w.ask("TEST", "NOSUCH"))
	require.Equal(t, "(error) ERR wrong number of arguments for 'test|reset' command", w.ask("TEST", "RESET", "x"))
	require.Contains(t, w.ask("COMMAND", "DOCS", "test"), "Makes the server what it was")
	require.Contains(t, w.ask("ACL", "CAT", "dangerous"), `"test|reset"`)
	require.NotContains(t, w.ask("SLOWLOG", "GET", "100"), `"TEST"`)
	w.ask("MULTI")
	require.Equal(t, "(error) ERR Command not allowed inside a transaction", w.ask("TEST", "RESET"))
	w.ask("DISCARD")
	w.ask("ECHO", "end")
	for line := ""; !strings.Contains(line, `"end"`); line = monitor.read() {
		require.NotContains(t, line, "TEST")
	}
}
