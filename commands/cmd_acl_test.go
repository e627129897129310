package commands_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/test/transcript"
	"github.com/parley-chat/parley/server"
)

// What is kept of refusals: which are one, how many, in what order, where the
// call was and what it was about.
func TestACLLogIsThatOfRedis(t *testing.T) {
	onBoth(t, func(t *testing.T, s *talked) (told []string) {
		admin, a, b := s.dial(), s.dial(), s.dial()
		admin.ask("ACL", "SETUSER", "ann", "on", ">p", "+@all", "-zadd", "~k*", "&c*")
		admin.ask("ACL", "SETUSER", "bob", "on", "nopass", "+get", "+multi", "+exec", "+set", "+discard", "~k1")
		look := func() { told = append(told, refusalsOf(admin.ask("ACL", "LOG", "100"))...) }
		for _, call := range []string{
			"AUTH ann x", "auth ann x", "AUTH ann y", "AUTH nosuch x", "HELLO 2 AUTH ann x", "HELLO 2 AUTH ann p", "AUTH ann p",
			"GET x", "GET y", "GET x", "MGET k1 x y", "ZADD k1 1 a", "zadd x 1 a", "SUBSCRIBE c1 d", "PSUBSCRIBE c*", "PSUBSCRIBE c1", "PUBLISH d x",
			"SPUBLISH d x", "SET x 1 GET", "SORT k1 STORE x", "CLIENT ID", "OBJECT ENCODING x", "GET", "NOSUCH",
			"MULTI", "GET x", "AUTH ann x", "ZADD k1 1 a", "EXEC", "MULTI", "AUTH ann x", "EXEC",
		} {
			a.ask(strings.Fields(call)...)
		}
		look()
		for _, call := range []string{"AUTH bob x", "CLIENT ID", "CLIENT INFO", "ECHO x", "MULTI", "GET k1", "SET k1 x"} {
			b.ask(strings.Fields(call)...)
		}
		admin.ask("ACL", "SETUSER", "bob", "-get", "resetkeys")
		b.ask("EXEC")
		b.ask("GET", "k1")
		look()
		told = append(told, refusalsOf(admin.ask("ACL", "LOG"))...)
		told = append(told, refusalsOf(admin.ask("ACL", "LOG", "3"))...)
		for i := range 12 { // of which the first is too far back to be counted again
			b.ask("AUTH", fmt.Sprint("nobody", i), "x")
		}
		b.ask("AUTH", "nobody0", "x")
		b.ask("AUTH", "nobody5", "x")
		look()
		admin.ask("CONFIG", "SET", "acllog-max-len", "3")
		look() // nothing is dropped before something is added
		b.ask("AUTH", "nobody5", "x")
		look()
		b.ask("AUTH", "more", "x")
		look()
		return told
	})
}

// refusalsOf lists what ACL LOG says but for times and clients.
func refusalsOf(v resp.Value) (list []string) {
	for _, e := range v.Elems {
		f := fields(e)
		list = append(list, fmt.Sprint(len(e.Elems), " ", f["count"], f["reason"], f["context"], f["object"], f["username"]))
	}
	return list
}

func TestACLLogMergesForAMinute(t *testing.T) {
	s := &talked{t, parley(t), 3}
	l := s.dial()
	entries := func() (list []string) {
		for _, e := range l.ask("ACL", "LOG").Elems {
			f := fields(e)
			list = append(list, f["count"].String()+" "+f["age-seconds"].String())
		}
		return list
	}
	l.ask("AUTH", "x", "y")
	s.Advance(60 * time.Second)
	require.Equal(t, []string{"(integer) 1 (double) 60"}, entries())
	l.ask("AUTH", "x", "y")
	require.Equal(t, []string{"(integer) 2 (double) 0"}, entries())
	s.Advance(60*time.Second + time.Millisecond)
	l.ask("AUTH", "x", "y")
	require.Equal(t, []string{"(integer) 1 (double) 0", "(integer) 2 (double) 60.000999999999998"}, entries())
	client := fields(l.ask("ACL", "LOG", "1").Elems[0])["client-info"].Text()
	require.Regexp(t, `^id=\d+ addr=\S+ .* cmd=auth user=default .*[^\n]$`, client)
}

// Of what is long the beginning is kept, so that those who are refused cannot
// fill the memory.
func TestACLLogKeepsLittle(t *testing.T) {
	s := &talked{t, parley(t), 2}
	admin, a := s.dial(), s.dial()
	admin.ask("ACL", "SETUSER", "ann", "on", "nopass", "+@all")
	a.ask("AUTH", "ann", "")
	long := strings.Repeat("x", 1<<20)
	a.ask("CLIENT", "SETNAME", long)
	a.ask("GET", long)
	a.ask("AUTH", long, "y")
	entries := admin.ask("ACL", "LOG").Elems
	require.Len(t, entries, 2)
	require.Equal(t, long[:4096]+"... (1044480 more bytes)", fields(entries[1])["object"].Text())
	for _, e := range entries {
		require.Less(t, len(e.String()), 20_000)
	}
}

