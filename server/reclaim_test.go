package server

import (
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// reclaimed starts a server that counts the calls of FreeMemory, each of which takes
// as long as takes says.
func reclaimed(t *testing.T) (s *Server, clock *ManualClock, calls *int, takes *time.Duration, do func(words ...any)) {
	clock = NewManualClock(time.UnixMilli(1615480369000))
	calls, takes = new(int), new(time.Duration)
	s = newClosed(t, Options{Clock: clock, FreeMemory: func() {
		*calls++
		require.True(t, s.engine.mu.TryLock(), "not under the engine's lock")
		s.engine.mu.Unlock()
		clock.mu.Lock()
		defer clock.mu.Unlock()
		clock.moveTo(clock.now.Add(*takes))
	}})
	return s, clock, calls, takes, func(words ...any) {
		_, err := s.Do(t.Context(), words...)
		require.NoError(t, err)
	}
}

func TestFreeMemoryIsCalledWhenMuchHasBecomeFree(t *testing.T) {
	_, clock, calls, takes, do := reclaimed(t)
	large := strings.Repeat("x", 2*minFreed)
	do("SET", "k", large)
	clock.Advance(time.Minute)
	require.Zero(t, *calls, "nothing is free")
	do("DEL", "k")
	require.Zero(t, *calls, "not within the call")
	clock.Advance(time.Second)
	require.Equal(t, 1, *calls)
	clock.Advance(time.Hour)
	require.Equal(t, 1, *calls, "nothing more has become free")

	*takes = time.Second
	for want := 2; want < 5; want++ { // a slow one comes the more rarely
		do("SET", "k", large)
		do("FLUSHALL")
		clock.Advance(2 * time.Second)
		require.Equal(t, want, *calls)
		do("SET", "k", large)
		do("FLUSHALL")
		clock.Advance(15 * time.Second)
		require.Equal(t, want, *calls)
		do("SET", "k", large)
		clock.Advance(time.Minute)
		require.Equal(t, want, *calls, "it is in use again")
	}
}

func TestFreeMemoryIsNotCalledForLittle(t *testing.T) {
	_, clock, calls, _, do := reclaimed(t)
	do("SET", "most", strings.Repeat("x", 6*minFreed))
	for range 3 {
		do("SET", "k", strings.Repeat("x", minFreed-1<<20))
		do("DEL", "k")
		clock.Advance(time.Minute)
	}
	require.Zero(t, *calls, "less than 32 MiB")
	do("SET", "k", strings.Repeat("x", minFreed+1<<20))
	do("DEL", "k")
	clock.Advance(time.Minute)
	require.Zero(t, *calls, "less than a quarter")
}

// Large values that take each other's place leave garbage, too.
func TestFreeMemoryIsCalledForValuesThatAreReplaced(t *testing.T) {
	s, clock, calls, _, _ := reclaimed(t)
	conn, err := s.Dial()
	require.NoError(t, err)
	for range 2 {
		_, err = conn.Write([]byte(command("SET", "k", strings.Repeat("x", 2*minFreed))))
		require.NoError(t, err)
		_, err = io.CopyN(io.Discard, conn, 5)
		require.NoError(t, err)
		clock.Advance(10 * time.Second)
	}
	require.Equal(t, 1, *calls)
}

// Keys that expire, a client that reads what waited for it, and one that leaves make
// memory free without a call.
func TestFreeMemoryIsCalledWithoutACommand(t *testing.T) {
	s, clock, calls, _, do := reclaimed(t)
	do("SET", "k", strings.Repeat("x", 2*minFreed), "PX", 5000)
	clock.Advance(10 * time.Second)
	require.Equal(t, 1, *calls)

	reader, err := s.Dial()
	require.NoError(t, err)
	members := []any{"SADD", "s"}
	for i := range 10000 {
		members = append(members, strings.Repeat("m", 6000)+fmt.Sprint(i))
	}
	do(members...)
	_, err = reader.Write([]byte("SMEMBERS s\r\n"))
	require.NoError(t, err)
	clock.Advance(5 * time.Second)
	require.Equal(t, 1, *calls)
	unread := s.engine.state.ClientBytes.Load()
	for s.engine.state.ClientBytes.Load() > unread/10 {
		_, err = reader.Read(make([]byte, 1<<20))
		require.NoError(t, err)
	}
	clock.Advance(5 * time.Second)
	require.Equal(t, 2, *calls)

	sender, err := s.Dial()
	require.NoError(t, err)
	_, err = sender.Write([]byte("*2\r\n$4\r\nECHO\r\n$100000000\r\n" + strings.Repeat("x", 2*minFreed)))
	require.NoError(t, err)
	clock.Advance(5 * time.Second)
	require.Equal(t, 2, *calls)
	require.NoError(t, sender.Close())
	clock.Advance(5 * time.Second)
	require.Equal(t, 3, *calls)
}

// Close waits for a call that is under way, and lets none begin.
func TestCloseEndsFreeMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var begun, ended atomic.Int64
		s, err := New(Options{FreeMemory: func() {
			begun.Add(1)
			time.Sleep(time.Second)
			ended.Add(1)
		}})
		require.NoError(t, err)
		freed := func() {
			for _, words := range [][]any{{"SET", "k", strings.Repeat("x", 2*minFreed)}, {"DEL", "k"}} {
				_, err := s.Do(t.Context(), words...)
				require.NoError(t, err)
			}
		}
		freed()
		time.Sleep(reclaimDelay + time.Millisecond)
		require.EqualValues(t, 1, begun.Load())
		freed()
		require.NoError(t, s.Close())
		require.EqualValues(t, 1, ended.Load())
		time.Sleep(time.Hour)
		require.EqualValues(t, 1, begun.Load())
	})
}

// That it panics is no reason not to call it again.
func TestFreeMemoryMayPanic(t *testing.T) {
	clock, calls := NewManualClock(time.UnixMilli(1615480369000)), 0
	s := newClosed(t, Options{Clock: clock, FreeMemory: func() {
		calls++
		panic("a test")
	}})
	for want := 1; want <= 3; want++ {
		for _, words := range [][]any{{"SET", "k", strings.Repeat("x", 2*minFreed)}, {"DEL", "k"}} {
			_, err := s.Do(t.Context(), words...)
			require.NoError(t, err)
		}
		clock.Advance(time.Minute)
		require.Equal(t, want, calls)
	}
}
