package oracle

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/datastructs"
)

var (
	talks    = flag.Int("talk.n", 1000, "how many calls are made in talks, in each protocol")
	talkSeed = flag.Uint64("talk.seed", 1, "seed of the talks; 0: a random one")
)

// TestTalk compares what several connections receive, in order: subscribers and
// publishers, and which clients are blocked on a key and which are served.
func TestTalk(t *testing.T) {
	const length = 60
	seed := *talkSeed
	if seed == 0 {
		seed = uint64(rand.Uint32())
	}
	for _, protocol := range []int{2, 3} {
		t.Run(fmt.Sprintf("RESP%d", protocol), func(t *testing.T) {
			t.Parallel()
			t.Logf("-talk.n=%d -talk.seed=%d", *talks, seed)
			sides := [2]Side{Redis(t), Parley(t)}
			for n, stream := *talks, uint64(0); n > 0; n, stream = n-length, stream+1 {
				g := newTalker(seed, stream)
				script := make([]Call, length)
				for i := range script {
					script[i] = g.next()
				}
				err := Talk(sides, protocol, script)
				if err == nil {
					continue
				}
				t.Logf("part %d: %v", stream, err)
				if d := (*Difference)(nil); errors.As(err, &d) {
					small, d := ShrinkTalk(sides, protocol, script, 20*time.Second)
					t.Logf("the smallest talk found:\n%s\n%v", lines(small), d)
				}
				t.Fatal("the sides differ")
			}
		})
	}
}

// TestTalkFindsFaults checks that the comparison finds differences: one side
// ends subscriptions that it should not.
func TestTalkFindsFaults(t *testing.T) {
	right, wrong := Parley(t), Parley(t)
	dial := wrong.Dial
	wrong.Dial = func() (net.Conn, error) {
		c, err := dial()
		return confused{c}, err
	}
	sides := [2]Side{right, wrong}
	var script []Call
	for _, c := range []string{"0 SUBSCRIBE a b", "1 PING", "0 UNSUBSCRIBE a", "1 PUBLISH a x", "1 PUBLISH b x"} {
		words := strings.Fields(c)
		script = append(script, Call{int(words[0][0] - '0'), words[1:]})
	}
	require.NoError(t, Talk([2]Side{right, right}, 3, script))
	small, d := ShrinkTalk(sides, 3, script, 5*time.Minute)
	require.ErrorAs(t, Talk(sides, 3, script), new(*Difference))
	require.NotNil(t, d)
	require.Equal(t, "> UNSUBSCRIBE\n", lines(small))
}

type confused struct{ net.Conn }

func (c confused) Write(p []byte) (int, error) {
	wrong := bytes.ReplaceAll(p, []byte("$11\r\nUNSUBSCRIBE\r\n"), []byte("$12\r\nPUNSUBSCRIBE\r\n"))
	_, err := c.Conn.Write(wrong)
	return len(p), err
}

// What Redis sends in no defined order is no difference, even in a stream that
// ends in the reply to an EXEC in which a CLIENT REPLY has muted a part.
func TestToldInNoOrder(t *testing.T) {
	ended := func(pattern string) string {
		return fmt.Sprintf("*3\r\n$12\r\npunsubscribe\r\n$1\r\n%s\r\n:0\r\n", pattern)
	}
	for _, rest := range []string{"+OK\r\n", "*3\r\n+RESET\r\n+OK\r\n"} {
		var a, b stream
		a.got.WriteString(ended("a") + ended("b") + rest)
		b.got.WriteString(ended("b") + ended("a") + rest)
		require.Equal(t, a.told(), b.told(), "%q", rest)
		require.Len(t, a.told(), 3)
	}
}

func lines(script []Call) string {
	var b strings.Builder
	for _, c := range script {
		fmt.Fprintln(&b, c)
	}
	return b.String()
}

// A talker makes the calls of a talk: those of all rows about subscriptions,
// and others that meet them.
type talker struct {
	*Generator
	pubsub []*commands.Command
	rest   []string
	keys   []string
	plans  [talkers][]Call // what a connection has begun and goes on with
}

func newTalker(seed, stream uint64) *talker {
	table := commands.Standard()
	g := &talker{Generator: NewGenerator(table, seed, stream), rest: strings.Split(strings.TrimSpace(said), "\n")}
	for _, m := range table.Rows() {
		for _, row := range append(m.Children(), m) {
			if row.Has(commands.PubSub) && row.Run != nil && row.Since < "7.0.16" {
				g.pubsub = append(g.pubsub, row)
			}
		}
	}
	g.keys = []string{"x", "y", "y", "z"}
	if g.chance(0.25) { // one key only: Redis goes through those that SWAPDB brings in no defined order
		g.keys = []string{"y"}
		g.rest = append(g.rest, "SWAPDB 0 1", "SWAPDB 1 0", "SWAPDB 0 1")
	}
	for name, templates := range map[string][]string{
		"client|reply":   {"CLIENT REPLY SKIP", "CLIENT REPLY OFF", "CLIENT REPLY ON", "CLIENT REPLY ON"},
		"client|unblock": {"CLIENT UNBLOCK # TIMEOUT", "CLIENT UNBLOCK # ERROR", "CLIENT UNBLOCK #"},
	} {
		if table.Named([]byte(name)) != nil {
			g.rest = append(g.rest, templates...)
		}
	}
	return g
}

