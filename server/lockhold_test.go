package server_test

import (
	"bufio"
	"flag"
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/internal/test/redistest"
	"github.com/parley-chat/parley/server"
)

var (
	lockHold     = flag.Int("lockhold", 1000, "elements of the values that TestLockHold makes each call on; from 100,000 on TestLockHoldBesideRedis runs")
	lockHoldOnly = flag.String("lockhold.only", "", "a pattern: only these calls of TestLockHold")
)

// A heavyCall is the heaviest form of a command: how long it keeps the lock is how
// long it keeps all others waiting.
//
// Lines are words. Those of a run of words with a '#' come again and again with
// numbers in its place, as many as a call may have. "DUMP:key" is that key's
// payload. A line that begins with "each" is many calls, with "load" many calls
// of many words; the first word behind is the number of elements, n where it is "n".
type heavyCall struct {
	before []string // what the call needs
	call   string   // "": that the client leaves
	beyond bool     // Redis 7.0.15 does not know it
}

// values are what most calls run on: in database 0 one value of each kind, in
// database 1 as many keys.
var values = []string{
	"FLUSHALL",
	"load n SADD ints #", "load n SADD set member:#", "load n SADD set2 member:#",
	"load n HSET hash field:# value:#",
	"load n ZADD zints # #", "load n ZADD zset # member:#", "load n ZADD zset2 # member:#", "load n ZADD zlex 0! member:#",
	"SETRANGE string 100n x", "SETRANGE half 50n x",
	"SELECT 1", "load n MSET key:# value:#", "SELECT 0",
}

