package commands

import (
	"bytes"
	"math"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/datastructs"
)

// What finding a range costs, and walking or cutting it.
const (
	costCount = "O(log(N)), N being the size of the sorted set"
	costRange = "O(log(N)+M), N being the size of the sorted set and M the number of members in the reply"
	costStore = "O(log(N)+M), N being the size of the sorted set and M the number of members stored"
	costCut   = "O(log(N)+M), N being the size of the sorted set and M the number of members taken out"
)

var scoreRangeRows = []Command{
	{
		Name: "zcount", Syntax: "key min max",
		Types:   map[string]string{"min": "double", "max": "double"},
		Summary: "Counts the members whose scores lie in a range.",
		Since:   "2.0.0", Group: "sorted-set", Complexity: costCount,
		Arity: 4, Flags: ReadOnly | Fast,
		Keys: Keys{{First: 1, Flags: RO | Access}},
		Run:  zcount,
	},
	{
		Name: "zlexcount", Syntax: "key min max",
		Summary: "Counts the members that lie in a range of the alphabet, where all scores are equal.",
		Since:   "2.8.9", Group: "sorted-set", Complexity: costCount,
		Arity: 4, Flags: ReadOnly | Fast,
		Keys: Keys{{First: 1, Flags: RO | Access}},
		Run:  zlexcount,
	},
	{
		Name: "zrange", Syntax: "key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]",
		Types:   map[string]string{"start": "string", "stop": "string"}, // a rank, a score or a member
		Summary: "Lists members by rank, by score or alphabetically.",
		Since:   "1.2.0", Group: "sorted-set", Complexity: costRange,
		Arity: -4, Flags: ReadOnly,
		Keys: Keys{{First: 1, Flags: RO | Access}},
		Run:  zrange,
	},
	{
		Name: "zrangebylex", Syntax: "key min max [LIMIT offset count]",
		Summary: "Lists the members that lie in a range of the alphabet, where all scores are equal.",
		Since:   "2.8.9", Group: "sorted-set", Complexity: costRange,
		Arity: -4, Flags: ReadOnly,
		Keys:       Keys{{First: 1, Flags: RO | Access}},
		Deprecated: "6.2.0", ReplacedBy: "ZRANGE with BYLEX",
		Run: zrangebylex,
	},
	{
		Name: "zrangebyscore", Syntax: "key min max [WITHSCORES] [LIMIT offset count]",
		Types:   map[string]string{"min": "double", "max": "double"},
		Summary: "Lists the members whose scores lie in a range.",
		Since:   "1.0.5", Group: "sorted-set", Complexity: costRange,
		Arity: -4, Flags: ReadOnly,
		Keys:       Keys{{First: 1, Flags: RO | Access}},
		Deprecated: "6.2.0", ReplacedBy: "ZRANGE with BYSCORE",
		Run: zrangebyscore,
	},
	{
		Name: "zrangestore", Syntax: "dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]",
		Summary: "Stores what ZRANGE would list, scores included, under another key.",
		Since:   "6.2.0", Group: "sorted-set", Complexity: costStore,
		Arity: -5, Flags: Write | DenyOOM,
		Keys: Keys{{First: 1, Flags: OW | Update}, {First: 2, Flags: RO | Access}},
		Run:  zrangestore,
	},
	{
		Name: "zremrangebylex", Syntax: "key min max",
		Summary: "Takes out the members that lie in a range of the alphabet, where all scores are equal.",
		Since:   "2.8.9", Group: "sorted-set", Complexity: costCut,
		Arity: 4, Flags: Write,
		Keys: Keys{{First: 1, Flags: RW | Delete}},
		Run:  zremrangebylex,
	},
	{
		Name: "zremrangebyrank", Syntax: "key start stop",
		Summary: "Takes out the members from one rank to another.",
		Since:   "2.0.0", Group: "sorted-set", Complexity: costCut,
		Arity: 4, Flags: Write,
		Keys: Keys{{First: 1, Flags: RW | Delete}},
		Run:  zremrangebyrank,
	},
	{
		Name: "zremrangebyscore", Syntax: "key min max",
		Types:   map[string]string{"min": "double", "max": "double"},
		Summary: "Takes out the members whose scores lie in a range.",
		Since:   "1.2.0", Group: "sorted-set", Complexity: costCut,
		Arity: 4, Flags: Write,
		Keys: Keys{{First: 1, Flags: RW | Delete}},
		Run:  zremrangebyscore,
	},
	{
		Name: "zrevrange", Syntax: "key start stop [WITHSCORES]",
		Summary: "Lists members by rank, the highest score first.",
		Since:   "1.2.0", Group: "sorted-set", Complexity: costRange,
		Arity: -4, Flags: ReadOnly,
		Keys:       Keys{{First: 1, Flags: RO | Access}},
		Deprecated: "6.2.0", ReplacedBy: "ZRANGE with REV",
		Run: zrevrange,
	},
	{
		Name: "zrevrangebylex", Syntax: "key max min [LIMIT offset count]",
		Summary: "Lists the members that lie in a range of the alphabet from its end, where all scores are equal.",
		Since:   "2.8.9", Group: "sorted-set", Complexity: costRange,
		Arity: -4, Flags: ReadOnly,
		Keys:       Keys{{First: 1, Flags: RO | Access}},
		Deprecated: "6.2.0", ReplacedBy: "ZRANGE with REV and BYLEX",
		Run: zrevrangebylex,
	},
	{
		Name: "zrevrangebyscore", Syntax: "key max min [WITHSCORES] [LIMIT offset count]",
		Types:   map[string]string{"min": "double", "max": "double"},
		Summary: "Lists the members whose scores lie in a range, the highest score first.",
		Since:   "2.2.0", Group: "sorted-set", Complexity: costRange,
		Arity: -4, Flags: ReadOnly,
		Keys:       Keys{{First: 1, Flags: RO | Access}},
		Deprecated: "6.2.0", ReplacedBy: "ZRANGE with REV and BYSCORE",
		Run: zrevrangebyscore,
	},
}

