package servertest_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/internal/test/tlstest"
	"github.com/parley-chat/parley/server"
	"github.com/parley-chat/parley/server/servertest"
)

// dialAs connects in memory, under a name.
func dialAs(t testing.TB, s *servertest.Server, name string) *harness.Client {
	t.Helper()
	c := harness.Connect(t, s.Dial)
	c.AskLines("CLIENT SETNAME "+name, "+OK")
	return c
}

// overEach runs a test over each transport and in both protocols. Connections
// that it dials are named "app".
func overEach(t *testing.T, test func(t *testing.T, s *servertest.Server, app *harness.Client)) {
	a := tlstest.New(t)
	for _, over := range []string{"memory", "tcp", "tls"} {
		for _, protocol := range []string{"2", "3"} {
			t.Run(over+"/"+protocol, func(t *testing.T) {
				t.Parallel()
				s := servertest.New(t, func(o *servertest.Options) {
					if over != "memory" {
						o.Network, o.Addr = true, "127.0.0.1:0"
						o.TLSAddr, o.TLS = "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{a.Certificate("server")}}
					}
				})
				var conn net.Conn
				var err error
				switch over {
				case "memory":
					conn, err = s.Dial()
				case "tcp":
					conn, err = net.Dial("tcp", s.Addr())
				default:
					conn, err = tls.Dial("tcp", s.TLSAddr(), a.Client())
				}
				require.NoError(t, err)
				require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
				app := harness.NewClient(t, conn)
				app.Send("HELLO " + protocol + " SETNAME app\nPING")
				for line := ""; line != "+PONG\r\n"; {
					line, err = app.R.ReadString('\n')
					require.NoError(t, err)
				}
				test(t, s, app)
				require.NoError(t, s.Check())
			})
		}
	}
}

func TestErrorIsTheReply(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, s *servertest.Server, app *harness.Client) {
		i := s.Inject(servertest.Fault{Command: "set", Key: "user:*", Nth: 2, Error: "ERR it broke"})
		app.AskLines("SET other 1\nSET user:1 a\nSET user:1 b\nSET user:1 c XX GET", "+OK", "+OK", "-ERR it broke", "$1", "a")
		require.Equal(t, 1, i.Strikes())
	})
}

// A rejected call counts as a failed call, and as one that the client has sent.
func TestErrorCountsAsOne(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	app := dialAs(t, s, "app")
	s.Inject(servertest.Fault{Command: "get", Error: "OOM"})
	app.AskLines("GET k", "-OOM command not allowed when used memory > 'maxmemory'.")
	v, err := s.Do(t.Context(), "INFO", "everything")
	require.NoError(t, err)
	require.Contains(t, v.Str, "errorstat_OOM:count=1")
	require.Contains(t, v.Str, "cmdstat_get:calls=0,usec=0,usec_per_call=0.00,rejected_calls=1,failed_calls=0")
	v, err = s.Do(t.Context(), "CLIENT", "LIST")
	require.NoError(t, err)
	require.Contains(t, v.Str, "cmd=get")
}

// A call rejected when it is queued makes EXEC fail, as in Redis.
func TestErrorWithinTransaction(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	app := dialAs(t, s, "app")
	i := s.Inject(servertest.Fault{Error: "READONLY"})
	app.AskLines("MULTI\nGET k\nSET k v\nEXEC", "+OK", "+QUEUED", "-READONLY You can't write against a read only replica.",
		"-EXECABORT Transaction discarded because of previous errors.")
	i.Undo()
	i = s.Inject(servertest.Fault{Command: "exec", Error: "BUSY"})
	app.AskLines("MULTI\nSET k v\nEXEC\nGET k", "+OK", "+QUEUED",
		"-EXECABORT Transaction discarded because of: BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.", "$-1")
	i.Undo()
	app.AskLines("MULTI\nSET k v\nEXEC", "+OK", "+QUEUED", "*1", "+OK")
}

