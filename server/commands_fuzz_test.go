package server

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/commands/resp"
)

// odd are words that arguments break on: numbers at the ends of their types and
// beyond them, texts that are nearly numbers, patterns, options.
var odd = []string{
	"", "0", "1", "-1", "2", "10", "100", "512", "-0", "+1", "01", " 1", "1.5", "-1.5", "1e3", "1e400", "-1e400", "1e-400", "nan", "inf", "-inf", "(1", "(inf", "(", "[", "[a", "(a", "-", "+", "0x10",
	"127", "128", "255", "256", "32767", "-32768", "65536", "2147483647", "2147483648", "-2147483648", "-2147483649", "4294967295", "4294967296", "536870912", "536870911",
	"9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "9223372036854775806", "-9223372036854775807", "18446744073709551615", "18446744073709551616",
	"9223372036854775", "9223372036854776", "-9223372036854775", "4611686018427387904", "1e18", "1e19", "-1e19", "9007199254740993", "17976931348623157e292",
	"s", "n", "h", "t", "z", "k", "absent", "f", "g", "a", "b", "*", "?", "[^a", "a\\", "w_*->f", "#", "\x00", "\xff", "k\x00", "\r\n", "yes", "no",
}

// FuzzCommands makes calls of any row with odd words. Each gives one whole reply,
// or waits; an error has changed nothing; all in the server agrees; and memory
// follows what came in and went out, never a number that was named.
func FuzzCommands(f *testing.F) {
	rows := commandRows()
	dictionary := dictionaryOf(rows)
	for i, m := range rows {
		for _, word := range []string{"1", "-9223372036854775808", "9223372036854775807", "nan", "k"} {
			seed := binary.LittleEndian.AppendUint16(nil, uint16(i))
			for range max(m.Arity, -m.Arity) + 1 {
				seed = binary.LittleEndian.AppendUint16(seed, uint16(slices.Index(dictionary, word)))
			}
			f.Add(seed)
		}
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		srv := newOddServer(t)
		var calls [][]string
		for len(input) >= 2 && len(calls) < 8 {
			m := rows[int(binary.LittleEndian.Uint16(input))%len(rows)]
			input = input[2:]
			words := strings.Split(m.FullName(), "|")
			for len(input) >= 2 && len(words) < 10 {
				at := int(binary.LittleEndian.Uint16(input))
				input = input[2:]
				if at >= 1<<15 {
					break // the next call
				}
				words = append(words, dictionary[at%len(dictionary)])
			}
			calls = append(calls, words)
		}
		for _, words := range calls {
			oddCall(t, srv, words)
		}
		require.NoError(t, srv.Check(), "%q", calls)
	})
}

// commandRows are the rows that run.
func commandRows() (rows []*commands.Command) {
	for _, row := range commands.Standard().Rows() {
		rows = append(rows, leavesOf(row)...)
	}
	return rows
}

// dictionaryOf is what the rows' own syntax has, behind the odd words.
func dictionaryOf(rows []*commands.Command) []string {
	words := slices.Clone(odd)
	var add func(list []commands.Argument)
	add = func(list []commands.Argument) {
		for _, a := range list {
			if a.Token != "" && !slices.Contains(words, a.Token) {
				words = append(words, a.Token)
			}
			add(a.Arguments)
		}
	}
	for _, m := range rows {
		add(m.Arguments())
	}
	return words
}

// newOddServer has a value of each type, and one of 200 members of each.
func newOddServer(t testing.TB) *Server {
	srv := newClosed(t, Options{Seed: 1, Clock: NewManualClock(time.UnixMilli(1615480369000)), Config: map[string]string{
		"proto-max-bulk-len": "1mb", "client-output-buffer-limit": "normal 4mb 0 0",
	}})
	many := func(name string, words func(i int) string) string {
		for i := range 200 {
			name += " " + words(i)
		}
		return name
	}
	for _, call := range []string{
		"SET k text", "SET n 9223372036854775807", "SADD s 1 2 3", "SADD t a b", "HSET h f 1 g 9223372036854775807", "ZADD z 1 a inf b -inf c",
		many("SADD b", func(i int) string { return fmt.Sprint("m", i) }),
		many("ZADD a", func(i int) string { return fmt.Sprint(i, " m", i) }),
	} {
		_, err := srv.Do(context.Background(), anysOf(strings.Fields(call))...)
		require.NoError(t, err)
	}
	return srv
}

func anysOf(words []string) (list []any) {
	for _, w := range words {
		list = append(list, w)
	}
	return list
}

// oddCall makes a call on a session of its own.
func oddCall(t *testing.T, srv *Server, words []string) {
	s, err := newDetached(srv, peerAddr{})
	if err != nil {
		return // CONFIG SET maxclients
	}
	defer s.leave()
	before, held := allocatedBytes(), bytesHeld(srv)
	s.Feed([]byte(command("AUTH", "secret"))) // in case that there is a password by now
	take(&s.out)
	s.Feed([]byte(command(words...)))
	output := take(&s.out)
	require.Less(t, allocatedBytes()-before, uint64(64<<20), "%q", words)
	if s.out.killed || s.isBlocked.Load() {
		return
	}
	replies := resp.NewReader(bytes.NewReader(output))
	first, err := replies.Read()
	if err == nil && first.Type == resp.TypeError {
		require.Equal(t, held, bytesHeld(srv), "%q: %s", words, first)
	}
	require.True(t, err == nil || len(output) == 0, "%q: %v in %q", words, err, output)
}

// bytesHeld is what all values take: what an error must not change.
func bytesHeld(srv *Server) (n int) {
	srv.engine.mu.Lock()
	defer srv.engine.mu.Unlock()
	for _, db := range srv.engine.state.Databases {
		n += db.Bytes()
	}
	return n
}

// FuzzConfigSet: a value is refused, and nothing has changed, or what CONFIG GET
// then says can be set as well and stays what it is.
func FuzzConfigSet(f *testing.F) {
	names := func(t testing.TB, s *Server) []string {
		v, err := s.Do(context.Background(), "CONFIG", "GET", "*")
		require.NoError(t, err)
		list := make([]string, 0, len(v.Elems)/2)
		for name := range v.Map() {
			list = append(list, name)
		}
		slices.Sort(list)
		return list
	}
	for i := range 120 {
		for _, value := range []string{"1", "yes", "100mb", "-1", "normal 1 2 3", "KEA", "allkeys-lru", "50 99 99.9", "9223372036854775808", ""} {
			f.Add(uint8(i), value)
		}
	}
	s := newClosed(f, Options{Clock: NewManualClock(time.UnixMilli(1000))})
	all := names(f, s)
	f.Fuzz(func(t *testing.T, i uint8, value string) {
		s := newClosed(t, Options{Clock: NewManualClock(time.UnixMilli(1000))})
		name := all[int(i)%len(all)]
		get := func() string {
			v, err := s.Do(context.Background(), "CONFIG", "GET", name)
			require.NoError(t, err)
			return v.Map()[name]
		}
		was := get()
		if _, err := s.Do(context.Background(), "CONFIG", "SET", name, value); err != nil {
			require.Equal(t, was, get(), "%s %q", name, value)
			return
		}
		now := get()
		_, err := s.Do(context.Background(), "CONFIG", "SET", name, now)
		require.NoError(t, err, "%s %q, which is %q", name, value, now)
		require.Equal(t, now, get(), "%s %q", name, value)
	})
}
