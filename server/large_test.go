package server

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/datastructs"
	"github.com/parley-chat/parley/datastructs/rdb"
)

// allocated is how many bytes the process allocates while f runs.
func allocated(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// Large words come out as they went in, however the stream is cut, and whether the
// caller takes them out at once or lags behind.
func TestLargeWordsHaveMemoryOfTheirOwn(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 3))
		var stream []byte
		var want [][]string
		for range 1 + r.IntN(4) {
			words := []string{"MSET"}
			for range r.IntN(4) {
				n := r.IntN(40)
				if r.IntN(2) == 0 {
					n = commands.LargeWord - 2 + r.IntN(5) + r.IntN(2)*r.IntN(300_000)
				}
				words = append(words, strings.Repeat(string(rune('a'+r.IntN(26))), n))
			}
			want = append(want, words)
			stream = append(stream, command(words...)...)
		}
		f := newFraming()
		var got [][][]byte
		for i := 0; len(stream) > 0; i++ {
			n := min(1+r.IntN(1+r.IntN(100_000)), len(stream))
			_, free := f.buffered()
			require.GreaterOrEqual(t, free, 0)
			before := f.pending()
			require.NoError(t, f.write(bytes.Clone(stream[:n])))
			require.Equal(t, before+n, f.pending(), "all bytes count")
			stream = stream[n:]
			if r.IntN(3) == 0 && len(stream) > 0 {
				continue
			}
			for {
				args, ok, err := f.next(nil)
				require.NoError(t, err)
				if !ok {
					break
				}
				large := 0
				for i, a := range args {
					require.Equal(t, len(a), cap(a))
					if len(a) >= commands.LargeWord {
						large += len(a)
					} else {
						args[i] = bytes.Clone(a)
					}
				}
				require.Equal(t, large, f.largeBytes)
				got = append(got, args)
			}
			f.release()
		}
		require.Zero(t, f.pending())
		require.Len(t, got, len(want))
		for i := range want {
			require.Len(t, got[i], len(want[i]))
			for j := range want[i] {
				require.True(t, want[i][j] == string(got[i][j]), "seed %d, word %d of call %d", seed, j, i)
			}
		}
	}
}

// A client that announces a large word and sends a little of it has a little memory.
func TestALargeWordIsNotBelievedBeforeItComes(t *testing.T) {
	f := newFraming()
	require.Less(t, allocated(func() {
		require.NoError(t, f.write([]byte("*2\r\n$4\r\nECHO\r\n$536870912\r\nxx")))
		_, ok, err := f.next(nil)
		require.NoError(t, err)
		require.False(t, ok)
	}), 600<<10)
	for range 100 {
		require.NoError(t, f.write(make([]byte, 10<<10)))
		used, free := f.buffered()
		require.Less(t, used+free, 8*used+(700<<10))
	}
}

