package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/internal/test/redistest"
)

// figures enables the measurements for docs/RELIABILITY.md: full size, and
// redis-server for comparison.
var figures = flag.Bool("figures", false, "measure memory and stalls at full size, and of redis-server as well")

// A measured is a server in a process of its own.
type measured struct {
	t    *testing.T
	addr string
	pid  string
}

// measure runs a test with parley and, with figures, with redis-server.
func measure(t *testing.T, name string, test func(m measured)) {
	t.Run(name+"/parley", func(t *testing.T) { test(newMeasured(t, program(t))) })
	if *figures {
		t.Run(name+"/redis", func(t *testing.T) { test(newMeasured(t, redistest.Start(t, "--maxclients", "10000").Addr())) })
	}
}

func newMeasured(t *testing.T, addr string) measured {
	m := measured{t: t, addr: addr}
	_, rest, found := strings.Cut(m.ask("INFO", "server"), "process_id:")
	require.True(t, found)
	m.pid, _, _ = strings.Cut(rest, "\r\n")
	return m
}

func (m measured) dial() *harness.Client { return harness.Dial(m.t, "tcp", m.addr) }

// ask makes a call on a new connection.
func (m measured) ask(words ...string) string {
	c := m.dial()
	defer c.Close()
	c.SendWords(words...)
	return c.Text()
}

// memory returns a line of /proc/PID/status in MB.
func (m measured) memory(line string) (mb int) {
	text, err := os.ReadFile("/proc/" + m.pid + "/status")
	require.NoError(m.t, err)
	_, rest, found := strings.Cut(string(text), line+":")
	require.True(m.t, found)
	var kb int
	_, err = fmt.Sscan(rest, &kb)
	require.NoError(m.t, err)
	return kb >> 10
}

// until waits for a line of INFO.
func (m measured) until(section, line string) {
	harness.Until(m.t, line, func() bool { return strings.Contains(m.ask("INFO", section), line+"\r\n") })
}

// returned logs, with figures, when memory has been returned to the system.
func (m measured) returned(before int) {
	begun := time.Now()
	for *figures && m.memory("VmRSS") > before+before/2 && time.Since(begun) < 10*time.Second {
		m.ask("PING")
	}
	m.t.Logf("resident after %v: %d MB", time.Since(begun).Round(time.Millisecond), m.memory("VmRSS"))
}

// longest pings the server until over is closed, and returns the longest time
// that a reply took.
func (m measured) longest(over chan struct{}) (longest time.Duration) {
	c := m.dial()
	for {
		begun := time.Now()
		c.AskLine("PING")
		longest = max(longest, time.Since(begun))
		select {
		case <-over:
			return longest
		case <-time.After(time.Millisecond):
		}
	}
}

// stall logs the longest time that another client waits while f runs.
func (m measured) stall(f func()) {
	over, longest := make(chan struct{}), make(chan time.Duration)
	go func() { longest <- m.longest(over) }()
	f()
	close(over)
	m.t.Logf("longest PING %v", (<-longest).Round(time.Millisecond))
}

// Ending many things at once blocks no other client for long: calls blocked on
// the same keys, watched keys, subscriptions.
func TestWhatEndsTogetherHoldsUpNobody(t *testing.T) {
	clients, names := 100, 1000
	if *figures {
		clients, names = 2000, 1_000_000
	}
	measure(t, "blocked calls", func(m measured) {
		call := []string{"BZPOPMIN"}
		for i := range clients {
			call = append(call, fmt.Sprint("k", i))
		}
		call = append(call, "0")
		conns := make([]*harness.Client, clients)
		for i := range conns {
			conns[i] = m.dial()
			conns[i].SendWords(call...)
		}
		m.until("clients", fmt.Sprint("blocked_clients:", clients))
		m.stall(func() {
			for _, conn := range conns {
				conn.Close()
			}
			m.until("clients", "blocked_clients:0")
		})
	})
	for _, word := range []string{"WATCH", "SUBSCRIBE", "PSUBSCRIBE"} {
		measure(t, word, func(m measured) {
			names := names
			if strings.HasSuffix(m.t.Name(), "redis") && word != "SUBSCRIBE" {
				names = 30_000 // each is looked up among all that the client has
			}
			before := m.memory("VmRSS")
			conn := m.dial()
			const step = 1000
			for i := 0; i < names; i += step {
				call := []string{word}
				for j := range step {
					call = append(call, fmt.Sprint("some:name:", i+j))
				}
				conn.SendWords(call...)
				lines := 1
				if word != "WATCH" {
					lines = 6 * step
				}
				conn.Skip(lines)
			}
			most := m.memory("VmRSS")
			m.stall(func() {
				conn.Close()
				m.until("clients", "connected_clients:2") // the client that pings, and the one that asks
			})
			m.t.Logf("%d names, resident before %d, with them %d MB", names, before, most)
			m.returned(before)
		})
	}
}

// A large value is not copied, nor are many large replies, and their memory is
// returned.
func TestMemoryOfLargeValues(t *testing.T) {
	mb, replies := 64, 4
	if *figures {
		mb, replies = 400, 15
	}
	value := bytes.Repeat([]byte("x"), mb<<20)
	set := func(m measured, conn *harness.Client, value []byte) {
		_, err := fmt.Fprintf(conn.Conn, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n", len(value))
		require.NoError(m.t, err)
		_, err = conn.Write(value)
		require.NoError(m.t, err)
		require.Equal(m.t, "+OK", conn.AskLine(""))
	}
	report := func(m measured, before, all int) {
		peak := m.memory("VmHWM")
		m.t.Logf("of %d MB: resident before %d, peak %d MB", all, before, peak)
		if strings.HasSuffix(m.t.Name(), "parley") && !harness.Race {
			require.Less(m.t, peak-before, all*16/10)
		}
	}
	measure(t, "SET", func(m measured) {
		before := m.memory("VmRSS")
		set(m, m.dial(), value)
		report(m, before, mb)
		require.Equal(m.t, ":1", m.ask("DEL", "k"))
		m.returned(before)
	})
	measure(t, "EXEC", func(m measured) {
		conn := m.dial()
		value := value[:len(value)/4] // so that the replies are the larger part
		set(m, conn, value)
		before := m.memory("VmRSS")
		conn.Send("MULTI", strings.Repeat("GET k\r\n", replies)+"EXEC", "QUIT")
		n, err := io.Copy(io.Discard, conn.R)
		require.NoError(m.t, err)
		require.Greater(m.t, n, int64(replies*len(value)))
		report(m, before, replies*len(value)>>20)
	})
}
