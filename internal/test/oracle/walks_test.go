package oracle

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/datastructs"
)

var (
	walks    = flag.Int("walk.n", 20, "how many walks through changing collections are made, on each side")
	walkSeed = flag.Uint64("walk.seed", 1, "seed of the walks; 0: a random one")
)

// TestWalksFindWhatStays walks through collections that grow, shrink and change
// their encoding in between. Where that leads is each server's own; but what is
// there from first to last is found, what never was is not, and the walk ends.
// That Redis passes shows that no more is asked for than it promises.
func TestWalksFindWhatStays(t *testing.T) {
	seed := *walkSeed
	if seed == 0 {
		seed = uint64(rand.Uint32())
	}
	for _, side := range []Side{Redis(t), Parley(t)} {
		t.Run(side.Name, func(t *testing.T) {
			t.Logf("-walk.n=%d -walk.seed=%d", *walks, seed)
			conn, err := side.Dial()
			require.NoError(t, err)
			defer conn.Close()
			w := newWire(conn)
			for i := range *walks {
				require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
				g := &Generator{rand: rand.New(rand.NewPCG(seed, uint64(i)))}
				newStroll(t, g, w, 2+i%2).walk(fmt.Sprintf("-walk.seed=%d, walk %d", seed, i))
			}
		})
	}
}

// A stroll is one walk and the collection that it goes through.
type stroll struct {
	*testing.T
	*Generator
	wire *wire

	scan   []string // the words before the cursor
	add    func(name string) []string
	remove func(name string) []string
	width  int // elements of the reply that make one of the collection

	name    func(i int) string
	stays   map[string]bool // there from first to last
	passing map[string]bool // there at the moment
	ever    map[string]bool // there at any time
	match   string
}

func newStroll(t *testing.T, g *Generator, w *wire, protocol int) *stroll {
	s := &stroll{T: t, Generator: g, wire: w, width: 1, match: "*",
		stays: make(map[string]bool), passing: make(map[string]bool), ever: make(map[string]bool)}
	s.ask([]string{"FLUSHALL"}, []string{"HELLO", strconv.Itoa(protocol)})
	prefix := g.pick([]string{"", "", "m"})
	s.name = func(i int) string { return prefix + strconv.Itoa(i) }
	value := g.pick([]string{"v", strings.Repeat("v", 65)})
	with := func(words ...string) func(string) []string {
		return func(name string) []string {
			list := slices.Clone(words)
			for i, w := range list {
				list[i] = strings.ReplaceAll(w, "NAME", name)
			}
			return list
		}
	}
	s.scan = []string{g.pick([]string{"SSCAN", "HSCAN", "ZSCAN"}), "c"}
	switch {
	case g.chance(0.25):
		s.scan = []string{"SCAN"}
		s.add, s.remove = with("SET", "NAME", value), with("DEL", "NAME")
	case s.scan[0] == "SSCAN":
		s.add, s.remove = with("SADD", "c", "NAME"), with("SREM", "c", "NAME")
	case s.scan[0] == "HSCAN":
		s.add, s.remove, s.width = with("HSET", "c", "NAME", value), with("HDEL", "c", "NAME"), 2
	default:
		s.add, s.remove, s.width = with("ZADD", "c", "1.5", "NAME"), with("ZREM", "c", "NAME"), 2
	}
	if g.chance(0.3) {
		s.match = g.pick([]string{"*1", "*[0-4]", "?", "m*", "*[^5]", "**"})
	}
	return s
}

func (s *stroll) ask(calls ...[]string) []reply {
	replies, err := s.wire.ask(calls)
	require.NoError(s, err)
	for i, r := range replies {
		require.NotEqual(s, byte('-'), r[0], "%q: %s", calls[i], r)
	}
	return replies
}

// walk goes from 0 to 0, and makes changes after each step.
func (s *stroll) walk(at string) {
	for i := range s.rand.IntN(s.pickInt(3, 200, 1500)) {
		s.stays[s.name(2*i)] = true // the odd ones pass
		s.ever[s.name(2*i)] = true
		s.ask(s.add(s.name(2 * i)))
	}
	s.change()
	found, cursor := make(map[string]bool), "0"
	for steps := 0; ; steps++ {
		require.Less(s, steps, 20_000, "%s does not end", at)
		words := append(slices.Clone(s.scan), cursor)
		if s.match != "*" || s.chance(0.1) {
			words = append(words, "MATCH", s.match)
		}
		if s.chance(0.8) {
			words = append(words, "COUNT", strconv.Itoa(s.pickInt(1, 2, 10, 50, 400)))
		}
		if s.scan[0] == "SCAN" && s.chance(0.5) {
			words = append(words, "TYPE", "string")
		}
		n := s.ask(words)[0].node()
		require.Len(s, n.elems, 2, at)
		require.Equal(s, byte('$'), n.elems[0].kind, at)
		for group := range slices.Chunk(n.elems[1].leaves(), s.width) {
			require.True(s, s.ever[group[0]], "%s: %q never was there", at, group[0])
			require.True(s, s.matches(group[0]), "%s: %q does not match %q", at, group[0], s.match)
			found[group[0]] = true
		}
		if cursor = n.elems[0].text; cursor == "0" {
			break
		}
		s.change()
	}
	for name := range s.stays {
		require.Equal(s, s.matches(name), found[name], "%s, %v: %q was there all the time", at, s.scan, name)
	}
}

func (s *stroll) matches(name string) bool {
	return s.match == "*" || datastructs.Match([]byte(s.match), []byte(name), false)
}

// change lets the collection grow or shrink by what does not stay: past a
// doubling of the table or two, down to where Redis makes it smaller.
func (s *stroll) change() {
	var calls [][]string
	switch s.rand.IntN(5) {
	case 0, 1:
		for range s.pickInt(1, 20, 130, 600) {
			name := s.name(2*s.rand.IntN(4000) + 1)
			s.passing[name], s.ever[name] = true, true
			calls = append(calls, s.add(name))
		}
	case 2:
		for _, name := range slices.Sorted(maps.Keys(s.passing)) {
			if s.chance(0.8) {
				calls = append(calls, s.remove(name))
				delete(s.passing, name)
			}
		}
	case 3:
		for name := range s.passing {
			calls = append(calls, s.remove(name))
		}
		clear(s.passing)
	}
	if len(calls) > 0 {
		s.ask(calls...)
	}
}
