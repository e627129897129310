package server

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/test/harness"
)

// Were each call that leaves looked for in its queues, this would take minutes of CPU time.
func TestCallsLeaveTheirQueuesWithoutASearch(t *testing.T) {
	s := newClosed(t, Options{})
	e := s.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	const n = 200_000
	keys := [][]byte{[]byte("a"), []byte("b"), []byte("a")}
	waiters := make([]*blockedCall, n)
	for i := range waiters {
		waiters[i] = new(blockedCall)
		e.blocked.enqueue(waiters[i], 0, keys)
	}
	harness.RequireCPU(t, 5*time.Second, "leaving", func() {
		for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(n) {
			e.blocked.dequeue(waiters[i])
		}
	})
	require.Empty(t, e.blocked.keys)
	require.Zero(t, e.state.ClientBytes.Load())
}

// The same of what is due by a test's clock.
func TestClockForgetsWithoutASearch(t *testing.T) {
	const n = 200_000
	clock, r := NewManualClock(time.UnixMilli(0)), rand.New(rand.NewPCG(1, 2))
	var stops []func() bool
	harness.RequireCPU(t, 5*time.Second, "stopping", func() {
		for range n {
			stops = append(stops, clock.AfterFunc(time.Duration(r.IntN(n)), func() { t.Error("it was stopped") }))
		}
		for _, i := range r.Perm(n) {
			require.True(t, stops[i]())
		}
	})
	require.False(t, stops[0]())
	clock.Advance(time.Second)
}

// What is due at one time is called in the order in which it was asked for.
func TestClockKeepsTheOrder(t *testing.T) {
	clock, r := NewManualClock(time.UnixMilli(0)), rand.New(rand.NewPCG(1, 2))
	var called, want [][2]int
	var order [10][][2]int
	for i := range 1000 {
		at := r.IntN(len(order))
		stop := clock.AfterFunc(time.Duration(at), func() { called = append(called, [2]int{at, i}) })
		if r.IntN(3) == 0 {
			require.True(t, stop())
			continue
		}
		order[at] = append(order[at], [2]int{at, i})
	}
	for _, list := range order {
		want = append(want, list...)
	}
	clock.Advance(time.Second)
	require.Equal(t, want, called)
}

// Whoever came first is served first, whoever has left in between.
func TestBlockedCallsAreServedInOrder(t *testing.T) {
	s := newClosed(t, Options{})
	r := rand.New(rand.NewPCG(1, 2))
	const n = 200
	var conns []io.ReadWriteCloser
	for range n {
		conn, err := s.Dial()
		require.NoError(t, err)
		conns = append(conns, conn)
	}
	var order []int // of clients that wait, as they came
	for _, i := range r.Perm(n) {
		_, err := io.WriteString(conns[i], "BZPOPMIN y z z x 0\r\n")
		require.NoError(t, err)
		order = append(order, i)
	}
	left := make(map[int]bool)
	for _, i := range r.Perm(n)[:n/2] {
		left[i] = true
		require.NoError(t, conns[i].Close())
	}
	require.NoError(t, s.Check())
	var calls strings.Builder
	for i := range n / 2 {
		fmt.Fprintf(&calls, "%d m%03d ", i, i)
	}
	_, err := s.Do(t.Context(), append([]any{"ZADD", "z"}, anyOf(strings.Fields(calls.String()))...)...)
	require.NoError(t, err)
	served := 0
	for _, i := range order {
		if left[i] {
			continue
		}
		v, err := resp.NewReader(conns[i]).Read()
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("m%03d", served), v.Elems[1].Str)
		served++
	}
	require.Equal(t, n/2, served)
	require.NoError(t, s.Check())
}

func anyOf(words []string) (list []any) {
	for _, w := range words {
		list = append(list, w)
	}
	return list
}

// A client that has had much leaves nothing of it in memory.
func TestClientsThatLeaveGiveMemoryBack(t *testing.T) {
	const n = 100_000
	for name, fill := range map[string]string{
		"watched keys":  eachOf(n, "WATCH some:key:#"),
		"channels":      eachOf(n, "SUBSCRIBE some:channel:#"),
		"patterns":      eachOf(n, "PSUBSCRIBE some:pattern:#*"),
		"tracked keys":  "HELLO 3\r\nCLIENT TRACKING ON\r\n" + eachOf(n, "GET some:key:#"),
		"blocked calls": string(encode("BZPOPMIN "+manyOf(n, "some:key:#")+" 0", 0)),
	} {
		t.Run(name, func(t *testing.T) {
			s := newClosed(t, Options{})
			stays, err := s.Dial()
			require.NoError(t, err)
			_, err = io.WriteString(stays, "HELLO 3\r\nCLIENT TRACKING ON\r\nGET k\r\nWATCH k\r\nSUBSCRIBE k\r\nPSUBSCRIBE k\r\nBZPOPMIN k 0\r\n")
			require.NoError(t, err)
			before, used := liveHeap(), s.engine.state.UsedMemory()
			conn, err := s.Dial()
			require.NoError(t, err)
			read := make(chan struct{})
			go func() {
				defer close(read)
				io.Copy(io.Discard, conn)
			}()
			_, err = io.WriteString(conn, fill)
			require.NoError(t, err)
			require.Greater(t, liveHeap()-before, 5<<20)
			require.NoError(t, conn.Close())
			<-read
			require.Less(t, liveHeap()-before, 1<<20)
			require.InDelta(t, used, s.engine.state.UsedMemory(), 20_000, "a table keeps a page")
			require.NoError(t, s.Check())
		})
	}
}

