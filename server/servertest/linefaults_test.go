package servertest_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/server"
	"github.com/parley-chat/parley/server/servertest"
)

// value returns the value of a key.
func value(t testing.TB, s *servertest.Server, key string) string {
	t.Helper()
	v, err := s.Do(t.Context(), "GET", key)
	require.NoError(t, err)
	return v.Str
}

// unsent returns the number of unsent bytes of the client with the first ID.
func unsent(t testing.TB, s *servertest.Server) string {
	t.Helper()
	v, err := s.Do(t.Context(), "CLIENT", "LIST", "ID", 1)
	require.NoError(t, err)
	_, rest, _ := strings.Cut(v.Str, " omem=")
	n, _, _ := strings.Cut(rest, " ")
	return n
}

// Hold withholds replies from the first matching call on, though calls run.
// Undo sends them in order.
func TestHold(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, s *servertest.Server, app *harness.Client) {
		i := s.Inject(servertest.Fault{Client: "app", Command: "set", Hold: true})
		app.Send("PING\nSET k v\nPUBLISH c x\nSET end 1")
		app.RequireLines("+PONG")
		harness.Until(t, "the calls have run", func() bool { return value(t, s, "end") == "1" })
		require.Equal(t, 1, i.Strikes(), "of clients")
		require.NotEqual(t, "0", unsent(t, s))
		i.Undo()
		app.RequireLines("+OK", ":0", "+OK")
		app.AskLines("SET k w", "+OK")
		harness.Until(t, "all is sent", func() bool { return unsent(t, s) == "0" })
	})
}

// Without a field that selects calls, Hold begins at once: a subscriber
// receives nothing until Undo.
func TestHoldOfMessages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := servertest.New(t)
		app := subscribe(t, s, "app", "c")
		i := s.Inject(servertest.Fault{Client: "app", Hold: true})
		publish(t, s, "c", "a", 1)
		require.NoError(t, app.Conn.SetReadDeadline(time.Now().Add(time.Hour)))
		_, err := app.R.ReadByte()
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		publish(t, s, "c", "b", 1)
		require.NoError(t, app.Conn.SetReadDeadline(time.Time{}))
		i.Undo()
		app.RequireLines(append(message("c", "a"), message("c", "b")...)...)
	})
}

// Withheld output counts as unread: the client's calls are no longer run, or it
// is disconnected at its output limits.
func TestHoldIsBounded(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	_, err := s.Do(t.Context(), "SET", "k", strings.Repeat("x", 100_000))
	require.NoError(t, err)
	app, phone := dialAs(t, s, "app"), subscribe(t, s, "phone", "c")
	i := s.Inject(servertest.Fault{Client: "*", Hold: true})
	app.Send(strings.Repeat("GET k\n", 100) + "SET end 1")
	require.Empty(t, value(t, s, "end"))
	require.NoError(t, s.Check())
	_, err = s.Do(t.Context(), "CONFIG", "SET", "client-output-buffer-limit", "pubsub 100000 0 0")
	require.NoError(t, err)
	publish(t, s, "c", strings.Repeat("x", 200_000), 1)
	phone.RequireRest("")
	require.NoError(t, s.Check())
	i.Undo()
	for range 100 {
		app.RequireLines("$100000", strings.Repeat("x", 100_000))
	}
	app.RequireLines("+OK")
}

// A client that quits while its replies are withheld still gets them.
func TestHoldAndQuit(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, s *servertest.Server, app *harness.Client) {
		i := s.Inject(servertest.Fault{Client: "app", Hold: true})
		app.Send("SET k v\nQUIT\nPING")
		harness.Until(t, "the call has run", func() bool { return value(t, s, "k") == "v" })
		i.Undo()
		app.RequireRest("+OK\r\n+OK\r\n")
	})
}

// A partition blocks a client in both directions, and no connection ends. After
// Undo everything continues in order.
func TestPartition(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, s *servertest.Server, app *harness.Client) {
		other := dialAs(t, s, "other")
		i := s.Inject(servertest.Fault{Client: "app", Partition: true})
		require.Equal(t, 1, i.Strikes())
		app.Send("SET k app\nGET k\nPING")
		other.AskLines("SET k other\nGET k", "+OK", "$5", "other")
		require.Equal(t, "other", value(t, s, "k"))
		i.Undo()
		app.RequireLines("+OK", "$3", "app", "+PONG")
		require.Equal(t, "app", value(t, s, "k"))
	})
}

