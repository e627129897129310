package main

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/internal/test/redistest"
)

var (
	fullMemory  = flag.Int("fullmemory.mb", 4, "maxmemory of the tests that fill it")
	fullFor     = flag.Duration("fullmemory.for", 150*time.Millisecond, "how long each fills it")
	fullClients = flag.Int("fullmemory.clients", 8, "how many clients do")
)

// When memory is full, under each policy and with any writes, used memory
// exceeds maxmemory by less than a tenth, rejected calls get the right error,
// and reads and deletions still work. With -v it logs the memory of the
// process, and of a redis-server, if there is one.
func TestFullMemory(t *testing.T) {
	for _, policy := range []string{"noeviction", "allkeys-lru", "allkeys-lfu", "allkeys-random",
		"volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"} {
		t.Run(policy, func(t *testing.T) {
			evicts := strings.HasPrefix(policy, "allkeys") // evicts all keys, so that no write is rejected
			args := []string{"--maxmemory", strconv.Itoa(*fullMemory << 20), "--maxmemory-policy", policy}
			ours := fill(t, program(t, args...), evicts)
			t.Logf("parley %v", ours)
			require.Less(t, ours.used, int64(*fullMemory<<20)*11/10, "of maxmemory")
			require.Greater(t, ours.used, int64(*fullMemory<<20)*8/10, "it has been filled")
			require.Empty(t, ours.wrong)
			require.Equal(t, evicts, ours.refused == 0)
			require.Equal(t, policy != "noeviction", ours.evicted > 0)
			if *fullFor > time.Second {
				t.Logf("redis  %v", fill(t, redistest.Start(t, args...).Addr(), evicts))
			}
		})
	}
}

// program starts the program as a process of its own.
func program(t *testing.T, args ...string) (addr string) {
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, append([]string{"--port", "0"}, args...)...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		require.NoError(t, cmd.Wait())
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimPrefix(strings.TrimSpace(line), "ready redis://")
}

// A filling is the result of filling a server's memory.
type filling struct {
	used, resident int64 // maxima, in bytes
	done, refused  int64 // calls
	evicted        int64
	wrong          string // an unexpected reply
	longest        time.Duration
}

// String returns the result in one line.
func (f filling) String() string {
	return fmt.Sprintf("used at most %5.1f%% of maxmemory, resident %4d MB, %7d calls, %6d refused, %6d keys evicted, a reply took %v at most",
		100*float64(f.used)/float64(*fullMemory<<20), f.resident>>20, f.done, f.refused, f.evicted, f.longest.Round(time.Millisecond/10))
}

// fill writes to a server for some time, and until memory has been full for
// some time: keys were evicted or, unless the policy evicts all keys, calls
// were rejected.
func fill(t *testing.T, addr string, evicts bool) filling {
	var done, refused atomic.Int64
	var enough atomic.Bool
	var wrong atomic.Value
	var writers sync.WaitGroup
	begun := time.Now()
	for i := range *fullClients {
		writers.Go(func() {
			w := newWriter(t, addr, uint64(i))
			for !enough.Load() {
				for _, reply := range w.pipeline() {
					switch {
					case !strings.HasPrefix(reply, "(error) "):
						done.Add(1)
					case strings.HasPrefix(reply, "(error) OOM command not allowed when used memory > 'maxmemory'."):
						refused.Add(1)
					default:
						wrong.Store(reply)
					}
				}
			}
		})
	}
	f := filling{}
	look := newWriter(t, addr, 0)
	for !enough.Load() {
		const some = 200
		enough.Store(time.Since(begun) > *fullFor && (evicts && f.evicted > some || refused.Load() > some))
		info := look.AskText("INFO")
		f.evicted = field(t, info, "evicted_keys")
		f.used = max(f.used, field(t, info, "used_memory"))
		f.resident = max(f.resident, field(t, info, "used_memory_rss"))
		asked := time.Now()
		require.Equal(t, "(nil)", look.Ask("GET nothing"))
		require.Contains(t, look.Ask("DEL growing:1"), "(integer) ")
		f.longest = max(f.longest, time.Since(asked)/2)
		time.Sleep(2 * time.Millisecond) // measuring must not be the load
	}
	writers.Wait()
	f.done, f.refused = done.Load(), refused.Load()
	f.wrong, _ = wrong.Load().(string)
	return f
}

func field(t *testing.T, info, name string) int64 {
	_, rest, ok := strings.Cut(info, "\n"+name+":")
	require.True(t, ok)
	digits, _, _ := strings.Cut(rest, "\r")
	n, err := strconv.ParseInt(digits, 10, 64)
	require.NoError(t, err)
	return n
}

// A writer is a client that writes values of all kinds.
type writer struct {
	*harness.Client
	rand *rand.Rand
}

func newWriter(t *testing.T, addr string, seed uint64) *writer {
	return &writer{harness.Dial(t, "tcp", addr), rand.New(rand.NewPCG(seed, 1))}
}

// pass writes calls, and returns their replies. It may be called from any
// goroutine.
func (w *writer) pass(calls []byte, n int) (replies []string) {
	if _, err := w.Write(calls); err != nil {
		w.T.Error(err)
		return nil
	}
	for range n {
		reply, err := w.TryRead()
		if err != nil {
			w.T.Error(err)
			return replies
		}
		replies = append(replies, reply)
	}
	return replies
}

// pipeline sends one call, or a hundred, and returns the replies.
func (w *writer) pipeline() []string {
	n := 1
	if w.rand.IntN(3) == 0 {
		n = 100
	}
	var b bytes.Buffer
	for range n {
		b.Write(w.call())
	}
	return w.pass(b.Bytes(), n)
}

// call writes new keys of all sizes, half of them with a deadline, makes some
// values grow, and reads and deletes now and then.
func (w *writer) call() []byte {
	size := w.rand.IntN(200)
	switch w.rand.IntN(400) {
	case 0:
		size = *fullMemory << 20 / 200 // a large one
	case 1, 2, 3, 4, 5:
		size = *fullMemory << 20 / 5000
	}
	text := strings.Repeat("x", size)
	of := func(kind string, n int) string { return kind + ":" + strconv.Itoa(w.rand.IntN(n)) }
	switch w.rand.IntN(12) {
	case 0, 1, 2:
		return harness.Encode("SET", of("key", 1e9), text, "EX", strconv.Itoa(100+w.rand.IntN(1000)))
	case 3:
		return harness.Encode("SET", of("key", 1e9), text)
	case 4:
		return harness.Encode("HSET", of("message", 1e9), "time", "1615480371", "from", of("user", 1000), "data", text)
	case 5:
		return harness.Encode("HSET", of("hash", 3), of("field", 1e9), text)
	case 6:
		return harness.Encode("ZADD", of("messages", 3), strconv.Itoa(w.rand.IntN(1e9)), of("member", 1e9))
	case 7:
		return harness.Encode("SADD", of("set", 3), of("member", 1e9))
	case 8:
		return harness.Encode("APPEND", of("growing", 3), text)
	case 9:
		return harness.Encode("SETRANGE", of("range", 3), strconv.Itoa(w.rand.IntN(*fullMemory<<20/100)), text)
	case 10:
		return harness.Encode("GET", of("key", 1e9))
	default:
		return harness.Encode("DEL", of("hash", 3000), of("messages", 3000), of("set", 3000), of("growing", 3000))
	}
}