// heavyCalls has an entry for each row whose cost grows with something; TestLockHold
// sees to that.
func heavyCalls() (calls []heavyCall) {
	add := func(call string, before ...string) { calls = append(calls, heavyCall{before: before, call: call}) }
	beyond := func(call string, before ...string) {
		calls = append(calls, heavyCall{before: before, call: call, beyond: true})
	}

	// Strings.
	add("APPEND string x")
	add("GET string")
	add("GETRANGE string 0 -1")
	add("SUBSTR string 0 -1")
	add("SETRANGE tmp 0 x", "COPY string tmp REPLACE")
	add("SETRANGE tmp 100n x", "DEL tmp")
	add("LCS l1 l2 LEN", "DEL l1 l2", "SETRANGE l1 nth x", "SETRANGE l2 nth y")
	add("MGET key:#", "SELECT 1")
	add("MGET half half half half half half half half half half")
	add("MSET key:# v#", "SELECT 1")
	add("MSETNX new:# v#", "SELECT 1")
	add("SET tmp x", "COPY string tmp REPLACE")

	// Keys.
	for _, key := range []string{"ints", "set", "hash", "zints", "zset", "string"} {
		add("COPY "+key+" tmp REPLACE", "DEL tmp")
		add("DEL tmp", "COPY "+key+" tmp REPLACE")
		add("UNLINK tmp", "COPY "+key+" tmp REPLACE")
		add("DUMP " + key)
		add("RESTORE tmp 0 DUMP:"+key+" REPLACE", "DEL tmp")
		add("RENAME tmp tmp2", "COPY "+key+" tmp REPLACE", "COPY "+key+" tmp2 REPLACE")
		add("PEXPIRE tmp -1", "COPY "+key+" tmp REPLACE")
		add("MEMORY USAGE " + key + " SAMPLES 0")
	}
	add("RENAMENX tmp tmp2", "COPY set tmp REPLACE", "DEL tmp2")
	add("MOVE tmp 2", "COPY set tmp REPLACE", "SELECT 2", "DEL tmp", "SELECT 0")
	add("DEL new:#", "SELECT 1", "load n MSET new:# v#")
	add("UNLINK new:#", "SELECT 1", "load n MSET new:# v#")
	add("EXISTS key:#", "SELECT 1")
	add("TOUCH key:#", "SELECT 1")
	add("KEYS *", "SELECT 1")
	add("KEYS *a*b*c*d*e*f", "SELECT 1")
	add("KEYS *:[^a-z]*9", "SELECT 1")
	add("KEYS GLOB", "SELECT 2", "SET LONG x")
	add("RANDOMKEY", "SELECT 1")
	add("SCAN 0 COUNT 2n", "SELECT 1")
	add("SCAN 0 COUNT 2n MATCH nothing*", "SELECT 1")
	add("SORT zset BY nosort")
	add("SORT set ALPHA")
	add("SORT ints")
	add("SORT_RO ints DESC LIMIT 0 10")
	add("SORT zints BY key:* GET # GET key:*")
	add("SORT set ALPHA LIMIT 0 10")
	add("FLUSHDB", "SELECT 2", "load n MSET new:# v#")
	add("FLUSHALL", "SELECT 1")
	add("SWAPDB 1 2")
	add("DBSIZE", "SELECT 1")

	// Hashes.
	add("HDEL tmp field:#", "COPY hash tmp REPLACE")
	add("HGETALL hash")
	add("HKEYS hash")
	add("HVALS hash")
	add("HMGET hash field:#")
	add("HMSET tmp field:# v!", "DEL tmp")
	add("HSET tmp field:# v!", "DEL tmp")
	add("HSET tmp field:# v!", "COPY hash tmp REPLACE")
	add("HRANDFIELD hash 2n WITHVALUES")
	add("HRANDFIELD hash -n WITHVALUES")
	add("HSCAN hash 0 COUNT 2n")
	beyond("HEXPIRE tmp 1000 FIELDS n field:#", "COPY hash tmp REPLACE")
	beyond("HEXPIREAT tmp 1000 FIELDS n field:#", "COPY hash tmp REPLACE")
	beyond("HPEXPIRE tmp 0 FIELDS n field:#", "COPY hash tmp REPLACE")
	beyond("HPEXPIREAT tmp 9000000000000 FIELDS n field:#", "COPY hash tmp REPLACE")
	beyond("HEXPIRETIME hash FIELDS n field:#")
	beyond("HPEXPIRETIME hash FIELDS n field:#")
	beyond("HTTL hash FIELDS n field:#")
	beyond("HPTTL hash FIELDS n field:#")
	beyond("HPERSIST hash FIELDS n field:#")
	beyond("HGETDEL tmp FIELDS n field:#", "COPY hash tmp REPLACE")
	beyond("HGETEX tmp PX 100000 FIELDS n field:#", "COPY hash tmp REPLACE")
	beyond("HSETEX tmp PX 100000 FIELDS n2 field:# v!", "DEL tmp")
	due := []string{"DEL due", "load n HSETEX due PXAT SOON FIELDS 10000 field:# v!", "HSET due living 1", "WAIT-SOON"}
	beyond("HSET due other 1", due...)
	beyond("HGET due living", due...)
	beyond("HGETALL due", due...)
	beyond("HLEN due", due...)
	beyond("HRANDFIELD due", due...)
	beyond("HDEL due living", due...)
	beyond("COPY due tmp REPLACE", due...)
	beyond("RENAME due tmp", due...)
	beyond("DEL due", due...)

	// Sets.
	add("SADD tmp member:#", "DEL tmp")
	add("SADD tmp #", "DEL tmp")
	add("SMEMBERS set")
	add("SMEMBERS ints")
	add("SMISMEMBER set member:#")
	add("SREM tmp member:#", "COPY set tmp REPLACE")
	add("SPOP tmp 2n", "COPY set tmp REPLACE")
	add("SPOP tmp n2", "COPY set tmp REPLACE")
	add("SRANDMEMBER set 2n")
	add("SRANDMEMBER set -n")
	add("SRANDMEMBER set n2")
	add("SSCAN set 0 COUNT 2n")
	for _, op := range []string{"SINTER", "SUNION", "SDIFF"} {
		add(op + " set set2")
		add(op + " ints set")
		add(op + "STORE tmp set set2")
	}
	add("SINTERCARD 2 set set2")
	add("SDIFF set ints ints ints ints ints")
	add("SINTER" + strings.Repeat(" set", 50))

	// Sorted sets.
	add("ZADD tmp # member:#", "DEL tmp")
	add("ZADD tmp 1! member:#", "DEL tmp")
	add("ZADD tmp # member:#", "COPY zset tmp REPLACE")
	add("ZREM tmp member:#", "COPY zset tmp REPLACE")
	add("ZMSCORE zset member:#")
	add("ZRANDMEMBER zset 2n WITHSCORES")
	add("ZRANDMEMBER zset -n")
	add("ZSCAN zset 0 COUNT 2n")
	add("ZRANGE zset 0 -1 WITHSCORES")
	add("ZRANGE zints 0 -1")
	add("ZREVRANGE zset 0 -1 WITHSCORES")
	add("ZRANGEBYSCORE zset -inf +inf WITHSCORES")
	add("ZRANGEBYSCORE zset -inf +inf LIMIT 999990 5")
	add("ZREVRANGEBYSCORE zset +inf -inf")
	add("ZRANGEBYLEX zlex - +")
	add("ZREVRANGEBYLEX zlex + -")
	add("ZLEXCOUNT zlex - +")
	add("ZCOUNT zset -inf +inf")
	add("ZRANGESTORE tmp zset 0 -1")
	add("ZREMRANGEBYRANK tmp 0 -1", "COPY zset tmp REPLACE")
	add("ZREMRANGEBYRANK tmp 1 -2", "COPY zset tmp REPLACE")
	add("ZREMRANGEBYSCORE tmp -inf n2", "COPY zset tmp REPLACE")
	add("ZREMRANGEBYLEX tmp - +", "COPY zlex tmp REPLACE")
	add("ZPOPMIN tmp 2n", "COPY zset tmp REPLACE")
	add("ZPOPMAX tmp n2", "COPY zset tmp REPLACE")
	add("ZMPOP 1 tmp MIN COUNT 2n", "COPY zset tmp REPLACE")
	add("BZMPOP 0 1 tmp MAX COUNT 2n", "COPY zset tmp REPLACE")
	add("BZPOPMIN none:# 0.01")
	add("BZPOPMAX none:# 0.01")
	for _, op := range []string{"ZINTER", "ZUNION", "ZDIFF"} {
		add(op + " 2 zset zset2 WITHSCORES")
		add(op + " 2 ints set")
		add(op + "STORE tmp 2 zset zset2")
	}
	add("ZINTERCARD 2 zset zset2")

	// Messages.
	add("SUBSCRIBE channel:#")
	add("PSUBSCRIBE channel:#")
	add("SSUBSCRIBE channel:#")
	add("UNSUBSCRIBE", "SUBSCRIBE channel:#")
	add("PUNSUBSCRIBE", "PSUBSCRIBE channel:#")
	add("SUNSUBSCRIBE", "SSUBSCRIBE channel:#")
	add("PUBSUB CHANNELS", "HELLO 3", "SUBSCRIBE channel:#")
	add("PUBSUB CHANNELS *1*2*3*", "HELLO 3", "SUBSCRIBE channel:#")
	add("PUBSUB NUMSUB channel:#", "HELLO 3", "SUBSCRIBE channel:#")
	add("PUBSUB SHARDCHANNELS", "HELLO 3", "SSUBSCRIBE channel:#")
	add("PUBSUB SHARDNUMSUB channel:#", "HELLO 3", "SSUBSCRIBE channel:#")
	add("PUBLISH channel:1 x", "HELLO 3", "PSUBSCRIBE channel:#")

	// Transactions.
	add("WATCH key:#", "SELECT 1", "UNWATCH")
	add("UNWATCH", "SELECT 1", "WATCH key:#")
	add("EXEC", "SELECT 1", "MULTI", "each n SET key:# v")
	add("EXEC", "SELECT 1", "MULTI", "each n GET key:#")
	add("EXEC", "MULTI", "each 10 GET half")
	add("DISCARD", "SELECT 1", "MULTI", "each n SET key:# v")
	add("EXEC", "SELECT 1", "WATCH key:#", "MULTI", "GET key:1")
	add("DISCARD", "SELECT 1", "WATCH key:#", "MULTI", "GET key:1")
	add("RESET", "SELECT 1", "WATCH key:#")
	add("FLUSHDB", "SELECT 2", "load n MSET new:# v#", "WATCH new:#")
	add("SWAPDB 1 2", "SELECT 1", "WATCH key:#")

	// Connections and the server.
	add("CLIENT TRACKING OFF", "HELLO 3", "CLIENT TRACKING ON", "SELECT 1", "MGET key:#")
	add("MGET key:#", "HELLO 3", "CLIENT TRACKING ON", "SELECT 1")
	add("FLUSHDB", "HELLO 3", "CLIENT TRACKING ON", "SELECT 2", "load n MSET new:# v#", "MGET new:#")
	add("CLIENT TRACKING ON BCAST PREFIXES", "HELLO 3")
	add("CLIENT TRACKING OFF", "HELLO 3", "CLIENT TRACKING ON BCAST PREFIXES")
	add("CLIENT TRACKINGINFO", "HELLO 3", "CLIENT TRACKING ON BCAST PREFIXES")
	add("MSET key:# v#", "HELLO 3", "CLIENT TRACKING ON BCAST", "SELECT 1")
	add("CONFIG SET tracking-table-max-keys 1", "HELLO 3", "CLIENT TRACKING ON", "SELECT 1", "MGET key:#")
	add("CONFIG SET tracking-table-max-keys 1000000")
	add("CONFIG GET *")
	add("INFO everything")
	add("COMMAND")
	add("COMMAND DOCS")
	add("COMMAND GETKEYS MGET key:#")
	add("COMMAND GETKEYSANDFLAGS MGET key:#")
	add("MEMORY STATS")
	add("MEMORY DOCTOR")
	add("MEMORY PURGE")
	add("ECHO PAYLOAD")
	add("LOLWUT VERSION 5 1000 1000 1000")

	// What a client leaves behind.
	add("", "SELECT 1", "WATCH key:#")
	add("", "SUBSCRIBE channel:#")
	add("", "PSUBSCRIBE channel:#")
	add("", "SSUBSCRIBE channel:#")
	add("", "HELLO 3", "CLIENT TRACKING ON", "SELECT 1", "MGET key:#")
	add("", "HELLO 3", "CLIENT TRACKING ON BCAST PREFIXES")
	add("", "SELECT 1", "MULTI", "each n SET key:# v")
	return calls
}

