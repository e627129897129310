package oracle

import (
	"errors"
	"flag"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/commands"
)

var (
	themed    = flag.Int("theme.n", 1000, "how many calls of each theme are compared")
	themeSeed = flag.Uint64("theme.seed", 1, "seed of the themes; 0: a random one")
)

// A theme makes calls about one thing, more of them and odder ones than come up
// among all others.
type theme struct {
	name string
	next func(*Generator) Call
}

var themes = []theme{
	{"numbers in any command", func(g *Generator) Call {
		g.Oddity, g.Mistakes = 0.7, 0
		return g.Next()
	}},
	{"mistakes in any command", func(g *Generator) Call {
		g.Oddity, g.Mistakes = 0.2, 0.6
		return g.Next()
	}},
	{"floats", alone(floats)},
	{"globs", alone(globs)},
	{"options", alone(options)},
	{"configs", configs},
	{"users", users},
}

// alone makes all calls those of one connection.
func alone(next func(*Generator) []string) func(*Generator) Call {
	return func(g *Generator) Call { return Call{Words: next(g)} }
}

// TestThemes compares calls of each theme, as TestOracle does those of all.
func TestThemes(t *testing.T) {
	const segment = 2000
	seed := *themeSeed
	if seed == 0 {
		seed = uint64(rand.Uint32())
	}
	exceptions["config|get"] = exception{reason: exceptions["config|get"].reason, leftOut: true, compare: sameParameters}
	exceptions["acl|getuser"] = exception{reason: noOrder, compare: sameRules}
	exceptions["acl|list"] = exception{reason: noOrder, compare: sameRules}
	exceptions["acl|log"] = exception{reason: exceptions["acl|log"].reason, leftOut: true, compare: sameRefusals}
	for _, th := range themes {
		t.Run(strings.ReplaceAll(th.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			t.Logf("-theme.n=%d -theme.seed=%d", *themed, seed)
			sides := [2]Side{Redis(t), Parley(t)}
			for n, stream := *themed, uint64(0); n > 0; n, stream = n-segment, stream+1 {
				script, protocol := th.script(min(n, segment), seed, stream), 2+int(stream%2)
				if err := Run(sides, protocol, script); err != nil {
					t.Errorf("part %d, RESP%d: %v", stream, protocol, err)
					if d := (*Difference)(nil); errors.As(err, &d) {
						small, _ := Shrink(sides, protocol, script, 20*time.Second)
						t.Logf("the smallest script found:\n%s", Transcript(sides, protocol, small))
					}
					return
				}
			}
		})
	}
}

// script makes n calls.
func (th theme) script(n int, seed, stream uint64) []Call {
	g := NewGenerator(commands.Standard(), seed, stream)
	list := make([]Call, n)
	for i := range list {
		list[i] = th.next(g)
	}
	return list
}

// fill replaces, in one of the templates, each word that slots knows by what it
// makes.
func (g *Generator) fill(templates []string, slots map[string]func() string) []string {
	words := strings.Fields(g.pick(templates))
	for i, w := range words {
		if make := slots[w]; make != nil {
			words[i] = make()
		}
	}
	return words
}

// Of the sorted sets z is small and Z large: they keep scores differently.
var floatCalls = strings.Split(strings.TrimSpace(`
SET s #
GET s
INCRBYFLOAT s #
INCRBYFLOAT none #
HSET h f #
HGET h f
HINCRBYFLOAT h f #
HINCRBYFLOAT h none #
HDEL h none
DEL none
ZADD z # m
ZADD z # m
ZADD z # m # m
ZADD z XX CH # m
ZADD z GT # m
ZADD z LT # m
ZADD z INCR # m
ZADD z XX INCR # m
ZADD z GT INCR # m
ZADD z NX INCR # none
ZINCRBY z # m
ZINCRBY z # none
ZSCORE z m
ZMSCORE z m m none
ZRANGE z 0 -1 WITHSCORES
ZRANGE z BOUND BOUND BYSCORE WITHSCORES
ZRANGE z BOUND BOUND BYSCORE REV LIMIT 0 3
ZRANGEBYSCORE z BOUND BOUND WITHSCORES
ZREVRANGEBYSCORE z BOUND BOUND
ZCOUNT z BOUND BOUND
ZCOUNT z -inf BOUND
ZREMRANGEBYSCORE z BOUND BOUND
ZRANK z m
ZPOPMIN z
ZPOPMAX z 2
ZREM z m
ZUNION 2 z z WEIGHTS # # WITHSCORES
ZUNION 2 z z AGGREGATE MAX WITHSCORES
ZINTER 2 z z WEIGHTS # # AGGREGATE MIN WITHSCORES
ZUNIONSTORE z 2 z z WEIGHTS # #
ZINTERSTORE z 1 z WEIGHTS #
ZUNION 2 e z WEIGHTS # 1 WITHSCORES
ZRANGESTORE z z BOUND BOUND BYSCORE
SADD e a b c
ZADD z 1 a
BZPOPMIN z z z #
`), "\n")

