package server_test

import (
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/server"
)

// The memory of an idle connection: its goroutine, the socket's part of the
// runtime, the session.
func TestIdleConnections(t *testing.T) {
	n, most := 1000, 10<<10 // with few connections, each has a larger share of the heap's overhead
	if *reliability {
		n, most = 10_000, 6500
	}
	for _, c := range subprocesses(t) {
		require.Equal(t, "OK", c.Ask(fmt.Sprint("CONFIG SET maxclients ", n+10)))
		share := func() float64 { // CPU time of the server, as a share of one processor
			spent := func() float64 { return c.info("used_cpu_sys") + c.info("used_cpu_user") }
			begun, before := time.Now(), spent()
			time.Sleep(3 * time.Second) // a span to measure, not something to wait for
			return (spent() - before) / time.Since(begun).Seconds()
		}
		purge := func() float64 {
			c.Ask("MEMORY PURGE")
			return c.resident()
		}
		before := purge()
		all := make([]net.Conn, n)
		for i := range all {
			all[i] = c.dial(t).Conn
		}
		leave := func() { // this program may not be able to open enough files for both servers
			for _, conn := range all {
				conn.Close()
			}
		}
		harness.Until(t, "all are clients", func() bool { return c.info("connected_clients") == float64(n+1) })
		each := (c.resident() - before) / float64(n)
		t.Logf("%s: %.0f bytes of each of %d connections", c.name, each, n)
		if c.name != "parley" {
			t.Logf("%s: %.5f of a processor", c.name, share())
			leave()
			continue
		}
		if runtime.GOOS == "linux" && !harness.Race {
			require.Less(t, each, float64(most))
		}
		if !*reliability {
			continue
		}
		for _, conn := range all {
			_, err := conn.Write([]byte("PING\r\n"))
			require.NoError(t, err)
		}
		reply := make([]byte, 64)
		for _, conn := range all {
			_, err := conn.Read(reply)
			require.NoError(t, err)
		}
		t.Logf("%s: %.0f bytes when each has just called", c.name, (c.resident()-before)/float64(n))
		harness.Until(t, "they are quiet again", func() bool { return purge()-before < float64(n*most) })
		t.Logf("%s: %.0f bytes when each is quiet again", c.name, (purge()-before)/float64(n))
		t.Logf("%s: %.5f of a processor", c.name, share())
		leave()
	}
}

// An idle connection releases its buffers, and still works.
func TestParkedConnectionServesOn(t *testing.T) {
	overTransportsAt(t, func(t *testing.T, s *server.Server, clock *server.ManualClock, dial func() *harness.Client) {
		p := dial()
		for range 3 {
			require.Equal(t, "PONG", p.Ask("PING"))
			harness.Until(t, "nothing is kept", func() bool {
				clock.Advance(10 * time.Second)
				return strings.Contains(do(t, s, "CLIENT", "LIST"), " qbuf=0 qbuf-free=0 ")
			})
			_, err := p.Conn.Write([]byte("*1\r\n$4\r\nPI"))
			require.NoError(t, err)
			arrived(t, s, 10)
			clock.Advance(9 * time.Second)
			_, err = p.Conn.Write([]byte("NG\r\n"))
			require.NoError(t, err)
			require.Equal(t, "PONG", p.Read())
		}
		waiter := dial()
		waiter.Send("BZPOPMIN z 0\r\nPING")
		blocked(t, s, 1)
		clock.Advance(time.Hour)
		do(t, s, "ZADD", "z", 1, "a")
		require.Equal(t, popped("z", "a", "1"), waiter.Read())
		require.Equal(t, "PONG", waiter.Read())
	}, "tcp", "unix")
}

// A short pipeline asks for much output: the server does not buffer it for a
// client that does not read.
func TestRepliesThatNobodyReads(t *testing.T) {
	const clients, calls = 6, 150
	for _, c := range subprocesses(t) {
		value := strings.Repeat("x", 1_000_000)
		c.SendWords(strings.Fields("SET k " + value)...)
		require.Equal(t, "OK", c.Read())
		before, most := c.resident(), 0.0
		var all []*harness.Client
		for range clients {
			p := c.dial(t)
			p.Send(strings.Repeat("GET k\r\n", calls))
			all = append(all, p)
		}
		harness.Until(t, "all have run what they may", func() bool {
			most = max(most, c.resident()-before)
			c.Send("CLIENT LIST")
			v, err := resp.NewReader(c.R).Read()
			require.NoError(t, err)
			return strings.Count(v.Str, " cmd=get ") == clients && strings.Count(v.Str, " omem=0 ") == 1
		})
		for range 200 {
			most = max(most, c.resident()-before)
		}
		t.Logf("%s: %.0f MB more for %d clients that have asked for %d MB each", c.name, most/1e6, clients, calls)
		if c.name == "parley" && !harness.Race {
			require.Less(t, most, 50e6)
		}
		for range calls { // and all replies arrive
			readLength(all[0], len(value))
		}
	}
}
