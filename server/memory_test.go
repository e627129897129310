package server

import (
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"runtime/metrics"
	"slices"
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

// leave closes the connections.
func (c *crowd) leave() {
	for _, conn := range c.conns {
		conn.Close()
	}
	c.conns = nil
}

func toAny(words []string) (list []any) {
	for _, w := range words {
		list = append(list, w)
	}
	return list
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
		"subscribers to patterns": func(c *crowd) { c.send(200, eachOf(200, "PSUBSCRIBE news:%d:#*")) },
		"shard subscribers":       func(c *crowd) { c.send(200, eachOf(200, "SSUBSCRIBE news:%d:#")) },
		"prefixes": func(c *crowd) {
			c.send(50, "HELLO 3\r\n"+"CLIENT TRACKING ON BCAST"+strings.ReplaceAll(eachOf(300, " PREFIX some:prefix:%d:#:"), "\r\n", "")+"\r\n")
		},
		"long prefixes": func(c *crowd) {
			c.send(50, "HELLO 3\r\n"+command("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", long))
		},
		"names of clients": func(c *crowd) { c.send(200, command("CLIENT", "SETNAME", long)) },
		"names of libraries": func(c *crowd) {
			c.send(100, command("CLIENT", "SETINFO", "LIB-NAME", long)+command("CLIENT", "SETINFO", "LIB-VER", long))
		},
		"users": func(c *crowd) {
			c.send(2000, "ACL SETUSER user-%d on >secret-%d ~some:keys:%d:* &some:channel:%d:* +@read -keys (%R~other:%d:* +get)\r\n")
		},
		"users with many rules": func(c *crowd) {
			c.send(10, "ACL SETUSER user-%d on"+strings.ReplaceAll(eachOf(300, " >secret# ~some:keys:#:* &channel:#:* +config|word#"), "\r\n", "")+"\r\n")
		},
		"users with long rules": func(c *crowd) { c.send(50, command("ACL", "SETUSER", "user-%d", "on", "~"+long, "&"+long)) },
		"slow log": func(c *crowd) {
			c.send(1, "CONFIG SET slowlog-log-slower-than 0 slowlog-max-len 5000\r\n"+eachOf(5000, "SET some:key:1 a:value:of:some:length #"))
			c.send(1, "CONFIG SET slowlog-log-slower-than -1\r\n")
		},
		"slow log of many and long words": func(c *crowd) {
			c.send(1, "CONFIG SET slowlog-log-slower-than 0 slowlog-max-len 1000\r\n"+strings.Repeat(command(append([]string{"DEL"}, slices.Repeat([]string{long}, 40)...)...), 10)+
				strings.Repeat(command(append([]string{"DEL"}, slices.Repeat([]string{long[:150]}, 40)...)...), 500))
			c.send(1, "CONFIG SET slowlog-log-slower-than -1\r\n")
		},
		"names in the slow log": func(c *crowd) {
			c.send(1, "CONFIG SET slowlog-log-slower-than 0 slowlog-max-len 5000\r\n")
			for i := range 100 {
				c.send(1, command("CLIENT", "SETNAME", fmt.Sprint(long, i))+"DEL k\r\nDEL k\r\n")
				c.leave()
			}
			c.send(1, "CONFIG SET slowlog-log-slower-than -1\r\n")
		},
		"what users were refused": func(c *crowd) {
			c.send(1, "CONFIG SET acllog-max-len 500\r\nACL SETUSER default -ping +@all -echo\r\n"+
				eachOf(500, "AUTH user-# "+long[:3000]))
			c.send(200, command("CLIENT", "SETNAME", long[:5000])+"AUTH user-%d "+long[:3000]+"\r\nCLIENT SETNAME x\r\n")
		},
		"parameters": func(c *crowd) {
			c.send(1, command("CONFIG", "SET", "requirepass", strings.Repeat(long, 50)))
			c.send(1, command("AUTH", strings.Repeat(long, 50))+command("CONFIG", "SET", "latency-tracking-info-percentiles", strings.Repeat("50 ", 50000)))
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
			before, used := liveHeap(), s.engine.state.UsedMemory()
			c := &crowd{t: t, s: s}
			fill(c)
			grown := liveHeap() - before
			require.InEpsilon(t, grown, s.engine.state.UsedMemory()-used, 0.2)
			c.leave()
			for _, call := range []string{
				"CLIENT UNPAUSE", "FLUSHALL", "SLOWLOG RESET", "ACL LOG RESET", "CONFIG SET requirepass ", "CONFIG SET latency-tracking-info-percentiles 50 99 99.9",
			} {
				words := strings.SplitN(call, " ", 4)
				_, err := s.Do(t.Context(), toAny(words)...)
				require.NoError(t, err)
			}
			users, err := s.Do(t.Context(), "ACL", "USERS")
			require.NoError(t, err)
			for _, u := range users.Elems {
				if u.Str != "default" {
					_, err := s.Do(t.Context(), "ACL", "DELUSER", u.Str)
					require.NoError(t, err)
				}
			}
			_, err = s.Do(t.Context(), "ACL", "SETUSER", "default", "reset", "on", "nopass", "+@all", "~*", "&*")
			require.NoError(t, err)
			require.Equal(t, used, s.engine.state.UsedMemory(), "nothing is left")
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

// Nothing that clients can make the server keep gets past maxmemory, and its share for
// clients: either a call is refused, or a client is closed.
func TestNothingGetsPastMaxMemory(t *testing.T) {
	const limit, step = 8 << 20, 256 << 10
	large := strings.Repeat("x", step)
	for name, fill := range map[string]func(c *crowd, i int){
		"values":       func(c *crowd, i int) { c.send(1, command("SET", fmt.Sprint(i), large)) },
		"fields":       func(c *crowd, i int) { c.send(1, command("HSET", "h", fmt.Sprint(i), large)) },
		"appended":     func(c *crowd, i int) { c.send(1, command("APPEND", "k", large)) },
		"names":        func(c *crowd, i int) { c.send(1, command("CLIENT", "SETNAME", large)) },
		"libraries":    func(c *crowd, i int) { c.send(1, command("CLIENT", "SETINFO", "LIB-NAME", large)) },
		"queued":       func(c *crowd, i int) { c.send(1, "MULTI\r\n"+command("PING", large)) },
		"queued words": func(c *crowd, i int) { c.send(1, "MULTI\r\n"+strings.Repeat("PING\r\n", 2000)) },
		"half a call":  func(c *crowd, i int) { c.send(1, "*2\r\n$4\r\nECHO\r\n$10000000\r\n"+large) },
		"half calls":   func(c *crowd, i int) { c.send(1, "*3\r\n$4\r\nECHO\r\n$10000\r\n"+large[:10000]+"\r\n$10") },
		"behind a call that waits": func(c *crowd, i int) {
			c.send(1, "BZPOPMIN z 0\r\n"+strings.Repeat(command("ECHO", large[:1000]), 200))
		},
		"unread":        func(c *crowd, i int) { c.send(1, command("ECHO", large)) },
		"unread, small": func(c *crowd, i int) { c.send(1, strings.Repeat(command("ECHO", large[:1000]), 200)) },
		"subscribed":    func(c *crowd, i int) { c.send(1, command("SUBSCRIBE", large)) },
		"subscribed to patterns": func(c *crowd, i int) {
			c.send(1, eachOf(1000, "PSUBSCRIBE news:%d:#"))
		},
		"watched": func(c *crowd, i int) { c.send(1, command("WATCH", fmt.Sprint(i)+large)) },
		"prefixes": func(c *crowd, i int) {
			c.send(1, "HELLO 3\r\n"+command("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", large))
		},
		"tracked": func(c *crowd, i int) {
			c.send(1, "HELLO 3\r\nCLIENT TRACKING ON\r\n"+command("GET", fmt.Sprint(i)+large))
		},
		"messages": func(c *crowd, i int) { c.send(1, "SUBSCRIBE news\r\n"); c.send(1, command("PUBLISH", "news", large)) },
		"monitors": func(c *crowd, i int) { c.send(1, "MONITOR\r\n"); c.send(1, command("ECHO", large[:5000])) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newClosed(t, Options{Config: map[string]string{"maxmemory": fmt.Sprint(limit), "maxmemory-clients": "50%"}})
			before := liveHeap()
			c := &crowd{t: t, s: s}
			stopped := func() bool {
				return s.engine.state.Stats.EvictedClients.Load() > 0 || s.engine.state.Stats.ErrorsByCode()["OOM"] > 0
			}
			for i := 0; !stopped(); i++ {
				if i%20 == 0 {
					require.Less(t, liveHeap()-before, 3*limit)
				}
				fill(c, i)
			}
			require.Less(t, liveHeap()-before, 3*limit)
			c.leave()
		})
	}
}
