package server

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/test/harness"
)

// An asker makes calls on a server, parley or Redis, and returns the replies.
type asker func(calls ...[]string) []resp.Value

// dump returns all data of a server in a form that is the same for any server:
// a line per key with its type, deadline and value, and a line per field
// deadline.
func dump(ask asker) []string { return dumpEach(ask, dumpDatabase, dumpFieldDeadlines) }

// dumpKeys is dump without the deadlines of fields, for servers that have none.
func dumpKeys(ask asker) []string { return dumpEach(ask, dumpDatabase) }

func dumpEach(ask asker, parts ...func(ask asker, db string) []string) (lines []string) {
	info := ask([]string{"INFO", "keyspace"})[0].Str
	for line := range strings.Lines(info) {
		if name, _, ok := strings.Cut(line, ":"); ok {
			for _, part := range parts {
				lines = append(lines, part(ask, strings.TrimPrefix(name, "db"))...)
			}
		}
	}
	return lines
}

// expires is in the lines about deadlines of fields.
const expires = " expires "

func dumpFieldDeadlines(ask asker, db string) (lines []string) {
	keys := ask([]string{"SELECT", db}, []string{"SCAN", "0", "COUNT", "1000000", "TYPE", "hash"})[1].Elems[1].Strings()
	slices.Sort(keys)
	for _, key := range keys {
		fields := ask([]string{"HKEYS", key})[0].Strings()
		if len(fields) == 0 {
			continue
		}
		slices.Sort(fields)
		call := append([]string{"HPEXPIRETIME", key, "FIELDS", strconv.Itoa(len(fields))}, fields...)
		for i, at := range ask(call)[0].Elems {
			if at.Int != -1 {
				lines = append(lines, fmt.Sprintf("%s %q %q%s%d", db, key, fields[i], expires, at.Int))
			}
		}
	}
	return lines
}

func dumpDatabase(ask asker, db string) (lines []string) {
	keys := ask([]string{"SELECT", db}, []string{"KEYS", "*"})[1].Strings()
	slices.Sort(keys)
	var calls [][]string
	for _, key := range keys {
		calls = append(calls, []string{"PEXPIRETIME", key}, []string{"TYPE", key})
	}
	facts := ask(calls...)
	calls = calls[:0]
	for i, key := range keys {
		calls = append(calls, contents(facts[2*i+1].Str, key))
	}
	for i, held := range ask(calls...) {
		lines = append(lines, fmt.Sprintf("%s %q %s %d %s",
			db, keys[i], facts[2*i+1].Str, facts[2*i].Int, dumpContents(facts[2*i+1].Str, held)))
	}
	return lines
}

// contents returns the call that reads a key of that type.
func contents(kind, key string) []string {
	switch kind {
	case "string":
		return []string{"GET", key}
	case "hash":
		return []string{"HGETALL", key}
	case "set":
		return []string{"SMEMBERS", key}
	case "zset":
		return []string{"ZRANGE", key, "0", "-1", "WITHSCORES"}
	}
	return []string{"TYPE", key}
}

// nothing is in the dump of a key that should not exist.
const nothing = "NOTHING"

func dumpContents(kind string, held resp.Value) string {
	texts := leaves(held)
	switch {
	case kind == "string":
		return strconv.Quote(held.Str)
	case kind == "none" || len(texts) == 0:
		return nothing
	case kind == "set":
		slices.Sort(texts)
	case kind == "hash":
		pairs := slices.Collect(slices.Chunk(texts, 2))
		slices.SortFunc(pairs, slices.Compare[[]string])
		texts = slices.Concat(pairs...)
	}
	return fmt.Sprintf("%q", texts)
}

// leaves lists all that is in a reply but for the types and the nesting, which
// depend on the protocol.
func leaves(v resp.Value) []string {
	switch v.Type {
	case resp.TypeArray, resp.TypeMap, resp.TypeSet, resp.TypePush:
		var all []string
		for _, e := range v.Elems {
			all = append(all, leaves(e)...)
		}
		return all
	case resp.TypeNull:
		return []string{"(nil)"}
	}
	return []string{v.Text()}
}

// askDirectly asks a server without a connection, so that nobody notices.
func askDirectly(t testing.TB, s *Server) asker {
	d := s.engine.newDirect()
	d.client.Direct = false // this one lasts: SELECT has its effect
	return func(calls ...[]string) (replies []resp.Value) {
		for _, call := range calls {
			err := s.engine.runDirect(context.Background(), d, wordsOf(call))
			raw := d.w.Bytes()
			require.NoError(t, err, "%q", call)
			v, err := resp.Parse(raw)
			require.NoError(t, err, "%q", call)
			d.w.Truncate(0)
			replies = append(replies, v)
		}
		return replies
	}
}

func wordsOf(call []string) [][]byte {
	words := make([][]byte, len(call))
	for i, w := range call {
		words[i] = []byte(w)
	}
	return words
}

// askThrough asks through a connection, all at once.
func askThrough(t testing.TB, conn net.Conn) asker {
	replies := resp.NewReader(conn)
	out := bufio.NewWriter(conn)
	return func(calls ...[]string) []resp.Value {
		require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
		for _, call := range calls {
			out.Write(harness.Encode(call...))
		}
		require.NoError(t, out.Flush())
		values := make([]resp.Value, len(calls))
		for i := range values {
			v, err := replies.Read()
			require.NoError(t, err, "%q", calls[i])
			values[i] = v
		}
		return values
	}
}

func TestDumpTellsEverything(t *testing.T) {
	s, err := New(Options{Databases: 2, Clock: NewManualClock(time.UnixMilli(1000))})
	require.NoError(t, err)
	harness.CloseAtEnd(t, s)
	ask := askDirectly(t, s)
	ask(strings.Fields("SET b x PXAT 5000"), strings.Fields("HSET a g 2 f 1"), strings.Fields("HPEXPIREAT a 6000 FIELDS 1 g"), strings.Fields("SELECT 1"),
		strings.Fields("SADD s 2 1"), strings.Fields("ZADD z 1.5 n 1 m"))
	require.Equal(t, []string{
		`0 "a" hash -1 ["f" "1" "g" "2"]`,
		`0 "b" string 5000 "x"`,
		`0 "a" "g" expires 6000`,
		`1 "s" set -1 ["1" "2"]`,
		`1 "z" zset -1 ["m" "1" "n" "1.5"]`,
	}, dump(ask))
}
