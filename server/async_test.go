package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/internal/wire"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/control"
	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/server"
)

// An outing is a server with a command whose calls are async: "ERRAND name"
// runs until the test lets it end, "ERRAND panic" panics, "ERRAND error" fails.
type outing struct {
	left  chan string // names of running calls
	back  chan func(*wire.Writer)
	ended atomic.Int64 // calls whose context has ended
}

func newOuting() *outing {
	return &outing{left: make(chan string, 100), back: make(chan func(*wire.Writer))}
}

func (o *outing) options() server.Options {
	row := commands.Command{
		Name: "errand", Syntax: "name", Summary: "Runs an errand.", Since: "7.0.15", Group: "server", Complexity: "O(1)",
		Arity: 2, Flags: commands.NoMulti | commands.Hidden, Run: o.run,
	}
	queued := row
	queued.Name, queued.Flags = "queued", 0
	return server.Options{}.WithCommands(row, queued)
}

func (o *outing) run(c *commands.Context) error {
	name := string(c.Args[1])
	return c.RunAsync(func(ctx context.Context) (func(*wire.Writer), error) {
		switch name {
		case "panic":
			panic("lost")
		case "late":
			return func(*wire.Writer) { panic("lost at the door") }, nil
		case "error":
			return nil, errors.New("nothing\r\nfound")
		case "wrapped":
			return nil, fmt.Errorf("line 2: %w", commands.ErrWrongType)
		case "known":
			return nil, commands.ErrWrongType
		}
		o.left <- name
		select {
		case reply := <-o.back:
			return reply, nil
		case <-ctx.Done():
			o.ended.Add(1)
			return nil, ctx.Err()
		}
	})
}

func (o *outing) comeBack(text string) { o.back <- func(w *wire.Writer) { w.BulkString(text) } }

// overOutings runs a test over the transports, each with a server of its own.
func overOutings(t *testing.T, test func(t *testing.T, o *outing, s *server.Server, dial func() *harness.Client)) {
	var o *outing
	overTransportsOf(t, func() server.Options {
		o = newOuting()
		return o.options()
	}, func(t *testing.T, s *server.Server, dial func() *harness.Client) { test(t, o, s, dial) })
}

// Later input of an async call's client waits for the call. Other clients do
// not wait, and the client does not count as blocked.
func TestAsyncCallBlocksItsCallerOnly(t *testing.T) {
	overOutings(t, func(t *testing.T, o *outing, s *server.Server, dial func() *harness.Client) {
		away, other := dial(), dial()
		away.Send("SET k 1\r\nERRAND home\r\nINCR k\r\nERRAND again\r\nGET k")
		require.Equal(t, "home", <-o.left)
		require.Equal(t, "OK", away.Read())
		require.Equal(t, `"1"`, other.Ask("GET k"))
		require.Contains(t, other.Ask("INFO clients"), `blocked_clients:0\r\n`)
		require.NotContains(t, other.Ask("CLIENT LIST"), "flags=b")
		require.NoError(t, s.Check())
		o.comeBack("with bread")
		require.Equal(t, `"with bread"`, away.Read())
		require.Equal(t, "(integer) 2", away.Read())
		require.Equal(t, "again", <-o.left)
		o.comeBack("with milk")
		require.Equal(t, `"with milk"`, away.Read())
		require.Equal(t, `"2"`, away.Read())
	})
}

func TestAsyncCallsThatFail(t *testing.T) {
	overOutings(t, func(t *testing.T, o *outing, s *server.Server, dial func() *harness.Client) {
		p := dial()
		p.Send("ERRAND panic\r\nERRAND late\r\nERRAND error\r\nERRAND wrapped\r\nERRAND known\r\nPING")
		for _, want := range []string{
			"(error) ERR internal error: the server has logged what happened", "(error) ERR internal error: the server has logged what happened",
			"(error) ERR nothing  found", "(error) ERR line 2: WRONGTYPE Operation against a key holding the wrong kind of value",
			"(error) WRONGTYPE Operation against a key holding the wrong kind of value", "PONG",
		} {
			require.Equal(t, want, p.Read())
		}
		require.Contains(t, do(t, s, "INFO", "errorstats"), "errorstat_WRONGTYPE:count=1\r\n")
		require.Contains(t, do(t, s, "INFO", "commandstats"), "failed_calls=5\r\n")
	})
}

