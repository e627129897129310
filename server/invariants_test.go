package server

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/internal/test/redistest"
	"github.com/parley-chat/parley/internal/test/transcript"
)

// The rules that hold for every row of the table, over the calls of all
// transcripts and over random ones. A checker checks most of them; see there.

func eachTranscript(t *testing.T, f func(*testing.T, []transcript.Step)) {
	names, err := filepath.Glob("../commands/testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.Open(name)
			require.NoError(t, err)
			defer text.Close()
			file, err := transcript.Parse(text)
			require.NoError(t, err)
			f(t, file.Steps())
		})
	}
}

func TestRulesHoldForTranscripts(t *testing.T) {
	eachTranscript(t, func(t *testing.T, steps []transcript.Step) {
		p := newPair(t)
		for _, s := range steps {
			p.do(s)
		}
	})
}

func TestRulesHoldForRandomCalls(t *testing.T) {
	for _, seed := range []uint64{1, 2, 3, 4} {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			g := newGenerator(seed)
			for range harness.Count(400, 1000) {
				p.do(g.step())
			}
		})
	}
}

// A call has effects if and only if Redis counts a change, and an empty Redis
// that is told the effects holds the same data, deadlines too. Redis's clock goes
// on by itself, so that on a busy machine a key may expire before the next call
// asks for it: steps among which time passes have ten tries.
func TestEffectsAreThoseOfRedis(t *testing.T) {
	redistest.Need(t)
	followers := &followers{t: t}
	eachTranscript(t, func(t *testing.T, steps []transcript.Step) {
		differences := countDifferences(t, followers, steps)
		for try := 1; try < 10 && len(differences) > 0 && timePasses(steps); try++ {
			differences = countDifferences(t, followers, steps)
		}
		require.Empty(t, differences)
	})
	t.Run("random calls", func(t *testing.T) {
		t.Parallel()
		w, g := newFollowedChecker(t, followers), newGenerator(5)
		for range harness.Count(500, 1000) {
			w.do(g.step())
		}
	})
}

func timePasses(steps []transcript.Step) bool {
	return slices.ContainsFunc(steps, func(s transcript.Step) bool { return s.Pause > 0 })
}

// countDifferences makes the calls on both servers and tells which of them only
// one took for a change.
func countDifferences(t *testing.T, followers *followers, steps []transcript.Step) (differences []string) {
	w, counts, apart := newFollowedChecker(t, followers), newChangeCounter(t), false
	for _, s := range steps {
		w.do(s)
		if apart = apart || transcript.Older(redistest.Version, s.Since); apart {
			continue // there is nothing to count any more
		}
		if s.Pause > 0 {
			time.Sleep(s.Pause + 20*time.Millisecond) // the real Redis has no other clock
			counts.count()                            // a call may have been held back until now
			continue
		}
		counted := counts.changes(s)
		if strings.EqualFold(s.Words[0], "SWAPDB") && len(w.effects) == 0 {
			continue // Redis counts an exchange of nothing with nothing
		}
		if (counted > 0) != (len(w.effects) > w.evicted) { // which Redis does not count
			differences = append(differences, fmt.Sprintf("line %d: %q: Redis counts %d changes, the effects are %v",
				s.Line, s.Words, counted, w.effects))
		}
	}
	return differences
}

// followers are redis-servers that are told nothing but effects. They hold only data,
// so that the next test can use one that is emptied.
type followers struct {
	t *testing.T // which ends when all who use them have

	mu   sync.Mutex // guards free
	free []*redistest.Redis
}

// take returns an empty one that is t's alone.
func (f *followers) take(t *testing.T) asker {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.free) == 0 {
		f.free = append(f.free, redistest.Start(f.t))
	}
	r := f.free[len(f.free)-1]
	f.free = f.free[:len(f.free)-1]
	conn, err := r.Dial()
	require.NoError(t, err)
	t.Cleanup(func() {
		conn.Close()
		f.mu.Lock()
		defer f.mu.Unlock()
		f.free = append(f.free, r)
	})
	ask := askThrough(t, conn)
	ask([]string{"FLUSHALL"})
	return ask
}

