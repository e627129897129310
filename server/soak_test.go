package server_test

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/server"
)

var soakTime = flag.Duration("soak", time.Second, "how long TestSoak lasts; from 30s on a hundred clients send random bytes")

// Honest clients hold each reply against a model of their own keys, while hostile
// ones do what they can. No honest reply is wrong; and when all have gone nothing
// is left of them: no goroutine, no descriptor, no memory.
func TestSoak(t *testing.T) {
	var log harness.Log
	warm, err := server.Start(server.Options{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	require.NoError(t, warm.Close())
	goroutines, descriptors, heap := runtime.NumGoroutine(), openDescriptors(), liveHeap()

	s, err := server.Start(server.Options{
		Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Config: map[string]string{"client-output-buffer-limit": "normal 8mb 0 0", "notify-keyspace-events": "KEA"},
	})
	require.NoError(t, err)
	end := time.Now().Add(*soakTime)
	randoms := 10
	if *soakTime >= 30*time.Second {
		randoms = 100
	}
	var calls, attacks atomic.Int64
	var all sync.WaitGroup
	for i := range uint64(8) {
		all.Go(func() { calls.Add(int64(beHonest(t, s, i, end))) })
	}
	attack := func(seed uint64, f func(c *hostile)) {
		all.Go(func() {
			random := rand.New(rand.NewPCG(seed, 7))
			for time.Now().Before(end) {
				conn, err := net.Dial("tcp", s.Addr())
				if err != nil {
					runtime.Gosched() // both ends' descriptors are this process's: it may have none left
					continue
				}
				conn.SetDeadline(end.Add(20 * time.Second))
				f(&hostile{conn.(*net.TCPConn), random})
				conn.Close()
				attacks.Add(1)
			}
		})
	}
	for i := range randoms {
		attack(uint64(i), (*hostile).sendNoise)
	}
	for i, f := range attacksOnOthers {
		attack(1000+uint64(i), f)
	}
	all.Wait()
	require.NoError(t, s.Check())
	harness.Until(t, "all forgotten", func() bool {
		info := do(t, s, "INFO", "everything")
		for _, field := range []string{"connected_clients:0", "blocked_clients:0", "tracking_clients:0", "pubsub_channels:0", "pubsub_patterns:0"} {
			if !strings.Contains(info, field+"\r\n") {
				return false
			}
		}
		return true
	})
	require.NoError(t, s.Close())
	require.NoError(t, s.Check())
	s = nil
	harness.Until(t, "goroutines", func() bool { return runtime.NumGoroutine() <= goroutines })
	require.LessOrEqual(t, openDescriptors(), descriptors)
	for _, b := range []byte(log.String()) {
		require.True(t, b == '\n' || b >= ' ' && b != 0x7f, "a control byte %q in the log", b)
	}
	lines := strings.Count(log.String(), "\n")
	log.Reset()
	left := liveHeap() - heap
	require.Less(t, left, 8<<20, "bytes left on the heap")
	t.Logf("%d honest calls, no error; %d hostile connections; %d lines in the log; %d KB more on the heap", calls.Load(), attacks.Load(), lines, left>>10)
}

func openDescriptors() int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0 // not on this system
	}
	return len(list)
}

