// Package oracle compares parley with a real Redis: random calls go to both,
// and replies, data and keyspace events must be equal. A difference is shrunk
// to a short script.
//
// Calls are generated from the table of commands. What cannot be compared byte
// for byte is listed, with the reason, in one table of exceptions. Time passes
// differently on the two sides, so deadlines are days away or past.
//
// Themes are calls about one subject: numbers, patterns, mistakes. In a talk
// several connections take turns, and everything that each receives is compared
// as one stream: replies and messages, which clients are blocked and which are
// served.
package oracle

import (
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/parley-chat/parley/commands"
)

// A Call is one command as a connection sends it.
type Call struct {
	Conn  int // which connection of the side; see also waiters
	Words []string
}

// connections is how many take turns: one more than the first, whose changes
// are those that WATCH looks for.
const connections = 2

// A Generator makes random calls from the rows of a table: it knows arguments,
// not commands. With the same seed and table it makes the same calls.
//
// Most calls succeed. Keys are few and mostly of the type their command wants;
// collections grow past the sizes where Redis changes their encoding.
type Generator struct {
	Oddity   float64 // how many of all numbers hurt
	Mistakes float64 // how many calls are wrong; of these, how many are wrong twice, and so on

	rand     *rand.Rand
	rows     []*commands.Command
	weights  []float64           // running sums, one for each row
	blocking []*commands.Command // those of the rows that may wait
	pending  []Call
	conn     int
}

// NewGenerator returns a generator of calls to the rows of a table, but for
// those that the exceptions leave out.
func NewGenerator(table *commands.Table, seed, stream uint64) *Generator {
	g := &Generator{Mistakes: 0.04, rand: rand.New(rand.NewPCG(seed, stream))}
	members, sum := make(map[string]float64), 0.0
	rows := rowsOf(table)
	for _, m := range rows {
		members[m.Group] += liking(m)
	}
	for _, m := range rows {
		sum += shares[m.Group] * liking(m) / members[m.Group]
		g.rows = append(g.rows, m)
		g.weights = append(g.weights, sum)
		if m.Has(commands.Blocking) {
			g.blocking = append(g.blocking, m)
		}
	}
	return g
}

// shares is how much of all calls goes to each group of rows. A group that is
// not here gets none.
var shares = map[string]float64{
	"string": 20, "hash": 20, "set": 20, "sorted-set": 30, "generic": 19,
	"transactions": 0.4, "connection": 1, "server": 1.5, "pubsub": 0.4, "cluster": 0.3,
}

// rowsOf lists the rows that Redis 7.0.15 knows too and that may be sent.
func rowsOf(table *commands.Table) []*commands.Command {
	var list []*commands.Command
	add := func(m *commands.Command) {
		e, _ := exceptionOf(m.FullName())
		if m.Run != nil && m.Since < "7.0.16" && !e.leftOut {
			list = append(list, m)
		}
	}
	for _, m := range table.Rows() {
		add(m)
		for _, sub := range m.Children() {
			add(sub)
		}
	}
	return list
}

// liking is a row's weight among its group: data should come in faster than it
// goes, and everything at once only rarely.
func liking(m *commands.Command) float64 {
	switch {
	case !m.Has(commands.Write):
		return 1
	case len(m.Keys) == 0:
		return 0.03 // FLUSHALL and its like
	case m.Has(commands.DenyOOM) && takesItems(m):
		return 6
	case m.Has(commands.DenyOOM):
		return 1.5
	}
	return 0.8
}

// takesItems reports whether a call of a row may hold many members or fields.
func takesItems(m *commands.Command) bool {
	for _, a := range m.Arguments() {
		if a.Multiple && !a.Optional && a.Type != "key" {
			return true
		}
	}
	return false
}

// Next makes the next call.
func (g *Generator) Next() Call {
	if len(g.pending) == 0 {
		g.plan()
	}
	c := g.pending[0]
	g.pending = g.pending[1:]
	return c
}

// plan adds what comes next: a call, sometimes with a question before it that
// tells how to judge its reply, or a transaction.
func (g *Generator) plan() {
	if g.chance(0.01) {
		g.conn = g.rand.IntN(connections)
	}
	switch {
	case g.chance(0.008):
		g.transaction()
	case g.chance(0.004) && len(g.blocking) > 0:
		row := g.blocking[g.rand.IntN(len(g.blocking))]
		d := newDraft(g, row)
		d.patient = true
		g.add(connections+g.rand.IntN(waiters), d.call())
	case g.chance(0.002):
		g.add(g.conn, append([]string{g.pick(strange)}, g.list(3, strange)...))
	default:
		g.addAny(g.conn)
	}
}

