package main

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/internal/test/redistest"
)

// figures asks for what docs/RELIABILITY.md tells: full size, and redis-server beside.
var figures = flag.Bool("figures", false, "measure memory and stalls at full size, and of redis-server as well")

// A measured is a server in a process of its own.
type measured struct {
	t    *testing.T
	addr string
	pid  string
}

// measure runs a test with a parley and, for the figures, with a redis-server.
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

func (m measured) dial() net.Conn {
	conn, err := net.Dial("tcp", m.addr)
	require.NoError(m.t, err)
	m.t.Cleanup(func() { conn.Close() })
	return conn
}

func encode(words ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
	}
	return b.String()
}

// ask sends a call on a connection of its own, and returns the reply of one bulk.
func (m measured) ask(words ...string) string {
	conn := m.dial()
	defer conn.Close()
	_, err := io.WriteString(conn, encode(words...))
	require.NoError(m.t, err)
	r := bufio.NewReader(conn)
	head, err := r.ReadString('\n')
	require.NoError(m.t, err)
	if head[0] != '$' {
		return strings.TrimSpace(head)
	}
	var n int
	_, err = fmt.Sscanf(head, "$%d", &n)
	require.NoError(m.t, err)
	text := make([]byte, n)
	_, err = io.ReadFull(r, text)
	require.NoError(m.t, err)
	return string(text)
}

// memory is a line of /proc/PID/status in MB.
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
	for begun := time.Now(); !strings.Contains(m.ask("INFO", section), line+"\r\n"); {
		require.Less(m.t, time.Since(begun), harness.GiveUp, line)
	}
}

// returned tells, for the figures, when memory has been given back to the system.
func (m measured) returned(before int) {
	begun := time.Now()
	for *figures && m.memory("VmRSS") > before+before/2 && time.Since(begun) < 10*time.Second {
		m.ask("PING")
	}
	m.t.Logf("resident after %v: %d MB", time.Since(begun).Round(time.Millisecond), m.memory("VmRSS"))
}

// longest pings the server until over is closed, and tells how long a reply took at most.
func (m measured) longest(over chan struct{}) (longest time.Duration) {
	conn, reply := m.dial(), make([]byte, 7)
	for {
		begun := time.Now()
		_, err := io.WriteString(conn, "PING\r\n")
		require.NoError(m.t, err)
		_, err = io.ReadFull(conn, reply)
		require.NoError(m.t, err)
		longest = max(longest, time.Since(begun))
		select {
		case <-over:
			return longest
		case <-time.After(time.Millisecond):
		}
	}
}

// stall tells how long others wait at most while f runs.
func (m measured) stall(f func()) {
	over, longest := make(chan struct{}), make(chan time.Duration)
	go func() { longest <- m.longest(over) }()
	f()
	close(over)
	m.t.Logf("longest PING %v", (<-longest).Round(time.Millisecond))
}

// What ends together holds up nobody for long: calls that wait in the same queues,
// watched keys, subscriptions.
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
		text := encode(append(call, "0")...)
		conns := make([]net.Conn, clients)
		for i := range conns {
			conns[i] = m.dial()
			_, err := io.WriteString(conns[i], text)
			require.NoError(m.t, err)
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
				names = 30_000 // it looks for each among all that the client has
			}
			before := m.memory("VmRSS")
			conn := m.dial()
			replies := bufio.NewReaderSize(conn, 1<<20)
			const step = 1000
			for i := 0; i < names; i += step {
				call := []string{word}
				for j := range step {
					call = append(call, fmt.Sprint("some:name:", i+j))
				}
				_, err := io.WriteString(conn, encode(call...))
				require.NoError(m.t, err)
				lines := 1
				if word != "WATCH" {
					lines = 6 * step
				}
				for range lines {
					_, err := replies.ReadSlice('\n')
					require.NoError(m.t, err)
				}
			}
			most := m.memory("VmRSS")
			m.stall(func() {
				conn.Close()
				m.until("clients", "connected_clients:2") // the one that pings, and the one that asks
			})
			m.t.Logf("%d names, resident before %d, with them %d MB", names, before, most)
			m.returned(before)
		})
	}
}

// A large value is not copied, nor are many large replies, and what it took is given
// back.
func TestMemoryOfLargeValues(t *testing.T) {
	mb, replies := 64, 4
	if *figures {
		mb, replies = 400, 15
	}
	value := bytes.Repeat([]byte("x"), mb<<20)
	set := func(m measured, conn net.Conn, value []byte) {
		_, err := fmt.Fprintf(conn, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n", len(value))
		require.NoError(m.t, err)
		_, err = conn.Write(value)
		require.NoError(m.t, err)
		_, err = io.WriteString(conn, "\r\n")
		require.NoError(m.t, err)
		reply := make([]byte, 5)
		_, err = io.ReadFull(conn, reply)
		require.NoError(m.t, err)
		require.Equal(m.t, "+OK\r\n", string(reply))
	}
	report := func(m measured, before, all int) {
		peak := m.memory("VmHWM")
		m.t.Logf("of %d MB: resident before %d, peak %d MB", all, before, peak)
		if strings.HasSuffix(m.t.Name(), "parley") && !raceDetector {
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
		_, err := io.WriteString(conn, "MULTI\r\n"+strings.Repeat("GET k\r\n", replies)+"EXEC\r\nQUIT\r\n")
		require.NoError(m.t, err)
		n, err := io.Copy(io.Discard, conn)
		require.NoError(m.t, err)
		require.Greater(m.t, n, int64(replies*len(value)))
		report(m, before, replies*len(value)>>20)
	})
}