func liveHeap() int {
	for range 3 { // pools are emptied by the second
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// beHonest makes calls on keys that are its own, and returns how many.
func beHonest(t *testing.T, s *server.Server, id uint64, end time.Time) (calls int) {
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Error(err)
		return 0
	}
	defer conn.Close()
	conn.SetDeadline(end.Add(harness.GiveUp))
	random, replies := rand.New(rand.NewPCG(id, 1)), resp.NewReader(bufio.NewReader(conn))
	key := fmt.Sprint("honest:", id)
	counter, scores, members := 0, map[string]int{}, map[string]bool{}
	for time.Now().Before(end) {
		var out bytes.Buffer
		var want []string
		add := func(reply, format string, args ...any) {
			fmt.Fprintf(&out, format+"\r\n", args...)
			want = append(want, reply)
		}
		for range 1 + random.IntN(8) {
			m := fmt.Sprint("m", random.IntN(300))
			switch random.IntN(6) {
			case 0:
				counter++
				add(integer(counter), "INCR %s:n", key)
			case 1:
				add(fmt.Sprintf("%q", fmt.Sprint(counter)), "GET %s:n", key)
				if counter == 0 {
					want[len(want)-1] = "(nil)"
				}
			case 2:
				_, known := scores[m]
				scores[m] = random.IntN(1000)
				add(integer(map[bool]int{false: 1}[known]), "ZADD %s:z %d %s", key, scores[m], m)
			case 3:
				add(integer(len(scores)), "ZCARD %s:z", key)
			case 4:
				add(integer(map[bool]int{false: 1}[members[m]]), "SADD %s:s %s", key, m)
				members[m] = true
			case 5:
				add(integer(map[bool]int{true: 1}[members[m]]), "SREM %s:s %s", key, m)
				delete(members, m)
			}
		}
		if _, err := conn.Write(out.Bytes()); err != nil {
			t.Errorf("an honest client cannot write: %v", err)
			return calls
		}
		for _, w := range want {
			v, err := replies.Read()
			if err != nil || v.String() != w {
				t.Errorf("an honest client got %s (%v), not %s", v, err, w)
				return calls
			}
			calls++
		}
	}
	return calls
}

func integer(n int) string { return fmt.Sprintf("(integer) %d", n) }

// A hostile client wishes ill. It ignores all errors: it may be cut off anywhere.
type hostile struct {
	*net.TCPConn
	*rand.Rand
}

func (c *hostile) say(lines ...string) { io.WriteString(c, strings.Join(lines, "\r\n")+"\r\n") }

// hear reads what comes until the server has nothing more to say at once.
func (c *hostile) hear(lines ...string) {
	c.say(lines...)
	c.say("ECHO the-end")
	r := bufio.NewReader(c.TCPConn)
	for line := ""; !strings.Contains(line, "the-end"); {
		var err error
		if line, err = r.ReadString('\n'); err != nil {
			return
		}
	}
}

// reset makes Close send a reset.
func (c *hostile) reset() { c.SetLinger(0) }

func (c *hostile) sendNoise() {
	p := make([]byte, 1+c.IntN(3000))
	for i := range p {
		p[i] = byte(c.Uint32())
		if c.IntN(8) == 0 {
			p[i] = "*$\r\n-0123456789"[c.IntN(15)]
		}
	}
	c.Write(p)
	if c.IntN(2) == 0 {
		c.reset()
	}
}

var attacksOnOthers = []func(c *hostile){
	func(c *hostile) { // half a command
		io.WriteString(c, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000\r\nabc")
		c.hold()
		c.reset()
	},
	func(c *hostile) { // much output, unread
		c.say("SELECT 9", "SETRANGE big 1000000 x")
		c.say(strings.Repeat("GET big\r\n", 200))
		c.hold()
		c.reset()
	},
	func(c *hostile) { // a long pipeline
		go io.Copy(io.Discard, c.TCPConn)
		c.say("SELECT 9")
		io.WriteString(c, strings.Repeat("INCR pipelined\r\n", 20_000))
	},
	func(c *hostile) { // huge counts
		c.hear("SELECT 9", "SADD s a b c", "ZADD z 1 a 2 b", "HSET h a 1")
		for _, call := range []string{
			"SRANDMEMBER s -9223372036854775807", "HRANDFIELD h -4611686018427387904", "ZRANDMEMBER z -4611686018427387904 WITHSCORES", "SCAN 0 COUNT 9223372036854775807",
			"SETRANGE k 536870911 x", "LCS k k IDX MINMATCHLEN -1", "ZRANGE z -9223372036854775808 9223372036854775807", "GETRANGE k -9223372036854775808 9223372036854775807",
		} {
			c.say(call)
		}
		c.hold()
	},
	func(c *hostile) { // many subscriptions, and messages for all
		var channels strings.Builder
		for i := range 2000 {
			fmt.Fprint(&channels, " c", i)
		}
		c.say("SUBSCRIBE"+channels.String(), "PSUBSCRIBE *", "UNSUBSCRIBE c7")
		c.hold()
	},
	func(c *hostile) { c.say("MONITOR"); c.hold() },
	func(c *hostile) { c.say("HELLO 3", "CLIENT TRACKING ON BCAST"); c.hold() },
	func(c *hostile) {
		c.hear("HELLO 3", "CLIENT TRACKING ON", "SELECT 9", "MGET a b c d e f g", "SET a 1")
		c.reset()
	},
	func(c *hostile) {
		c.hear("CLIENT PAUSE 3 ALL", "CLIENT UNPAUSE")
		c.hold() // or nobody would ever get anywhere
	},
	func(c *hostile) {
		c.hear("AUTH guess", "AUTH default guess", "HELLO 3 AUTH default \"\\r\\n\\x1b[31m\"")
	},
	func(c *hostile) {
		c.say("SELECT 9", "BZPOPMIN nothing 0")
		c.reset()
	},
	func(c *hostile) { c.hear("SELECT 9", "FLUSHDB", "FLUSHDB ASYNC", "SWAPDB 9 10") },
	func(c *hostile) {
		c.hear("SHUTDOWN NOSAVE", "DEBUG SEGFAULT", "DEBUG SLEEP 1", "CONFIG SET dir /tmp", "CONFIG SET slowlog-log-slower-than 0", "CONFIG SET slowlog-max-len 16", "CONFIG RESETSTAT", "CONFIG REWRITE")
	},
	func(c *hostile) {
		c.hear("CLIENT KILL TYPE pubsub", "CLIENT KILL ID 0", "CLIENT NO-EVICT on", "CLIENT SETNAME \"a\\nb\"", "CLIENT LIST", "INFO everything")
	},
	func(c *hostile) { c.say("POST / HTTP/1.1", "Host: x", "", "SET evil 1") },
	func(c *hostile) {
		c.say("SELECT 9", "MULTI", strings.Repeat("SRANDMEMBER s -100000\r\n", 50), "EXEC")
		c.reset()
	},
}

// hold keeps the connection for a while without reading: until another client's
// call has been answered, some times over.
func (c *hostile) hold() {
	other, err := net.Dial("tcp", c.RemoteAddr().String())
	if err != nil {
		return
	}
	defer other.Close()
	h := &hostile{other.(*net.TCPConn), c.Rand}
	h.SetDeadline(time.Now().Add(20 * time.Second))
	for range 20 {
		h.hear("PUBLISH c1 message", "PING")
	}
}
