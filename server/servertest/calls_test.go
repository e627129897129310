package servertest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/testkit"
	"github.com/parley-chat/parley/server"
	"github.com/parley-chat/parley/server/servertest"
)

func TestCallsAreKeptByClient(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_700_000_000_123)
	s := servertest.New(t, func(o *servertest.Options) { o.Clock = server.NewManualClock(now) })
	c := connect(t, s)
	c.AskLine("CLIENT SETNAME app", "SELECT 2", "set k 'a b'", "MULTI", "INCR k")
	c.AskLine("NOSUCH 1", "EXEC", "INCR k", "GET")
	do(t, s, "GET", "k")

	require.Equal(t, []string{
		"client 1: CLIENT SETNAME app",
		"client 1 name=app: SELECT 2",
		`client 1 name=app db=2: set k "a b"`,
		"client 1 name=app db=2: MULTI",
		"client 1 name=app db=2 in MULTI: INCR k",
		"client 1 name=app db=2: NOSUCH 1 -> ERR unknown command 'NOSUCH', with args beginning with: '1' ",
		"client 1 name=app db=2: EXEC -> EXECABORT Transaction discarded because of previous errors.",
		"client 1 name=app db=2: INCR k -> ERR value is not an integer or out of range",
		"client 1 name=app db=2: GET -> ERR wrong number of arguments for 'get' command",
		"Do: GET k",
	}, texts(s.Calls().Calls))
	require.Equal(t, servertest.Call{Client: 1, Name: "app", DB: 2, Command: "set", Words: []string{"set", "k", "a b"}, At: now}, s.Calls().All()[2])
	require.Equal(t, 8, s.Calls().By("app").Len())
	require.Equal(t, 9, s.Calls().ByClient(1).Len())
	require.Equal(t, 3, s.Calls().Of("SET", "GET").Len())
	require.Equal(t, 1, s.Calls().By("app").Of("set").Len())

	s.ClearCalls()
	require.Zero(t, s.Calls().Len())
}

func texts(c testkit.Calls) (list []string) {
	for _, one := range c.All() {
		list = append(list, one.String())
	}
	return list
}

func TestCallsAreAsserted(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	c := connect(t, s)
	c.AskLine("CLIENT SETNAME app", "SET user:1 Ann EX 30", "SADD room:1 1", "PUBLISH room:1 joined", "PUBLISH room:1 left")

	calls := s.Calls()
	calls.RequireCalled("set user:1")
	calls.RequireCalled("SET * Ann")
	calls.RequireCalled("client setname app")
	calls.By("app").RequireCalled("PUBLISH room:1 joined")
	calls.RequireNotCalled("DEL user:1")
	calls.RequireCalledTimes(2, "PUBLISH")
	calls.RequireCalledInOrder("SET user:1", "SADD room:1", "PUBLISH room:1 left")

	for _, test := range []struct {
		assert func(servertest.Calls)
		failed string
	}{
		{func(c servertest.Calls) { c.RequireCalled("SET User:1") }, "not called: SET User:1"},
		{func(c servertest.Calls) { c.RequireNotCalled("PUBLISH") }, "called 2 times, not 0: PUBLISH"},
		{func(c servertest.Calls) { c.RequireCalledTimes(1, "DEL") }, "called 0 times, not 1: DEL"},
		{func(c servertest.Calls) { c.RequireCalledInOrder("SADD", "SET") }, "not called after SADD: SET"},
		{func(c servertest.Calls) { c.RequireCalledInOrder("DEL", "SET") }, "not called: DEL"},
	} {
		f := &failing{TB: t}
		f.run(func() { test.assert(s.For(f).Calls()) })
		require.Len(t, f.fatal, 1)
		first, rest, _ := strings.Cut(f.fatal[0], "\n")
		require.Equal(t, test.failed, first)
		require.Equal(t, `5 calls received
  client 1: CLIENT SETNAME app
  client 1 name=app: SET user:1 Ann EX 30
  client 1 name=app: SADD room:1 1
  client 1 name=app: PUBLISH room:1 joined
  client 1 name=app: PUBLISH room:1 left`, rest)
	}
	require.EqualError(t, calls.Called(`SET "k`), `not a call: "SET \"k"`)
	require.Error(t, calls.NotCalled(""))
}

// A call that the log has dropped may have been made.
func TestCallsThatAreNotKeptAreOwnedUpTo(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	do(t, s, "SET", "early", "1")
	for range 5000 {
		do(t, s, "PING")
	}
	calls := s.Calls()
	require.Equal(t, 4096, calls.Len())
	require.Equal(t, 905, calls.Dropped())
	require.EqualError(t, calls.NotCalled("SET early"), "called 0 times among the last 4096 calls, and 905 earlier ones were dropped: SET early")
	require.ErrorContains(t, calls.Called("SET early"), "4096 calls received, 905 earlier ones dropped; the last 40")
}

func TestLargeCallsTakeTheRoomOfMany(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for range 10 {
		do(t, s, "SET", "k", strings.Repeat("x", 1<<20))
	}
	require.Equal(t, 7, s.Calls().Len())
	require.Equal(t, 1<<20, len(s.Calls().All()[6].Words[2]))
	do(t, s, "SET", "k", strings.Repeat("x", 9<<20))
	require.Equal(t, 11, s.Calls().Dropped())
}

func TestPasswordsAreNotShown(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, func(o *servertest.Options) { o.Password = "secret" })
	c := connect(t, s)
	c.AskLine("AUTH secret")
	err := s.Calls().Called("PING")
	require.ErrorContains(t, err, "AUTH (redacted)")
	require.NotContains(t, err.Error(), "secret")
	s.Calls().RequireCalled("AUTH secret")

	c.AskLine("CONFIG SET requirepass secret")
	c.AskLine("ACL SETUSER ann on >secret")
	c.AskLine("ACL SETUSER ann on secret") // the error repeats the rule
	c.AskLine("HELLO 9 AUTH ann secret SETNAME app")
	c.AskLine("CLIENT PAUSE 100000 ALL")
	c.Send("AUTH ann secret")
	err = s.Calls().Called("PING")
	require.ErrorContains(t, err, "CONFIG SET requirepass (redacted)")
	require.ErrorContains(t, err, "-> ERR (redacted)")
	require.ErrorContains(t, err, "HELLO 9 AUTH (redacted) (redacted) SETNAME app")
	require.NotContains(t, err.Error(), "secret")
	err = s.Kit.WaitIdle(soon(t))
	require.ErrorContains(t, err, "is delayed in AUTH (redacted) (redacted)")
	require.NotContains(t, err.Error(), "secret")
	for _, call := range s.Calls().All() {
		require.NotContains(t, call.String()+strings.Join(call.Redacted(), " "), "secret")
	}
}

func TestCallThatAPauseHeldBackIsToldOnce(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	a, b := connect(t, s), connect(t, s)
	a.AskLine("CLIENT PAUSE 100000 WRITE")
	b.Send("SET k v")
	require.Error(t, s.Kit.WaitIdle(soon(t)))
	a.AskLine("CLIENT UNPAUSE")
	require.Equal(t, "+OK", b.Line())
	s.Calls().RequireCalledTimes(1, "SET k v")
}
