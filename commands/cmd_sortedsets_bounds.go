package commands

import (
	"bytes"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/datastructs"
)

// The ends of ranges: how they are read, and what lies between them.

const (
	errScoreBound = resp.Error("ERR min or max is not a float")
	errLexBound   = resp.Error("ERR min or max not valid string range item")
)

// A rangeKind is what the ends of a range are.
type rangeKind uint8

const (
	byUnknown rangeKind = iota // ZRANGE, until BYSCORE or BYLEX is seen
	byRank
	byScore
	byLex
)

// A memberRange is one range of members as a command names it.
type memberRange struct {
	kind    rangeKind
	reverse bool

	first, last      int64                  // byRank; negative: from the end
	minimum, maximum datastructs.ScoreBound // byScore
	least, most      datastructs.LexBound   // byLex
}

func (r *memberRange) readEnds(low, high []byte) error {
	var ok1, ok2 bool
	switch r.kind {
	case byScore:
		r.minimum, ok1 = scoreBound(low)
		r.maximum, ok2 = scoreBound(high)
		if !ok1 || !ok2 {
			return errScoreBound
		}
	case byLex:
		r.least, ok1 = lexBound(low)
		r.most, ok2 = lexBound(high)
		if !ok1 || !ok2 {
			return errLexBound
		}
	default:
		r.first, ok1 = ParseInt(low)
		r.last, ok2 = ParseInt(high)
		if !ok1 || !ok2 {
			return errNotInteger
		}
	}
	return nil
}

// scoreBound reads one end of a range of scores. Redis hands it to strtod
// without the checks it makes elsewhere: leading space is skipped, a NUL ends
// it, nothing at all is 0 and what is too large is infinite.
func scoreBound(p []byte) (b datastructs.ScoreBound, ok bool) {
	if len(p) > 0 && p[0] == '(' {
		b.Exclusive = true
		p = p[1:]
	}
	if i := bytes.IndexByte(p, 0); i >= 0 {
		p = p[:i]
	}
	if len(p) == 0 {
		return b, true
	}
	b.Score, _, ok = strtod(bytes.TrimLeft(p, spaces))
	return b, ok
}

// lexBound reads one end of a range of members. The result aliases p.
func lexBound(p []byte) (b datastructs.LexBound, ok bool) {
	if len(p) == 0 {
		return b, false
	}
	switch p[0] {
	case '-':
		b.Infinite = -1
	case '+':
		b.Infinite = 1
	case '(', '[':
		b.Member, b.Exclusive = p[1:], p[0] == '('
		return b, true
	default:
		return b, false
	}
	return b, len(p) == 1 || p[1] == 0 // a NUL ends it
}

// span finds the range in z.
func (r *memberRange) span(z *datastructs.SortedSet) rankSpan {
	n := z.Len()
	var start, stop int
	switch r.kind {
	case byScore:
		start, stop = z.ScoreRange(r.minimum, r.maximum)
	case byLex:
		find := z.LexRange
		if r.reverse {
			find = z.LexRangeBackwards
		}
		start, stop = find(r.least, r.most)
	default: // ranks are counted from the end that the walk starts at
		start, stop = ranks(r.first, r.last, n)
		return rankSpan{start, stop, r.reverse}
	}
	if r.reverse {
		start, stop = n-stop, n-start
	}
	return rankSpan{start, stop, r.reverse}
}

// ranks turns a first and a last rank, negative from the end, into the ranks
// from start up to stop that exist among n.
func ranks(first, last int64, n int) (start, stop int) {
	if first < 0 {
		first = max(first+int64(n), 0)
	}
	if last < 0 {
		last += int64(n)
	}
	if first > last || first >= int64(n) {
		return 0, 0
	}
	return int(first), int(min(last, int64(n)-1)) + 1
}
