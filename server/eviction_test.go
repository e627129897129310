package server

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/test/harness"
)

// under is a server with a limit of memory, and a way to ask it.
func under(t *testing.T, bytes int, policy string, o Options) (*Server, func(words ...any) resp.Value) {
	o.Config = map[string]string{"maxmemory": strconv.Itoa(bytes), "maxmemory-policy": policy}
	s := newClosed(t, o)
	return s, func(words ...any) resp.Value {
		v, err := s.Do(t.Context(), words...)
		if _, refused := err.(resp.Error); !refused {
			require.NoError(t, err)
		}
		return v
	}
}

// What is used stays, and what is not goes: of a hot fifth of the keys most are
// left when others have filled the memory several times over.
func TestEvictionKeepsWhatIsUsed(t *testing.T) {
	for policy, least := range map[string]float64{"allkeys-lru": 0.95, "allkeys-lfu": 0.95} {
		t.Run(policy, func(t *testing.T) {
			clock := NewManualClock(time.Unix(1_700_000_000, 0))
			_, ask := under(t, 1<<20, policy, Options{Clock: clock, Seed: 1})
			const hot = 400 // of some 2,000 that fit
			for i := range hot {
				ask("SET", fmt.Sprint("hot:", i), strings.Repeat("x", 400))
			}
			for i := range 20000 {
				ask("SET", fmt.Sprint("cold:", i), strings.Repeat("x", 400))
				ask("GET", fmt.Sprint("hot:", i%hot))
				clock.Advance(10 * time.Millisecond)
			}
			left := 0
			for i := range hot {
				left += int(ask("EXISTS", fmt.Sprint("hot:", i)).Int)
			}
			require.Greater(t, float64(left)/hot, least)
		})
	}
}

// The same seed lets the same keys go, where the clock stands still: how much goes
// in one critical section is a matter of time.
func TestEvictionRepeats(t *testing.T) {
	left := func(seed uint64) []string {
		_, ask := under(t, 200_000, "allkeys-random", Options{Seed: seed, Clock: NewManualClock(time.Unix(1_700_000_000, 0))})
		for i := range 3000 {
			ask("SET", fmt.Sprint("k", i), "some value")
		}
		return ask("KEYS", "*").Strings()
	}
	require.Equal(t, left(1), left(1))
	require.NotEqual(t, left(1), left(2))
}

// A volatile policy spares what has no deadline, and refuses when only that is left.
func TestEvictionOfVolatileKeysOnly(t *testing.T) {
	for _, policy := range []string{"volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"} {
		t.Run(policy, func(t *testing.T) {
			_, ask := under(t, 300_000, policy, Options{})
			for i := range 500 {
				ask("SET", fmt.Sprint("kept:", i), "some value")
			}
			for i := range 5000 {
				require.NoError(t, ask("SET", fmt.Sprint("volatile:", i), "some value", "EX", 1000+i%10).Err())
			}
			for i := range 500 {
				require.EqualValues(t, 1, ask("EXISTS", fmt.Sprint("kept:", i)).Int)
			}
			var err error
			for i := 0; err == nil && i < 10000; i++ {
				err = ask("SET", fmt.Sprint("more:", i), "some value").Err()
			}
			require.ErrorIs(t, err, commands.ErrOOM)
			require.NotContains(t, strings.Join(ask("KEYS", "*").Strings(), " "), "volatile:")
			require.NoError(t, ask("DEL", "kept:1", "kept:2", "kept:3", "kept:4").Err())
			require.EqualValues(t, 1, ask("EXISTS", "kept:5").Int)
		})
	}
}

// volatile-ttl lets keys go in the order of their deadlines, whatever their database.
func TestEvictionByDeadlineIsInOrder(t *testing.T) {
	s, ask := under(t, 0, "volatile-ttl", Options{})
	var gone []string
	s.engine.state.Effects = func(unit []commands.Effect) {
		for _, e := range unit {
			if string(e.Words[0]) == "DEL" {
				gone = append(gone, string(e.Words[1]))
			}
		}
	}
	for i, n := range rand.New(rand.NewPCG(1, 2)).Perm(100) {
		ask("SET", fmt.Sprintf("k%02d", n), "v", "EX", 1000+n)
		if i%2 == 0 {
			ask("MOVE", fmt.Sprintf("k%02d", n), 5)
		}
	}
	gone = nil
	ask("CONFIG", "SET", "maxmemory", 1) // on a slow machine some go by themselves, later
	harness.Until(t, "all have gone", func() bool {
		s.engine.mu.Lock()
		defer s.engine.mu.Unlock()
		return len(gone) == 100
	})
	require.IsIncreasing(t, gone)
}

