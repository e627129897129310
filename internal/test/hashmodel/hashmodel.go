// Package hashmodel compares hashes with expiring fields with a simple model:
// the Redis that other tests compare with does not have them.
//
// Random calls of all hash commands, and of commands about keys, go to a server
// and to the model, while time passes. All replies must be equal.
package hashmodel

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/parley-chat/parley/commands/resp"
)

// A Server is the server under test.
type Server struct {
	Ask     func(words ...string) resp.Value
	Advance func(ms int64)
	Now     int64 // Unix ms, at the start
}

// Run makes a number of calls and fails the test if a reply differs from the
// model's. The same seed makes the same calls.
func Run(t testing.TB, s Server, seed uint64, calls int) {
	t.Helper()
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 0)), model: newModel(s.Now)}
	g.fields = 1 + g.IntN(12)
	if g.one(3) {
		g.fields = 400 // beyond the packed encoding
	}
	for i := range calls {
		if g.one(8) {
			ms := int64(1 + g.IntN(30))
			s.Advance(ms)
			g.model.advance(ms)
			continue
		}
		words := g.call()
		want := g.model.call(words)
		got := s.Ask(words...)
		if err := want.judge(got); err != nil {
			t.Fatalf("seed %d, call %d, at %d: %q: %v", seed, i, g.model.now, words, err)
		}
	}
}

// A reply is the reply that the model expects.
type reply struct {
	text  string
	group int // not 0: groups of that size may come in any order

	picked func(picked []string) error // not nil: this checks the reply instead
}

func (r reply) judge(v resp.Value) error {
	if r.picked != nil {
		return r.picked(leaves(v))
	}
	got := text(v)
	if r.group > 0 {
		got = inOrder(leaves(v), r.group)
	}
	if got != r.text {
		return fmt.Errorf("\nwant %s\ngot  %s", r.text, got)
	}
	return nil
}

// inOrder sorts the groups of a list, and returns its text.
func inOrder(list []string, size int) string {
	groups := slices.Collect(slices.Chunk(list, size))
	slices.SortFunc(groups, slices.Compare[[]string])
	return fmt.Sprint(slices.Concat(groups...))
}

// text formats a reply, equally for both protocols.
func text(v resp.Value) string {
	switch {
	case v.IsNull():
		return "(nil)"
	case v.Type == resp.TypeArray, v.Type == resp.TypeMap:
		texts := make([]string, len(v.Elems))
		for i, e := range v.Elems {
			texts[i] = text(e)
		}
		return fmt.Sprint(texts)
	}
	return v.Text()
}

// leaves returns the leaves of a nested reply; for a scan, the elements found.
func leaves(v resp.Value) (list []string) {
	if v.Type != resp.TypeArray && v.Type != resp.TypeMap {
		return []string{text(v)}
	}
	for _, e := range v.Elems {
		list = append(list, leaves(e)...)
	}
	return list
}

// A generator makes calls, most of which are valid.
type generator struct {
	*rand.Rand
	model  *model
	fields int
}

func (g *generator) one(n int) bool { return g.IntN(n) == 0 }

func (g *generator) pick(of string) string {
	words := strings.Fields(of)
	return words[g.IntN(len(words))]
}

func (g *generator) field() string { return fmt.Sprint("f", g.IntN(g.fields)) }

func (g *generator) value() string {
	if g.one(200) {
		return strings.Repeat("long", 20+g.IntN(80))
	}
	return g.pick("0 1 2 10 -3 1.5 text 9223372036854775807")
}

// list returns the number of fields and the fields, each with what of returns.
func (g *generator) list(of func() []string) []string {
	n := 1 + g.IntN(4)
	if g.fields > 100 && g.one(10) {
		n = 100
	}
	words := []string{"FIELDS", fmt.Sprint(n)}
	for range n {
		words = append(words, of()...)
	}
	return words
}