// A rival is a server under TestLockHold.
type rival struct {
	t    *testing.T
	n    int
	dial func() (net.Conn, error)

	clock *server.RunningClock // of parley
	soon  time.Time            // by it
}

// channels is to how many channels a client subscribes: with more Redis would cut
// it off for the answers, and to many patterns it takes the square of their number.
func (c *rival) channels(call string) int {
	if strings.HasPrefix(call, "P") {
		return c.n / 50
	}
	return c.n / 10
}

// A talker writes calls of any length, and discards their replies.
type talker struct {
	*harness.Client
	on *rival
	w  *bufio.Writer
}

func (c *rival) open() *talker {
	client := harness.Connect(c.t, c.dial)
	client.R = bufio.NewReaderSize(client.Conn, 1<<20)
	return &talker{client, c, bufio.NewWriterSize(client.Conn, 1<<20)}
}

// count reads a number: "n" stands for the elements, "n2" for half of them, "100n"
// for a hundred times as many.
func (c *rival) count(word string) (int, bool) {
	switch word {
	case "n":
		return c.n, true
	case "n2":
		return c.n / 2, true
	case "2n":
		return 2 * c.n, true
	case "-n":
		return -c.n, true
	case "nth":
		return c.n / 100, true
	case "100n":
		return 100 * c.n, true
	case "50n":
		return 50 * c.n, true
	}
	n, err := strconv.Atoi(word)
	return n, err == nil
}

