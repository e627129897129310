package commands

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/parley-chat/parley/commands/resp"
)

// What is wrong with a rule, in Redis's words.
const (
	errRuleSyntax   = resp.Error("Syntax error")
	errRuleUnknown  = resp.Error("Unknown command or category name in ACL")
	errRuleKeys     = resp.Error("Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try 'resetkeys' to start with an empty list of patterns")
	errRuleChannels = resp.Error("Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. Try 'resetchannels' to start with an empty list of channels")
	errRuleNoPass   = resp.Error("The password you are trying to remove from the user does not exist")
	errRuleHash     = resp.Error("The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters")
	errRuleNested   = resp.Error("Allowing first-arg of a subcommand is not supported")
)

// A grammar reads rules. What they mean depends on what there is.
type grammar struct {
	subjects    *subjects
	allChannels bool // where nothing is said, all channels are allowed
}

func (s *State) grammar() grammar { return grammar{&s.Table.subjects, s.Config.ACLAllChannels} }

// fresh returns the rules of a user of whom nothing was said.
func (g grammar) fresh() rules { return rules{selectors: []*selector{g.selector()}} }

// selector returns one that lets in nothing, but for channels.
func (g grammar) selector() *selector { return &selector{anyChannel: g.allChannels} }

// userWords are rules of one word about a user, in lower case.
var userWords = map[string]func(grammar, *rules){
	"on":                    func(_ grammar, r *rules) { r.on = true },
	"off":                   func(_ grammar, r *rules) { r.on = false },
	"nopass":                func(_ grammar, r *rules) { r.nopass, r.passwords = true, nil },
	"resetpass":             func(_ grammar, r *rules) { r.nopass, r.passwords = false, nil },
	"skip-sanitize-payload": func(_ grammar, r *rules) { r.payloads = payloadsUnchecked },
	"sanitize-payload":      func(_ grammar, r *rules) { r.payloads = payloadsChecked },
	"clearselectors":        func(_ grammar, r *rules) { r.selectors = r.selectors[:1] },
	"reset": func(g grammar, r *rules) {
		*r = g.fresh()
		r.payloads = payloadsChecked
	},
}

// selectorWords are rules of one word about a set of rights, in lower case.
var selectorWords = map[string]func(*selector){
	"allkeys":       func(s *selector) { s.anyKey, s.keys = true, nil },
	"~*":            func(s *selector) { s.anyKey, s.keys = true, nil },
	"resetkeys":     func(s *selector) { s.anyKey, s.keys = false, nil },
	"allchannels":   func(s *selector) { s.anyChannel, s.channels = true, nil },
	"&*":            func(s *selector) { s.anyChannel, s.channels = true, nil },
	"resetchannels": func(s *selector) { s.anyChannel, s.channels = false, nil },
	"allcommands":   (*selector).allowAll,
	"+@all":         (*selector).allowAll,
	"nocommands":    (*selector).allowNone,
	"-@all":         (*selector).allowNone,
}

// apply changes a user's rules by one more. After an error they may be half
// changed: they are a copy.
func (g grammar) apply(r *rules, rule []byte) error {
	if len(rule) == 0 {
		return nil
	}
	if word := userWords[lowered(string(cString(rule)))]; word != nil {
		word(g, r)
		return nil
	}
	switch last := rule[len(rule)-1]; {
	case rule[0] == '>':
		return r.addPassword(sha256.Sum256(rule[1:]))
	case rule[0] == '<':
		return r.dropPassword(sha256.Sum256(rule[1:]))
	case rule[0] == '#' || rule[0] == '!':
		d, ok := parseDigest(rule[1:])
		switch {
		case !ok:
			return errRuleHash
		case rule[0] == '#':
			return r.addPassword(d)
		}
		return r.dropPassword(d)
	case rule[0] == '(' && last == ')':
		s, err := g.parseSelector(rule[1 : len(rule)-1])
		if err == nil {
			r.selectors = append(r.selectors, s)
		}
		return err
	}
	return g.applyTo(r.selectors[0], rule)
}

func (r *rules) addPassword(d digest) error {
	if !slices.Contains(r.passwords, d) {
		r.passwords = append(r.passwords, d)
	}
	r.nopass = false
	return nil
}

func (r *rules) dropPassword(d digest) error {
	i := slices.Index(r.passwords, d)
	if i < 0 {
		return errRuleNoPass
	}
	r.passwords = slices.Delete(r.passwords, i, i+1)
	return nil
}