// While keys go for longer than a call may wait, calls run, and the rest go by themselves.
func TestEvictionGoesOnByItself(t *testing.T) {
	clock := &steppingClock{NewManualClock(time.Unix(1_700_000_000, 0))}
	s, ask := under(t, 0, "allkeys-random", Options{Clock: clock})
	for i := range 1000 {
		ask("SET", fmt.Sprint("k", i), "v")
	}
	ask("CONFIG", "SET", "maxmemory", 1)
	n := ask("DBSIZE").Int
	require.Positive(t, n, "it takes several turns")
	require.Less(t, n, int64(1000))
	require.NoError(t, ask("SET", "k", "v").Err(), "and meanwhile nothing is refused")
	for range 1000 {
		clock.Advance(0)
	}
	require.Zero(t, s.engine.state.Databases[0].Len())
	require.ErrorIs(t, ask("SET", "k", "v").Err(), commands.ErrOOM)
}

// A steppingClock goes on by a millisecond whenever it is looked at.
type steppingClock struct{ *ManualClock }

func (c *steppingClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Millisecond)
	return c.now
}

// Reads that share the lock make room too, by not sharing it.
func TestReadsMakeRoom(t *testing.T) {
	s, ask := under(t, 0, "allkeys-lru", Options{})
	ask("SET", "k", strings.Repeat("x", 100_000))
	s.engine.mu.Lock() // as if clients had come to take more
	s.engine.state.Config.MaxMemory = uint64(s.engine.state.UsedMemory() - 1)
	s.engine.mu.Unlock()
	require.True(t, ask("GET", "k").IsNull())
}

// Clients that take most are closed first, until the others take less than the limit.
func TestClientsThatTakeMostAreClosed(t *testing.T) {
	s := newClosed(t, Options{Config: map[string]string{"maxmemory-clients": "1mb"}})
	dial := func(text string) net.Conn {
		conn, err := s.Dial()
		require.NoError(t, err)
		conn.Write([]byte(text))
		return conn
	}
	half := func(n int) string {
		return fmt.Sprintf("*2\r\n$4\r\nECHO\r\n$%d\r\n%s", n+n/8, strings.Repeat("x", n))
	}
	small, spared := dial("PING\r\n"), dial("CLIENT NO-EVICT ON\r\n"+half(200_000))
	medium := dial(half(200_000))
	large := dial(half(700_000))
	require.EqualValues(t, 1, s.engine.state.Stats.EvictedClients.Load())
	_, err := large.Read(make([]byte, 1))
	require.Error(t, err, "the largest is closed")
	for _, conn := range []net.Conn{small, spared} {
		n, err := conn.Read(make([]byte, 100))
		require.NoError(t, err)
		require.Positive(t, n)
	}
	_, err = medium.Write([]byte("x"))
	require.NoError(t, err)
	info, err := s.Do(t.Context(), "INFO", "stats")
	require.NoError(t, err)
	require.Contains(t, info.Str, "evicted_clients:1\r\n")
}

// A client whose own call makes it too large is closed before that runs.
func TestClientIsClosedBeforeItsCallRuns(t *testing.T) {
	s := newClosed(t, Options{Config: map[string]string{"maxmemory-clients": "1mb"}})
	conn, err := s.Dial()
	require.NoError(t, err)
	conn.Write(bytes.Join([][]byte{[]byte("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2000000\r\n"), make([]byte, 2_000_000), []byte("\r\n")}, nil))
	_, err = conn.Read(make([]byte, 1))
	require.Error(t, err)
	n, err := s.Do(t.Context(), "EXISTS", "k")
	require.NoError(t, err)
	require.Zero(t, n.Int)
}

// What clients may take can be a share of maxmemory.
func TestClientMemoryInPercent(t *testing.T) {
	for _, c := range []struct {
		memory, clients string
		want            int64
	}{
		{"0", "0", 0}, {"0", "5%", 0}, {"100mb", "0", 0}, {"100mb", "10%", 10<<20 - 60}, {"100mb", "1", 128 << 10},
		{"1mb", "1%", 128 << 10}, {"0", "5mb", 5 << 20}, {"18446744073709551615", "100%", 9223372036854775800},
	} {
		config := commands.DefaultConfig()
		require.NoError(t, config.Set("maxmemory", c.memory))
		require.NoError(t, config.Set("maxmemory-clients", c.clients))
		require.InDelta(t, c.want, config.ClientMemoryLimit(), 100, "%s of %s", c.clients, c.memory)
	}
}

func TestTenacity(t *testing.T) {
	require.Zero(t, evictionTime(0))
	require.Equal(t, 50*time.Microsecond, evictionTime(1))
	require.Equal(t, 500*time.Microsecond, evictionTime(10))
	require.Equal(t, 575*time.Microsecond, evictionTime(11))
	require.Greater(t, evictionTime(99), 2*time.Minute)
	require.Greater(t, evictionTime(100), 1000*time.Hour)
}
