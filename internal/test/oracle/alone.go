package oracle

import (
	"fmt"
	"slices"
	"strings"
)

// rowRule returns the exception for the row that a call names.
func rowRule(words []string) exception {
	name := strings.ToLower(words[0])
	if len(words) > 1 {
		if e, ok := exceptionOf(name + "|" + strings.ToLower(words[1])); ok {
			return e
		}
	}
	e, _ := exceptionOf(name)
	return e
}

// exceptionOf finds the exception for a row by its full name.
func exceptionOf(name string) (exception, bool) {
	e, ok := exceptions[name]
	if _, sub, nested := strings.Cut(name, "|"); !ok && nested {
		e, ok = exceptions["|"+sub]
	}
	return e, ok
}

func (e exception) isAlone(words []string) bool {
	return e.alone != nil && (e.when == nil || e.when(words))
}

// pop runs a call that removes what it picked, and then removes on each side
// what was picked on the other.
func pop(p *pair, l *link, c Call) error {
	before, err := p.one(l, 0, []string{"SMEMBERS", second(c.Words)})
	if err != nil {
		return err
	}
	r, err := p.both(l, c.Words)
	if err != nil {
		return err
	}
	a, b := r[0].node(), r[1].node()
	if r[0].is(string(r[1])) || a.kind == '-' || b.kind == '-' || a.null() || b.null() {
		return p.judge(l, c, r)
	}
	l.before = exchange{[]string{"SMEMBERS", c.Words[1]}, before.node()}
	if !picks("")(judged{c.Words, a, b, l.before}) || repeated(b.leaves()) {
		return p.difference(c, r)
	}
	if p.trace != nil {
		p.trace(c, r)
	}
	l.before = exchange{}
	return p.level(l, c, without(a.leaves(), b.leaves()), without(b.leaves(), a.leaves()))
}

func second(words []string) string {
	if len(words) < 2 {
		return ""
	}
	return words[1]
}

// level makes a set the same again on both sides: what only the one popped is
// removed from the other. What is left is stored afresh, since SPOP chooses the
// encoding of what it leaves by what that is.
func (p *pair) level(l *link, c Call, redis, parley []string) error {
	key := c.Words[1]
	for side, gone := range [2][]string{parley, redis} {
		if len(gone) > 0 {
			if _, err := p.one(l, side, append([]string{"SREM", key}, gone...)); err != nil {
				return err
			}
		}
	}
	left, err := p.both(l, []string{"SMEMBERS", key})
	if err != nil {
		return err
	}
	members := left[0].node().leaves()
	if !sameInAnyOrder(members, left[1].node().leaves()) {
		return p.difference(c, left)
	}
	if len(members) == 0 {
		return nil
	}
	slices.Sort(members)
	deadline, err := p.both(l, []string{"PEXPIRETIME", key})
	if err != nil {
		return err
	}
	for side := range p.sides {
		calls := [][]string{{"DEL", key}, append([]string{"SADD", key}, members...)}
		if at := deadline[side].node().text; at != "-1" {
			calls = append(calls, []string{"PEXPIREAT", key, at})
		}
		for _, words := range calls {
			if _, err := p.one(l, side, words); err != nil {
				return err
			}
		}
	}
	return nil
}

// without lists what is in a and not in b.
func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
}

// maxSteps bounds a walk; a cursor that does not come back to 0 is a difference.
const maxSteps = 5000

// walk runs a scan to its end on both sides and compares all that it gave. One
// that does not start at 0 is compared by its first reply's shape.
func walk(p *pair, l *link, c Call) error {
	r, err := p.both(l, c.Words)
	if err != nil {
		return err
	}
	a, b := r[0].node(), r[1].node()
	at := cursorAt(c.Words)
	if a.kind != '*' || b.kind != '*' || c.Words[at] != "0" {
		if a.kind != b.kind || len(a.elems) != len(b.elems) {
			return p.difference(c, r)
		}
		if a.kind == '*' {
			r[1] = r[0] // two pieces of different walks
		}
		return p.judge(l, c, r)
	}
	if judged := (judged{c.Words, a.elems[1], b.elems[1], l.before}); judged.ordered() {
		return p.judge(l, c, r)
	}
	var found [2][]string
	for side, n := range [2]node{a, b} {
		if found[side], err = p.walkOn(l, side, c.Words, at, n); err != nil {
			return err
		}
	}
	if !slices.Equal(found[0], found[1]) {
		d := p.difference(c, r)
		for side := range found {
			d.Replies[side] = fmt.Sprintf("the whole walk: %q", found[side])
		}
		return d
	}
	return p.judge(l, c, [2]reply{r[0], r[0]})
}

// walkOn goes on from the first reply and returns what was found, once each.
func (p *pair) walkOn(l *link, side int, words []string, at int, n node) ([]string, error) {
	step := 1
	if name := strings.ToLower(words[0]); name == "hscan" || name == "zscan" {
		step = 2
	}
	found := make(map[string]bool)
	for range maxSteps {
		for _, unit := range n.elems[1].units(step) {
			found[unit] = true
		}
		if n.elems[0].text == "0" {
			list := make([]string, 0, len(found))
			for unit := range found {
				list = append(list, unit)
			}
			slices.Sort(list)
			return list, nil
		}
		words = slices.Clone(words)
		words[at] = n.elems[0].text
		r, err := p.one(l, side, words)
		if err != nil {
			return nil, err
		}
		if n = r.node(); n.kind != '*' || len(n.elems) != 2 {
			return nil, fmt.Errorf("%s: a walk ended with %s", p.sides[side].Name, r)
		}
	}
	return nil, fmt.Errorf("%s: a walk of %q does not end", p.sides[side].Name, words)
}

// cursorAt is the position of a scan's cursor.
func cursorAt(words []string) int {
	if strings.EqualFold(words[0], "scan") {
		return min(1, len(words)-1)
	}
	return min(2, len(words)-1)
}

// levelOnly runs a call only if the sorted sets that it may read have equal
// scores, or are small: Redis walks those from end to end.
func levelOnly(p *pair, l *link, c Call) error {
	for _, key := range c.Words[1:min(len(c.Words), 3)] {
		replies, err := l.wires[0].ask([][]string{
			{"OBJECT", "ENCODING", key}, {"ZRANGE", key, "0", "-1", "WITHSCORES"},
		})
		if err != nil {
			return err
		}
		if replies[0].node().text != "skiplist" {
			continue
		}
		if scores := seconds(replies[1].node().leaves()); len(slices.Compact(scores)) > 1 {
			return nil
		}
	}
	r, err := p.both(l, c.Words)
	if err != nil {
		return err
	}
	return p.judge(l, c, r)
}

func seconds(list []string) []string {
	var out []string
	for pair := range slices.Chunk(list, 2) {
		if len(pair) == 2 {
			out = append(out, pair[1])
		}
	}
	return out
}
