package commands

import (
	"maps"
	"slices"

	"github.com/parley-chat/parley/datastructs"
)

// A selector is a set of rights. A user has one or more; a call is let in if one
// of them lets in all that is in it.
type selector struct {
	commands   []uint64         // bits, by subject.id
	future     bool             // it began with all commands, those to come included
	firstWords map[int][]string // by subject.id: words behind the name with which a command that is not allowed is

	anyKey bool
	keys   []keyRight

	anyChannel bool
	channels   []string // patterns
}

// A keyRight is what may be done to the keys that match a pattern.
type keyRight struct {
	pattern string
	access  access
}

// access is what is done to the value of a key.
type access int

const (
	reading access = 1 << iota
	writing
)

// prefix is what rules put before a pattern.
func (a access) prefix() string {
	return [...]string{reading: "%R~", writing: "%W~", reading | writing: "~"}[a]
}

// access tells what is done to a key, in terms of rights. What only looks whether
// there is one needs no right but to the key's name.
func (f KeyFlags) access() (a access) {
	if f&Access != 0 {
		a |= reading
	}
	if f&(Insert|Delete|Update) != 0 {
		a |= writing
	}
	return a
}

// unrestricted returns a selector that lets in everything.
func unrestricted() *selector {
	s := new(selector)
	s.allowAll()
	s.anyKey, s.anyChannel = true, true
	return s
}

func (s *selector) clone() *selector {
	copied := *s
	copied.commands = slices.Clone(s.commands)
	copied.keys = slices.Clone(s.keys)
	copied.channels = slices.Clone(s.channels)
	copied.firstWords = maps.Clone(s.firstWords) // addFirstWord clips the lists
	return &copied
}

// isUnrestricted reports whether the selector allows every call.
func (s *selector) isUnrestricted() bool {
	return s.anyKey && s.anyChannel && s.future && !slices.ContainsFunc(s.commands, func(w uint64) bool { return ^w != 0 })
}

// allows reports whether all calls of a command may be made. Those that nothing
// was said about since are as all were.
func (s *selector) allows(id int) bool {
	if id/64 >= len(s.commands) {
		return s.future
	}
	return s.commands[id/64]&(1<<(id%64)) != 0
}

func (s *selector) allow(id int, yes bool) {
	for id/64 >= len(s.commands) {
		word := uint64(0)
		if s.future {
			word = ^word
		}
		s.commands = append(s.commands, word)
	}
	if yes {
		s.commands[id/64] |= 1 << (id % 64)
	} else {
		s.commands[id/64] &^= 1 << (id % 64)
	}
}

func (s *selector) allowAll() { s.commands, s.firstWords, s.future = nil, nil, true }

func (s *selector) allowNone() { s.commands, s.firstWords, s.future = nil, nil, false }

// permit allows or forbids a command with all that stands below it.
func (s *selector) permit(j *subject, yes bool) {
	s.allow(j.id, yes)
	delete(s.firstWords, j.id)
	for _, sub := range j.subs {
		s.allow(sub.id, yes)
	}
}

// permitCategory permits, in order, what is of a category.
func (s *selector) permitCategory(all *subjects, c Category, yes bool) {
	all.each(func(j *subject) {
		if j.categories&c != 0 {
			s.permit(j, yes)
		}
	})
}

func (s *selector) addFirstWord(id int, word string) {
	known := s.firstWords[id]
	if slices.ContainsFunc(known, func(w string) bool { return sameWord(w, word) }) {
		return
	}
	if s.firstWords == nil {
		s.firstWords = make(map[int][]string)
	}
	s.firstWords[id] = append(slices.Clip(known), word)
}

// addKeys gives rights to keys, beside those that there are to the same pattern.
func (s *selector) addKeys(r keyRight) {
	for i := range s.keys {
		if s.keys[i].pattern == r.pattern {
			s.keys[i].access |= r.access
			return
		}
	}
	s.keys = append(s.keys, r)
}

func (s *selector) addChannels(pattern string) {
	if !slices.Contains(s.channels, pattern) {
		s.channels = append(s.channels, pattern)
	}
}

// allowsKey reports whether a key may be accessed in this way.
func (s *selector) allowsKey(key []byte, use access) bool {
	return s.anyKey || slices.ContainsFunc(s.keys, func(r keyRight) bool {
		return r.access&use == use && datastructs.Match([]byte(r.pattern), key, false)
	})
}

// allowsAllKeys reports whether all keys may be accessed in this way. Only the pattern "*"
// counts.
func (s *selector) allowsAllKeys(use access) bool {
	return s.anyKey || slices.ContainsFunc(s.keys, func(r keyRight) bool {
		return r.access&use == use && r.pattern == "*"
	})
}

// allowsChannel reports whether a channel is among those allowed. A pattern of
// channels is only where it is allowed as it stands.
func (s *selector) allowsChannel(name []byte, pattern bool) bool {
	if s.anyChannel {
		return true
	}
	if pattern {
		return slices.Contains(s.channels, string(name))
	}
	return slices.ContainsFunc(s.channels, func(p string) bool { return datastructs.Match([]byte(p), name, false) })
}