// Without Command, a predefined error applies to the calls that Redis rejects
// with it; the first calls of a connection pass.
func TestReadyMadeErrorStrikesWhatRedisRefuses(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	app := dialAs(t, s, "app")
	for code, refused := range map[string]string{
		"LOADING": "GET k", "READONLY": "SET k v", "OOM": "SET k v", "BUSY": "GET k", "MASTERDOWN": "GET k",
		"NOREPLICAS": "DEL k", "MISCONF": "PING", "CLUSTERDOWN": "GET k", "NOAUTH": "PING",
	} {
		i := s.Inject(servertest.Fault{Error: code})
		app.AskLines("HELLO 2 y", "-ERR Syntax error in HELLO option 'y'")
		app.Send(refused)
		line, err := app.R.ReadString('\n')
		require.NoError(t, err)
		require.Regexp(t, "^-"+code+" ", line, refused)
		i.Undo()
	}
}

func TestErrorStrikesDo(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	i := s.Inject(servertest.Fault{Command: "incr", Nth: 2, Error: "LOADING"})
	_, err := s.Do(t.Context(), "INCR", "n")
	require.NoError(t, err)
	_, err = s.Do(t.Context(), "INCR", "n")
	require.EqualError(t, err, "LOADING Redis is loading the dataset in memory")
	require.Equal(t, 1, i.Strikes())
	s.Inject(servertest.Fault{Cut: servertest.CutBefore, MayMiss: true})
	v, err := s.Do(t.Context(), "INCR", "n")
	require.NoError(t, err, "it has no connection that could be cut")
	require.EqualValues(t, 2, v.Int)
}

func TestAims(t *testing.T) {
	t.Parallel()
	calls := []string{"GET a", "MGET a b", "SET b 1", "CLIENT ID", "CLIENT GETNAME", "DEL c", "ZINTERSTORE d 2 z1 z3", "PUBLISH c1 x", "WHAT"}
	for aim, want := range map[string]string{ // which of these calls are struck
		"":                           "123456789",
		"command=get":                "1",
		"command=GET,mget":           "12",
		"command=client":             "45",
		"command=client|id":          "4",
		"command=@write":             "367",
		"command=@write,mget":        "2367",
		"key=b*":                     "23",
		"key=z3":                     "7",
		"channel=c*":                 "8",
		"client=ap?":                 "123456789",
		"client=other":               "",
		"id=1":                       "123456789",
		"id=9":                       "",
		"nth=3":                      "3",
		"from=6":                     "6789",
		"times=2":                    "12",
		"from=3 times=2":             "34",
		"command=@write from=2":      "67",
		"command=get,set key=b":      "3",
		"command=client nth=2":       "5",
		"command=client chance=1":    "45",
		"command=zinterstore key=z1": "7",
	} {
		t.Run(aim, func(t *testing.T) {
			t.Parallel()
			s := servertest.New(t)
			app := dialAs(t, s, "app")
			f, err := servertest.ParseFault(aim + ` error="ERR struck" may-miss`)
			require.NoError(t, err)
			i := s.Inject(f)
			got, replies := "", resp.NewReader(app.R)
			for n, call := range calls {
				app.Send(call)
				v, err := replies.Read()
				require.NoError(t, err)
				if v.Str == "ERR struck" {
					got += fmt.Sprint(n + 1)
				}
			}
			require.Equal(t, want, got)
			require.Equal(t, len(want), i.Strikes())
		})
	}
}

// Only the first fault that matches a call applies, and later ones do not count
// the call.
func TestFirstFaultStrikes(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	app := dialAs(t, s, "app")
	s.Inject(servertest.Fault{Command: "get", Nth: 2, Error: "ERR first"})
	second := s.Inject(servertest.Fault{Command: "get", Nth: 2, Error: "ERR second"})
	app.AskLines("GET k\nGET k\nGET k\nGET k", "$-1", "-ERR first", "-ERR second", "$-1")
	second.Undo()
	second.Undo()
	require.Equal(t, 1, second.Strikes())
}