// write writes one call of a line, with the elements from first on, at most so many.
func (k *talker) write(line string, first, most int) {
	words := strings.Fields(line)
	begin := 0
	for begin < len(words) && (!strings.ContainsAny(words[begin], "#!") || words[0] == "SORT") {
		begin++
	}
	end := begin
	for end < len(words) && strings.ContainsAny(words[end], "#!") {
		end++
	}
	times := 0
	if end > begin {
		times = min(most, (1<<20-len(words))/(end-begin))
		if strings.HasPrefix(words[begin], "channel:") {
			times = k.on.channels(words[0])
		}
		if words[begin-1] == "n2" {
			times = k.on.n / 2
		}
	}
	prefixes := strings.Contains(line, "PREFIXES")
	total := len(words) - (end - begin) + times*(end-begin)
	if prefixes {
		total += 2*k.on.n/10 - 1
	}
	fmt.Fprintf(k.w, "*%d\r\n", total)
	for i, word := range words {
		if i >= begin && i < end {
			continue
		}
		if i == end {
			k.elements(words[begin:end], first, times)
		}
		k.word(word)
	}
	if end == len(words) {
		k.elements(words[begin:end], first, times)
	}
}

func (k *talker) elements(words []string, first, times int) {
	for i := range times {
		for _, word := range words {
			k.bulk(strings.TrimSuffix(strings.ReplaceAll(word, "#", strconv.Itoa(first+i)), "!"))
		}
	}
}