// bothWays serves a test a connection in memory and one of TCP.
func bothWays(t *testing.T, test func(t *testing.T, s *Server, conn net.Conn)) {
	t.Run("memory", func(t *testing.T) {
		s := newClosed(t, Options{})
		conn, err := s.Dial()
		require.NoError(t, err)
		test(t, s, conn)
	})
	t.Run("tcp", func(t *testing.T) {
		s, err := Start(Options{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		conn, err := net.Dial("tcp", s.Addr())
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		test(t, s, conn)
	})
}

// call sends a call, its last word from where it is, and reads so many bytes of reply.
func call(t *testing.T, conn net.Conn, reply int, words ...[]byte) {
	t.Helper()
	var head []byte
	head = fmt.Appendf(head, "*%d\r\n", len(words))
	for _, w := range words[:len(words)-1] {
		head = fmt.Appendf(head, "$%d\r\n%s\r\n", len(w), w)
	}
	last := words[len(words)-1]
	head = fmt.Appendf(head, "$%d\r\n", len(last))
	for _, p := range [][]byte{head, last, []byte("\r\n")} {
		_, err := conn.Write(p)
		require.NoError(t, err)
	}
	_, err := io.CopyN(io.Discard, conn, int64(reply))
	require.NoError(t, err)
}

func framed(n int) int { return n + len(fmt.Sprintf("$%d\r\n\r\n", n)) }

// A large value is allocated once, and what it leaves behind on its way in is a seventh
// of it: neither the input nor the store nor a reply copies it.
func TestALargeValueIsAllocatedOnce(t *testing.T) {
	const size = 64 << 20
	large := bytes.Repeat([]byte("x"), size)
	word := func(s string) []byte { return []byte(s) }
	ok, one := len("+OK\r\n"), len(":1\r\n")
	bothWays(t, func(t *testing.T, s *Server, conn net.Conn) {
		runtime.GC() // no buffer of an earlier test is wanted
		for _, c := range []struct {
			name string
			most float64 // times its size
			do   func()
		}{
			{"SET", 1.3, func() { call(t, conn, ok, word("SET"), word("s"), large) }},
			{"GET", 0.1, func() { call(t, conn, framed(size), word("GET"), word("s")) }},
			{"GETRANGE", 0.1, func() { call(t, conn, framed(size-1), word("GETRANGE"), word("s"), word("1"), word("-1")) }},
			{"HSET", 1.3, func() { call(t, conn, one, word("HSET"), word("h"), word("f"), large) }},
			{"HGETALL", 0.1, func() { call(t, conn, len("*2\r\n")+framed(1)+framed(size), word("HGETALL"), word("h")) }},
			{"SADD", 1.3, func() { call(t, conn, one, word("SADD"), word("m"), large) }},
			{"SMEMBERS", 0.1, func() { call(t, conn, len("*1\r\n")+framed(size), word("SMEMBERS"), word("m")) }},
			{"ZADD", 1.3, func() { call(t, conn, one, word("ZADD"), word("z"), word("1"), large) }},
			{"ZRANGE", 0.1, func() { call(t, conn, len("*1\r\n")+framed(size), word("ZRANGE"), word("z"), word("0"), word("-1")) }},
			{"EXISTS", 1.3, func() { call(t, conn, len(":0\r\n"), word("EXISTS"), large) }},
			{"ECHO", 1.3, func() { call(t, conn, framed(size), word("ECHO"), large) }},
			{"SETRANGE", 1.1, func() {
				call(t, conn, len(":67108867\r\n"), word("SETRANGE"), word("r"), word("67108864"), word("abc"))
			}},
			{"SETRANGE in place", 0.1, func() { call(t, conn, len(":67108867\r\n"), word("SETRANGE"), word("r"), word("7"), word("abc")) }},
			{"MULTI", 0.1, func() { call(t, conn, ok, word("MULTI")) }},
			{"SET in MULTI", 1.3, func() { call(t, conn, len("+QUEUED\r\n"), word("SET"), word("s"), large) }},
			{"GET in MULTI", 0.1, func() { call(t, conn, len("+QUEUED\r\n"), word("GET"), word("s")) }},
			{"EXEC", 0.1, func() { call(t, conn, len("*2\r\n")+ok+framed(size), word("EXEC")) }},
		} {
			require.Less(t, float64(allocated(c.do))/size, c.most, c.name)
		}
		_, err := s.Do(t.Context(), "FLUSHALL")
		require.NoError(t, err)
	})
}

// Of a reply of many strings each byte is copied once.
func TestALongReplyIsCopiedOnce(t *testing.T) {
	const members = 32 << 10
	for _, protocol := range []string{"2", "3"} {
		bothWays(t, func(t *testing.T, s *Server, conn net.Conn) {
			fields := make([]any, 0, 2*members)
			for i := range members {
				fields = append(fields, fmt.Sprintf("f%05d", i), strings.Repeat("v", 500))
			}
			_, err := s.Do(t.Context(), append([]any{"HSET", "h"}, fields...)...)
			require.NoError(t, err)
			_, err = fmt.Fprintf(conn, "HELLO %s\r\n", protocol)
			require.NoError(t, err)
			_, err = resp.NewReader(conn).Read() // nothing follows it
			require.NoError(t, err)
			reply := len("*65536\r\n") + members*(framed(6)+framed(500))
			require.Less(t, float64(allocated(func() { call(t, conn, reply, []byte("HGETALL"), []byte("h")) }))/float64(reply), 1.3)
		})
	}
}

// What a reply holds by reference stays what it was when the value is changed before
// the client has read it.
func TestAReplyKeepsWhatItSaw(t *testing.T) {
	s := newClosed(t, Options{})
	conn, err := s.Dial()
	require.NoError(t, err)
	large := strings.Repeat("x", commands.LargeWord)
	for _, text := range []string{
		command("SET", "s", large), command("GET", "s"), command("SETRANGE", "s", "0", "changed"),
		command("GETRANGE", "s", "0", "-1"), command("APPEND", "s", "more"), command("SETRANGE", "s", "3", "again"),
		command("GET", "s"), command("SETRANGE", "s", "131071", "over the end"),
	} {
		_, err := conn.Write([]byte(text))
		require.NoError(t, err)
	}
	r := resp.NewReader(conn)
	replies := make([]string, 8)
	for i := range replies {
		v, err := r.Read()
		require.NoError(t, err)
		replies[i] = v.Text()
	}
	require.True(t, replies[1] == large)
	require.True(t, replies[3] == "changed"+large[7:])
	require.True(t, replies[6] == "chaagain"+large[8:]+"more")
}

// What Do is given stays the caller's, and a large reply is not copied twice.
func TestDoKeepsNothingOfItsArguments(t *testing.T) {
	s := newClosed(t, Options{})
	const size = 32 << 20
	value := bytes.Repeat([]byte("x"), size)
	_, err := s.Do(t.Context(), "SET", "s", value)
	require.NoError(t, err)
	clear(value)
	require.Less(t, float64(allocated(func() {
		v, err := s.Do(t.Context(), "GET", "s")
		require.NoError(t, err)
		require.Equal(t, size, strings.Count(v.Str, "x"))
	}))/size, 1.1)
}

// What has come in and run counts once: the input's buffer is the value now.
func TestALargeValueCountsOnce(t *testing.T) {
	const size = 16 << 20
	bothWays(t, func(t *testing.T, s *Server, conn net.Conn) {
		before := s.engine.state.UsedMemory()
		calls := command("SET", "s", strings.Repeat("x", size)) + "PING\r\n"
		_, err := conn.Write([]byte(calls))
		require.NoError(t, err)
		_, err = io.CopyN(io.Discard, conn, int64(len("+OK\r\n+PONG\r\n")))
		require.NoError(t, err)
		peak := s.engine.state.UsedMemory()
		s.engine.mu.Lock()
		defer s.engine.mu.Unlock()
		require.InDelta(t, size, peak-before, size/5)
		used, ok := s.engine.state.Databases[0].Memory([]byte("s"), 0)
		require.True(t, ok)
		require.InDelta(t, size, used, size/5)
	})
}

// Bytes of large words, which have buffers of their own, make no room in the other one.
func TestAWordBehindALargeOneTakesItsOwnRoomOnly(t *testing.T) {
	f := newFraming()
	const size, words = 16 << 20, 20_000
	require.NoError(t, f.write([]byte(fmt.Sprintf("*%d\r\n$4\r\nMSET\r\n$%d\r\nxx", 2+words, size))))
	_, ok, err := f.next(nil)
	require.NoError(t, err)
	require.False(t, ok)
	require.NoError(t, f.write(append(make([]byte, size-2), "\r\n"...)))
	_, ok, err = f.next(nil)
	require.NoError(t, err)
	require.False(t, ok)
	for range words - 1 {
		require.NoError(t, f.write([]byte("$10\r\n0123456789\r\n")))
	}
	used, free := f.buffered()
	require.Less(t, used+free, size+4<<20)
}

// A later call of the same transaction does not write over a payload that an effect tells of.
func TestTheEffectOfARestoreHasThePayloadAsItCame(t *testing.T) {
	s := newClosed(t, Options{})
	text, r := make([]byte, commands.LargeWord), rand.New(rand.NewPCG(1, 2))
	for i := range text {
		text[i] = byte(r.Uint32())
	}
	payload := string(rdb.Dump(datastructs.NewString(text)))
	var told []string
	s.engine.state.Effects = func(unit []commands.Effect) {
		for _, e := range unit {
			if string(e.Words[0]) == "RESTORE" {
				told = append(told, string(e.Words[3]))
			}
		}
	}
	conn, err := s.Dial()
	require.NoError(t, err)
	for _, words := range [][]string{{"MULTI"}, {"RESTORE", "k", "0", payload}, {"SETRANGE", "k", "7", "written over"}, {"EXEC"}} {
		_, err := io.WriteString(conn, command(words...))
		require.NoError(t, err)
	}
	require.Len(t, told, 1)
	require.True(t, payload == told[0])
}