// A partition may begin with a call, which then arrives at its end.
func TestPartitionFromACallOn(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, s *servertest.Server, app *harness.Client) {
		i := s.Inject(servertest.Fault{Client: "app", Command: "set", Nth: 2, Partition: true})
		app.Send("SET k 1\nSET k 2\nGET k")
		app.RequireLines("+OK")
		awaitStrike(t, i)
		require.Equal(t, "1", value(t, s, "k"))
		i.Undo()
		app.RequireLines("+OK", "$1", "2")
	})
}

func awaitStrike(t testing.TB, i *servertest.Injection) {
	t.Helper()
	harness.Until(t, "the fault has applied", func() bool { return i.Strikes() > 0 })
}

// A call that arrived before the partition continues, and its reply is
// withheld.
func TestPartitionOfAClientThatWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := servertest.New(t)
		app := dialAs(t, s, "app")
		app.Send("BZPOPMIN z 60\nPING")
		i := s.Inject(servertest.Fault{Client: "app", Partition: true})
		_, err := s.Do(t.Context(), "ZADD", "z", 1, "job")
		require.NoError(t, err)
		v, err := s.Do(t.Context(), "ZCARD", "z")
		require.NoError(t, err)
		require.Zero(t, v.Int)
		require.NoError(t, app.Conn.SetReadDeadline(time.Now().Add(time.Hour)))
		_, err = app.R.ReadByte()
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.NoError(t, app.Conn.SetReadDeadline(time.Time{}))
		i.Undo()
		app.RequireLines("*3", "$1", "z", "$3", "job", "$1", "1", "+PONG")
	})
}

// A client that connects during a partition under a partitioned name is
// partitioned at once, whether or not it makes a call.
func TestPartitionOfWhoComesLater(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	i := s.Inject(servertest.Fault{Client: "app", Partition: true})
	conn, err := s.Dial()
	require.NoError(t, err)
	app := harness.NewClient(t, conn)
	app.Send("SUBSCRIBE c\nCLIENT SETNAME other")
	app.RequireLines("*3", "$9", "subscribe", "$1", "c", ":1", "-ERR Can't execute 'client|setname': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context")
	app.AskLines("UNSUBSCRIBE", "*3", "$11", "unsubscribe", "$1", "c", ":0")
	app.AskLines("CLIENT SETNAME app", "+OK")
	app.Send("PING")
	require.Equal(t, 1, i.Strikes())
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Millisecond)))
	_, err = app.R.ReadByte()
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, conn.SetReadDeadline(time.Time{}))
	i.Undo()
	app.RequireLines("+PONG")
}

// The server notices after the partition that a partitioned client has
// disconnected. Until then it is subscribed. Its earlier input runs first.
func TestPartitionedClientGoes(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, s *servertest.Server, app *harness.Client) {
		app.Send("SUBSCRIBE c")
		for line := ""; line != ":1\r\n"; {
			var err error
			line, err = app.R.ReadString('\n')
			require.NoError(t, err)
		}
		i := s.Inject(servertest.Fault{Client: "app", Partition: true})
		app.Send("SUBSCRIBE d")
		require.NoError(t, app.Close())
		publish(t, s, "c", "x", 1)
		publish(t, s, "d", "x", 0)
		i.Undo()
		harness.Until(t, "all clients are gone", func() bool {
			v, err := s.Do(t.Context(), "CLIENT", "LIST")
			return err == nil && v.Str == ""
		})
		publish(t, s, "c", "x", 0)
	})
}

// Two partitions of a client end with the later one; a call that one of them
// blocks does not run in between.
func TestPartitionsAddUp(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	app := dialAs(t, s, "app")
	first := s.Inject(servertest.Fault{Client: "app", Command: "set", Partition: true})
	app.Send("SET k v\nSET k w")
	second := s.Inject(servertest.Fault{ID: 1, Partition: true})
	first.Undo()
	require.Empty(t, value(t, s, "k"))
	second.Undo()
	app.RequireLines("+OK", "+OK")
	require.Equal(t, "w", value(t, s, "k"))
}

// The client library's own read and write timeouts continue.
func TestPartitionAndTimeouts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := servertest.New(t)
		app := dialAs(t, s, "app")
		i := s.Inject(servertest.Fault{Client: "app", Partition: true})
		require.NoError(t, app.Conn.SetDeadline(time.Now().Add(3*time.Second)))
		begun := time.Now()
		_, err := app.R.ReadByte()
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, 3*time.Second, time.Since(begun))
		require.NoError(t, app.Conn.SetDeadline(time.Now().Add(3*time.Second)))
		for err = nil; err == nil; { // until as much waits as may
			_, err = app.Conn.Write(make([]byte, 1<<20))
		}
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, 6*time.Second, time.Since(begun))
		require.NoError(t, s.Check())
		i.Undo()
	})
}

