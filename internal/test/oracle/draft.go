package oracle

import (
	"slices"
	"strconv"
	"strings"

	"github.com/parley-chat/parley/commands"
)

// A draft is a call being made. It walks the row's arguments from the last to
// the first, so that what stands before (a number of keys, the bounds of a
// range) can follow what stands behind (the keys, BYLEX); words are in that
// order, too.
type draft struct {
	*Generator
	row   *commands.Command
	words []string

	// Decided first, so that the words of a call go together.
	kind    string          // of the keys: see kinds
	flavour string          // of keys and members
	keys    int             // how many, where there may be any number
	items   int             // how many members, fields, pairs
	bulk    bool            // items are many, and all different
	tokens  map[string]bool // option words given so far
	item    int             // number of the one being made
	patient bool            // the call may wait for ever
}

// kinds are the prefixes of keys, by the group of the commands for them.
var kinds = map[string]string{"string": "s", "hash": "h", "set": "e", "sorted-set": "z"}

var allKinds = []string{"s", "h", "e", "z"}

// Keys of a flavour hold members of that flavour.
const (
	plain = ""  // short words
	ints  = "i" // integers only
	long  = "l" // any length: around the limits of encodings
	level = "0" // in sorted sets: all scores are 0, as ranges by member want it
)

// sizes are numbers of items around those where Redis changes an encoding.
var sizes = []int{6, 20, 60, 127, 128, 129, 130, 300, 511, 512, 513, 700, 1500}

func newDraft(g *Generator, row *commands.Command) *draft {
	d := &draft{Generator: g, row: row, keys: 1, items: 1, tokens: make(map[string]bool)}
	d.kind = kinds[row.Group]
	if d.kind == "" {
		d.kind = g.pick(kindsFor(row))
	}
	d.flavour = g.pick([]string{plain, plain, plain, ints, ints, long})
	if wantsLevel(row, g) {
		d.flavour = level
	}
	for d.keys < 4 && g.chance(0.4) {
		d.keys++
	}
	for d.items < 8 && g.chance(0.5) {
		d.items++
	}
	if g.chance(0.03) {
		d.bulk, d.items = true, sizes[g.rand.IntN(len(sizes))]
	}
	return d
}

// kindsFor lists the kinds of keys that a row of no chapter of theirs wants.
func kindsFor(row *commands.Command) []string {
	if strings.HasPrefix(row.Name, "sort") {
		return []string{kinds["set"], kinds["sorted-set"]}
	}
	return allKinds
}

// wantsLevel decides whether a call is one on a sorted set whose scores are all equal.
func wantsLevel(row *commands.Command, g *Generator) bool {
	switch {
	case row.Group != "sorted-set":
		return false
	case strings.Contains(row.Name, "lex"):
		return g.chance(0.95)
	}
	return g.chance(0.2)
}

func (d *draft) call() []string {
	d.sequence(d.row.Arguments())
	slices.Reverse(d.words)
	return append(d.name(d.row), d.words...)
}

func (d *draft) push(word string) { d.words = append(d.words, word) }

func (d *draft) token(word string) {
	d.tokens[word] = true
	if d.chance(0.003) {
		word = d.pick(strange)
	}
	d.push(d.anyCase(word))
}

func (d *draft) sequence(list []commands.Argument) {
	for i := len(list) - 1; i >= 0; i-- {
		d.argument(list[i])
	}
}

func (d *draft) argument(a commands.Argument) {
	if a.Optional && d.chance(0.6) {
		return
	}
	for i := d.times(a) - 1; i >= 0; i-- {
		if a.Multiple {
			d.item = i
		}
		d.body(a)
		if a.MultipleToken {
			d.token(a.Token)
		}
	}
	if a.Token != "" && a.Type != "pure-token" && !a.MultipleToken {
		d.token(a.Token)
	}
}

// times is how often an argument is given.
func (d *draft) times(a commands.Argument) int {
	switch {
	case a.Optional && d.chance(0.03):
		return 2 // an option twice, or two that exclude each other
	case !a.Multiple:
		return 1
	case a.Name == "weight" && d.chance(0.9):
		return d.keys
	case a.Type == "key":
		return d.keys
	case a.Type == "block" && a.Arguments[0].Type == "key":
		return d.keys
	case a.Type == "oneof":
		return min(d.items, 4)
	}
	return d.items
}

func (d *draft) body(a commands.Argument) {
	switch a.Type {
	case "pure-token":
		d.token(a.Token)
	case "oneof":
		d.choice(a)
	case "block":
		d.sequence(a.Arguments)
	default:
		d.push(d.value(a))
	}
}

// choice gives one of the alternatives; by member is the one for level keys.
func (d *draft) choice(a commands.Argument) {
	chosen := a.Arguments[d.rand.IntN(len(a.Arguments))]
	if d.flavour == level && d.chance(0.8) {
		for _, b := range a.Arguments {
			if b.Token == "BYLEX" {
				chosen = b
			}
		}
	}
	d.argument(chosen)
}

// value makes a word of an argument's type, by its name where the name says more.
func (d *draft) value(a commands.Argument) string {
	if a.Type == "key" {
		return d.key()
	}
	if a.Name == "numkeys" && d.chance(0.95) {
		return strconv.Itoa(d.keys)
	}
	if a.Name == "timeout" && a.Type == "integer" {
		return d.millis()
	}
	if named := byName[a.Name]; named != nil && a.Type != "double" {
		return named(d)
	}
	switch a.Type {
	case "integer":
		return d.integer(smallIntegers)
	case "double":
		return d.double(a.Name)
	case "pattern":
		return d.pick(patterns)
	case "unix-time":
		return d.deadline(strings.HasSuffix(a.Name, "milliseconds"))
	}
	return d.text()
}

// key makes a key: of the call's kind mostly, else one that all kinds share, of
// another kind, or absent.
func (d *draft) key() string {
	if d.patient && d.chance(0.7) {
		return d.pick(awaitedKeys)
	}
	switch x := d.rand.Float64(); {
	case x < 0.03:
		return d.pick(awaitedKeys)
	case x < 0.84:
		return d.kind + d.flavour + ":" + strconv.Itoa(1+d.rand.IntN(3))
	case x < 0.90:
		return d.pick(sharedKeys)
	case x < 0.96:
		return d.pick(allKinds) + d.flavour + ":" + strconv.Itoa(1+d.rand.IntN(3))
	case x < 0.985:
		return "none:" + strconv.Itoa(d.rand.IntN(9))
	}
	return d.pick(oddKeys)
}