func (k *talker) word(word string) {
	switch {
	case word == "PREFIXES":
		for i := range k.on.n / 10 {
			k.bulk("PREFIX")
			k.bulk(fmt.Sprintf("%d:", i))
		}
	case word == "GLOB":
		k.bulk(strings.Repeat("*a", k.on.n/40) + "b")
	case word == "LONG":
		k.bulk(strings.Repeat("a", k.on.n/10))
	case word == "PAYLOAD":
		k.bulk(strings.Repeat("a", 100*k.on.n))
	case word == "SOON":
		k.bulk(strconv.FormatInt(k.on.soon.UnixMilli(), 10))
	case strings.HasPrefix(word, "DUMP:"):
		k.bulk(k.on.dump(word[len("DUMP:"):]))
	default:
		if n, ok := k.on.count(word); ok && word[len(word)-1] != '0' {
			word = strconv.Itoa(n)
		}
		k.bulk(word)
	}
}

func (k *talker) bulk(word string) { fmt.Fprintf(k.w, "$%d\r\n%s\r\n", len(word), word) }

func (k *talker) flush() { require.NoError(k.T, k.w.Flush()) }

// dump asks for a payload.
func (c *rival) dump(key string) string {
	k := c.open()
	defer k.Close()
	return k.AskText("DUMP " + key)
}

// prepare runs lines that are not timed.
func (k *talker) prepare(lines []string) {
	for _, line := range lines {
		switch verb, rest, _ := strings.Cut(line, " "); verb {
		case "load", "each":
			count, rest, _ := strings.Cut(rest, " ")
			n, ok := k.on.count(count)
			require.True(k.T, ok, line)
			step := 1
			if verb == "load" {
				step = 10_000
			}
			k.pipeline(rest, n, min(step, n))
		case "WAIT-SOON":
			k.on.clock.Advance(k.on.soon.Sub(k.on.clock.Now()) + time.Millisecond)
		default:
			k.write(line, 0, k.on.n)
			k.flush()
			k.answers(line)
		}
	}
}

func (k *talker) pipeline(line string, n, step int) {
	const deep = 100
	line = strings.Replace(line, "FIELDS 10000", fmt.Sprintf("FIELDS %d", step), 1)
	waiting := 0
	for i := 0; i < n; i += step {
		k.write(line, i, min(step, n-i))
		if waiting++; waiting == deep || i+step >= n {
			k.flush()
			for range waiting {
				reply := k.Discard()
				require.NotEqual(k.T, byte('-'), reply[0], "%s: %s", line, reply)
			}
			waiting = 0
		}
	}
}

// answers reads what a call is answered: calls about subscriptions are once for each.
func (k *talker) answers(line string) string {
	first := k.Discard()
	if subscribes.MatchString(line) {
		for range k.on.channels(line) - 1 {
			k.Discard()
		}
	}
	return first
}

var subscribes = regexp.MustCompile(`^[PS]?(UN)?SUBSCRIBE`)

// A watchman is another client, that wants little: how long it had to wait is
// what a call has cost others.
type watchman struct {
	k     *talker
	stop  chan struct{}
	worst chan time.Duration
}

