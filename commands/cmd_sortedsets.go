package commands

import (
	"math"
	"slices"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/datastructs"
)

var sortedSetRows = slices.Concat(scoreRows, scoreRangeRows, scoreAlgebraRows, scorePopRows)

var scoreRows = []Command{
	{
		Name: "zadd", Syntax: "key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]",
		Summary: "Gives members their scores, creating the sorted set and the members where they are missing.",
		Since:   "1.2.0", Group: "sorted-set", Complexity: "O(log(N)) for each member, N being the size of the sorted set",
		Arity: -4, Flags: Write | DenyOOM | Fast,
		Keys: Keys{{First: 1, Flags: RW | Update}},
		Run:  zadd,
	},
	{
		Name: "zcard", Syntax: "key",
		Summary: "Counts the members.",
		Since:   "1.2.0", Group: "sorted-set", Complexity: "O(1)",
		Arity: 2, Flags: ReadOnly | Fast,
		Keys: Keys{{First: 1, Flags: RO}},
		Run:  zcard,
	},
	{
		Name: "zincrby", Syntax: "key increment member",
		Summary: "Adds to a member's score, taking a missing member's for zero.",
		Since:   "1.2.0", Group: "sorted-set", Complexity: "O(log(N)), N being the size of the sorted set",
		Arity: 4, Flags: Write | DenyOOM | Fast,
		Keys: Keys{{First: 1, Flags: RW | Access | Update}},
		Run:  zincrby,
	},
	{
		Name: "zmscore", Syntax: "key member [member ...]",
		Summary: "Reads the scores of several members.",
		Since:   "6.2.0", Group: "sorted-set", Complexity: "O(N), N being the number of members asked for",
		Arity: -3, Flags: ReadOnly | Fast,
		Keys: Keys{{First: 1, Flags: RO | Access}},
		Run:  zmscore,
	},
	{
		Name: "zrandmember", Syntax: "key [count [WITHSCORES]]",
		Summary: "Picks members at random: distinct ones, or with a negative count any.",
		Since:   "6.2.0", Group: "sorted-set", Complexity: "O(N), N being the number of members picked",
		Arity: -2, Flags: ReadOnly,
		Keys: Keys{{First: 1, Flags: RO | Access}},
		Tips: []string{"nondeterministic_output"},
		Run:  zrandmember,
	},
	{
		Name: "zrank", Syntax: "key member",
		Summary: "Tells how many members stand before this one, the lowest score first.",
		Since:   "2.0.0", Group: "sorted-set", Complexity: "O(log(N))",
		Arity: 3, Flags: ReadOnly | Fast,
		Keys: Keys{{First: 1, Flags: RO | Access}},
		Run:  zrank,
	},
	{
		Name: "zrem", Syntax: "key member [member ...]",
		Summary: "Takes members out.",
		Since:   "1.2.0", Group: "sorted-set", Complexity: "O(M*log(N)), N being the size of the sorted set and M the number of members taken out",
		Arity: -3, Flags: Write | Fast,
		Keys: Keys{{First: 1, Flags: RW | Delete}},
		Run:  zrem,
	},
	{
		Name: "zrevrank", Syntax: "key member",
		Summary: "Tells how many members stand before this one, the highest score first.",
		Since:   "2.0.0", Group: "sorted-set", Complexity: "O(log(N))",
		Arity: 3, Flags: ReadOnly | Fast,
		Keys: Keys{{First: 1, Flags: RO | Access}},
		Run:  zrevrank,
	},
	{
		Name: "zscore", Syntax: "key member",
		Summary: "Reads the score of a member.",
		Since:   "1.2.0", Group: "sorted-set", Complexity: "O(1)",
		Arity: 3, Flags: ReadOnly | Fast,
		Keys: Keys{{First: 1, Flags: RO | Access}},
		Run:  zscore,
	},
}

