package commands

import (
	"bytes"
	"math"
	"math/big"

	"github.com/parley-chat/parley/datastructs"
)

// A sortPattern is a pattern of BY or GET: "w:*" means the string whose key has
// the member in place of the star, "w:*->f" a field of such a hash, and "#" the
// member itself. What holds no star means nothing.
//
// Redis looks for star and arrow as in a string of C, so that a NUL byte hides
// them.
type sortPattern struct {
	itself, nothing bool
	prefix, postfix []byte
	field           []byte // nil: none
	key             []byte // the last one, to use its memory again
}

func newSortPattern(p []byte) sortPattern {
	seen := cString(p)
	if string(seen) == "#" {
		return sortPattern{itself: true}
	}
	star := bytes.IndexByte(seen, '*')
	if star < 0 {
		return sortPattern{nothing: true}
	}
	s := sortPattern{prefix: p[:star], postfix: p[star+1:]}
	const arrow = "->"
	at := bytes.Index(seen[star+1:], []byte(arrow))
	if at >= 0 && star+1+at+len(arrow) < len(seen) {
		s.postfix, s.field = s.postfix[:at], s.postfix[at+len(arrow):]
	}
	return s
}

// value returns what the pattern means for a member: not nil, if there is such
// a value. It is valid until the next change.
func (s *sortPattern) value(c *Context, member []byte) (value []byte, ok bool) {
	switch {
	case s.itself:
		return member, true
	case s.nothing:
		return nil, false
	}
	s.key = append(append(append(s.key[:0], s.prefix...), member...), s.postfix...)
	switch v := c.Lookup(s.key).(type) {
	case *datastructs.String:
		if s.field != nil {
			return nil, false
		}
		return notNil(v.Bytes()), true
	case *datastructs.Hash:
		if s.field == nil {
			return nil, false
		}
		return v.Get(s.field)
	}
	return nil, false
}

func notNil(p []byte) []byte {
	if p == nil {
		return []byte{}
	}
	return p
}

// cString is what C sees of a string: what stands before a NUL byte.
func cString(p []byte) []byte { return cut(p, len(p)) }

// sortScore reads a number as SORT does: space may stand before it, nothing at
// all is 0, and a NUL byte ends it. Unlike elsewhere, a number is refused that
// is so near to zero that a double lacks digits for it.
func sortScore(p []byte) (score float64, ok bool) {
	if p = cString(p); len(p) == 0 {
		return 0, true
	}
	p = bytes.TrimLeft(p, spaces)
	score, inRange, ok := strtod(p)
	if !ok || !inRange {
		return 0, false
	}
	const leastNormal = 0x1p-1022
	if score == 0 || math.Abs(score) >= leastNormal {
		return score, true
	}
	return score, isExact(p, score)
}

// isExact reports whether a double is just the number that was read. What is
// written with more digits than any double has is not looked at.
func isExact(p []byte, read float64) bool {
	const most = 1100
	if len(p) > most {
		return false
	}
	if isHex(p) && !bytes.ContainsAny(p, "pP") {
		return true
	}
	exact, ok := new(big.Rat).SetString(string(p))
	return ok && exact.Cmp(new(big.Rat).SetFloat64(read)) == 0
}