// A delayed call waits on the server's clock. Later input of its client waits,
// too; other clients do not.
func TestDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := servertest.New(t)
		app, other := dialAs(t, s, "app"), dialAs(t, s, "other")
		s.Inject(servertest.Fault{Client: "app", Command: "incr", Nth: 2, Delay: time.Minute})
		begun := time.Now()
		app.Send("INCR n\nINCR n\nPING behind")
		app.RequireLines(":1")
		other.AskLines("INCR n\nINCR n", ":2", ":3")
		require.Zero(t, time.Since(begun))
		app.RequireLines(":4", "$6", "behind")
		require.Equal(t, time.Minute, time.Since(begun))
	})
}

func TestDelayOnManualClock(t *testing.T) {
	t.Parallel()
	clock := server.NewManualClock(time.UnixMilli(1700000000000))
	s := servertest.New(t, func(o *servertest.Options) { o.Clock = clock })
	app := dialAs(t, s, "app")
	s.Inject(servertest.Fault{Command: "time", Delay: 1500 * time.Millisecond})
	app.Send("TIME\nTIME")
	clock.Advance(1500 * time.Millisecond)
	app.RequireLines("*2", "$10", "1700000001", "$6", "500000")
	clock.Advance(1500 * time.Millisecond)
	app.RequireLines("*2", "$10", "1700000003", "$1", "0")
}

// Do waits for the delay of its call. A call of Do whose context ends changes
// nothing.
func TestDelayOfDo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := servertest.New(t)
		s.Inject(servertest.Fault{Command: "incr", Delay: time.Second})
		begun := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 999*time.Millisecond)
		defer cancel()
		_, err := s.Do(ctx, "INCR", "n")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		v, err := s.Do(t.Context(), "INCR", "n")
		require.NoError(t, err)
		require.EqualValues(t, 1, v.Int)
		require.Equal(t, 1999*time.Millisecond, time.Since(begun))
	})
}

// Undo makes delayed calls continue without the fault's error or cut.
func TestUndoOfDelay(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	app := dialAs(t, s, "app")
	i := s.Inject(servertest.Fault{Command: "incr", Delay: time.Hour, Error: "ERR after an hour"})
	app.Send("INCR n\nPING")
	require.Equal(t, 1, i.Strikes())
	i.Undo()
	app.RequireLines(":1", "+PONG")
}

func TestDelayBeforeAnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := servertest.New(t)
		app := dialAs(t, s, "app")
		s.Inject(servertest.Fault{Command: "get", Delay: time.Second, Error: "LOADING"})
		begun := time.Now()
		app.AskLines("GET k", "-LOADING Redis is loading the dataset in memory")
		require.Equal(t, time.Second, time.Since(begun))
	})
}

// CLIENT UNBLOCK applies to calls blocked on keys.
func TestDelayedCallCannotBeUnblocked(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	app, other := dialAs(t, s, "app"), dialAs(t, s, "other")
	i := s.Inject(servertest.Fault{Client: "app", Command: "bzpopmin", Delay: time.Hour})
	app.Send("BZPOPMIN z 0")
	other.AskLines("CLIENT UNBLOCK 1\nZADD z 1 a", ":0", ":1")
	i.Undo()
	app.RequireLines("*3", "$1", "z", "$1", "a", "$1", "1")
}

// A client that is killed while its call is delayed has not made the call.
func TestKilledWhileDelayed(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	app, other := dialAs(t, s, "app"), dialAs(t, s, "other")
	i := s.Inject(servertest.Fault{Client: "app", Command: "set", Delay: time.Hour})
	app.Send("SET k v")
	other.AskLines("CLIENT KILL ID 1", ":1")
	i.Undo()
	app.RequireRest("")
	other.AskLines("GET k", "$-1")
}

// A call delayed by both CLIENT PAUSE and a fault runs once, after both.
func TestDelayAndPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := servertest.New(t)
		app, other := dialAs(t, s, "app"), dialAs(t, s, "other")
		i := s.Inject(servertest.Fault{Client: "app", Command: "incr", Delay: time.Second})
		begun := time.Now()
		other.AskLines("CLIENT PAUSE 3000 WRITE", "+OK")
		app.AskLines("INCR n\nGET n", ":1", "$1", "1")
		require.Equal(t, 3*time.Second, time.Since(begun))
		require.Equal(t, 1, i.Strikes())
	})
}

