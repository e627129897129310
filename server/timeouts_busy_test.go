package server_test

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/server"
)

// Time counts against a client only while the server has nothing left to do for it.

// moves is how often a clock is moved while clients are sending and reading.
var moves = harness.Count(100, 3000)

// realNetworks are those in which something can be on its way.
var realNetworks = []string{"tcp", "tls", "unix", "wrapped"}

// requireNobodyLate requires that no client was disconnected by a timeout.
func requireNobodyLate(t *testing.T, s *server.Server) {
	t.Helper()
	late := regexp.MustCompile(`client_\w+_disconnections:[^0]\d*`).FindString(do(t, s, "INFO", "stats"))
	require.Empty(t, late)
}

// However far a test moves the clock, what is on its way arrives.
func TestMovedClockDisconnectsNobody(t *testing.T) {
	t.Parallel()
	moveUnderWay(t, func() movableClock { return server.NewManualClock(time.UnixMilli(1615480369000)) }, realNetworks...)
	moveUnderWay(t, func() movableClock { return new(server.RunningClock) }, "tcp")
}

type movableClock interface {
	server.Clock
	Advance(time.Duration)
}

// moveUnderWay moves a clock while clients send and read.
func moveUnderWay(t *testing.T, newClock func() movableClock, networks ...string) {
	var clock movableClock
	options := func() server.Options {
		clock = newClock()
		return server.Options{Clock: clock}
	}
	overTransportsOf(t, options, func(t *testing.T, s *server.Server, dial func() *harness.Client) {
		large := strings.Repeat("x", 100_000)
		do(t, s, "SET", "large", large)
		var over atomic.Bool
		var calls atomic.Int64
		var busy sync.WaitGroup
		for _, call := range []string{
			fmt.Sprintf("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n%s\r\n", len(large), large), "GET large\r\n", "PING\r\n",
		} {
			p := dial()
			busy.Go(func() {
				for !over.Load() {
					if _, err := io.WriteString(p.Conn, call); err != nil {
						t.Error(call[:4], err)
						return
					}
					if _, err := resp.NewReader(p.R).Read(); err != nil {
						t.Error(call[:4], err)
						return
					}
					calls.Add(1)
				}
			})
		}
		begun := clock.Now()
		for range moves {
			before := calls.Load()
			clock.Advance(61 * time.Second)
			harness.Until(t, "calls run", func() bool { return calls.Load() > before || t.Failed() })
		}
		over.Store(true)
		busy.Wait()
		require.GreaterOrEqual(t, clock.Now().Sub(begun), time.Duration(moves)*61*time.Second)
		requireNobodyLate(t, s)
	}, networks...)
}

// Nor does it end handshakes.
func TestMovedClockEndsNoHandshake(t *testing.T) {
	t.Parallel()
	overTransportsAt(t, func(t *testing.T, s *server.Server, clock *server.ManualClock, dial func() *harness.Client) {
		var over atomic.Bool
		var moving sync.WaitGroup
		moving.Go(func() {
			for !over.Load() {
				clock.Advance(31 * time.Second)
			}
		})
		for range moves {
			require.NoError(t, dial().Close())
		}
		over.Store(true)
		moving.Wait()
	}, "tls")
}