// parseDigest reads one as LIST writes it.
func parseDigest(text []byte) (d digest, ok bool) {
	if len(text) != hex.EncodedLen(len(d)) || bytes.ContainsAny(text, "ABCDEF") {
		return d, false
	}
	_, err := hex.Decode(d[:], text)
	return d, err == nil
}

// parseSelector reads what stands between brackets. Words may be quoted; if the
// quotes are wrong it says nothing at all, as in Redis.
func (g grammar) parseSelector(text []byte) (*selector, error) {
	s := g.selector()
	words, _ := SplitWords(nil, bytes.Clone(cString(text)))
	for _, w := range words {
		if err := g.applyTo(s, w); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// applyTo changes a set of rights by one rule. All but the words of patterns
// ends at a NUL.
func (g grammar) applyTo(s *selector, rule []byte) error {
	text := string(cString(rule))
	if word := selectorWords[lowered(text)]; word != nil {
		word(s)
		return nil
	}
	switch {
	case text == "":
		return errRuleSyntax
	case text[0] == '~' || text[0] == '%':
		return s.addKeyRule(rule)
	case text[0] == '&':
		return s.addChannelRule(rule[1:])
	case strings.HasPrefix(text, "+@"), strings.HasPrefix(text, "-@"):
		c := CategoryNamed([]byte(text[2:]))
		if c == 0 {
			return errRuleUnknown
		}
		s.permitCategory(g.subjects, c, text[0] == '+')
		return nil
	case text[0] == '+' && strings.Contains(text, "|"):
		return g.allowPart(s, text[1:])
	case text[0] == '+' || text[0] == '-':
		j := g.subjects.named(text[1:])
		if j == nil {
			return errRuleUnknown
		}
		s.permit(j, text[0] == '+')
		return nil
	}
	return errRuleSyntax
}

// allowPart allows a subcommand, or calls with a first word. The word may hold
// anything, but a bar.
func (g grammar) allowPart(s *selector, text string) error {
	bar := strings.LastIndexByte(text, '|')
	j, word := g.subjects.named(text[:bar]), text[bar+1:]
	switch {
	case j == nil:
		return errRuleUnknown
	case j.parent != nil:
		return errRuleNested
	case word == "", hasSpaces([]byte(word)): // to Redis the second is all right, until the file is read again
		return errRuleSyntax
	case len(j.subs) == 0:
		s.addFirstWord(j.id, word)
		return nil
	}
	if j = g.subjects.named(text); j == nil {
		return errRuleUnknown
	}
	s.permit(j, true)
	return nil
}

// addKeyRule reads ~pattern, %R~pattern, %W~pattern or %RW~pattern.
func (s *selector) addKeyRule(rule []byte) error {
	if s.anyKey {
		return errRuleKeys
	}
	r, pattern := keyRight{access: reading | writing}, rule[1:]
	if rule[0] == '%' {
		r.access, pattern = parseAccess(pattern)
	}
	if r.access == 0 || hasSpaces(pattern) {
		return errRuleSyntax
	}
	r.pattern = string(pattern)
	s.addKeys(r)
	return nil
}

// parseAccess reads R and W, each at most once, up to the ~; 0: something else.
// Without a ~ Redis takes the pattern for empty.
func parseAccess(text []byte) (a access, pattern []byte) {
	for i, letter := range text {
		var more access
		switch letter {
		case '~':
			return a, text[i+1:]
		case 'r', 'R':
			more = reading
		case 'w', 'W':
			more = writing
		}
		if more == 0 || a&more != 0 {
			return 0, nil
		}
		a |= more
	}
	return a, nil
}

func (s *selector) addChannelRule(pattern []byte) error {
	switch {
	case s.anyChannel:
		return errRuleChannels
	case hasSpaces(pattern):
		return errRuleSyntax
	}
	s.addChannels(string(pattern))
	return nil
}

// hasSpaces reports whether text could not stand as a word of its own in a file.
func hasSpaces(text []byte) bool {
	return slices.ContainsFunc(text, func(c byte) bool { return c == 0 || isSpace(c) })
}

// joinSelectors puts together the words of each selector that was given in
// several. at is the word that opens one which is never closed, or -1.
func joinSelectors(words [][]byte) (rules [][]byte, at int) {
	at = -1
	var open []byte
	for i, w := range words {
		closes := len(w) > 0 && w[len(w)-1] == ')'
		switch {
		case len(w) > 0 && w[0] == '(' && !closes: // a second one takes the place of the first, as in Redis
			open, at = bytes.Clone(w), i
		case at >= 0:
			open = append(append(open, ' '), cString(w)...)
			if closes {
				rules, at = append(rules, open), -1
			}
		default:
			rules = append(rules, w)
		}
	}
	return rules, at
}