func (c *rival) post() *watchman {
	m := &watchman{c.open(), make(chan struct{}), make(chan time.Duration)}
	go func() {
		worst := time.Duration(0)
		for {
			begun := time.Now()
			m.k.write("SETEX watchman 1000 x", 0, 0)
			m.k.flush()
			m.k.Discard()
			worst = max(worst, time.Since(begun))
			select {
			case <-m.stop:
				m.worst <- worst
				m.k.Close()
				return
			default:
			}
		}
	}()
	return m
}

func (m *watchman) result() time.Duration {
	close(m.stop)
	return <-m.worst
}

// figures are what one call came to.
type figures struct {
	took  time.Duration // by the server's own count
	wait  time.Duration // of another client
	reply string
}

func (c *rival) run(s heavyCall) (f figures) {
	k := c.open()
	defer k.Close()
	c.prepare(k, s)
	if s.call == "" {
		return c.leave(k)
	}
	admin := c.open()
	defer admin.Close()
	admin.prepare([]string{"CONFIG RESETSTAT"})
	k.write(s.call, 0, c.n)
	m := c.post()
	k.flush()
	f.reply = k.answers(s.call)
	f.wait = m.result()
	f.took = admin.spent(s.call)
	return f
}

// prepare makes the calls that a heavy call needs.
func (c *rival) prepare(k *talker, s heavyCall) {
	if c.clock != nil {
		c.soon = c.clock.Now().Add(time.Hour)
	}
	k.prepare(s.before)
}

// cpu is the CPU time that a call takes, or the end of a client, on a connection in
// memory: a Write there returns when the call has been made, and Close when the client
// has been forgotten.
func (c *rival) cpu(s heavyCall) (took time.Duration) {
	k := c.open()
	defer k.Close()
	c.prepare(k, s)
	if s.call == "" {
		return harness.ThreadCPU(func() { k.Close() })
	}
	k.write(s.call, 0, c.n)
	took = harness.ThreadCPU(k.flush)
	c.check(s, k.answers(s.call))
	return took
}

// check requires that a reply is none of an error, and replaces values that are gone.
func (c *rival) check(s heavyCall, reply string) {
	require.False(c.t, strings.HasPrefix(reply, "-"), "%v: %s", s, reply)
	if strings.HasPrefix(s.call, "FLUSHALL") {
		c.load()
	}
}

// load makes the values.
func (c *rival) load() {
	k := c.open()
	k.prepare(values)
	k.Close()
}

// leave closes the connection, and waits until the server has seen that through.
func (c *rival) leave(k *talker) (f figures) {
	admin := c.open()
	defer admin.Close()
	m := c.post()
	begun := time.Now()
	k.Close()
	harness.Until(c.t, "the client is forgotten", func() bool { return c.clients(admin) <= 2 })
	f.took = time.Since(begun)
	for range 100 { // what the client leaves may go on to be cleared away
		c.clients(admin)
	}
	f.wait = m.result()
	return f
}

func (c *rival) clients(admin *talker) int {
	text := admin.AskText("INFO clients")
	_, rest, _ := strings.Cut(text, "connected_clients:")
	n, _ := strconv.Atoi(rest[:strings.IndexByte(rest, '\r')])
	return n
}

// spent is what the server says that the call took.
func (k *talker) spent(call string) time.Duration {
	words := strings.Fields(strings.ToLower(call))
	text := k.AskText("INFO commandstats")
	for _, name := range []string{words[0], strings.Join(words[:min(2, len(words))], "|")} {
		if _, rest, ok := strings.Cut(text, "cmdstat_"+name+":"); ok {
			_, rest, _ = strings.Cut(rest, "usec=")
			n, _ := strconv.Atoi(rest[:strings.IndexByte(rest, ',')])
			return time.Duration(n) * time.Microsecond
		}
	}
	return 0
}

// String names a call by all that belongs to it.
func (s heavyCall) String() string { return strings.Join(append(slices.Clone(s.before), s.call), "; ") }

// selected are the heavy calls that the flag names.
func selected() []heavyCall {
	only := regexp.MustCompile(*lockHoldOnly)
	return slices.DeleteFunc(heavyCalls(), func(s heavyCall) bool { return !only.MatchString(s.String()) })
}