func (g *Generator) add(conn int, words []string) {
	g.pending = append(g.pending, Call{conn, words})
}

// addAny adds a call of any row.
func (g *Generator) addAny(conn int) {
	row := g.row()
	words := g.call(row)
	if e, _ := exceptionOf(row.FullName()); e.ask != nil && g.chance(0.5) {
		if question := e.ask(words); question != nil {
			g.add(conn, question)
		}
	}
	g.add(conn, words)
}

// transaction adds one, now and then with another connection in between.
func (g *Generator) transaction() {
	other := (g.conn + 1) % connections
	if g.chance(0.4) {
		g.add(g.conn, append([]string{"WATCH"}, g.list(2, sharedKeys)...))
	}
	if g.chance(0.3) {
		g.addAny(other)
	}
	g.add(g.conn, []string{"MULTI"})
	for range g.rand.IntN(8) {
		g.addAny(g.conn)
	}
	if g.chance(0.3) {
		g.addAny(other)
	}
	if g.chance(0.15) {
		g.add(g.conn, []string{"DISCARD"})
	} else {
		g.add(g.conn, []string{"EXEC"})
	}
}

func (g *Generator) row() *commands.Command {
	x := g.rand.Float64() * g.weights[len(g.weights)-1]
	i, _ := slices.BinarySearch(g.weights, x)
	return g.rows[min(i, len(g.rows)-1)]
}

// call makes a call of a row, now and then a wrong one.
func (g *Generator) call(row *commands.Command) []string {
	words := newDraft(g, row).call()
	if strings.HasPrefix(row.Name, "getkeys") { // whose argument is a call
		words = append(words, g.call(g.row())...)
	}
	for g.chance(g.Mistakes) {
		if wrong := g.spoil(row, words); !timed(row) || !hasty(wrong) {
			words = wrong
		}
	}
	return words
}

// name gives the words of a row's name, in any case.
func (g *Generator) name(row *commands.Command) []string {
	words := strings.Split(row.FullName(), "|")
	for i := range words {
		words[i] = g.anyCase(strings.ToUpper(words[i]))
	}
	return words
}

func (g *Generator) anyCase(upper string) string {
	switch g.rand.IntN(20) {
	case 0:
		return strings.ToLower(upper)
	case 1:
		b := []byte(upper)
		for i := range b {
			if g.chance(0.5) {
				b[i] = strings.ToLower(upper)[i]
			}
		}
		return string(b)
	}
	return upper
}

// spoil makes a call wrong: words too many, too few, or not in their place.
func (g *Generator) spoil(row *commands.Command, words []string) []string {
	words = slices.Clone(words)
	from := strings.Count(row.FullName(), "|") + 1
	if len(words) <= from {
		return append(words, g.pick(strange))
	}
	if from > 1 && g.chance(0.2) {
		from-- // the name of the subcommand may go wrong, too
	}
	i := from + g.rand.IntN(len(words)-from)
	switch g.rand.IntN(6) {
	case 0:
		return slices.Delete(words, i, i+1)
	case 1:
		return slices.Insert(words, i, words[i])
	case 2:
		return words[:i]
	case 3:
		return append(words, g.pick(strange))
	case 4:
		words[i] = g.pick(strange)
	default:
		j := from + g.rand.IntN(len(words)-from)
		words[i], words[j] = words[j], words[i]
	}
	return words
}

// timed reports whether a row takes a time from now.
func timed(row *commands.Command) bool {
	for _, name := range []string{"seconds", "milliseconds", "unix-time", "timeout"} {
		if strings.Contains(row.Syntax, name) {
			return true
		}
	}
	return false
}

// hasty reports whether a call has a number that in the place of a time would
// make keys expire, or calls wait, while the sides are being compared.
func hasty(words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool {
		return passes(w, 0, 10_000_000)
	})
}

func (g *Generator) chance(p float64) bool { return g.rand.Float64() < p }

func (g *Generator) pick(of []string) string { return of[g.rand.IntN(len(of))] }

// list picks 1 to n words, the same one twice perhaps.
func (g *Generator) list(n int, of []string) []string {
	words := make([]string, 1+g.rand.IntN(n))
	for i := range words {
		words[i] = g.pick(of)
	}
	return words
}