// Within EXEC no call blocks: an async command may refuse to be queued, and one
// that does not is rejected when it runs.
func TestNoAsyncCallsInTransactions(t *testing.T) {
	s := newServer(t, newOuting().options())
	p := dial(t, s)
	p.Ask("MULTI")
	require.Equal(t, "(error) ERR Command not allowed inside a transaction", p.Ask("ERRAND x"))
	require.Equal(t, "(error) EXECABORT Transaction discarded because of previous errors.", p.Ask("EXEC"))
	p.Ask("MULTI")
	require.Equal(t, "QUEUED", p.Ask("QUEUED x"))
	require.Equal(t, "QUEUED", p.Ask("SET k v"))
	require.Equal(t, "1) (error) ERR Command not allowed inside a transaction\n2) OK", p.Ask("EXEC"))
}

// An async call is cancelled when its client disconnects, is killed, or is
// unblocked.
func TestAsyncCallEndsWithItsClient(t *testing.T) {
	overOutings(t, func(t *testing.T, o *outing, s *server.Server, dial func() *harness.Client) {
		other := dial()
		ends := []func(*harness.Client, string){
			func(p *harness.Client, id string) { require.NoError(t, p.Close()) },
			func(p *harness.Client, id string) { require.Equal(t, "(integer) 1", other.Ask("CLIENT KILL ID "+id)) },
			func(p *harness.Client, id string) {
				require.Equal(t, "(integer) 1", other.Ask("CLIENT UNBLOCK "+id))
				require.Equal(t, "(nil)", p.Read())
				require.Equal(t, "PONG", p.Read())
			},
			func(p *harness.Client, id string) {
				require.Equal(t, "(integer) 1", other.Ask("CLIENT UNBLOCK "+id+" ERROR"))
				require.Equal(t, unblocked, p.Read())
				require.Equal(t, "PONG", p.Read())
			},
		}
		for i, end := range ends {
			p := dial()
			id := p.ID()
			p.Send("ERRAND x\r\nPING")
			<-o.left
			end(p, id)
			harness.Until(t, "the errand ends", func() bool { return o.ended.Load() == int64(i+1) })
		}
	})
}

// Clients that disconnect while their async calls end leave nothing behind.
func TestAsyncCallsOfClientsThatDisconnect(t *testing.T) {
	overOutings(t, func(t *testing.T, o *outing, s *server.Server, dial func() *harness.Client) {
		const clients = 200
		for i := range clients {
			p := dial()
			p.Send("ERRAND " + strconv.Itoa(i))
			<-o.left
			ended := o.ended.Load()
			go p.Close()
			harness.Until(t, "the errand ends, one way or the other", func() bool {
				select {
				case o.back <- func(w *wire.Writer) { w.OK() }:
					return true
				default:
					return o.ended.Load() > ended
				}
			})
		}
		harness.Until(t, "all are forgotten", func() bool {
			return strings.Contains(do(t, s, "INFO", "clients"), "connected_clients:0\r\n")
		})
		require.NoError(t, s.Check())
	})
}