// time returns a word for a form of time, and a time near now in that form.
func (g *generator) time(form string) string {
	if g.one(30) {
		return g.pick("-1 x 70368744177664 9223372036854775807")
	}
	in := int64(g.IntN(60)) - 5
	switch form {
	case "EX":
		return g.pick("0 1 2")
	case "EXAT":
		return fmt.Sprint(g.model.now/1000 + in/20)
	case "PX":
		return fmt.Sprint(max(0, in))
	}
	return fmt.Sprint(g.model.now + in)
}

var formsOfCommands = map[string]string{"HEXPIRE": "EX", "HPEXPIRE": "PX", "HEXPIREAT": "EXAT", "HPEXPIREAT": "PXAT"}

func (g *generator) call() []string {
	key := g.pick("h1 h2")
	one := func() []string { return []string{g.field()} }
	pair := func() []string { return []string{g.field(), g.value()} }
	switch name := g.pick(`HSET HSET HMSET HSETNX HDEL HGET HMGET HGETALL HKEYS HVALS HLEN HEXISTS HSTRLEN HINCRBY HINCRBYFLOAT
		HRANDFIELD HSCAN HEXPIRE HEXPIRE HPEXPIRE HPEXPIRE HEXPIREAT HPEXPIREAT HPEXPIREAT HTTL HPTTL HEXPIRETIME HPEXPIRETIME
		HPERSIST HGETEX HGETEX HSETEX HSETEX HSETEX HGETDEL DEL RENAME COPY EXISTS PEXPIRE PERSIST PTTL TYPE`); name {
	case "HSET", "HMSET":
		return append([]string{name, key}, g.list(pair)[2:]...)
	case "HDEL", "HMGET":
		return append([]string{name, key}, g.list(one)[2:]...)
	case "HSETNX":
		return append([]string{name, key}, pair()...)
	case "HGET", "HEXISTS", "HSTRLEN":
		return []string{name, key, g.field()}
	case "HINCRBY":
		return []string{name, key, g.field(), g.pick("1 -2 100")}
	case "HINCRBYFLOAT":
		return []string{name, key, g.field(), g.pick("1 0.5 -2.25")}
	case "HRANDFIELD":
		return append([]string{name, key}, strings.Split(g.pick("1 2 -3 1000 -5,WITHVALUES 3,WITHVALUES"), ",")...)
	case "HSCAN":
		return []string{name, key, "0", "COUNT", "1000000"}
	case "HEXPIRE", "HPEXPIRE", "HEXPIREAT", "HPEXPIREAT":
		words := []string{name, key, g.time(formsOfCommands[name])}
		if g.one(2) {
			words = append(words, g.pick("NX XX GT LT"))
		}
		return append(words, g.list(one)...)
	case "HTTL", "HPTTL", "HEXPIRETIME", "HPEXPIRETIME", "HPERSIST", "HGETDEL":
		return append([]string{name, key}, g.list(one)...)
	case "HGETEX":
		words := []string{name, key}
		if form := g.pick("EX PX EXAT PXAT PERSIST none"); form == "PERSIST" {
			words = append(words, form)
		} else if form != "none" {
			words = append(words, form, g.time(form))
		}
		return append(words, g.list(one)...)
	case "HSETEX":
		words := []string{name, key}
		if g.one(3) {
			words = append(words, g.pick("FNX FXX"))
		}
		if form := g.pick("EX PX EXAT PXAT KEEPTTL none"); form == "KEEPTTL" {
			words = append(words, form)
		} else if form != "none" {
			words = append(words, form, g.time(form))
		}
		return append(words, g.list(pair)...)
	case "RENAME":
		return []string{name, key, g.pick("h1 h2")}
	case "COPY":
		return []string{name, key, g.pick("h3 h4"), "REPLACE"}
	case "PEXPIRE":
		return []string{name, key, g.pick("1 20 1000")}
	default:
		return []string{name, g.pick("h1 h2 h3 h4")}
	}
}
