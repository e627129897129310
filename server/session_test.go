package server_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/internal/test/tlstest"
	"github.com/parley-chat/parley/server"
)

// overTransports runs a test with a server and a way to connect to it: of all
// networks if none is named.
func overTransports(t *testing.T, test func(t *testing.T, s *server.Server, dial func() *harness.Client), networks ...string) {
	overTransportsOf(t, func() server.Options { return server.Options{} }, test, networks...)
}

// overTransportsOf is overTransports with options for each server. The networks
// "tls" and "wrapped", a connection of which the server knows no socket, are tried
// by those who name them.
func overTransportsOf(t *testing.T, options func() server.Options, test func(t *testing.T, s *server.Server, dial func() *harness.Client), networks ...string) {
	if networks == nil {
		networks = []string{"memory", "tcp", "unix"}
	}
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			socket := filepath.Join(t.TempDir(), "s")
			o := options()
			o.Socket = socket
			var certificates *tlstest.Authority
			if network == "tls" {
				certificates = tlstest.New(t)
				o.Addr, o.TLSAddr = "127.0.0.1:0", "127.0.0.1:0"
				o.TLS = &tls.Config{Certificates: []tls.Certificate{certificates.Certificate("server")}}
			}
			s, err := server.Start(o)
			require.NoError(t, err)
			harness.CloseAtEnd(t, s)
			test(t, s, func() *harness.Client {
				var conn net.Conn
				var err error
				switch network {
				case "memory":
					conn, err = s.Dial()
				case "tcp":
					conn, err = net.Dial(network, s.Addr())
				case "unix":
					conn, err = net.Dial(network, socket)
				case "tls":
					conn, err = tls.Dial("tcp", s.TLSAddr(), certificates.Client())
				case "wrapped":
					return dialFrom(t, s, "127.0.0.1:4711")
				}
				require.NoError(t, err)
				return harness.NewClient(t, conn)
			})
		})
	}
}

// readLength reads a reply that is too long to look at.
func readLength(c *harness.Client, want int) {
	c.T.Helper()
	require.Len(c.T, nextValue(c).Str, want)
}

// do makes a call on a server without a connection.
var do = harness.Do[resp.Value]

// blocked waits until that many clients wait for a key.
func blocked(t *testing.T, s *server.Server, n int) {
	t.Helper()
	harness.Until(t, "blocked clients", func() bool {
		return strings.Contains(do(t, s, "INFO", "clients"), fmt.Sprintf("blocked_clients:%d\r\n", n))
	})
}

func TestNothingRunsBehindQuit(t *testing.T) {
	overTransports(t, func(t *testing.T, s *server.Server, dial func() *harness.Client) {
		p := dial()
		p.Send("SET a 1\r\nQUIT\r\nSET b 1")
		require.Equal(t, "OK", p.Read())
		require.Equal(t, "OK", p.Read())
		p.RequireClosed()
		require.Equal(t, "(integer) 1", do(t, s, "EXISTS", "a", "b"))
	})
}

func TestByteAtATimeCommand(t *testing.T) {
	overTransports(t, func(t *testing.T, s *server.Server, dial func() *harness.Client) {
		p, other := dial(), dial()
		for _, b := range []byte("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\na\r\nbc\r\n") {
			_, err := p.Conn.Write([]byte{b})
			require.NoError(t, err)
			require.Equal(t, "PONG", other.Ask("PING"))
		}
		require.Equal(t, "OK", p.Read())
		require.Equal(t, `"a\r\nbc"`, p.Ask("GET k"))
	})
}

func TestHalfACommandIsNone(t *testing.T) {
	overTransports(t, func(t *testing.T, s *server.Server, dial func() *harness.Client) {
		p := dial()
		p.Send("SET a 1\r\n*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$3\r\n12")
		require.Equal(t, "OK", p.Read())
		require.NoError(t, p.Close())
		harness.Until(t, "gone", func() bool { return strings.Contains(do(t, s, "INFO", "clients"), "connected_clients:0\r\n") })
		require.Equal(t, "(integer) 1", do(t, s, "EXISTS", "a", "b"))
	})
}

// A client that disconnects while it waits takes nothing, and what it sent behind does not run.
func TestClientThatDisconnectsWhileBlockedTakesNothing(t *testing.T) {
	overTransports(t, func(t *testing.T, s *server.Server, dial func() *harness.Client) {
		p := dial()
		p.Send("BZPOPMIN z 0\r\nSET k v")
		blocked(t, s, 1)
		require.NoError(t, p.Close())
		blocked(t, s, 0)
		require.Equal(t, "(integer) 1", do(t, s, "ZADD", "z", 1, "m"))
		require.Equal(t, "(integer) 1", do(t, s, "ZCARD", "z"))
		require.Equal(t, "(integer) 0", do(t, s, "EXISTS", "k"))
	})
}

