package datastructs

import (
	"bytes"
	"fmt"
	"iter"
	"math"
	"slices"
	"sort"
	"unsafe"
)

// A SortedSet holds members, each with a score, ordered by score and, where
// scores are equal, by the bytes of the member. The zero value is ready, and
// nil reads as empty.
//
// A score is any float64 but NaN, which callers refuse. -0 equals 0; like
// Redis, the listpack encoding makes a 0 of it and the skiplist keeps it.
//
// It starts as one packed list, and moves for good to a table with an order
// beside it when Redis would leave its listpack: at the 129th member, or at one
// longer than 64 bytes.
type SortedSet struct {
	list  scoreList   // everything, while index is nil
	index *scoreIndex // everything, once there is one
}

// A ScoreBound is one end of a range of scores.
type ScoreBound struct {
	Score     float64
	Exclusive bool
}

// A LexBound is one end of a range of members. The infinite ends, "-" and "+"
// in a command, lie outside all members, and Member does not matter there.
type LexBound struct {
	Member    []byte
	Exclusive bool
	Infinite  int8 // -1: before every member; +1: after every member
}

// Kind is KindSortedSet.
func (*SortedSet) Kind() Kind { return KindSortedSet }

// Empty reports whether there is no member.
func (z *SortedSet) Empty() bool { return z.Len() == 0 }

// Encoding is "listpack" or "skiplist". As in Redis there is no way back from
// the second.
func (z *SortedSet) Encoding() string {
	if z != nil && z.index != nil {
		return "skiplist"
	}
	return "listpack"
}

// Clone returns a copy of the same encoding.
func (z *SortedSet) Clone() Value {
	switch {
	case z == nil:
		return &SortedSet{}
	case z.index != nil:
		return &SortedSet{index: z.index.clone()}
	}
	return &SortedSet{list: slices.Clone(z.list)}
}

// Len is the number of members.
func (z *SortedSet) Len() int {
	switch {
	case z == nil:
		return 0
	case z.index != nil:
		return z.index.order.len()
	}
	return z.list.len()
}

// Score returns the score of member, if it is there.
func (z *SortedSet) Score(member []byte) (float64, bool) {
	if z == nil {
		return 0, false
	}
	if z.index != nil {
		return z.index.score(member)
	}
	if p, ok := z.list.find(member); ok {
		return z.list.score(p.at), true
	}
	return 0, false
}

// Set gives member a score and reports whether it is new. An equal score
// changes nothing, so that 0 does not replace -0 nor the other way round.
func (z *SortedSet) Set(member []byte, score float64) (added bool) {
	if z.index == nil {
		if added, ok := z.list.set(member, score); ok {
			return added
		}
		z.Unpack()
	}
	return z.index.set(member, score)
}

// Unpack moves a small set to the large form. Redis does so when a set is
// sorted.
func (z *SortedSet) Unpack() {
	if z.index == nil {
		z.index = newScoreIndex(z.list)
		z.list = nil
	}
}

// Remove takes member out and reports whether it was there.
func (z *SortedSet) Remove(member []byte) bool {
	if z == nil {
		return false
	}
	if z.index != nil {
		return z.index.remove(member)
	}
	p, ok := z.list.find(member)
	if ok {
		z.list.cut(p.rank, p.rank+1)
	}
	return ok
}

// Rank is the number of members before this one, if it is there.
func (z *SortedSet) Rank(member []byte) (int, bool) {
	if z == nil {
		return 0, false
	}
	if z.index == nil {
		p, ok := z.list.find(member)
		return p.rank, ok
	}
	score, ok := z.index.score(member)
	if !ok {
		return 0, false
	}
	return z.seek(score, member)
}

// At returns the member of that rank, 0 <= rank < Len. It is not to be
// written, and holds until the next change.
func (z *SortedSet) At(rank int) (member []byte, score float64) {
	if z.index != nil {
		e := z.index.order.at(rank)
		return bytesOf(e.member), e.score
	}
	at := z.list.place(rank)
	return z.list.member(at, nil), z.list.score(at)
}

