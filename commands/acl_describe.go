package commands

import (
	"encoding/hex"
	"strings"
)

// describe writes a user as ACL LIST and the file of users have it. The rules,
// applied to a fresh user, give the same user.
func (s *State) describe(u *User) string {
	words := append([]string{"user", u.Name}, u.flags()...)
	for _, d := range u.passwords {
		words = append(words, "#"+d.String())
	}
	words = append(words, s.rights(u.selectors[0])...)
	for _, more := range u.selectors[1:] {
		list := s.rights(more)
		for i, w := range list {
			list[i] = quoteInSelector(w)
		}
		words = append(words, "("+strings.Join(list, " ")+")")
	}
	return strings.Join(words, " ")
}

// quoteInSelector puts a word in quotes that would else be read as something
// else, such as the end of the selector. Redis does not, but reads it.
func quoteInSelector(word string) string {
	if !strings.HasSuffix(word, ")") && !strings.ContainsAny(word, `"'`) {
		return word
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(word) + `"`
}

func (d digest) String() string { return hex.EncodeToString(d[:]) }

// flags are rules of one word.
func (r *rules) flags() []string {
	list := []string{"off"}
	if r.on {
		list[0] = "on"
	}
	if r.nopass {
		list = append(list, "nopass")
	}
	switch r.payloads {
	case payloadsUnchecked:
		list = append(list, "skip-sanitize-payload")
	case payloadsChecked:
		list = append(list, "sanitize-payload")
	}
	return list
}

func (s *State) rights(of *selector) []string {
	list := of.keyRules()
	if !of.anyChannel {
		list = append(list, "resetchannels")
	}
	list = append(list, of.channelRules()...)
	return append(list, s.Table.subjects.describe(of)...)
}

func (s *selector) keyRules() (list []string) {
	if s.anyKey {
		return []string{"~*"}
	}
	for _, r := range s.keys {
		list = append(list, r.access.prefix()+r.pattern)
	}
	return list
}

func (s *selector) channelRules() (list []string) {
	if s.anyChannel {
		return []string{"&*"}
	}
	for _, p := range s.channels {
		list = append(list, "&"+p)
	}
	return list
}

// describe finds rules that allow just the commands that a selector allows. Redis
// 7.0 does not keep the rules it was given: it starts from all or nothing, takes
// the categories that fit, the best first, and then the commands that are still
// missing or too many. Which categories those are depends on what commands there
// are: so unsupported ones count, and those of later versions do not.
func (all *subjects) describe(of *selector) []string {
	sofar, word := new(selector), "-@all"
	if of.future {
		sofar.allowAll()
		word = "+@all"
	}
	words := []string{word}
	rest, used := of.clone(), Category(0)
	for {
		c := all.bestCategory(rest, used, !of.future)
		if c == 0 {
			break
		}
		used |= c
		rest.permitCategory(all, c, of.future)
		sofar.permitCategory(all, c, !of.future)
		words = append(words, sign(!of.future)+"@"+c.names()[0])
	}
	all.each(func(j *subject) {
		yes := of.allows(j.id)
		if yes != sofar.allows(j.id) {
			words = append(words, sign(yes)+j.name)
			sofar.permit(j, yes)
		}
		if !yes {
			for _, first := range of.firstWords[j.id] {
				words = append(words, "+"+j.name+"|"+first)
			}
		}
	})
	return words
}

func sign(yes bool) string {
	if yes {
		return "+"
	}
	return "-"
}

// bestCategory is one that has more commands that are allowed (or, if they are
// to be taken away, are not) than others: that with the fewest others, and of
// those the largest; 0 if there is none.
func (all *subjects) bestCategory(of *selector, used Category, allowed bool) (best Category) {
	var counts [len(categoryNames)]struct{ fit, not int }
	all.each(func(j *subject) {
		for i := range counts {
			switch {
			case !j.counts || j.categories&(1<<i) == 0:
			case of.allows(j.id) == allowed:
				counts[i].fit++
			default:
				counts[i].not++
			}
		}
	})
	at := -1
	for i, n := range counts {
		if used&(1<<i) != 0 || n.fit <= n.not {
			continue
		}
		if at < 0 || n.not < counts[at].not || n.not == counts[at].not && n.fit > counts[at].fit {
			at, best = i, 1<<i
		}
	}
	return best
}

// writeRights writes a selector as three names and values.
func writeRights(c *Context, s *selector) {
	c.BulkString("commands")
	c.BulkString(strings.Join(c.Table.subjects.describe(s), " "))
	c.BulkString("keys")
	c.BulkString(strings.Join(s.keyRules(), " "))
	c.BulkString("channels")
	c.BulkString(strings.Join(s.channelRules(), " "))
}