// UNWATCH, EXEC and DISCARD of very many keys hold the lock for a part of them at a
// time, and whoever calls them has ended all when the reply is there.
func TestManyWatchedKeysEndInPieces(t *testing.T) {
	for _, end := range []string{"UNWATCH", "MULTI\r\nEXEC", "MULTI\r\nDISCARD", "RESET"} {
		s := newClosed(t, Options{})
		conn, err := s.Dial()
		require.NoError(t, err)
		used := s.engine.state.UsedMemory()
		_, err = conn.Write(encode("WATCH "+manyOf(5000, "some:key:#"), 0))
		require.NoError(t, err)
		require.Greater(t, s.engine.state.UsedMemory(), used+5000*50)
		stays := s.Metrics().LockHeld.Count
		_, err = io.WriteString(conn, end+"\r\n")
		require.NoError(t, err)
		require.False(t, s.engine.state.CleanUpPending())
		require.NoError(t, s.Check())
		require.LessOrEqual(t, s.Metrics().LockHeld.Count, stays+3)
		require.InDelta(t, used, s.engine.state.UsedMemory(), 40_000, "replies are there")
	}
}

// One goroutine cleans up at a time. Others neither help nor wait.
func TestCleanUpRunsInOneGoroutine(t *testing.T) {
	s := newClosed(t, Options{})
	e := s.engine
	conn, err := s.Dial()
	require.NoError(t, err)
	_, err = conn.Write(encode("WATCH "+manyOf(5000, "some:key:#"), 0))
	require.NoError(t, err)
	e.mu.Lock()
	e.cleaning = true // by somebody who has not come to it yet
	e.state.Unwatch(e.state.Clients.All()[0])
	e.state.AccountClient(e.state.Clients.All()[0])
	e.mu.Unlock()
	_, err = s.Do(t.Context(), "SET", "some:key:1", "v")
	require.NoError(t, err)
	require.True(t, e.state.CleanUpPending())
	require.NoError(t, s.Check())
	e.mu.Lock()
	e.cleaning = false
	e.unlock()
	require.False(t, e.state.CleanUpPending())
	require.False(t, e.cleaning)
	require.NoError(t, s.Check())
}

// Were all that a client has looked through at each call, this would take minutes of CPU time.
func TestManyTrackedPrefixes(t *testing.T) {
	const held, calls = 200_000, 2000
	s := newClosed(t, Options{})
	conn, err := s.Dial()
	require.NoError(t, err)
	words := []string{"CLIENT", "TRACKING", "ON", "BCAST"}
	for i := range held {
		words = append(words, "PREFIX", fmt.Sprintf("held:%d:", i))
	}
	var text strings.Builder
	for i := range calls {
		text.WriteString(command("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", fmt.Sprintf("more:%d:", i)))
	}
	text.WriteString(command("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "held:7:a"))
	harness.RequireCPU(t, 5*time.Second, "tracking", func() {
		replies := resp.NewReader(conn)
		for _, send := range []string{command("HELLO", "3"), command(words...), text.String()} {
			_, err = io.WriteString(conn, send)
			require.NoError(t, err)
		}
		for range 2 + calls {
			v, err := replies.Read()
			require.NoError(t, err)
			require.NoError(t, v.Err())
		}
		v, err := replies.Read()
		require.NoError(t, err)
		require.EqualError(t, v.Err(), "ERR Prefix 'held:7:a' overlaps with an existing prefix 'held:7:'. Prefixes for a single client must not overlap.")
		require.NoError(t, conn.Close())
	})
}

// What is forgotten of a client because others have changed keys is not counted any more,
// though the client says nothing.
func TestTrackedKeysThatChangeTakeNoMemory(t *testing.T) {
	for _, change := range []string{"FLUSHALL", "DEL " + manyOf(5000, "some:key:#")} {
		s := newClosed(t, Options{})
		conn, err := s.Dial()
		require.NoError(t, err)
		other, err := s.Dial()
		require.NoError(t, err)
		for _, c := range []net.Conn{conn, other} {
			go io.Copy(io.Discard, c)
		}
		_, err = other.Write(encode("MSET "+manyOf(5000, "some:key:# v"), 0))
		require.NoError(t, err)
		_, err = io.WriteString(conn, "HELLO 3\r\nCLIENT TRACKING ON\r\n")
		require.NoError(t, err)
		held := s.engine.state.ClientMemory()
		_, err = conn.Write(encode("MGET "+manyOf(5000, "some:key:#"), 0))
		require.NoError(t, err)
		require.Greater(t, s.engine.state.ClientMemory(), held+5000*40)
		_, err = other.Write(encode(change, 0))
		require.NoError(t, err)
		harness.Until(t, "the memory is free", func() bool { return s.engine.state.ClientMemory() < held+5000*10 })
		require.NoError(t, s.Check())
	}
}