// Range walks the ranks from start up to, not including, stop; with reverse
// the last member has rank 0. Ranks that do not exist are left out. A member
// is the set's own memory: valid during its step only, and not to be written.
// The set must not change during the walk.
func (z *SortedSet) Range(start, stop int, reverse bool) iter.Seq2[[]byte, float64] {
	return func(yield func([]byte, float64) bool) {
		n := z.Len()
		lo, hi := max(start, 0), min(stop, n)
		if lo >= hi {
			return
		}
		if reverse {
			lo, hi = n-hi, n-lo
		}
		switch {
		case z.index == nil && reverse:
			z.list.descend(lo, hi, yield)
		case z.index == nil:
			z.list.ascend(lo, hi, yield)
		case reverse:
			z.index.order.descend(lo, hi, yield)
		default:
			z.index.order.ascend(lo, hi, yield)
		}
	}
}

// ScoreRange returns the ranks, from start up to, not including, stop, whose
// scores lie between min and max; start equals stop when there is none.
func (z *SortedSet) ScoreRange(min, max ScoreBound) (start, stop int) {
	start = z.scoreRank(min.Score, min.Exclusive)
	stop = z.scoreRank(max.Score, !max.Exclusive)
	if stop < start {
		stop = start
	}
	return start, stop
}

// scoreRank counts the members below score and, if so asked, those at it.
func (z *SortedSet) scoreRank(score float64, orEqual bool) int {
	if orEqual {
		if math.IsInf(score, 1) {
			return z.Len()
		}
		score = math.Nextafter(score, math.Inf(1))
	}
	rank, _ := z.seek(score, nil) // no member sorts before the empty one
	return rank
}

// LexRange returns the ranks, from start up to, not including, stop, whose
// members lie between min and max; start equals stop when there is none.
//
// It has a meaning where all scores are equal. Where they are not, a small set
// answers what ZRANGEBYLEX on a listpack does: nothing, unless the last member
// reaches min and the first one max; else from the first member that reaches
// min on, while they stay within max. A large one bisects, where Redis's answer
// depends on chance.
func (z *SortedSet) LexRange(min, max LexBound) (start, stop int) {
	return z.lexRange(min, max, false)
}

// LexRangeBackwards is LexRange for a walk that begins at the last member, as
// ZREVRANGEBYLEX does: a small set of uneven scores then answers from the last
// member within max back, while they reach min.
func (z *SortedSet) LexRangeBackwards(min, max LexBound) (start, stop int) {
	return z.lexRange(min, max, true)
}

func (z *SortedSet) lexRange(min, max LexBound, backwards bool) (start, stop int) {
	n := z.Len()
	if n == 0 {
		return 0, 0
	}
	first, low := z.At(0)
	last, high := z.At(n - 1)
	if min.cuts(last, min.Exclusive) || !max.cuts(first, !max.Exclusive) {
		return 0, 0
	}
	switch {
	case z.index == nil && backwards:
		return z.list.lexRangeBackwards(min, max)
	case z.index == nil:
		return z.list.lexRange(min, max)
	case low == high:
		start = z.lexSeek(low, min, min.Exclusive)
		stop = z.lexSeek(low, max, !max.Exclusive)
	default:
		start = z.lexBisect(min, min.Exclusive)
		stop = z.lexBisect(max, !max.Exclusive)
	}
	if stop < start {
		stop = start
	}
	return start, stop
}

// cuts reports whether member lies before the bound or, if so asked, on it.
func (b LexBound) cuts(member []byte, orEqual bool) bool {
	if b.Infinite != 0 {
		return b.Infinite > 0
	}
	order := bytes.Compare(member, b.Member)
	return order < 0 || order == 0 && orEqual
}

// lexSeek counts the members that b cuts off, all of one score.
func (z *SortedSet) lexSeek(score float64, b LexBound, orEqual bool) int {
	switch {
	case b.Infinite < 0:
		return 0
	case b.Infinite > 0:
		return z.Len()
	}
	rank, found := z.seek(score, b.Member)
	if found && orEqual {
		rank++
	}
	return rank
}

func (z *SortedSet) lexBisect(b LexBound, orEqual bool) int {
	return sort.Search(z.Len(), func(rank int) bool {
		member, _ := z.At(rank)
		return !b.cuts(member, orEqual)
	})
}