func TestClientKill(t *testing.T) {
	overTransports(t, func(t *testing.T, s *server.Server, dial func() *harness.Client) {
		operator := dial()
		require.Equal(t, "PONG", operator.Ask("PING"))
		kinds := map[string]func(*harness.Client){
			"idle":       func(p *harness.Client) {},
			"in MULTI":   func(p *harness.Client) { p.Ask("MULTI"); p.Ask("SET k v") },
			"subscribed": func(p *harness.Client) { p.Ask("SUBSCRIBE c") },
			"blocked":    func(p *harness.Client) { p.Send("BZPOPMIN z 0\r\nSET k v"); blocked(t, s, 1) },
			"half way":   func(p *harness.Client) { p.Send("*2\r\n$3\r\nGET") },
		}
		for kind, prepare := range kinds {
			p := dial()
			id := strings.TrimPrefix(p.Ask("CLIENT ID"), "(integer) ")
			prepare(p)
			require.Equal(t, "(integer) 1", operator.Ask("CLIENT KILL ID "+id), kind)
			p.RequireClosed()
		}
		harness.Until(t, "all gone", func() bool { return strings.Contains(do(t, s, "INFO", "clients"), "connected_clients:1\r\n") })
		require.Equal(t, "(integer) 0", do(t, s, "PUBLISH", "c", "m"))
		require.Equal(t, "(integer) 0", do(t, s, "EXISTS", "k"))

		// Who kills itself gets the answer, and nothing runs behind it.
		id := strings.TrimPrefix(operator.Ask("CLIENT ID"), "(integer) ")
		operator.Send("CLIENT KILL ID " + id + " SKIPME no\r\nSET k v")
		require.Equal(t, "(integer) 1", operator.Read())
		operator.RequireClosed()
		require.Equal(t, "(integer) 0", do(t, s, "EXISTS", "k"))
	})
}

// A client that is killed while it connects is gone too.
func TestClientKillWhileConnecting(t *testing.T) {
	overTransports(t, func(t *testing.T, s *server.Server, dial func() *harness.Client) {
		stop := make(chan struct{})
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			for {
				select {
				case <-stop:
					return
				default:
					_, _ = s.Do(t.Context(), "CLIENT", "KILL", "TYPE", "normal")
				}
			}
		}()
		for range 50 {
			dial().RequireClosed()
		}
		close(stop)
		<-stopped
	}, "memory", "unix") // over TCP the dialling itself may be told of the reset
}

// Many servers live and die in one process: nothing of them stays, and each
// takes less than a millisecond.
func TestThousandServers(t *testing.T) {
	before := runtime.NumGoroutine()
	took := make([]time.Duration, 1000)
	for i := range took {
		begun := time.Now()
		s, err := server.New(server.Options{})
		require.NoError(t, err)
		conn, err := s.Dial()
		require.NoError(t, err)
		_, err = io.WriteString(conn, "PING\r\n")
		require.NoError(t, err)
		pong := make([]byte, 7)
		_, err = io.ReadFull(conn, pong)
		require.NoError(t, err)
		require.Equal(t, "+PONG\r\n", string(pong))
		require.NoError(t, s.Close())
		took[i] = time.Since(begun)
	}
	slices.Sort(took)
	t.Logf("99 %% under %v", took[990])
	harness.RequireWithin(t, took[500], time.Millisecond, "the median")
	harness.Until(t, "goroutines", func() bool { return runtime.NumGoroutine() <= before })
}

// Close ends whoever is connected, whatever they are doing, at once.
func TestCloseIsQuick(t *testing.T) {
	before := runtime.NumGoroutine()
	overTransports(t, func(t *testing.T, s *server.Server, dial func() *harness.Client) {
		var all []*harness.Client
		for _, line := range []string{"PING", "SUBSCRIBE c", "MULTI"} {
			for range 20 {
				p := dial()
				p.Ask(line)
				all = append(all, p)
			}
		}
		for range 20 {
			p := dial()
			p.Send("BZPOPMIN z 0\r\nSET k v")
			all = append(all, p)
		}
		blocked(t, s, 20)
		begun := time.Now()
		require.NoError(t, s.Close())
		harness.RequireWithin(t, time.Since(begun), 5*time.Second, "Close")
		for _, p := range all {
			p.RequireClosed()
			p.Close()
		}
		require.NoError(t, s.Close())
		_, err := s.Do(t.Context(), "PING")
		require.Error(t, err)
		_, err = s.Dial()
		require.Error(t, err)
	})
	harness.Until(t, "goroutines", func() bool { return runtime.NumGoroutine() <= before })
}