func newFollowedChecker(t *testing.T, f *followers) *checker {
	w := newChecker(t, 2, time.Now())
	w.follow("redis-server", f.take(t), redistest.Version)
	return w
}

// A changeCounter tells how many changes Redis counts for a call.
type changeCounter struct {
	t     *testing.T
	redis *redistest.Redis
	ask   asker
	conns map[string]net.Conn
	total int
}

func newChangeCounter(t *testing.T) *changeCounter {
	c := &changeCounter{t: t, redis: redistest.Start(t, "--hz", "500"), conns: make(map[string]net.Conn)}
	c.ask = askThrough(t, c.dial())
	c.ask([]string{"ACL", "SETUSER", "counter", "on", "nopass", "+@all"}) // whatever becomes of the default user
	c.ask([]string{"AUTH", "counter", ""})
	return c
}

func (c *changeCounter) dial() net.Conn {
	conn, err := c.redis.Dial()
	require.NoError(c.t, err)
	c.t.Cleanup(func() { conn.Close() })
	return conn
}

// changes makes a call, whose reply nobody reads, and returns what it added to
// the count.
func (c *changeCounter) changes(s transcript.Step) int {
	if c.conns[s.Conn] == nil {
		c.conns[s.Conn] = c.dial()
	}
	c.conns[s.Conn].Write(harness.Encode(s.Words...)) // fails where the transcript says that it is closed
	before := c.total
	c.count()
	return c.total - before
}

// count asks how many changes there have been.
func (c *changeCounter) count() {
	// The first may come before the connection is accepted, the second before the
	// call is read. The third comes after it.
	for range 3 {
		info := c.ask([]string{"INFO", "persistence"})[0].Str
		_, rest, _ := strings.Cut(info, "\nrdb_changes_since_last_save:")
		digits, _, _ := strings.Cut(rest, "\r")
		var err error
		c.total, err = strconv.Atoi(digits)
		require.NoError(c.t, err)
	}
}

func (w *checker) do(s transcript.Step) []resp.Value {
	w.t.Helper()
	if s.Pause > 0 {
		w.advance(s.Pause)
		return nil
	}
	values, _ := w.call(s.Conn, s.Words)
	return values
}

// A pair is two servers of one seed that are called alike, in RESP2 and RESP3.
type pair struct {
	t            *testing.T
	resp2, resp3 *checker
	apart        bool // RESP2 has refused what RESP3 allows
}

func newPair(t *testing.T) *pair {
	now := time.Now()
	return &pair{t: t, resp2: newChecker(t, 2, now), resp3: newChecker(t, 3, now)}
}

// aboutProtocol are commands whose replies tell the protocol, or sizes that
// depend on it, or a secret.
var aboutProtocol = []string{"HELLO", "INFO", "CLIENT|LIST", "CLIENT|INFO", "ACL|LOG", "ACL|GENPASS"}

// do makes a call on both servers: replies hold the same values.
func (p *pair) do(s transcript.Step) {
	p.t.Helper()
	two, three := p.resp2.do(s), p.resp3.do(s)
	for _, v := range two {
		p.apart = p.apart || strings.HasPrefix(v.Str, "ERR Can't execute '")
	}
	if p.apart || p.mayDiffer(s) {
		return
	}
	a, b := leaves(resp.Value{Type: resp.TypeArray, Elems: two}), leaves(resp.Value{Type: resp.TypeArray, Elems: three})
	if !slices.Equal(a, b) {
		p.t.Fatalf("%q: RESP2 and RESP3 differ:\n%q\n%q", s.Words, a, b)
	}
}

func (p *pair) mayDiffer(s transcript.Step) bool {
	if len(s.Words) == 0 || p.resp2.conns[s.Conn].session.client.Subscribed() > 0 {
		return true // a subscriber's PING has a reply of its own in RESP2
	}
	name := strings.ToUpper(s.Words[0])
	if len(s.Words) > 1 && slices.Contains(aboutProtocol, name+"|"+strings.ToUpper(s.Words[1])) {
		return true
	}
	return slices.Contains(aboutProtocol, name)
}