// newLockHoldServer returns parley as a rival, with values of n elements.
func newLockHoldServer(t *testing.T, n int) (c *rival, socket string) {
	clock := new(server.RunningClock)
	s, socket := startOnSocket(t, server.Options{Clock: clock})
	c = &rival{t: t, n: n, dial: s.Dial, clock: clock}
	c.load()
	return c, socket
}

// TestLockHold makes the heaviest form of every command whose cost grows with something,
// at two sizes. How long a call holds the lock is what it costs all others, so it may not
// grow faster than what the call is about: harness.RequireLinear has the bar.
// TestLockHoldBesideRedis compares times.
func TestLockHold(t *testing.T) {
	small, _ := newLockHoldServer(t, *lockHold)
	large, _ := newLockHoldServer(t, *lockHold*harness.Growth)
	for _, s := range selected() {
		harness.RequireLinear(t, s.String(), func() time.Duration { return small.cpu(s) }, func() time.Duration { return large.cpu(s) })
	}
}

// TestLockHoldBesideRedis takes minutes, from -lockhold=100000 on. It prints how long each
// heavy call kept the lock, beside redis-server, and fails where that is ten times as long
// as there, and 100 ms: times are compared within a run only.
func TestLockHoldBesideRedis(t *testing.T) {
	if *lockHold < 100_000 {
		t.Skip("only with -lockhold=100000 or more")
	}
	ours, socket := newLockHoldServer(t, *lockHold)
	ours.dial = func() (net.Conn, error) { return net.Dial("unix", socket) }
	theirs := &rival{t: t, n: *lockHold, dial: redistest.Start(t).Dial}
	theirs.load()
	fmt.Fprintf(os.Stderr, "%-60s %9s %9s %6s %9s %9s\n", "call", "parley", "redis", "ratio", "others", "redis")
	for _, s := range selected() {
		a, b := besideRedis(ours, theirs, s)
		tooLong := func() bool { return !s.beyond && a.took > 10*b.took+100*time.Millisecond }
		for try := 1; try < 5 && tooLong(); try++ { // the machine may have been busy with something else
			a, b = besideRedis(ours, theirs, s)
		}
		if tooLong() {
			t.Errorf("%s took %v, and %v in redis-server", s, a.took, b.took)
		}
		ms := func(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d.Microseconds())/1000) }
		ratio := "-"
		if b.took > 0 {
			ratio = fmt.Sprintf("%.2f", float64(a.took)/float64(b.took))
		}
		short := s.call + " <- " + strings.Join(s.before, "; ")
		fmt.Fprintf(os.Stderr, "%-60.60s %9s %9s %6s %9s %9s %.30q\n", short, ms(a.took), ms(b.took), ratio, ms(a.wait), ms(b.wait), a.reply)
	}
}

// besideRedis makes a call on both, if both know it.
func besideRedis(ours, theirs *rival, s heavyCall) (a, b figures) {
	a = ours.run(s)
	ours.check(s, a.reply)
	if !s.beyond {
		b = theirs.run(s)
		theirs.check(s, b.reply)
	}
	return a, b
}

// Every row about data or messages whose cost grows with something has its place
// in heavyCalls, but for those that only look at few words.
func TestLockHoldKnowsAllRows(t *testing.T) {
	known := map[string]bool{}
	for _, s := range heavyCalls() {
		words := strings.Fields(strings.ToLower(s.call))
		for n := range min(2, len(words)) {
			known[strings.Join(words[:n+1], "|")] = true
		}
	}
	for _, name := range strings.Fields(`hexists hget hincrby hincrbyfloat hlen hsetnx hstrlen
		object|encoding spublish zincrby zrank zrevrank zcard getset`) {
		known[name] = true
	}
	var missing []string
	check := func(m *commands.Command) {
		if m.Group == "server" || m.Group == "connection" {
			return
		}
		if name := m.FullName(); m.Complexity != "O(1)" && m.Run != nil && !known[name] && m.Name != "help" {
			missing = append(missing, name+": "+m.Complexity)
		}
	}
	for _, row := range commands.Standard().Rows() {
		check(row)
		for _, sub := range row.Children() {
			check(sub)
		}
	}
	require.Empty(t, missing)
}