// said is what is said beside the calls about subscriptions. Calls that wait
// have lastKey among their keys; those of the listener do not wait.
const said = `
PUBLISH C M
PUBLISH C M
PUBLISH C M
PING
PING M
MULTI
MULTI
EXEC
EXEC
EXEC
DISCARD
WATCH K
RESET
QUIT
HELLO 2
HELLO 3
ECHO M
NOSUCH M
GET
SUBSCRIBE
SELECT 0
SELECT 0
SELECT 1
(leaves)
CLIENT KILL ID #
BZPOPMIN K K last 0
BZPOPMIN K last 0
BZPOPMAX K K K last 0
BZPOPMAX last K 0
BZMPOP 0 2 K last MIN
BZMPOP 0 3 K K last MAX COUNT 2
BZMPOP 0 4 K K K last MIN COUNT 3
BZPOPMIN K -1
BZMPOP 0 0 K MIN
ZADD K 1 a
ZADD K 1 a 2 b
ZADD K 1 a 2 b 3 c 4 d
ZADD K 1 a 2 b 3 c
ZADD K INCR 5 a
ZINCRBY K 1 a
ZREM K a
ZPOPMIN K
ZMPOP 2 K K MIN
DEL K
DEL K K
SET K M
SADD K a b
RENAME K K
RENAMENX K K
COPY K K
COPY K K REPLACE DB 1
MOVE K 0
MOVE K 1
ZUNIONSTORE K 2 K K
ZDIFFSTORE K 1 K
ZRANGESTORE K K 0 -1
EXPIRE K -1
EXPIRE K 100000
GETEX K PXAT 1
PERSIST K
(expires) K
FLUSHDB
FLUSHALL
`

// hearsKeys reports whether a call may subscribe to events.
func hearsKeys(words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool {
		for _, key := range []string{"x", "y", "z", lastKey} {
			for _, db := range []string{"0", "1"} {
				if datastructs.Match([]byte(w), []byte("__keyspace@"+db+"__:"+key), false) {
					return true
				}
			}
		}
		return strings.HasPrefix(w, "__key")
	})
}

// planned are calls of one connection that belong together; those of others
// come in between.
var planned = []string{
	"WATCH K;MULTI;ECHO M;EXEC",
	"WATCH K;MULTI;ECHO M;EXEC",
	"WATCH K K;SET K M;MULTI;ECHO M;EXEC",
	"WATCH K;UNWATCH;MULTI;ECHO M;EXEC",
	"WATCH K;MULTI;DISCARD;MULTI;EXEC",
	"WATCH K;SELECT 1;WATCH K;MULTI;ECHO M;EXEC;SELECT 0",
	"SELECT 1;WATCH K;SELECT 0;MULTI;ECHO M;EXEC",
	"WATCH K;GET;MULTI;ECHO M;NOSUCH;EXEC;MULTI;EXEC",
	"WATCH K;RESET;MULTI;ECHO M;EXEC",
	"MULTI;ZADD K 1 a 2 b;DEL K;EXEC",
	"MULTI;ZADD K 1 a;ZADD K 2 b;ZADD K 3 c;EXEC",
	"MULTI;DEL K;ZADD K 1 a;RENAME K K;EXEC",
	"MULTI;SUBSCRIBE C;PUBLISH C M;UNSUBSCRIBE C;EXEC",
	"MULTI;PUBLISH C M;PSUBSCRIBE h*;PUBLISH hello M;PING;EXEC",
	"SUBSCRIBE C;PUBLISH C M;UNSUBSCRIBE",
	"(expires) K;WATCH K;MULTI;ECHO M;EXEC",
	"WATCH K;(expires) K;MULTI;ECHO M;EXEC",
	"SET K M;WATCH K;(expires) K;SET K M;MULTI;ECHO M;EXEC",
	"SET K M;(expires) K;WATCH K;PERSIST K;MULTI;ECHO M;EXEC",
	"SET K M;(expires) K;WATCH K;SET K M;MULTI;ECHO M;EXEC",
	"SET K M;(expires) K;RENAME K K;COPY K K;MOVE K 1",
}

func (g *talker) next() Call {
	c := Call{Conn: g.rand.IntN(talkers)}
	if g.chance(0.3) && len(g.plans[c.Conn]) == 0 {
		for template := range strings.SplitSeq(g.pick(planned), ";") {
			g.plans[c.Conn] = append(g.plans[c.Conn], Call{c.Conn, g.filled(template)})
		}
	}
	if plan := g.plans[c.Conn]; len(plan) > 0 && g.chance(0.8) {
		g.plans[c.Conn] = plan[1:]
		return plan[0]
	}
	if g.chance(0.35) {
		row := g.pubsub[g.rand.IntN(len(g.pubsub))]
		if c.Words = g.call(row); c.Conn == listener || !hearsKeys(c.Words) {
			return c
		}
	}
	for { // one who hears of keys takes nothing: see listener
		c.Words = g.filled(g.pick(g.rest))
		switch name := c.Words[0]; {
		case c.Conn == listener && strings.Contains(name, "POP"):
		case c.Conn != listener && name == "WATCH" && g.chance(0.5):
		default:
			return c
		}
	}
}

func (g *talker) filled(template string) []string {
	return g.fill([]string{template}, map[string]func() string{
		"C": func() string { return g.pick([]string{"abc", "abc", "h", "hello", "s:1", "m1", "m12:2", "*"}) },
		"M": func() string { return g.pick([]string{"hello", "", "1", "\r\n"}) },
		"K": func() string { return g.pick(g.keys) },
		"#": func() string { return fmt.Sprint("#", g.rand.IntN(talkers)) },
	})
}