const (
	errRankLimit = resp.Error("ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX")
	errLexScores = resp.Error("ERR syntax error, WITHSCORES not supported in combination with BYLEX")
)

// A rangeQuery is a call of ZRANGE or one of its kin.
type rangeQuery struct {
	memberRange
	either        bool // REV may be given
	withScores    bool
	offset, count int64 // of LIMIT; a negative count is no limit
}

// A rankSpan is the ranks from start up to, not including, stop, counted from
// the end if reverse: what SortedSet.Range takes.
type rankSpan struct {
	start, stop int
	reverse     bool
}

func zrange(c *Context) error {
	return listRange(c, rangeQuery{either: true})
}

func zrevrange(c *Context) error {
	return listRange(c, rangeQuery{memberRange: memberRange{kind: byRank, reverse: true}})
}

func zrangebyscore(c *Context) error {
	return listRange(c, rangeQuery{memberRange: memberRange{kind: byScore}})
}

func zrevrangebyscore(c *Context) error {
	return listRange(c, rangeQuery{memberRange: memberRange{kind: byScore, reverse: true}})
}

func zrangebylex(c *Context) error {
	return listRange(c, rangeQuery{memberRange: memberRange{kind: byLex}})
}

func zrevrangebylex(c *Context) error {
	return listRange(c, rangeQuery{memberRange: memberRange{kind: byLex, reverse: true}})
}

func listRange(c *Context, q rangeQuery) error {
	if err := q.read(c.Args[2:], false); err != nil {
		return err
	}
	z, err := Read[*datastructs.SortedSet](c, c.Args[1])
	if err != nil {
		return err
	}
	writeRange(c, z, q.span(z), q.withScores)
	return nil
}

func writeRange(c *Context, z *datastructs.SortedSet, s rankSpan, withScores bool) {
	openScored(c, s.stop-s.start, withScores)
	for member, score := range z.Range(s.start, s.stop, s.reverse) {
		writeScored(c, member, score, withScores)
	}
}

func zrangestore(c *Context) error {
	q := rangeQuery{either: true}
	if err := q.read(c.Args[3:], true); err != nil {
		return err
	}
	z, err := Read[*datastructs.SortedSet](c, c.Args[2])
	if err != nil {
		return err
	}
	stored := new(datastructs.SortedSet)
	s := q.span(z)
	for member, score := range z.Range(s.start, s.stop, s.reverse) {
		stored.Set(member, score)
	}
	if q.kind == byRank && stored.Len() > datastructs.SortedSetListpackEntries {
		for member, score := range z.Range(s.start, s.stop, s.reverse) {
			keepSign(stored, member, score)
		}
	}
	if storeSorted(c, c.Args[1], stored, "zrangestore") && q.kind == byLex && uneven(z) {
		logStored(c, c.Args[1], stored)
	}
	return nil
}

// keepSign gives back to a score of -0 the sign that it lost while z was still
// a list. Redis, where it knows that a result is large, never makes it one.
func keepSign(z *datastructs.SortedSet, member []byte, score float64) {
	if score == 0 && math.Signbit(score) {
		z.Remove(member)
		z.Set(member, score)
	}
}

// storeSorted puts the result of a STORE command in place of whatever is
// there, and replies with its size. An empty result leaves no key. It reports
// whether anything changed.
func storeSorted(c *Context, key []byte, z *datastructs.SortedSet, event string) (changed bool) {
	if !z.Empty() {
		c.Replace(key, z)
		c.Int(z.Len())
		c.Notify(EventZSet, event, key)
		return true
	}
	changed = c.Delete(key)
	c.Int(0)
	if changed {
		c.Notify(EventGeneric, "del", key)
	}
	return changed
}