// The cut decides whether the call has taken effect, and how much of the reply
// arrives. Replies to earlier calls arrive; later calls do not run.
func TestCuts(t *testing.T) {
	t.Parallel()
	for cut, want := range map[servertest.Cut]struct{ value, rest string }{
		servertest.CutBefore:   {"old", ""},
		servertest.CutNoReply:  {"new", ""},
		servertest.CutMidReply: {"new", "$3\r\n"},
		servertest.CutAfter:    {"new", "$3\r\nold\r\n"},
	} {
		t.Run(servertest.Fault{Cut: cut}.String(), func(t *testing.T) {
			t.Parallel()
			overEach(t, func(t *testing.T, s *servertest.Server, app *harness.Client) {
				s.Inject(servertest.Fault{Client: "app", Command: "set", Nth: 2, Cut: cut})
				app.Send("SET k old\nSET k new GET\nSET k newest")
				app.RequireLines("+OK")
				app.RequireRest(want.rest)
				v, err := s.Do(t.Context(), "GET", "k")
				require.NoError(t, err)
				require.Equal(t, want.value, v.Str)
			})
		})
	}
}

// A blocked call is cut when it gets its reply.
func TestCutOfCallThatWaits(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, s *servertest.Server, app *harness.Client) {
		s.Inject(servertest.Fault{Command: "bzpopmin", Cut: servertest.CutNoReply})
		app.Send("PING\nBZPOPMIN z 0")
		app.RequireLines("+PONG")
		awaitCall(t, s, "bzpopmin")
		_, err := s.Do(t.Context(), "ZADD", "z", 1, "job")
		require.NoError(t, err)
		app.RequireRest("")
		v, err := s.Do(t.Context(), "ZCARD", "z")
		require.NoError(t, err)
		require.Zero(t, v.Int, "the job is lost")
	})
}

func TestCutAfterDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := servertest.New(t)
		app := dialAs(t, s, "app")
		s.Inject(servertest.Fault{Command: "get", Delay: time.Second, Cut: servertest.CutBefore})
		begun := time.Now()
		app.Send("GET k\nPING")
		app.RequireRest("")
		require.Equal(t, time.Second, time.Since(begun))
	})
}

// A cut within EXEC cuts EXEC: the transaction has run.
func TestCutOfExec(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	app := dialAs(t, s, "app")
	s.Inject(servertest.Fault{Command: "exec", Cut: servertest.CutMidReply})
	app.Send("MULTI\nINCR n\nINCR n\nEXEC")
	app.RequireLines("+OK", "+QUEUED", "+QUEUED")
	app.RequireRest("*2\r\n:1")
	v, err := s.Do(t.Context(), "GET", "n")
	require.NoError(t, err)
	require.Equal(t, "2", v.Str)
}

// Nothing is sent after a cut: no message and no invalidation either.
func TestNothingBehindACut(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	app := dialAs(t, s, "app")
	app.Send("HELLO 3\nCLIENT TRACKING ON\nSUBSCRIBE c\nGET k\nPING")
	for line := ""; line != "+PONG\r\n"; {
		var err error
		line, err = app.R.ReadString('\n')
		require.NoError(t, err)
	}
	s.Inject(servertest.Fault{Command: "set", Cut: servertest.CutMidReply})
	app.Send("SET k v")
	_, err := s.Do(t.Context(), "PUBLISH", "c", "late")
	require.NoError(t, err)
	app.RequireRest("+O")
}

// awaitCall waits until a client is in a call of that name.
func awaitCall(t testing.TB, s *servertest.Server, name string) {
	t.Helper()
	harness.Until(t, "CLIENT LIST shows the call", func() bool {
		v, err := s.Do(t.Context(), "CLIENT", "LIST")
		return err == nil && strings.Contains(v.Str, "cmd="+name+" ")
	})
}
