package rdb_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/datastructs"
	"github.com/parley-chat/parley/datastructs/rdb"
	"github.com/parley-chat/parley/internal/test/redistest"
)

var record = flag.Bool("record", false, "write the payloads of a real redis-server into testdata/payloads.txt")

const payloadFile = "testdata/payloads.txt"

// A payload is what a real Redis has given for a value, and how the value came
// to be.
type payload struct {
	calls  []string // on the key k
	dumped []byte
}

// histories give all forms that Redis 7.0 writes.
func histories() (list [][]string) {
	add := func(calls ...string) { list = append(list, calls) }
	long := func(n int) string { return strings.Repeat("x", n) }
	for _, text := range []string{
		`""`, "a", "0", "-1", "127", "128", "-129", "32768", "-32769", "2147483647", "-2147483648", "2147483648", "-2147483649", "01", "1.5", "9223372036854775807",
		"abcdefghijklmnopqrst", "abcdefghijklmnopqrstu", long(20), long(21), long(63), long(64), long(500), long(17000), `"\x00\xff\r\n"`,
		strings.Repeat("abc", 9), strings.Repeat("0123456789abcdef", 30), "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbb0123aaaaaaaaaaaaaaaa",
	} {
		add("SET k " + text)
	}
	add("APPEND k 12", "APPEND k 3")
	add("HSET k a 1 b -1 c 127 d 128 e 4095 f 4096 g -4096 h -4097 i 32767 j 8388607 l 8388608 m 2147483647 n 2147483648 o 9223372036854775807")
	add("HSET k field value", `HSET k "" "" 5 5`, "HDEL k field", "HSET k 5 x", "HSET k field again")
	add("HSET k f "+long(63), "HSET k g "+long(64))
	add("HSET k f " + long(65))
	add("HSET k"+numbered(512, " f%d v%d"), "HDEL k f7")
	add("SADD k 1 2 3 -4")
	add("SADD k 1 40000 -40000")
	add("SADD k 5000000000 1", "SREM k 5000000000")
	add("SADD k" + numbered(512, " %d"))
	add("SADD k word")
	add("SADD k "+long(300), "SADD k 1", "SREM k 1")
	add("ZADD k 1 a 2 b 1.5 c -1 d 0 e -0.0 f 1e300 g inf h -inf i 4611686018427387904 j 0.1 l 100000000000000000000 m")
	add("ZADD k"+numbered(128, " %[1]d m%[1]d"), "ZREM k m5")
	add("ZADD k 1 " + long(64))
	add("ZADD k 1 "+long(65)+" -0.0 z inf y 1.25 1 2 "+strings.Repeat("ab", 40), "ZADD k 3 gone", "ZREM k gone")
	add("ZADD k"+numbered(129, " %[1]d m%[1]d"), "ZREMRANGEBYRANK k 3 127")
	return list
}

func numbered(n int, format string) string {
	var b strings.Builder
	for i := range n {
		args := []any{i, i * i}
		fmt.Fprintf(&b, format, args[:strings.Count(strings.ReplaceAll(format, "[1]", ""), "%")]...)
	}
	return b.String()
}

// payloads reads the file.
func payloads(t testing.TB) (list []payload) {
	text, err := os.ReadFile(payloadFile)
	require.NoError(t, err)
	var p payload
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if call, ok := strings.CutPrefix(line, "> "); ok {
			p.calls = append(p.calls, call)
			continue
		}
		quoted, err := strconv.Unquote(line)
		require.NoError(t, err)
		p.dumped = []byte(quoted)
		list = append(list, p)
		p = payload{}
	}
	require.NotEmpty(t, list)
	return list
}

// With -record it writes the file.
func TestRecord(t *testing.T) {
	if !*record {
		t.Skip("not asked to, with -record")
	}
	conn, err := redistest.Start(t).Dial()
	require.NoError(t, err)
	defer conn.Close()
	replies := resp.NewReader(conn)
	var text bytes.Buffer
	for _, calls := range histories() {
		for _, call := range append(append([]string{"DEL k"}, calls...), "DUMP k") {
			fmt.Fprintf(conn, "%s\r\n", call)
			v, err := replies.Read()
			require.NoError(t, err)
			require.NoError(t, v.Err(), call)
			if call == "DUMP k" {
				fmt.Fprintf(&text, "%s\n", strconv.QuoteToASCII(v.Str))
			} else if call != "DEL k" {
				fmt.Fprintf(&text, "> %s\n", call)
			}
		}
	}
	require.NoError(t, os.WriteFile(payloadFile, text.Bytes(), 0o666))
}

// What Redis has written is read, and written again as Redis has done it; the
// few values of more than one member in a hash table are but read.
func TestPayloadsOfRedis(t *testing.T) {
	for _, p := range payloads(t) {
		v, err := rdb.Restore(p.dumped)
		require.NoError(t, err, "%q", p.calls)
		require.NoError(t, v.Check(), "%q", p.calls)
		if v.Encoding() == "hashtable" {
			again, err := rdb.Restore(rdb.Dump(v))
			require.NoError(t, err)
			require.Equal(t, contents(v), contents(again))
			continue
		}
		if small, isSet := v.(*datastructs.SortedSet); isSet && small.Encoding() == "listpack" && p.dumped[0] == 5 {
			continue // a skiplist that has become small: it is a listpack when it comes back
		}
		require.Equal(t, strconv.Quote(string(p.dumped)), strconv.Quote(string(rdb.Dump(v))), "%q", p.calls)
	}
}

// contents tells the encoding of a value and all that it holds.
func contents(v datastructs.Value) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", v.Kind(), v.Encoding())
	switch v := v.(type) {
	case *datastructs.String:
		fmt.Fprintf(&b, " %q", v.Bytes())
	case *datastructs.Hash:
		for field, value := range v.All() {
			fmt.Fprintf(&b, " %q=%q", field, value)
		}
	case *datastructs.Set:
		for member := range v.All() {
			fmt.Fprintf(&b, " %q", member)
		}
	case *datastructs.SortedSet:
		for member, score := range v.Range(0, v.Len(), false) {
			fmt.Fprintf(&b, " %q=%v", member, score)
		}
	}
	return b.String()
}
