package server

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/datastructs"
	"github.com/parley-chat/parley/datastructs/rdb"
	"github.com/parley-chat/parley/internal/test/transcript"
)

// randomDatabases is how many databases random calls use.
const randomDatabases = 3

// A generator makes calls at random from the rows' own syntax: few keys, few
// members, all options, and now and then nonsense.
type generator struct {
	*rand.Rand
	rows  []*commands.Command
	multi map[string]bool // connections that may be in a transaction
}

func newGenerator(seed uint64) *generator {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 0)), multi: make(map[string]bool)}
	groups := []string{"string", "hash", "set", "sorted-set", "generic", "transactions"}
	for _, row := range commands.Standard().Rows() {
		if slices.Contains(groups, row.Group) {
			g.rows = append(g.rows, leavesOf(row)...)
		}
	}
	return g
}

// leavesOf lists the row, or the rows below it that run.
func leavesOf(row *commands.Command) (rows []*commands.Command) {
	if row.Run != nil {
		rows = append(rows, row)
	}
	for _, m := range row.Children() {
		rows = append(rows, leavesOf(m)...)
	}
	return rows
}

// step is the next call or pause. The main connection never waits.
func (g *generator) step() transcript.Step {
	if g.one(50) {
		return transcript.Step{Pause: time.Duration(g.IntN(200)+1) * time.Millisecond}
	}
	if g.one(100) {
		return transcript.Step{Words: []string{"SELECT", strconv.Itoa(g.IntN(randomDatabases))}}
	}
	conn := pick(g, "", "", "", "", "a", "b")
	if g.multi[conn] && g.one(5) {
		g.multi[conn] = false
		return transcript.Step{Conn: conn, Words: []string{"EXEC"}}
	}
	row := g.rows[g.IntN(len(g.rows))]
	for conn == "" && (row.Has(commands.Blocking) || row.Name == "wait") {
		row = g.rows[g.IntN(len(g.rows))]
	}
	g.multi[conn] = g.multi[conn] || row.Name == "multi"
	return transcript.Step{Conn: conn, Words: g.call(row)}
}

// one is true once in n times.
func (g *generator) one(n int) bool { return g.IntN(n) == 0 }

func pick[T any](g *generator, of ...T) T { return of[g.IntN(len(of))] }

// call makes a call of a row.
func (g *generator) call(row *commands.Command) []string {
	words := strings.Split(strings.ToUpper(row.FullName()), "|")
	words = append(words, g.sequence(row, row.Arguments())...)
	if g.one(100) {
		words = append(words, g.value(row, commands.Argument{}))
	}
	return words
}

func (g *generator) sequence(row *commands.Command, arguments []commands.Argument) (words []string) {
	count := -1 // where the number of what follows stands
	for _, a := range arguments {
		made := g.argument(row, a)
		switch {
		case a.Name == "numkeys" || a.Name == "numfields":
			count = len(words) + len(made) - 1
		case count >= 0 && len(made) > 0:
			if !g.one(20) {
				words[count] = strconv.Itoa(len(made) / max(1, len(a.Arguments))) // blocks count as one
			}
			count = -1
		}
		words = append(words, made...)
	}
	return words
}

func (g *generator) argument(row *commands.Command, a commands.Argument) (words []string) {
	if a.Optional && !g.one(3) {
		return nil
	}
	times := 1
	if a.Multiple {
		times += g.IntN(3)
	}
	for i := range times {
		if a.Token != "" && a.Type != "pure-token" && (i == 0 || a.MultipleToken) {
			words = append(words, a.Token)
		}
		switch a.Type {
		case "pure-token":
			words = append(words, a.Token)
		case "oneof":
			words = append(words, g.argument(row, pick(g, a.Arguments...))...)
		case "block":
			words = append(words, g.sequence(row, a.Arguments)...)
		default:
			words = append(words, g.value(row, a))
		}
	}
	return words
}

// keys by the chapter that a row is in, so that calls mostly meet their types.
var keys = map[string][]string{
	"string":     {"k1", "k2", "k3"},
	"hash":       {"h1", "h2"},
	"set":        {"s1", "s2", "s3"},
	"sorted-set": {"z1", "z2", "z3"},
	"generic":    {"k1", "k2", "h1", "s1", "s2", "z1", "z2", "new"},
}

// value makes a word for one argument.
func (g *generator) value(row *commands.Command, a commands.Argument) string {
	if g.one(50) {
		return pick(g, "", "x", "-1", "9223372036854775807", "-9223372036854775808", "1e400", "nan")
	}
	switch a.Type {
	case "key":
		if of := keys[row.Group]; of != nil && !g.one(15) {
			return pick(g, of...)
		}
		return pick(g, keys["generic"]...)
	case "integer":
		switch a.Name {
		case "db", "destination-db", "index", "index1", "index2":
			return strconv.Itoa(g.IntN(randomDatabases))
		case "timeout":
			return pick(g, "1", "2")
		case "cursor":
			return "0"
		}
		return pick(g, "0", "1", "2", "3", "5", "-1", "-2", "100")
	case "double":
		if a.Name == "timeout" {
			return pick(g, "0.05", "0.1")
		}
		return pick(g, "0", "1", "2", "-1.5", "3.25", "inf", "-inf", "1e10", "(1", "0.1")
	case "unix-time":
		now := time.Now()
		unit := int64(1)
		if strings.HasSuffix(a.Name, "milliseconds") || strings.HasPrefix(row.Name, "p") {
			unit = 1000
		}
		return strconv.FormatInt(pick(g, now.Unix()-10, now.Unix()+1_000_000, now.Unix()+2_000_000)*unit, 10)
	case "pattern":
		return pick(g, "*", "?1", "[a-m]*", "k*", "x")
	}
	switch a.Name {
	case "serialized-value":
		return g.payload()
	case "min", "max", "start", "stop":
		return pick(g, "0", "1", "-1", "-", "+", "[a", "(c", "(1", "inf", "-inf")
	}
	return pick(g, "a", "b", "c", "d", "1", "2", "10", "1.5", "a longer text, of more than sixty-four bytes, so that it is not kept small")
}

// payload makes what RESTORE takes, of any kind.
func (g *generator) payload() string {
	text := func() []byte { return []byte(pick(g, "a", "b", "c", "1", "2", "300")) }
	values := []datastructs.Value{datastructs.NewString(text())}
	hash, set, sorted := new(datastructs.Hash), new(datastructs.Set), new(datastructs.SortedSet)
	for range 1 + g.IntN(4) {
		hash.Set(text(), text())
		set.Add(text())
		sorted.Set(text(), float64(g.IntN(5)))
	}
	return string(rdb.Dump(pick(g, append(values, hash, set, sorted)...)))
}

// The generator reaches every row it should.
func TestRandomCallsReachEveryRow(t *testing.T) {
	g := newGenerator(1)
	require.Greater(t, len(g.rows), 50)
	for _, row := range g.rows {
		accepted := false
		for range 100 {
			accepted = accepted || row.Accepts(len(g.call(row)))
		}
		require.True(t, accepted, fmt.Sprintf("%s %s", row.FullName(), row.Syntax))
	}
}