// floats writes and reads doubles and long doubles.
func floats(g *Generator) []string {
	if g.chance(0.01) {
		many := []string{"ZADD", "Z"}
		for i := range 150 {
			many = append(many, g.written(g.rand.NormFloat64()*100), "m"+g.digits(1+i%4))
		}
		return many
	}
	large := g.chance(0.3)
	words := g.fill(floatCalls, map[string]func() string{
		"#":     g.numeral,
		"BOUND": func() string { return g.pick([]string{"", "", "("}) + g.numeral() },
		"m":     func() string { return g.pick([]string{"a", "b", "c", "d"}) },
	})
	if words[0] == "BZPOPMIN" { // it must not wait
		return []string{"ECHO", words[4]}
	}
	for i, w := range words {
		if large && w == "z" && (i == 1 || g.chance(0.5)) {
			words[i] = "Z"
		}
	}
	return words
}

// globs matches patterns with keys, members and fields.
func globs(g *Generator) []string {
	const bytes = "abcABCzZ019-]^[*?\\\x00\x80\xff\xfe @"
	word := func(n int, of string) string {
		b := make([]byte, g.rand.IntN(n))
		for i := range b {
			b[i] = of[g.rand.IntN(len(of))]
		}
		return string(b)
	}
	glob := func() string {
		if g.chance(0.1) {
			return word(12, bytes)
		}
		return word(12, "aabcABC[[]]-^*?\\\\-\x00\x80\xff")
	}
	return g.fill([]string{
		"SADD e W W W W", "HSET h W 1 W 2", "ZADD z 0 W 0 W 0 W", "SET W x", "SET W x", "SET W x", "DEL W",
		"KEYS P", "KEYS P", "KEYS P", "SSCAN e 0 MATCH P COUNT 10000", "HSCAN h 0 MATCH P COUNT 10000", "ZSCAN z 0 COUNT 10000 MATCH P", "SCAN 0 MATCH P COUNT 10000",
	}, map[string]func() string{"W": func() string { return "" + word(5, bytes) }, "P": glob})
}

// later makes a time that is not close to another: see relative.
func (g *Generator) later(from int64) string {
	return strconv.FormatInt(from+1000*g.rand.Int64N(1_000_000), 10)
}

// options gives those of a few commands in any order, twice, and with others' words.
func options(g *Generator) []string {
	heads := []string{
		"SET k v", "SET k v", "GETEX k", "ZADD z", "ZADD z", "ZRANGE z A B", "ZRANGESTORE y z A B", "ZRANGEBYSCORE z A B", "ZRANGEBYLEX z A B",
		"ZUNION 2 z y", "ZINTER 2 z y", "ZDIFF 2 z y", "ZUNIONSTORE y 2 z e", "ZINTERCARD 2 z y", "SINTERCARD 2 e e", "EXPIRE k T", "PEXPIREAT k T",
		"COPY k c", "LCS k l", "SCAN 0", "ZSCAN z 0", "ZMPOP 2 z y", "HRANDFIELD h 3", "ZRANDMEMBER z 3", "FLUSHDB", "OBJECT ENCODING k", "ZADD s", "GETEX h", "SET h v",
		"LCS k h", "SPOP e 0", "CLIENT LIST", "PING", "HELLO 2", "ZREVRANGE z 0 1", "SINTERCARD 2 e k", "ZUNION 2 z k", "ZMPOP 1 k", "COPY e c", "ZRANGE k A B", "ZRANGESTORE y k A B",
	}
	tails := strings.Fields("EX PX EXAT PXAT KEEPTTL NX XX GT LT CH INCR GET PERSIST WITHSCORES BYSCORE BYLEX REV LIMIT WEIGHTS AGGREGATE MIN MAX SUM COUNT MATCH TYPE " +
		"REPLACE DB LEN IDX MINMATCHLEN WITHMATCHLEN WITHVALUES ASYNC SYNC ID SETNAME AUTH")
	values := strings.Fields("1 0 -1 2 a x z 1.5 (1 [a - + inf T T string 3")
	words := g.fill(heads, map[string]func() string{
		"A": func() string { return g.pick([]string{"0", "(1", "[a", "-", "-inf", "x", "5"}) },
		"B": func() string { return g.pick([]string{"-1", "10", "[z", "+", "+inf", "x", "(3"}) },
	})
	common := []string{g.pick(tails), g.pick(tails), g.pick(tails)}
	for range g.rand.IntN(6) {
		if g.chance(0.55) {
			words = append(words, g.anyCase(g.pick(common)))
		} else {
			words = append(words, g.pick(values))
		}
	}
	for i, w := range words {
		if w == "T" {
			words[i] = g.pick([]string{g.later(9_000_000_000), g.later(9_000_000_000_000), "0", "-1", "9223372036854775807", "x"})
		}
	}
	return words
}