// logStored tells what was stored member by member.
func logStored(c *Context, key []byte, z *datastructs.SortedSet) {
	if c.Effects == nil {
		return
	}
	c.EmitAs("DEL", key)
	if z.Empty() {
		return
	}
	words := append(make([]any, 0, 2+2*z.Len()), "ZADD", key)
	for member, score := range z.Range(0, z.Len(), false) {
		words = append(words, score, bytes.Clone(member))
	}
	c.EmitAs(words...)
}

// uneven reports whether the scores differ. What a range of the alphabet then
// holds is up to chance in a real Redis, so that effects must not name one.
func uneven(z *datastructs.SortedSet) bool {
	if z.Empty() {
		return false
	}
	_, low := z.At(0)
	_, high := z.At(z.Len() - 1)
	return low != high
}

func zcount(c *Context) error { return countRange(c, byScore) }

func zlexcount(c *Context) error { return countRange(c, byLex) }

func countRange(c *Context, kind rangeKind) error {
	r := memberRange{kind: kind}
	if err := r.readEnds(c.Args[2], c.Args[3]); err != nil {
		return err
	}
	z, err := Read[*datastructs.SortedSet](c, c.Args[1])
	if err != nil {
		return err
	}
	s := r.span(z)
	c.Int(s.stop - s.start)
	return nil
}

func zremrangebyrank(c *Context) error { return removeRange(c, byRank, "zremrangebyrank") }

func zremrangebyscore(c *Context) error { return removeRange(c, byScore, "zremrangebyscore") }

func zremrangebylex(c *Context) error { return removeRange(c, byLex, "zremrangebylex") }

func removeRange(c *Context, kind rangeKind, event string) error {
	r := memberRange{kind: kind}
	if err := r.readEnds(c.Args[2], c.Args[3]); err != nil {
		return err
	}
	z, err := Find[*datastructs.SortedSet](c, c.Args[1])
	if err != nil {
		return err
	}
	s := r.span(z)
	if s.start < s.stop {
		if kind == byLex && uneven(z) {
			logRemoval(c, c.Args[1], z, s)
		}
		z.RemoveRange(s.start, s.stop)
		c.Save(c.Args[1], z, EventZSet, event)
	}
	c.Int(s.stop - s.start)
	return nil
}

// logRemoval tells a removal that is about to happen member by member.
func logRemoval(c *Context, key []byte, z *datastructs.SortedSet, s rankSpan) {
	if c.Effects == nil {
		return
	}
	words := append(make([]any, 0, 2+s.stop-s.start), "ZREM", key)
	for member := range z.Range(s.start, s.stop, s.reverse) {
		words = append(words, bytes.Clone(member))
	}
	c.EmitAs(words...)
}

// read takes a query from the words behind the key: both ends, then options.
// The options are looked at first, as they decide what the ends mean.
func (q *rangeQuery) read(words [][]byte, store bool) error {
	q.count = -1
	for i := 2; i < len(words); i++ {
		switch w := words[i]; {
		case !store && Is(w, "WITHSCORES"):
			q.withScores = true
		case Is(w, "LIMIT") && i+2 < len(words):
			if err := q.readLimit(words[i+1], words[i+2]); err != nil {
				return err
			}
			i += 2
		case q.either && !q.reverse && Is(w, "REV"):
			q.reverse = true
		case q.kind == byUnknown && Is(w, "BYSCORE"):
			q.kind = byScore
		case q.kind == byUnknown && Is(w, "BYLEX"):
			q.kind = byLex
		default:
			return ErrSyntax
		}
	}
	if q.kind == byUnknown {
		q.kind = byRank
	}
	switch {
	case q.count != -1 && q.kind == byRank:
		return errRankLimit
	case q.withScores && q.kind == byLex:
		return errLexScores
	case q.reverse && q.kind != byRank:
		return q.readEnds(words[1], words[0])
	}
	return q.readEnds(words[0], words[1])
}

func (q *rangeQuery) readLimit(offset, count []byte) error {
	var ok1, ok2 bool
	q.offset, ok1 = ParseInt(offset)
	q.count, ok2 = ParseInt(count)
	if !ok1 || !ok2 {
		return errNotInteger
	}
	return nil
}

// span finds what LIMIT leaves of the range.
func (q *rangeQuery) span(z *datastructs.SortedSet) rankSpan {
	s := q.memberRange.span(z)
	if q.kind == byRank { // LIMIT can only have been one that is none
		return s
	}
	if q.offset < 0 || q.offset >= int64(s.stop-s.start) {
		return rankSpan{}
	}
	s.start += int(q.offset)
	if q.count >= 0 && q.count < int64(s.stop-s.start) {
		s.stop = s.start + int(q.count)
	}
	return s
}