// RemoveRange takes out the ranks from start up to, not including, stop, as
// far as they exist, and returns how many those were.
func (z *SortedSet) RemoveRange(start, stop int) int {
	start, stop = max(start, 0), min(stop, z.Len())
	if start >= stop {
		return 0
	}
	if z.index != nil {
		z.index.cut(start, stop)
	} else {
		z.list.cut(start, stop)
	}
	return stop - start
}

// Scan visits some members and returns the cursor for the next call; it starts
// and ends at 0. A member present from the first call to the last is visited
// at least once. A small set is visited in one call whatever count says, as
// Redis does. The set must not change during visit, which may keep no member.
func (z *SortedSet) Scan(cursor uint64, count int, visit func(member []byte, score float64)) uint64 {
	if z != nil && z.index != nil {
		return z.index.scores.scan(cursor, count, func(member string, score *float64) {
			visit(bytesOf(member), *score)
		})
	}
	for member, score := range z.Range(0, z.Len(), false) {
		visit(member, score)
	}
	return 0
}

// seek counts the entries before (score, member), and reports whether it is there.
func (z *SortedSet) seek(score float64, member []byte) (rank int, found bool) {
	switch {
	case z == nil:
		return 0, false
	case z.index != nil:
		return z.index.order.seek(scored{score, stringOf(member)})
	}
	p, found := z.list.seek(score, member)
	return p.rank, found
}

// Check reports a broken invariant, for tests.
func (z *SortedSet) Check() error {
	switch {
	case z == nil:
		return nil
	case z.index == nil:
		return z.list.check()
	case z.list != nil:
		return fmt.Errorf("sorted set: a list of %d beside the index", z.list.len())
	}
	return z.index.check()
}

// A scoreIndex is the large form of a sorted set: the score of each member,
// and the order of them all. The members' bytes belong to the table; the order
// refers to the same.
type scoreIndex struct {
	scores table[float64]
	order  scoreOrder
}

func newScoreIndex(l scoreList) *scoreIndex {
	x := &scoreIndex{}
	l.ascend(0, l.len(), func(member []byte, score float64) bool {
		x.set(member, score)
		return true
	})
	return x
}

func (x *scoreIndex) clone() *scoreIndex {
	return &scoreIndex{scores: x.scores.clone(nil), order: x.order.clone()}
}

func (x *scoreIndex) score(member []byte) (float64, bool) {
	if score, ok := x.scores.get(member); ok {
		return *score, true
	}
	return 0, false
}

func (x *scoreIndex) set(member []byte, score float64) (added bool) {
	at, added := x.scores.put(member)
	if added {
		*at = score
		own, _ := x.scores.at(x.scores.len() - 1) // where a new key stands
		x.order.insert(scored{score, own})
		return true
	}
	if *at != score {
		old, _ := x.order.remove(scored{*at, stringOf(member)})
		x.order.insert(scored{score, old.member})
		*at = score
	}
	return false
}

func (x *scoreIndex) remove(member []byte) bool {
	score, ok := x.scores.get(member)
	if !ok {
		return false
	}
	x.order.remove(scored{*score, stringOf(member)})
	return x.scores.delete(member)
}

func (x *scoreIndex) cut(start, stop int) {
	x.order.cut(start, stop, func(e scored) { x.scores.delete(bytesOf(e.member)) })
}

func (x *scoreIndex) check() error {
	if x.order.len() != x.scores.len() {
		return fmt.Errorf("sorted set: %d in order, %d in the table", x.order.len(), x.scores.len())
	}
	for i := range x.scores.len() {
		member, score := x.scores.at(i)
		rank, found := x.order.seek(scored{*score, member})
		if !found {
			return fmt.Errorf("sorted set: %q with score %v is not in order", member, *score)
		}
		if e := x.order.at(rank); unsafe.StringData(e.member) != unsafe.StringData(member) || math.Signbit(e.score) != math.Signbit(*score) {
			return fmt.Errorf("sorted set: %q is not the same in the table and in order", member)
		}
	}
	return firstError(x.scores.check, x.order.check)
}
