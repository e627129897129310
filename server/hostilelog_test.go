package server_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/server"
)

// bareLog writes lines without escaping. The handlers of log/slog escape text;
// others may not.
type bareLog struct {
	mu    *sync.Mutex
	lines *[]string
}

func newBareLog() bareLog { return bareLog{new(sync.Mutex), new([]string)} }

func (bareLog) Enabled(context.Context, slog.Level) bool { return true }
func (l bareLog) WithAttrs([]slog.Attr) slog.Handler     { return l }
func (l bareLog) WithGroup(string) slog.Handler          { return l }

func (l bareLog) Handle(_ context.Context, r slog.Record) error {
	line := r.Level.String() + " " + r.Message
	r.Attrs(func(a slog.Attr) bool {
		line += plain(a)
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	*l.lines = append(*l.lines, line)
	return nil
}

func plain(a slog.Attr) (text string) {
	v := a.Value.Resolve()
	if v.Kind() != slog.KindGroup {
		return " " + a.Key + "=" + fmt.Sprint(v.Any())
	}
	for _, of := range v.Group() {
		text += plain(slog.Attr{Key: a.Key + "." + of.Key, Value: of.Value})
	}
	return text
}

// call encodes words as clients send them, whatever their bytes.
func call(words ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
	}
	return b.String()
}

// Text from clients in the log cannot move the operator's cursor, forge lines,
// fill the disk, or show a password.
func TestHostileTextInTheLog(t *testing.T) {
	const secret, guess = "s3cret\x1b[5m\r\n", "hunter2\x07\"\n"
	words := []string{
		"\x00\x01\x1b[31m\x7f\r\nERROR panic recovered",
		"\"quoted' \\back\tslash\u202egnp.exe\u2028\u0085\ufeff",
		"\xff\xfe\xc0\x80\x9b2J",
		"\x1b]0;title\x07" + strings.Repeat("A", 1<<17),
		strings.Repeat("\x1b", 1<<17),
		strings.Repeat("\u202e\n", 1<<10),
	}
	const oddName = "\x1b[31m\"eve'\\\u202e\xff"
	log := newBareLog()
	clock := server.NewManualClock(time.UnixMilli(1615480369000))
	s, err := server.Start(server.Options{Logger: slog.New(log), Clock: clock, Password: secret, Shutdown: func() {}, Config: map[string]string{
		"auth-failure-delay": "0", "auth-failure-rate": "0", "auth-max-failures": "0",
	}})
	require.NoError(t, err)
	defer s.Close()
	do(t, s, "ACL", "SETUSER", oddName, "on", ">"+secret, "+@all", "~*", "&*")

	// Each stream has a connection of its own; each advance of the clock allows
	// some lines of each event.
	send := func(stream string) {
		conn, err := net.Dial("tcp", s.Addr())
		require.NoError(t, err)
		require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
		var all sync.WaitGroup
		all.Go(func() {
			io.WriteString(conn, stream) // the server may close the connection
			conn.(*net.TCPConn).CloseWrite()
		})
		_, err = io.Copy(io.Discard, conn)
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "%.60q", stream)
		conn.Close()
		all.Wait()
		clock.Advance(2 * time.Minute)
	}
	for _, w := range words {
		calls := []string{
			call("CLIENT", "SETNAME", w), call("CLIENT", w), call("CLIENT", "KILL", w), call("CLIENT", "KILL", "USER", w),
			call("AUTH", w), call("AUTH", guess), call("AUTH", w, guess), call("HELLO", "3", "AUTH", w, guess, "SETNAME", w), call("HELLO", w),
			call(w), call(w, w, guess), call("GET", w, w), call("SELECT", w), call("OBJECT", w, w), call("DEBUG", w), call("SUBSCRIBE", w),
			call("CONFIG", "SET", w, w), call("CONFIG", "SET", "maxclients", w), call("CONFIG", "SET", "notify-keyspace-events", w),
			call("CONFIG", "SET", "client-output-buffer-limit", w), call("CONFIG", "SET", "slowlog-max-len", "128", w, guess), call("CONFIG", "RESETSTAT", w),
			call("ACL", "SETUSER", w, ">"+guess), call("ACL", "SETUSER", "u", ">"+guess, w), call("ACL", "DELUSER", w), call("ACL", "LOAD"), call("ACL", "SAVE"),
			call("ZADD", w, "1", "m"), call("SINTER", w), call("SHUTDOWN", w), call("SHUTDOWN", "SAVE"),
		}
		for _, c := range calls {
			send(c)
			send(call("AUTH", secret) + c)
			send(call("AUTH", oddName, secret) + c)
		}
		for _, stream := range []string{
			"GET /" + w + " HTTP/1.1\r\nHost: " + w + "\r\n\r\n", "POST " + w + "\r\n", "Host: " + w + "\r\n",
			"*1\r\n" + w + "\r\n", "*" + w + "\r\n", "*1\r\n$" + w + "\r\n", "\"" + w + "\r\n", w, w + " " + w + "\r\n",
		} {
			send(stream)
			send(call("AUTH", secret) + stream)
		}
	}
	long := strings.Repeat("\x1b", 1<<20)
	for _, stream := range []string{call("CLIENT", "SETNAME", long), call(long), call("AUTH", long, guess), call("CONFIG", "SET", long, long), call("ZADD", long, "1", "m") + call("SINTER", long), long} {
		send(stream)
		send(call("AUTH", secret) + stream)
	}
	// The log shows values that were set: this parameter is the only one that
	// accepts any text.
	for _, name := range []string{"default", oddName} {
		send(call("AUTH", name, secret) + call("CONFIG", "SET", "requirepass", guess) + call("CONFIG", "SET", "requirepass", secret))
	}
	require.NoError(t, s.Close())

	expected := []string{"authentication failed", "closing client: possible attack, HTTP", "closing client: protocol error", "CONFIG SET", "SINTER read a sorted set", "SHUTDOWN SAVE refused"}
	kinds := make(map[string]int)
	for _, line := range *log.lines {
		level, rest, _ := strings.Cut(line, " ")
		kinds[level]++
		for _, kind := range expected {
			if strings.HasPrefix(rest, kind) {
				kinds[kind]++
			}
		}
		require.Less(t, len(line), 2048)
		for _, r := range line {
			require.True(t, unicode.IsPrint(r) && r != unicode.ReplacementChar, "%q in %q", r, line)
		}
		for _, password := range []string{"hunter2", "s3cret"} {
			require.NotContains(t, line, password)
		}
	}
	t.Log(kinds)
	for _, kind := range expected {
		require.Positive(t, kinds[kind], kind)
	}
	require.Zero(t, kinds["ERROR"])
}