// A client that asks for much and reads nothing cannot hold up Close.
func TestCloseWithAClientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	overTransports(t, func(t *testing.T, s *server.Server, dial func() *harness.Client) {
		do(t, s, "SET", "k", strings.Repeat("x", 1<<20))
		p := dial()
		p.Send(strings.Repeat("GET k\r\n", 1000))
		harness.Until(t, "unread replies", func() bool {
			_, omem, _ := strings.Cut(do(t, s, "CLIENT", "LIST", "TYPE", "normal"), " omem=")
			return omem != "" && omem[0] != '0'
		})
		begun := time.Now()
		require.NoError(t, s.Close())
		harness.RequireWithin(t, time.Since(begun), 5*time.Second, "Close")
	})
}

// A message to a subscriber that does not read waits in its outbox; Close does not wait for it.
func TestCloseWithASubscriberThatDoesNotRead(t *testing.T) {
	t.Parallel()
	overTransports(t, func(t *testing.T, s *server.Server, dial func() *harness.Client) {
		p := dial()
		p.Ask("SUBSCRIBE c")
		message := strings.Repeat("x", 1<<20)
		for range 25 { // less than what cuts it off
			require.Equal(t, "(integer) 1", do(t, s, "PUBLISH", "c", message))
		}
		begun := time.Now()
		require.NoError(t, s.Close())
		harness.RequireWithin(t, time.Since(begun), 5*time.Second, "Close")
	})
}

// A pipeline is sent as a whole before its first reply is read, as client
// libraries do: it is not the server that waits for the client.
func TestLongPipelineBeforeReading(t *testing.T) {
	const calls = 100_000
	overTransports(t, func(t *testing.T, s *server.Server, dial func() *harness.Client) {
		p := dial()
		input := strings.Repeat("INCR message:count\r\n", calls)
		require.NoError(t, p.SetDeadline(time.Now().Add(time.Minute)))
		for input != "" {
			n, err := io.WriteString(p.Conn, input[:min(32<<10, len(input))])
			require.NoError(t, err)
			input = input[n:]
		}
		for i := range calls {
			if v, err := resp.NewReader(p.R).Read(); err != nil || v.Int != int64(i+1) {
				t.Fatal(i, v, err)
			}
		}
	})
}

// Nothing is lost of what a client sends that then closes its side, and reads on.
func TestHalfClosedClientGetsAll(t *testing.T) {
	overTransports(t, func(t *testing.T, s *server.Server, dial func() *harness.Client) {
		p := dial()
		half, ok := p.Conn.(interface{ CloseWrite() error })
		if !ok {
			t.Skip("it has no sides")
		}
		do(t, s, "SET", "k", strings.Repeat("x", 64<<10))
		const calls = 500
		p.Send(strings.Repeat("GET k\r\n", calls) + "INCR done")
		require.NoError(t, half.CloseWrite())
		for range calls {
			readLength(p, 64<<10)
		}
		require.Equal(t, "(integer) 1", p.Read())
		p.RequireClosed()
	})
}

// Who writes on and on into a connection in memory, and never reads, waits at
// last; a deadline ends that.
func TestMemoryWriteWaitsForTheReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, server.Options{})
		do(t, s, "SET", "k", strings.Repeat("x", 2<<20))
		p := dial(t, s)
		p.Send("GET k")
		echo := fmt.Sprintf("*2\r\n$4\r\nECHO\r\n$%d\r\n%s\r\n", 60<<10, strings.Repeat("x", 60<<10))
		sent := 0
		var err error
		for ; err == nil; sent++ {
			require.NoError(t, p.SetWriteDeadline(time.Now().Add(30*time.Second)))
			_, err = io.WriteString(p.Conn, echo)
		}
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		var timeout net.Error
		require.True(t, errors.As(err, &timeout) && timeout.Timeout())
		require.InDelta(t, 64<<20, sent*len(echo), 1<<20)
		require.NoError(t, p.SetWriteDeadline(time.Time{}))
		readLength(p, 2<<20)
		for range sent - 1 {
			readLength(p, 60<<10)
		}
		require.Equal(t, "PONG", p.Ask("PING"))
	})
}