// Close does not wait for faults; withheld output is lost.
func TestCloseDuringFaults(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"client=app partition", "client=app hold", "client=app command=set partition", "client=app command=set hold", "client=app delay=1h"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			overEach(t, func(t *testing.T, s *servertest.Server, app *harness.Client) {
				f, err := servertest.ParseFault(fault)
				require.NoError(t, err)
				i := s.Inject(f)
				app.Send("SET k v\nSET k w\nQUIT")
				awaitStrike(t, i)
				begun := time.Now()
				require.NoError(t, s.Close())
				harness.RequireWithin(t, time.Since(begun), 5*time.Second, "Close")
				rest, err := io.ReadAll(app.R)
				if err != nil { // a network may tell so that the server had input left
					require.True(t, errors.As(err, new(*net.OpError)), err)
				}
				require.Empty(t, rest)
				i.Undo()
				require.NoError(t, s.Check())
			})
		})
	}
}

// Random faults, and random calls of clients that come and go: the server stays
// consistent, and after Undo all clients get replies.
func TestRandomFaults(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, func(o *servertest.Options) { o.Network, o.Seed, o.Clock = true, 1, new(server.RunningClock) })
	var enough atomic.Bool // faults have struck
	done := make(chan struct{}, 6)
	for n := range 6 {
		go func() {
			defer func() { done <- struct{}{} }()
			dial := s.Dial
			if n%2 == 0 {
				dial = func() (net.Conn, error) { return net.Dial("tcp", s.Addr()) }
			}
			r := rand.New(rand.NewPCG(1, uint64(n)))
			for n := 0; t.Context().Err() == nil && (n < 40 || !enough.Load()); n++ {
				visit(r, dial)
			}
		}()
	}
	faults := []string{
		`error=READONLY chance=0.3`, `delay=1ms chance=0.2`, `cut=before chance=0.02`, `cut=no-reply chance=0.02`, `cut=mid-reply chance=0.02`, `cut=after chance=0.02`,
		`client=n1 partition`, `client=n? hold chance=0.1`, `client=n2 command=exec partition`, `channel=c drop chance=0.5`, `channel=c double`,
		`command=bzpopmin cut=mid-reply`, `command=multi,exec delay=2ms`, `client=n3 partition times=1`, `key=k* error="ERR k" from=3`, `command=get delay=1ms cut=after chance=0.1`,
	}
	r := rand.New(rand.NewPCG(2, 2))
	var now []*servertest.Injection
	struck := make(map[string]int)
	for running := 6; running > 0; {
		select {
		case <-done:
			running--
		case <-time.After(time.Millisecond):
		}
		if len(now) < 4 {
			f, err := servertest.ParseFault(faults[r.IntN(len(faults))])
			require.NoError(t, err)
			i, err := s.Kit.Inject(f)
			require.NoError(t, err)
			now = append(now, i)
		}
		if n := r.IntN(len(now)); r.IntN(3) == 0 {
			now[n].Undo()
			struck[now[n].String()] += now[n].Strikes()
			now = append(now[:n], now[n+1:]...)
		}
		require.NoError(t, s.Check())
		maps.DeleteFunc(struck, func(_ string, n int) bool { return n == 0 })
		enough.CompareAndSwap(false, len(struck) > 5)
	}
	for _, i := range now {
		i.Undo()
	}
	require.NoError(t, s.Check())
	dialAs(t, s, "last").AskLines("PING", "+PONG")
}

// visit connects, makes some calls, and reads until its time is over.
func visit(r *rand.Rand, dial func() (net.Conn, error)) {
	conn, err := dial()
	if err != nil {
		return
	}
	defer conn.Close()
	calls := []string{"SET k v", "GET k", "INCR n", "MULTI", "EXEC", "PUBLISH c x", "BZPOPMIN z 0.001", "ZADD z 1 a", "HELLO 3", "CLIENT TRACKING ON", "SUBSCRIBE c", "UNSUBSCRIBE", "WHAT", "QUIT"}
	fmt.Fprintf(conn, "CLIENT SETNAME n%d\r\n", r.IntN(4))
	conn.SetDeadline(time.Now().Add(time.Duration(r.IntN(20)) * time.Millisecond))
	for range r.IntN(40) {
		fmt.Fprintf(conn, "%s\r\n", calls[r.IntN(len(calls))])
	}
	io.Copy(io.Discard, conn)
}
