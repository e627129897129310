package server

import (
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// liveHeap is what the collector finds alive, in bytes.
func liveHeap() int {
	runtime.GC()
	runtime.GC()
	live := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(live)
	return int(live[0].Value.Uint64())
}

// A crowd is clients that do one thing each.
type crowd struct {
	t     *testing.T
	s     *Server
	conns []net.Conn
}

// send makes n new clients send the same text; %d in it becomes the client's number.
func (c *crowd) send(n int, text string) {
	for i := range n {
		conn, err := c.s.Dial()
		require.NoError(c.t, err)
		c.conns = append(c.conns, conn)
		_, err = conn.Write([]byte(strings.ReplaceAll(text, "%d", fmt.Sprint(i))))
		require.NoError(c.t, err)
	}
}

// What INFO calls used_memory, and maxmemory limits, is within a fifth of what the
// heap has grown by, whatever takes it: data, or clients.
func TestUsedMemoryIsWhatTheHeapGrowsBy(t *testing.T) {
	long := strings.Repeat("x", 20000)
	for name, fill := range map[string]func(c *crowd){
		"data":                    func(c *crowd) { c.send(1, schemaOf(20000)) },
		"idle clients":            func(c *crowd) { c.send(3000, "") },
		"clients that do little":  func(c *crowd) { c.send(1000, "PING\r\n") },
		"half-sent calls":         func(c *crowd) { c.send(300, "*2\r\n$4\r\nECHO\r\n$90000\r\n"+long) },
		"unread replies":          func(c *crowd) { c.send(100, "SET k "+long+"\r\n"+strings.Repeat("GET k\r\n", 30)) },
		"transactions":            func(c *crowd) { c.send(300, "MULTI\r\n"+strings.Repeat("SET k 1234567890\r\n", 500)) },
		"large transactions":      func(c *crowd) { c.send(100, "MULTI\r\n"+strings.Repeat("SET k "+long+"\r\n", 5)) },
		"subscribers":             func(c *crowd) { c.send(200, eachOf(200, "SUBSCRIBE news:%d:#")) },
		"subscribers to the same": func(c *crowd) { c.send(200, eachOf(200, "SUBSCRIBE news:#")) },
		"watchers":                func(c *crowd) { c.send(200, eachOf(200, "WATCH some:key:%d:#")) },
		"trackers": func(c *crowd) {
			c.send(200, "HELLO 3\r\nCLIENT TRACKING ON\r\n"+eachOf(200, "GET some:key:%d:#"))
		},
		"blocked calls": func(c *crowd) { c.send(200, "BZPOPMIN "+manyOf(200, "some:key:%d:#")+" 0\r\n") },
		"blocked calls for the same": func(c *crowd) {
			c.send(200, "BZPOPMIN "+manyOf(200, "some:key:#")+" 0\r\n")
		},
		"calls that a pause holds back": func(c *crowd) {
			c.send(1, "CLIENT PAUSE 100000 WRITE\r\n")
			c.send(200, "DEL "+manyOf(200, "some:key:#")+"\r\n")
		},
		"all of it": func(c *crowd) {
			c.send(1, schemaOf(3000))
			c.send(100, "PING\r\n")
			c.send(50, "*2\r\n$4\r\nECHO\r\n$90000\r\n"+long)
			c.send(20, "SET k "+long+"\r\n"+strings.Repeat("GET k\r\n", 30))
			c.send(50, "MULTI\r\n"+strings.Repeat("SET k 1234567890\r\n", 200))
			c.send(50, eachOf(100, "SUBSCRIBE news:%d:#"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newClosed(t, Options{})
			before, used := liveHeap(), s.engine.state.Used()
			c := &crowd{t: t, s: s}
			fill(c)
			grown := liveHeap() - before
			require.InEpsilon(t, grown, s.engine.state.Used()-used, 0.2)
			for _, conn := range c.conns {
				conn.Close()
			}
			_, err := s.Do(t.Context(), "CLIENT", "UNPAUSE")
			require.NoError(t, err)
			_, err = s.Do(t.Context(), "FLUSHALL")
			require.NoError(t, err)
			require.Equal(t, used, s.engine.state.Used(), "nothing is left")
		})
	}
}

// eachOf repeats a call, # in it being its number.
func eachOf(n int, call string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.ReplaceAll(call, "#", fmt.Sprint(i)) + "\r\n")
	}
	return b.String()
}

// manyOf repeats a word, # in it being its number.
func manyOf(n int, word string) string {
	return strings.ReplaceAll(strings.TrimSpace(eachOf(n, word)), "\r\n", " ")
}

// schemaOf is calls that make n messages with what belongs to them.
func schemaOf(n int) string {
	r := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	for i := range n {
		room := r.IntN(1 + n/100)
		fmt.Fprintf(&b, "HSET message:%d time %d room %d from %d data %s\r\n", i, 1615480371+i, room, r.IntN(1000), strings.Repeat("m", 10+r.IntN(100)))
		fmt.Fprintf(&b, "ZADD room:%d:messages %d %d\r\n", room, 1615480371+i, i)
		fmt.Fprintf(&b, "SADD user:online %d\r\n", r.IntN(1000))
		fmt.Fprintf(&b, "SET session:%d %d EX %d\r\n", i, r.Int64(), 60+r.IntN(10000))
		fmt.Fprintf(&b, "SADD room:%d:tags tag-%d\r\n", room, r.IntN(500))
	}
	return b.String()
}