// Close cancels async calls, waits for them, and sends no replies.
func TestCloseWaitsForAsyncCalls(t *testing.T) {
	o := newOuting()
	s, err := server.New(o.options())
	require.NoError(t, err)
	harness.CloseAtEnd(t, s)
	const clients = 20
	var peers []*harness.Client
	for range clients {
		p := dial(t, s)
		p.Send("ERRAND x\r\nSET k v")
		<-o.left
		peers = append(peers, p)
	}
	asked := make(chan error, 1)
	go func() {
		_, err := s.Do(context.Background(), "ERRAND", "x")
		asked <- err
	}()
	<-o.left
	require.NoError(t, s.Close())
	require.EqualValues(t, clients+1, o.ended.Load(), "Close has waited")
	require.ErrorIs(t, <-asked, server.ErrClosed)
	for _, p := range peers {
		_, err := resp.NewReader(p.R).Read()
		require.ErrorIs(t, err, io.EOF)
	}
}

func TestDoWaitsForItsAsyncCall(t *testing.T) {
	o := newOuting()
	s := newServer(t, o.options())
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan error, 1)
	go func() {
		_, err := s.Do(ctx, "ERRAND", "x")
		asked <- err
	}()
	<-o.left
	cancel()
	require.ErrorIs(t, <-asked, context.Canceled)
	harness.Until(t, "the errand ends", func() bool { return o.ended.Load() == 1 })
	go o.comeBack("hello")
	require.Equal(t, `"hello"`, do(t, s, "ERRAND", "x"))
}

// In a bubble a running async call may block durably.
func TestAsyncCallsInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := server.New(server.Options{}.WithCommands(commands.Command{
			Name: "sleep", Syntax: "", Summary: "Sleeps.", Since: "7.0.15", Group: "server", Complexity: "O(1)", Arity: 1,
			Run: func(c *commands.Context) error {
				return c.RunAsync(func(ctx context.Context) (func(*wire.Writer), error) {
					time.Sleep(time.Hour)
					return (*wire.Writer).OK, nil
				})
			},
		}))
		require.NoError(t, err)
		defer s.Close()
		begun := time.Now()
		require.Equal(t, "OK", do(t, s, "SLEEP"))
		require.Equal(t, time.Hour, time.Since(begun))
	})
}

// With more rows a server has a table of its own.
func TestCommandsBesideTheStandardOnes(t *testing.T) {
	s, plain := newServer(t, newOuting().options()), newServer(t, server.Options{})
	require.Contains(t, do(t, s, "COMMAND", "LIST"), `"errand"`)
	require.Contains(t, do(t, s, "COMMAND", "DOCS", "errand"), "Runs an errand.")
	require.NotContains(t, do(t, plain, "COMMAND", "LIST"), `"errand"`)
	p := dial(t, plain)
	require.Equal(t, "(error) ERR unknown command 'ERRAND', with args beginning with: 'x' ", p.Ask("ERRAND x"))
	q := dial(t, s)
	require.Equal(t, "OK", q.Ask("ACL SETUSER bob on nopass +@all -errand -queued"))
	require.Equal(t, "OK", q.Ask("AUTH bob x"))
	require.Equal(t, "(error) NOPERM this user has no permissions to run the 'queued' command", q.Ask("QUEUED x"))
	require.Contains(t, q.Ask("ERRAND known"), "WRONGTYPE", "what is the test's own runs")
	require.Panics(t, func() {
		server.New(server.Options{}.WithCommands(commands.Command{Name: "get", Arity: 1, Run: func(*commands.Context) error { return nil }}))
	})
}

// MONITOR does not show the calls of TEST.
func TestHooksDoNotSeeHiddenCalls(t *testing.T) {
	o := newOuting()
	options := o.options()
	var calls []string
	hooks := control.Hooks{Call: func(l *commands.Client, m *commands.Command, args [][]byte) { calls = append(calls, string(args[0])) }}
	s := newServer(t, options.WithHooks(hooks))
	p := dial(t, s)
	p.Ask("PING")
	p.Ask("ERRAND error")
	p.Ask("NOSUCH")
	p.Ask("ECHO x")
	s.Inspect(func(*commands.State) { require.Equal(t, []string{"PING", "NOSUCH", "ECHO"}, calls) })
}