// Errors of ZADD and ZINCRBY, in the order in which they are looked for.
const (
	errAddNXXX  = resp.Error("ERR XX and NX options at the same time are not compatible")
	errAddGTLT  = resp.Error("ERR GT, LT, and/or NX options at the same time are not compatible")
	errAddPairs = resp.Error("ERR INCR option supports a single increment-element pair")
	errScoreNaN = resp.Error("ERR resulting score is not a number (NaN)")
)

// addOptions are the options of ZADD. ZINCRBY is ZADD with incr, and like
// Redis's takes them too, though its arity leaves no room for a call that works.
type addOptions struct {
	nx, xx, gt, lt, ch, incr bool
}

func zadd(c *Context) error { return addScores(c, addOptions{}) }

func zincrby(c *Context) error { return addScores(c, addOptions{incr: true}) }

func addScores(c *Context, o addOptions) error {
	pairs := o.read(c.Args[2:])
	if err := o.check(len(pairs)); err != nil {
		return err
	}
	var few [8]float64 // keeps the usual call from allocating
	scores := few[:0]
	for i := 0; i < len(pairs); i += 2 {
		score, ok := parseFloat(pairs[i])
		if !ok {
			return errNotFloat
		}
		scores = append(scores, score)
	}
	z, err := Open[*datastructs.SortedSet](c, c.Args[1])
	if err != nil {
		return err
	}
	if o.incr {
		return addScore(c, o, z, pairs[1], scores[0])
	}
	added, updated := 0, 0
	for i, score := range scores {
		member := pairs[2*i+1]
		old, held := z.Score(member)
		switch score, wanted := o.apply(old, held, score); {
		case !wanted || held && score == old:
			continue
		case held:
			updated++
		default:
			added++
		}
		z.Set(member, score)
	}
	changed := added+updated > 0
	if changed {
		c.Store(c.Args[1], z)
	}
	if o.ch {
		added += updated
	}
	c.Int(added)
	if changed {
		c.Notify(EventZSet, "zadd", c.Args[1])
	}
	return nil
}

// addScore adds to the score of one member. The reply is the sum, or null
// where the options forbid the change.
func addScore(c *Context, o addOptions, z *datastructs.SortedSet, member []byte, increment float64) error {
	old, held := z.Score(member)
	score, wanted := o.apply(old, held, increment)
	switch {
	case !wanted:
		c.Null()
		return nil
	case math.IsNaN(score):
		return errScoreNaN
	}
	if held && score == old {
		c.Double(score)
		return nil
	}
	z.Set(member, score)
	c.Store(c.Args[1], z)
	c.Double(score)
	c.Notify(EventZSet, "zincr", c.Args[1])
	return nil
}

// read takes the options from the front of words and returns the rest.
func (o *addOptions) read(words [][]byte) [][]byte {
	for i, w := range words {
		switch {
		case Is(w, "NX"):
			o.nx = true
		case Is(w, "XX"):
			o.xx = true
		case Is(w, "GT"):
			o.gt = true
		case Is(w, "LT"):
			o.lt = true
		case Is(w, "CH"):
			o.ch = true
		case Is(w, "INCR"):
			o.incr = true
		default:
			return words[i:]
		}
	}
	return nil
}

// check refuses options that contradict each other or that many words.
func (o *addOptions) check(words int) error {
	switch {
	case words == 0 || words%2 != 0:
		return ErrSyntax
	case o.nx && o.xx:
		return errAddNXXX
	case o.gt && o.nx || o.lt && o.nx || o.gt && o.lt:
		return errAddGTLT
	case o.incr && words > 2:
		return errAddPairs
	}
	return nil
}

// apply returns the score that a member comes to have, and whether the options
// let it. A sum that is NaN passes.
func (o *addOptions) apply(old float64, held bool, score float64) (_ float64, wanted bool) {
	if !held {
		return score, !o.xx
	}
	if o.incr {
		score += old
	}
	return score, !o.nx && !(o.gt && score <= old) && !(o.lt && score >= old)
}

