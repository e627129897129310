package server

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/internal/test/redistest"
	"github.com/parley-chat/parley/internal/test/transcript"
)

// edges are numbers that do not fit, or only just.
var edges = []string{
	"9223372036854775807", "9223372036854775806", "-9223372036854775807", "-9223372036854775808", "9223372036854775808", "-9223372036854775809", "18446744073709551616",
	"2147483647", "2147483648", "-2147483648", "-2147483649", "4294967296", "9223372036854775", "9223372036854776", "-9223372036854776", "-1", "0", "1e400", "nan", "inf", "1.5", "", "+1", "01",
}

// A number at the end of its type, in each place of each row where a number
// belongs, is refused in Redis's words, or taken where Redis takes it.
func TestEdgesOfNumbersInEachPlace(t *testing.T) {
	redistest.Need(t)
	conn, err := redistest.Start(t).Dial()
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	redis, ours := askThrough(t, conn), askDirectly(t, newClosed(t, Options{Strict: true}))
	fill := [][]string{
		{"FLUSHALL"}, {"SET", "k1", "5"}, {"HSET", "h1", "a", "1", "b", "2"}, {"SADD", "s1", "a", "b", "c"}, {"ZADD", "z1", "1", "a", "2", "b", "3", "c"},
	}
	places := 0
	for _, row := range commandRows() {
		if !slices.Contains([]string{"string", "hash", "set", "sorted-set", "generic"}, row.Group) || transcript.Older(redistest.Version, row.Since) || slices.Contains(endless, row.Name) {
			continue
		}
		for n := 0; ; n++ {
			e := &edgeCall{row: row, target: n}
			if e.sequence(row.Arguments()); e.numbers <= n {
				break
			}
			places++
			for _, edge := range edges {
				e = &edgeCall{row: row, target: n, edge: edge}
				words := append(strings.Split(row.FullName(), "|"), e.sequence(row.Arguments())...)
				redis(fill...)
				ours(fill...)
				theirs, got := redis(words)[0], ours(words)[0]
				if theirs.Err() != nil || got.Err() != nil {
					require.Equal(t, theirs.String(), got.String(), "%q", words)
				}
			}
		}
	}
	t.Logf("%d places, %d calls", places, places*len(edges))
	require.Greater(t, places, 80)
}

// endless are rows that Redis would not come to an end with: it waits as long, or
// answers as much, as it is asked to.
var endless = []string{"wait", "srandmember", "hrandfield", "zrandmember"}

// An edgeCall is a call with all its options, in which one number is an edge.
type edgeCall struct {
	row     *commands.Command
	target  int // which of the numbers
	numbers int // so far
	edge    string
}

func (e *edgeCall) sequence(list []commands.Argument) (words []string) {
	for _, a := range list {
		words = append(words, e.argument(a)...)
	}
	return words
}

func (e *edgeCall) argument(a commands.Argument) (words []string) {
	if a.Token != "" {
		words = append(words, a.Token)
	}
	switch a.Type {
	case "pure-token":
	case "oneof": // that which has a number
		for i, one := range a.Arguments {
			if made := e.argument(one); len(made) > 1 || i == len(a.Arguments)-1 {
				return append(words, made...)
			}
		}
	case "block":
		words = append(words, e.sequence(a.Arguments)...)
	case "integer", "double", "unix-time":
		e.numbers++
		word := "1"
		if e.numbers == e.target+1 {
			word = e.edge
		}
		words = append(words, word)
	case "key":
		words = append(words, map[string]string{"string": "k1", "hash": "h1", "set": "s1", "sorted-set": "z1", "generic": "k1"}[e.row.Group])
	default:
		words = append(words, map[string]string{"min": "0", "max": "9", "start": "0", "stop": "9"}[a.Name])
		if words[len(words)-1] == "" {
			words[len(words)-1] = "a"
		}
	}
	return words
}
