package commands_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/datastructs/rdb"
	"github.com/parley-chat/parley/internal/test/harness"
)

// A caller makes a call on a server and returns its reply.
type caller func(words ...string) resp.Value

// replies makes calls on the bare handlers of an empty server.
func replies(t *testing.T, c *commands.Context) caller {
	return func(words ...string) resp.Value {
		t.Helper()
		c.Truncate(0)
		perform(t, c, words...)
		v, err := resp.Parse(bytes.Clone(c.Bytes()))
		require.NoError(t, err)
		return v
	}
}

// Values of all encodings, and around the limits between them, go to and fro
// between parley and a real Redis: what one dumps the other restores, with the
// same contents and encoding, and dumps as the same bytes, unless it is a hash
// table, which has no order.
func TestDumpsGoToAndFro(t *testing.T) {
	redis, parley := realRedis(t), replies(t, emptyServer(3))
	g := values{rand.New(rand.NewPCG(7, 7))}
	seen := make(map[string]int)
	for i := range harness.Count(400, 1000) {
		history := g.history()
		for _, call := range history {
			require.Equal(t, redis(call...).String(), parley(call...).String(), "%.100q", call)
		}
		encoding := redis("OBJECT", "ENCODING", "k").Text()
		require.Equal(t, encoding, parley("OBJECT", "ENCODING", "k").Text(), "%.100q", history)
		seen[redis("TYPE", "k").Text()+" "+encoding]++
		theirs, ours := redis("DUMP", "k").Str, parley("DUMP", "k").Str
		sameDump(t, i, encoding, theirs, ours)

		for _, payload := range []string{theirs, ours} {
			for _, call := range []caller{redis, parley} {
				require.Equal(t, "OK", call("RESTORE", "k", "0", payload, "REPLACE").Text(), "%d: %.1000q", i, payload)
			}
			encoding = redis("OBJECT", "ENCODING", "k").Text()
			require.Equal(t, encoding, parley("OBJECT", "ENCODING", "k").Text(), "restored: %.100q", history)
			require.Equal(t, whole(redis), whole(parley))
			sameDump(t, i, encoding, redis("DUMP", "k").Str, parley("DUMP", "k").Str)
		}
		redis("DEL", "k")
		parley("DEL", "k")
	}
	require.Len(t, seen, 9, "%v", seen)
}

func sameDump(t *testing.T, i int, encoding, theirs, ours string) {
	t.Helper()
	if encoding != "hashtable" {
		require.Equal(t, strconv.Quote(theirs), strconv.Quote(ours), "value %d", i)
	}
}

// whole is all that the key k holds, that of a table in the order of its text.
func whole(call caller) string {
	var words []string
	step := 1
	switch call("TYPE", "k").Text() {
	case "string":
		return call("GET", "k").Text()
	case "set":
		words = call("SMEMBERS", "k").Strings()
	case "hash":
		words, step = call("HGETALL", "k").Strings(), 2
	case "zset":
		return fmt.Sprint(call("ZRANGE", "k", "0", "-1", "WITHSCORES"))
	}
	units := slices.Collect(slices.Chunk(words, step))
	slices.SortFunc(units, slices.Compare[[]string])
	return fmt.Sprint(units)
}

// values make keys at random.
type values struct{ *rand.Rand }

// history makes the calls that give the key k a value, and change it.
func (g values) history() (calls [][]string) {
	switch g.IntN(4) {
	case 0:
		calls = append(calls, []string{"SET", "k", g.text()})
		if g.IntN(3) == 0 {
			calls = append(calls, []string{"APPEND", "k", g.text()})
		}
	case 1:
		calls = g.fill("HSET", g.size(512), func() []string { return []string{g.word(), g.word()} }, "HDEL")
	case 2:
		word := g.word
		if g.IntN(3) > 0 {
			word = g.integer()
		}
		calls = g.fill("SADD", g.size(512), func() []string { return []string{word()} }, "SREM")
	case 3:
		calls = g.fill("ZADD", g.size(128), func() []string { return []string{g.score(), g.word()} }, "ZREM")
	}
	return calls
}

// fill adds so many elements in one call, and mostly removes some of them, but
// not all.
func (g values) fill(add string, n int, element func() []string, remove string) [][]string {
	added := []string{add, "k"}
	removed := []string{remove, "k"}
	for i := range n {
		e := element()
		added = append(added, e...)
		if i > 0 && i < 4 {
			name := e[0]
			if add == "ZADD" {
				name = e[1]
			}
			if name != added[len(added)-len(e)*(i+1)] && name != added[2] && name != added[min(3, len(added)-1)] {
				removed = append(removed, name)
			}
		}
	}
	calls := [][]string{added}
	if len(removed) > 2 && g.IntN(2) == 0 {
		calls = append(calls, removed)
	}
	return calls
}

// size is small, or near the limit.
func (g values) size(limit int) int {
	if g.IntN(6) == 0 {
		return limit - 2 + g.IntN(5)
	}
	return 1 + g.IntN(12)
}

// integer returns what makes integers of some width, so that a set may be of
// 16, 32 or 64 bits.
func (g values) integer() func() string {
	bits := 8 * (1 + g.IntN(8))
	return func() string { return strconv.FormatInt(int64(g.Uint64())>>(64-bits), 10) }
}

