package server_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/internal/test/redistest"
	"github.com/parley-chat/parley/internal/test/tlstest"
)

// What an unauthenticated client costs, measured with a process of its own.

// pipeline is how many passwords are sent at a time. With more, redis-server
// closes the connection before it has replied.
const pipeline = 100

// guess tries passwords, a pipeline at a time on each connection, and returns
// how many were rejected.
func guess(t *testing.T, addr string, conns int, span time.Duration) (refused int) {
	end := time.Now().Add(span)
	var n, tried atomic.Int64
	var all sync.WaitGroup
	for range conns {
		all.Go(func() {
			for time.Now().Before(end) {
				conn, err := net.Dial("tcp", addr)
				if err != nil {
					t.Error(err)
					return
				}
				conn.SetDeadline(end)
				for lines := bufio.NewScanner(conn); err == nil; {
					var batch strings.Builder
					for range pipeline {
						fmt.Fprintf(&batch, "AUTH wrong%d\r\n", tried.Add(1))
					}
					if _, err = io.WriteString(conn, batch.String()); err != nil {
						break
					}
					for range pipeline {
						if !lines.Scan() {
							err = io.EOF
							break
						}
						if strings.HasPrefix(lines.Text(), "-WRONGPASS") {
							n.Add(1)
						}
					}
				}
				conn.Close()
			}
		})
	}
	all.Wait()
	return int(n.Load())
}

// More connections and longer pipelines do not try passwords faster.
func TestWrongPasswordsReachTheLimit(t *testing.T) {
	t.Parallel()
	span := time.Second
	if *reliability {
		span = 10 * time.Second
	}
	for _, c := range subprocesses(t) {
		require.Equal(t, "OK", c.Ask("CONFIG SET requirepass secret"))
		if c.name == "parley" { // the attempts come from this machine
			require.Equal(t, "OK", c.Ask("CONFIG SET auth-failure-loopback yes"))
		}
		for _, conns := range []int{1, 50} {
			n, begun := 0, time.Now()
			for n == 0 && time.Since(begun) < harness.GiveUp { // on a busy machine no attempt may end within a span
				n = guess(t, c.addr, conns, span)
			}
			elapsed := time.Since(begun).Seconds()
			t.Logf("%s: %.1f guesses a second over %d connections", c.name, float64(n)/elapsed, conns)
			require.Positive(t, n)
			if c.name == "parley" {
				require.LessOrEqual(t, float64(n), 5+5*elapsed)
			}
		}
	}
}

// An unauthenticated client that sends 3 MB makes the process grow only a
// little, whatever it sends.
func TestUnauthenticatedFlood(t *testing.T) {
	const size = 3 << 20
	for _, c := range subprocesses(t) {
		require.Equal(t, "OK", c.Ask("CONFIG SET requirepass secret"))
		for what, flood := range map[string]string{
			"small calls":   strings.Repeat("PING\r\n", size/6),
			"one long word": "*2\r\n$4\r\nAUTH\r\n$3145728\r\n" + strings.Repeat("x", size),
			"many words":    "*1000000\r\n" + strings.Repeat("$1\r\nx\r\n", size/7),
			"one line":      strings.Repeat("x", size),
		} {
			before, most := 0.0, 0.0
			for range 500 { // exclude the memory of the measurement
				before = max(before, c.resident())
			}
			p := c.dial(t)
			ended := make(chan error, 1)
			go func() {
				p.SetWriteDeadline(time.Now().Add(5 * time.Second))
				_, err := io.WriteString(p.Conn, flood)
				ended <- err
			}()
			for open := true; open; {
				select {
				case <-ended:
					open = false
				default:
				}
				most = max(most, c.resident()-before)
			}
			for range 200 {
				most = max(most, c.resident()-before)
			}
			t.Logf("%s: %.1f MB more for 3 MB of %s; cut off: %t", c.name, most/1e6, what, c.info("connected_clients") == 1)
			if c.name == "parley" {
				harness.Until(t, "cut off", func() bool { return c.info("connected_clients") == 1 })
				if !harness.Race {
					require.Less(t, most, 5e6)
				}
			}
			p.Close()
			harness.Until(t, "gone", func() bool { return c.info("connected_clients") == 1 })
		}
	}
}

// shakingHands measures how long some new clients need until they are served.
func shakingHands(t *testing.T, addr string, config *tls.Config, n int) (times []time.Duration) {
	for range n {
		begun := time.Now()
		conn, err := tls.Dial("tcp", addr, config)
		require.NoError(t, err)
		p := harness.NewClient(t, conn)
		require.Equal(t, "PONG", p.Ask("PING"))
		times = append(times, time.Since(begun))
		require.NoError(t, conn.Close())
	}
	return times
}

// A thousand clients that never complete the TLS handshake do not slow down
// others, new ones included.
func TestSilentHandshakes(t *testing.T) {
	silent, handshakes, calls, rounds := 300, 100, 1000, 1
	if *reliability {
		silent, handshakes, calls, rounds = 1000, 300, 10_000, 5
	}
	a := tlstest.New(t)
	own := a.Issue(t.TempDir(), "server")
	at := []struct{ name, addr string }{{"parley", startSubprocess(t, own.Cert, own.Key)}}
	if *reliability {
		port := harness.FreePort(t)
		redistest.Start(t, "--tls-port", port, "--tls-cert-file", own.Cert, "--tls-key-file", own.Key, "--tls-ca-cert-file", a.File, "--tls-auth-clients", "no")
		at = append(at, struct{ name, addr string }{"redis-server", "127.0.0.1:" + port})
	}
	for _, c := range at {
		conn, err := tls.Dial("tcp", c.addr, a.Client())
		require.NoError(t, err)
		defer conn.Close()
		old := harness.NewClient(t, conn)
		old.Ask("SET k v")
		var alone, beside, oldAlone, oldBeside []time.Duration
		for range rounds {
			alone = append(alone, shakingHands(t, c.addr, a.Client(), handshakes)...)
			oldAlone = append(oldAlone, asking(old, calls)...)
			var conns []net.Conn
			for i := range silent {
				conn, err := net.Dial("tcp", c.addr)
				require.NoError(t, err)
				if i%2 == 1 { // the start of a handshake
					_, err := conn.Write([]byte{22, 3, 1, 1, 0, 1})
					require.NoError(t, err)
				}
				conns = append(conns, conn)
			}
			beside = append(beside, shakingHands(t, c.addr, a.Client(), handshakes)...)
			oldBeside = append(oldBeside, asking(old, calls)...)
			for _, conn := range conns {
				require.NoError(t, conn.Close())
			}
		}
		t.Logf("%s: a new client is served after p50 %v, p99 %v; beside %d silent ones p50 %v, p99 %v", c.name,
			percentile(alone, 50), percentile(alone, 99), silent, percentile(beside, 50), percentile(beside, 99))
		t.Logf("%s: a GET takes p50 %v, p99 %v; beside %d silent ones p50 %v, p99 %v", c.name,
			percentile(oldAlone, 50), percentile(oldAlone, 99), silent, percentile(oldBeside, 50), percentile(oldBeside, 99))
		if c.name == "parley" {
			require.Less(t, percentile(beside, 99), time.Second)
		}
	}
}