// What has arrived, or is about to, while the server is busy with others is in
// time.
func TestClientsAreNotLateWhileTheServerIsBusy(t *testing.T) {
	for name, c := range map[string]struct {
		password, part, rest, reply string
		checked, moved              time.Duration // when the server looks whether they are late; how far the clock is moved
	}{
		"the rest of a call": {"", "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2000\r\n" + strings.Repeat("x", 1500), strings.Repeat("x", 500) + "\r\n", "OK", 10 * time.Second, time.Hour},
		"a password":         {"secret", "", "AUTH secret\r\n", "OK", 30 * time.Second, time.Hour},
		"a call":             {"", "PING\r\n", "PING\r\n", "PONG", time.Second, 12 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			const clients = 10
			var clock *server.ManualClock
			options := func() server.Options {
				clock = server.NewManualClock(time.UnixMilli(1615480369000))
				o := server.Options{Clock: clock, Password: c.password}
				if name == "a call" {
					o.Config = map[string]string{"timeout": "10"}
				}
				return o
			}
			overTransportsOf(t, options, func(t *testing.T, s *server.Server, dial func() *harness.Client) {
				peers := make([]*harness.Client, clients)
				for i := range peers {
					peers[i] = dial()
					_, err := io.WriteString(peers[i].Conn, c.part)
					require.NoError(t, err)
					if name == "a call" {
						require.Equal(t, "PONG", peers[i].Read())
					}
				}
				harness.Until(t, "the first part has arrived", func() bool {
					if name != "the rest of a call" {
						return strings.Contains(do(t, s, "INFO", "clients"), fmt.Sprintf("connected_clients:%d\r\n", clients))
					}
					return strings.Count(do(t, s, "CLIENT", "LIST"), fmt.Sprintf(" qbuf=%d ", len(c.part))) == clients
				})

				begun := clock.Now()
				busy, free := make(chan struct{}), make(chan struct{})
				var all sync.WaitGroup
				all.Go(func() {
					s.Inspect(func(*commands.State) {
						close(busy)
						<-free
					})
				})
				<-busy
				for _, p := range peers {
					_, err := io.WriteString(p.Conn, c.rest)
					require.NoError(t, err)
				}
				all.Go(func() { clock.Advance(c.moved) })
				harness.Until(t, "they would be late", func() bool { return clock.Now().Sub(begun) >= c.checked })
				close(free)
				for _, p := range peers {
					require.Equal(t, c.reply, p.Read())
				}
				all.Wait()
				requireNobodyLate(t, s)
			}, realNetworks...)
		})
	}
}

// A client that makes the server wait does not keep it busy: who leaves its replies
// unread, with or without having ended its side of the connection, is disconnected for
// being idle, and no clock waits for it.
func TestClientsThatDoNotReadAreIdle(t *testing.T) {
	t.Parallel()
	for name, ends := range map[string]bool{"half-closed": true, "too much input": false} {
		t.Run(name, func(t *testing.T) {
			var clock *server.ManualClock
			overTransportsOf(t, func() server.Options {
				clock = server.NewManualClock(time.UnixMilli(1615480369000))
				return server.Options{Clock: clock, Config: map[string]string{"timeout": "10", "client-output-timeout": "0"}}
			}, func(t *testing.T, s *server.Server, dial func() *harness.Client) {
				do(t, s, "SET", "k", strings.Repeat("x", 1<<20))
				p := dial()
				_, err := io.WriteString(p.Conn, strings.Repeat("GET k\r\n", 100))
				require.NoError(t, err)
				harness.Until(t, "replies are left unread", func() bool {
					return regexp.MustCompile(` omem=[1-9]\d{6,} `).MatchString(do(t, s, "CLIENT", "LIST"))
				})
				if ends {
					require.NoError(t, p.Conn.(interface{ CloseWrite() error }).CloseWrite())
				} else {
					var sent sync.WaitGroup
					sent.Go(func() { io.WriteString(p.Conn, strings.Repeat("PING"+strings.Repeat(" ", 1000)+"\r\n", 100_000)) })
					t.Cleanup(sent.Wait)
					harness.Until(t, "input is left unread", func() bool {
						return regexp.MustCompile(` qbuf=6[7-9]\d{6} `).MatchString(do(t, s, "CLIENT", "LIST"))
					})
				}
				clock.Advance(time.Hour)
				harness.Until(t, "the client is gone", func() bool { return do(t, s, "CLIENT", "LIST") == "" })
				requireInfo(t, s, "client_idle_timeout_disconnections:1")
			}, "tcp", "unix", "tls")
		})
	}
}