func zrem(c *Context) error {
	z, err := Find[*datastructs.SortedSet](c, c.Args[1])
	if err != nil {
		return err
	}
	removed := 0
	for _, member := range c.Args[2:] {
		if z.Remove(member) {
			removed++
		}
	}
	if removed > 0 {
		c.Save(c.Args[1], z, EventZSet, "zrem")
	}
	c.Int(removed)
	return nil
}

func zcard(c *Context) error {
	z, err := Read[*datastructs.SortedSet](c, c.Args[1])
	if err != nil {
		return err
	}
	c.Int(z.Len())
	return nil
}

func zscore(c *Context) error {
	z, err := Read[*datastructs.SortedSet](c, c.Args[1])
	if err != nil {
		return err
	}
	writeScore(c, z, c.Args[2])
	return nil
}

func zmscore(c *Context) error {
	z, err := Read[*datastructs.SortedSet](c, c.Args[1])
	if err != nil {
		return err
	}
	c.Array(len(c.Args) - 2)
	for _, member := range c.Args[2:] {
		writeScore(c, z, member)
	}
	return nil
}

func writeScore(c *Context, z *datastructs.SortedSet, member []byte) {
	if score, ok := z.Score(member); ok {
		c.Double(score)
	} else {
		c.Null()
	}
}

func zrank(c *Context) error { return memberRank(c, false) }

func zrevrank(c *Context) error { return memberRank(c, true) }

func memberRank(c *Context, reverse bool) error {
	z, err := Read[*datastructs.SortedSet](c, c.Args[1])
	if err != nil {
		return err
	}
	rank, ok := z.Rank(c.Args[2])
	switch {
	case !ok:
		c.Null()
	case reverse:
		c.Int(z.Len() - 1 - rank)
	default:
		c.Int(rank)
	}
	return nil
}

func zrandmember(c *Context) error {
	if len(c.Args) == 2 {
		return randomScored(c)
	}
	count, err := countArg(c, 2)
	withScores := len(c.Args) > 3
	switch {
	case err != nil:
		return err
	case len(c.Args) > 4 || withScores && !Is(c.Args[3], "WITHSCORES"):
		return ErrSyntax
	case withScores && (count < -math.MaxInt64/2 || count > math.MaxInt64/2):
		return errOutOfRange
	}
	z, err := Read[*datastructs.SortedSet](c, c.Args[1])
	if err != nil {
		return err
	}
	n := picks(count, z.Len())
	if count > 0 && n == int64(z.Len()) { // all: Redis starts at the highest
		writeRange(c, z, rankSpan{0, z.Len(), true}, withScores)
		return nil
	}
	ranks := distinct(c.Rand, n, z.Len())
	if count < 0 {
		ranks = repeats(c, n, z.Len())
	}
	openScored(c, int(n), withScores)
	for rank := range ranks {
		member, score := z.At(rank)
		writeScored(c, member, score, withScores)
	}
	return nil
}

func randomScored(c *Context) error {
	z, err := Read[*datastructs.SortedSet](c, c.Args[1])
	if err != nil {
		return err
	}
	if z.Empty() {
		c.Null()
		return nil
	}
	member, _ := z.At(c.Rand.IntN(z.Len()))
	c.Bulk(member)
	return nil
}

// openScored opens a reply of n members. With scores it is flat in RESP2 and
// has a pair for each member in RESP3.
func openScored(c *Context, n int, withScores bool) {
	if withScores && !c.RESP3() {
		n *= 2
	}
	c.Array(n)
}

// writeScored writes one member of what openScored has opened.
func writeScored(c *Context, member []byte, score float64, withScores bool) {
	if withScores && c.RESP3() {
		c.Array(2)
	}
	c.Bulk(member)
	if withScores {
		c.Double(score)
	}
}
