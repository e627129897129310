package oracle

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// sortPatterns are for BY and GET: with the members there are they name keys
// there are.
var sortPatterns = []string{
	"k*", "k*", "s:*", "si:*", "si:*", "sl:*", "h:*->a", "hi:*->3", "h:*->m1", "hl:*->b", "#", "#", "*", "**", "none*", "nosort", "e:*",
	"s:*->a", "h:*->", "*->*", "", "k*\x00", "si:*->", "*:1", "->", "h:*->a->b",
}

func (d *draft) pattern() string {
	if strings.HasPrefix(d.row.Name, "sort") {
		return d.pick(sortPatterns)
	}
	return d.pick(patterns)
}

// A sortCall is a call of SORT or SORT_RO taken apart.
type sortCall struct {
	rest     []string // the words but for GET and STORE
	by       string
	sortsBy  bool
	unsorted bool
	alpha    bool
	gets     []string
	stores   bool
}

func parseSort(words []string) (s sortCall) {
	s.rest = []string{"SORT_RO"}
	if len(words) > 1 {
		s.rest = append(s.rest, words[1])
	}
	for i := 2; i < len(words); i++ {
		option, more := strings.ToUpper(words[i]), i+1 < len(words)
		switch {
		case option == "GET" && more:
			i++
			s.gets = append(s.gets, words[i])
		case option == "STORE" && more && strings.EqualFold(words[0], "SORT"):
			i++
			s.stores = true
		case option == "BY" && more:
			i++
			s.by, s.sortsBy = words[i], true
			s.unsorted = s.unsorted || !strings.Contains(cString(s.by), "*")
			s.rest = append(s.rest, option, s.by)
		default:
			s.alpha = s.alpha || option == "ALPHA"
			s.rest = append(s.rest, words[i])
		}
	}
	return s
}

func cString(s string) string {
	before, _, _ := strings.Cut(s, "\x00")
	return before
}

// clearErrno is a call that changes nothing. A number out of range makes Redis
// refuse all sorting by numbers after it, until some command clears what C has
// noted; this one does.
var clearErrno = []string{"ZADD", "none:errno", "XX", "1", "none"}

// errErrno is also what Redis says after it has itself read a score that is so
// small that C notes it as out of range.
const errErrno = "-ERR One or more scores can't be converted into double\r\n"

// sortBoth stretches a call of SORT. Members that nothing puts in order may come in any.
func sortBoth(p *pair, l *link, c Call) error {
	if _, err := p.both(l, clearErrno); err != nil {
		return err
	}
	s := parseSort(c.Words)
	if s.stores {
		r, err := p.both(l, s.rest)
		if err == nil && r[0].is(errErrno) {
			r, err = p.again(l, s.rest)
		}
		if err != nil || r[0][0] == '*' && !r[0].is("*0\r\n") {
			return err // Redis would store a list
		}
	}
	r, err := p.both(l, c.Words)
	if err != nil {
		return err
	}
	if r[0].is(errErrno) && (r[1][0] == '*' || s.stores) {
		return nil
	}
	if r[0].is(string(r[1])) || r[0][0] != '*' || r[1][0] != '*' || !s.unsorted && !s.alpha {
		return p.judge(l, c, r)
	}
	if s.unsorted {
		encoding, err := p.one(l, 0, []string{"OBJECT", "ENCODING", c.Words[1]})
		if err != nil || encoding.node().text != "hashtable" {
			return cmp.Or(err, error(p.difference(c, r)))
		}
	}
	known, err := p.both(l, s.knowing())
	if err != nil {
		return err
	}
	redis, parley := s.stretches(known[0], r[0]), s.stretches(known[1], r[1])
	if !s.sameStretches(redis, parley) {
		d := p.difference(c, r)
		d.Replies = [2]string{fmt.Sprintf("%q", redis), fmt.Sprintf("%q", parley)}
		return d
	}
	return p.judge(l, c, [2]reply{r[0], r[0]})
}

// again sends a call anew that Redis may have refused for what C has noted. The
// first one made a skip list of a listpack, and with that read the scores: this
// one need not, so that STORE would store.
func (p *pair) again(l *link, words []string) (r [2]reply, err error) {
	if r, err = p.both(l, clearErrno); err != nil {
		return r, err
	}
	return p.both(l, words)
}

// knowing is the same call, but its reply tells each member and its weight
// before what it is asked for.
func (s sortCall) knowing() []string {
	words := append(slices.Clone(s.rest), "GET", "#", "GET", s.by)
	for _, g := range s.gets {
		words = append(words, "GET", g)
	}
	return words
}

// A stretch is a piece of a reply within which the order is free.
type stretch struct {
	weight string
	units  []string
}

// stretches cuts the reply of a knowing call into stretches. It is empty if the plain
// reply does not agree with it.
func (s sortCall) stretches(known, plain reply) (list []stretch) {
	var asked []string
	width := 2 + len(s.gets)
	for unit := range slices.Chunk(known.node().elems, width) {
		weight := unit[1].raw
		switch {
		case s.unsorted:
			weight = ""
		case !s.sortsBy:
			weight = cString(unit[0].text)
		case !unit[1].null():
			weight = "$" + cString(unit[1].text)
		}
		if len(list) == 0 || list[len(list)-1].weight != weight {
			list = append(list, stretch{weight: weight})
		}
		last := &list[len(list)-1]
		last.units = append(last.units, rawOf(unit))
		if len(s.gets) == 0 {
			asked = append(asked, unit[0].raw)
		}
		for _, e := range unit[2:] {
			asked = append(asked, e.raw)
		}
	}
	if !slices.Equal(asked, plain.node().units(1)) {
		return nil
	}
	return list
}

func rawOf(nodes []node) (text string) {
	for _, n := range nodes {
		text += n.raw
	}
	return text
}

// sameStretches reports whether the stretches have the same weights and, but for those
// that LIMIT may have cut, the same members.
func (s sortCall) sameStretches(a, b []stretch) bool {
	if len(a) != len(b) || len(a) == 0 {
		return false
	}
	limited := slices.ContainsFunc(s.rest, func(w string) bool { return strings.EqualFold(w, "LIMIT") })
	for i := range a {
		if a[i].weight != b[i].weight || len(a[i].units) != len(b[i].units) {
			return false
		}
		cut := limited && (i == 0 || i == len(a)-1)
		if !cut && !sameInAnyOrder(a[i].units, b[i].units) {
			return false
		}
	}
	return true
}