// Clients cannot shut down a server that is part of a program.
func TestClientsMayNotShutAnEmbeddedServerDown(t *testing.T) {
	overTransports(t, func(t *testing.T, s *server.Server, dial func() *harness.Client) {
		p := dial()
		for _, words := range []string{"", " NOSAVE", " NOW", " FORCE", " NOSAVE NOW FORCE"} {
			require.Equal(t, "(error) ERR SHUTDOWN is not for clients of this server", p.Ask("SHUTDOWN"+words))
		}
		require.Equal(t, "OK", p.Ask("MULTI"))
		p.Ask("SHUTDOWN NOSAVE")
		p.Ask("EXEC")
		require.Equal(t, "PONG", p.Ask("PING"))
		require.Equal(t, "PONG", dial().Ask("PING"))
	})
}

// The stack of a panicking handler shows addresses of arguments, not their
// text.
func TestPanicShowsNoPassword(t *testing.T) {
	log := newBareLog()
	login := commands.Command{
		Name: "login", Arity: 2, Flags: commands.Fast, Secrets: func([][]byte) []int { return []int{1} },
		Run: func(c *commands.Context) error { return useOf(string(c.Args[1]), c.Args[1], c.Args[len(c.Args)-1:][1]) },
	}
	s := newServer(t, server.Options{Logger: slog.New(log), Config: map[string]string{"slowlog-log-slower-than": "0"}}.WithCommands(login))
	p := dial(t, s)
	require.Contains(t, p.Ask("LOGIN hunter2"), "internal error")
	require.Contains(t, p.Ask("MULTI"), "OK")
	require.Contains(t, p.Ask("LOGIN hunter2"), "QUEUED")
	require.Contains(t, p.Ask("EXEC"), "internal error")
	shown := strings.Join(*log.lines, "\n") + p.Ask("SLOWLOG GET -1")
	require.Contains(t, shown, "panic recovered")
	require.Contains(t, shown, "goroutine ")
	require.NotContains(t, shown, "hunter2")
}

//go:noinline
func useOf(text string, word, more []byte) error { return fmt.Errorf("%s %s %s", text, word, more) }