func (g values) word() string {
	switch g.IntN(12) {
	case 0:
		return g.integer()()
	case 1:
		if g.IntN(40) == 0 {
			return g.text()
		}
		return strings.Repeat("w", g.IntN(65))
	case 2:
		return string(rune('a' + g.IntN(26)))
	}
	return "word" + strconv.Itoa(g.IntN(100_000))
}

func (g values) score() string {
	switch g.IntN(8) {
	case 0:
		return strconv.FormatFloat(g.NormFloat64(), 'g', -1, 64)
	case 1:
		return g.integer()()
	case 2:
		return []string{"inf", "-inf", "-0", "1e300", "4.9e-324", "4611686018427387904", "-4611686018427387905", "1e17", "0.1"}[g.IntN(9)]
	}
	return strconv.Itoa(g.IntN(1000))
}

// text is of any length, and compresses well, badly or not at all.
func (g values) text() string {
	if g.IntN(4) == 0 {
		return g.integer()()
	}
	n := g.IntN(100)
	if g.IntN(4) == 0 {
		n = g.IntN(20_000)
	}
	letters := 1 + g.IntN(256)
	b := make([]byte, 0, n+300)
	for len(b) < n {
		if g.IntN(10) == 0 && len(b) > 0 {
			from := g.IntN(len(b))
			b = append(b, b[from:min(len(b), from+g.IntN(300))]...)
			continue
		}
		b = append(b, byte(g.IntN(letters)))
	}
	return string(b)
}

// What Redis does not look at closely, and takes, is refused here.
func TestRestoreIsStricterThanRedis(t *testing.T) {
	redis, parley := realRedis(t), replies(t, emptyServer(3))
	for _, body := range []string{
		"",                             // ten zeros are a version and a checksum, and the empty string too
		"\x00\x01abehind",              // something behind the value
		"\x00\x02a",                    // a string that reaches into the footer
		"\x02\xc1\x01a",                // the count is no length
		"\x03\x01\x01a\x041.5x",        // the score is more than a number
		"\x04\x02\x01a\x01a\x01a\x01b", // a field twice
		"\x0b\x0c\x02\x00\x00\x00\x02\x00\x00\x00\x02\x00\x01\x00",               // numbers that do not ascend
		"\x10\x0b\x0b\x00\x00\x00\x02\x00\x01\x07\x02\x01\xff",                   // a backwards length that is wrong
		"\x10\x11\x11\x00\x00\x00\x04\x00\x81a\x02\x01\x01\x81a\x02\x02\x01\xff", // a field twice
		"\x11\x11\x11\x00\x00\x00\x04\x00\x81a\x02\x02\x01\x81b\x02\x01\x01\xff", // scores that do not ascend
	} {
		payload := sealed(body)
		if body == "" {
			payload = strings.Repeat("\x00", 10)
		}
		redis("DEL", "k")
		require.Equal(t, "OK", redis("RESTORE", "k", "0", payload).Text(), "%q", body)
		require.Equal(t, "ERR Bad data format", parley("RESTORE", "k", "0", payload).Text(), "%q", body)
	}
}

// sealed gives a value its footer: that of another payload, made anew.
func sealed(body string) string { return string(rdb.Seal([]byte(body))) }

func TestRestoreRefusesKindsThatThereAreNot(t *testing.T) {
	redis, parley := realRedis(t), replies(t, emptyServer(3))
	redis("RPUSH", "list", "a", "b")
	redis("XADD", "stream", "*", "f", "v")
	parley("SET", "k", "kept")
	for _, key := range []string{"list", "stream"} {
		require.Equal(t, "ERR Bad data format: the payload holds a list or a stream, and this server has neither",
			parley("RESTORE", "k", "0", redis("DUMP", key).Str, "REPLACE").Text())
	}
	require.Equal(t, "kept", parley("GET", "k").Text())
}

// The effect of a RESTORE has its deadline.
func TestRestoreIsToldWithItsDeadline(t *testing.T) {
	c := emptyServer(3)
	call := replies(t, c)
	payload := sealed("\x00\x01v")
	var effects []string
	c.Effects = func(unit []commands.Effect) {
		for _, e := range unit {
			effects = append(effects, fmt.Sprintf("%q", e.Words))
		}
	}
	words := func(more ...string) string {
		return fmt.Sprintf("%q", append([]string{"RESTORE", "k"}, more...))
	}
	call("RESTORE", "k", "0", payload)
	call("RESTORE", "k", "5000", payload, "REPLACE", "IDLETIME", "30")
	require.Equal(t, "30", call("OBJECT", "IDLETIME", "k").Text())
	call("RESTORE", "k", "1700000009000", payload, "ABSTTL", "REPLACE")
	call("RESTORE", "k", "1", payload, "ABSTTL", "REPLACE")
	call("RESTORE", "k", "1", payload, "ABSTTL", "REPLACE")
	call("RESTORE", "k", "1", "bad")
	require.Equal(t, []string{
		words("0", payload),
		words("1700000005123", payload, "REPLACE", "IDLETIME", "30", "ABSTTL"),
		words("1700000009000", payload, "ABSTTL", "REPLACE"),
		`["DEL" "k"]`,
	}, effects)
}