// Who has lost a right while a call of his waited is not served.
func TestWaitingCallIsLookedAtAgain(t *testing.T) {
	for _, lost := range []string{"-bzpopmin", "resetkeys"} {
		s := &talked{t, parley(t), 2}
		admin, a := s.dial(), s.dial()
		admin.ask("ACL", "SETUSER", "ann", "on", "nopass", "+bzpopmin", "+ping", "~z")
		a.ask("AUTH", "ann", "")
		a.send("BZPOPMIN", "z", "0")
		admin.ask("ACL", "SETUSER", "ann", lost)
		require.Equal(t, int64(1), admin.ask("ZADD", "z", "1", "m").Int)
		require.Contains(t, a.read().Text(), "NOPERM this user has no permissions to ")
		require.Equal(t, "PONG", a.ask("PING").Text())
		require.Equal(t, int64(1), admin.ask("ZCARD", "z").Int)
		require.Len(t, admin.ask("ACL", "LOG").Elems, 1)
	}
}

// Who removes himself within EXEC is sent the replies so far and no more.
func TestUserRemovesItself(t *testing.T) {
	onBoth(t, func(t *testing.T, s *talked) []string {
		admin, a := s.dial(), s.dial()
		admin.ask("ACL", "SETUSER", "ann", "on", "nopass", "+@all")
		a.ask("AUTH", "ann", "")
		a.ask("MULTI")
		for _, call := range []string{"ECHO 1", "ACL DELUSER ann", "ECHO 2"} {
			a.ask(strings.Fields(call)...)
		}
		a.send("EXEC")
		told, _ := io.ReadAll(a.conn)
		return append(admin.ask("ACL", "USERS").Strings(), string(told))
	})
}

// A subscriber who takes the channel away from himself is answered; Redis 7.0.15
// crashes.
func TestSubscriberLosesItsChannel(t *testing.T) {
	s := &talked{t, parley(t), 3}
	admin, a := s.dial(), s.dial()
	admin.ask("ACL", "SETUSER", "ann", "on", "nopass", "+@all", "&a", "&b")
	a.ask("AUTH", "ann", "")
	a.ask("SUBSCRIBE", "a")
	require.Equal(t, "OK", a.ask("ACL", "SETUSER", "ann", "resetchannels", "&b").Text())
	a.requireClosed()
}

// No password is in anything that tells of calls.
func TestPasswordsAreNotShown(t *testing.T) {
	var logged bytes.Buffer
	level := new(slog.LevelVar)
	level.Set(slog.LevelDebug)
	o := server.Options{LogLevel: level, Logger: slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: level}))}
	o.Config = map[string]string{"slowlog-log-slower-than": "0"}
	srv, err := server.New(o)
	require.NoError(t, err)
	s := &talked{t, transcript.Target{Dial: srv.Dial}, 2}
	monitor, l := s.dial(), s.dial()
	monitor.ask("MONITOR")
	for _, call := range []string{
		"ACL SETUSER ann on >hidden <hidden #hidden >hidden", "ACL SETUSER ann on >hidden +@all", "acl setuser ann (>hidden", "AUTH hidden", "AUTH ann hidden",
		"AUTH nosuch hidden", "HELLO 3 AUTH ann hidden SETNAME x", "HELLO 3 AUTH ann hiddenx", "CONFIG SET requirepass hidden", "CONFIG SET requirepass hidden x y",
		"MULTI", "AUTH ann hidden", "ACL SETUSER ann >hidden", "EXEC", "HELLO 2", "CONFIG SET requirepass hidden2",
	} {
		l.ask(strings.Fields(call)...)
	}
	shown := l.ask("SLOWLOG", "GET", "-1").String() + l.ask("ACL", "LOG", "100").String() + l.ask("ACL", "LIST").String() + l.ask("CLIENT", "LIST").String()
	l.ask("ECHO", "end")
	for !strings.Contains(shown, `"end"`) {
		shown += monitor.read().String()
	}
	require.Contains(t, shown, "(redacted)")
	require.NoError(t, srv.Close())
	require.NotContains(t, shown+logged.String(), "hidden")
}

// requireClosed waits until the server has closed the connection.
func (l *line) requireClosed() {
	l.t.Helper()
	require.NoError(l.t, l.conn.SetReadDeadline(time.Now().Add(time.Minute)))
	_, err := io.ReadAll(l.conn)
	require.NoError(l.t, err)
}

// sortWords puts the words of rules in an order that does not depend on the hash
// table in which Redis has its commands.
func sortWords(text string) string {
	words := strings.Fields(text)
	slices.Sort(words)
	return strings.Join(words, " ")
}
