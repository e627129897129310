package datastructs_test

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/datastructs"
)

// A ranking is the naive sorted set: a slice, sorted.
type ranking []ranked

type ranked struct {
	member string
	score  float64
}

func (r ranking) compare(a, b ranked) int {
	return cmp.Or(cmp.Compare(a.score, b.score), strings.Compare(a.member, b.member))
}

func (r ranking) rank(member string) int {
	return slices.IndexFunc(r, func(e ranked) bool { return e.member == member })
}

func (r *ranking) set(member string, score float64) bool {
	i := r.rank(member)
	if i >= 0 {
		*r = slices.Delete(*r, i, i+1)
	}
	at, _ := slices.BinarySearchFunc(*r, ranked{member, score}, r.compare)
	*r = slices.Insert(*r, at, ranked{member, score})
	return i < 0
}

// collect walks as a client of Range would, keeping copies.
func collect(z *datastructs.SortedSet, start, stop int, reverse bool) ranking {
	var r ranking
	for member, score := range z.Range(start, stop, reverse) {
		r = append(r, ranked{string(member), score})
	}
	return r
}

func newSortedSet(r ranking) *datastructs.SortedSet {
	z := &datastructs.SortedSet{}
	for _, e := range r {
		z.Set([]byte(e.member), e.score)
	}
	return z
}

// large is a sorted set of the large encoding with just the given members.
func large(r ranking) *datastructs.SortedSet {
	long := []byte(strings.Repeat("x", 65))
	z := &datastructs.SortedSet{}
	z.Set(long, 0)
	z.Remove(long)
	for _, e := range r {
		z.Set([]byte(e.member), e.score)
	}
	return z
}

// inBothForms runs a test on a small and on a large set of the same members.
func inBothForms(t *testing.T, r ranking, test func(t *testing.T, z *datastructs.SortedSet)) {
	for want, z := range map[string]*datastructs.SortedSet{"listpack": newSortedSet(r), "skiplist": large(r)} {
		t.Run(want, func(t *testing.T) {
			require.Equal(t, want, z.Encoding())
			test(t, z)
			require.NoError(t, z.Check())
		})
	}
}

func TestSortedSetOrdersByScoreThenBytes(t *testing.T) {
	r := ranking{{"b", 1}, {"10", 1}, {"9", 1}, {"", 1}, {"a", math.Inf(1)}, {"z", math.Inf(-1)}, {"é", 0.5}, {"-5", 1}, {"100000", 1}, {"big", 1 << 60}}
	want := ranking{{"z", math.Inf(-1)}, {"é", 0.5}, {"", 1}, {"-5", 1}, {"10", 1}, {"100000", 1}, {"9", 1}, {"b", 1}, {"big", 1 << 60}, {"a", math.Inf(1)}}
	inBothForms(t, r, func(t *testing.T, z *datastructs.SortedSet) {
		require.Equal(t, want, collect(z, 0, 100, false))
		slices.Reverse(want)
		require.Equal(t, want, collect(z, -3, 10, true))
		slices.Reverse(want)
		require.Equal(t, want[2:4], collect(z, 2, 4, false))
		require.Equal(t, ranking{want[7], want[6]}, collect(z, 2, 4, true))
		require.Empty(t, collect(z, 4, 4, false))
		require.Empty(t, collect(z, 12, 40, false))
	})
}

func TestSortedSetKeepsMinusZeroOnlyWhenLarge(t *testing.T) {
	minus := math.Copysign(0, -1)
	inBothForms(t, ranking{{"a", minus}, {"b", 0}}, func(t *testing.T, z *datastructs.SortedSet) {
		score, _ := z.Score([]byte("a"))
		require.Equal(t, z.Encoding() == "skiplist", math.Signbit(score))
		require.False(t, z.Set([]byte("b"), minus), "equal scores: no change")
		score, _ = z.Score([]byte("b"))
		require.False(t, math.Signbit(score))
		start, stop := z.ScoreRange(datastructs.ScoreBound{Score: 0}, datastructs.ScoreBound{Score: minus})
		require.Equal(t, []int{0, 2}, []int{start, stop})
	})
}

func TestSortedSetEncodingLastsAsInRedis(t *testing.T) {
	z := &datastructs.SortedSet{}
	for i := range 128 {
		z.Set([]byte(strings.Repeat("m", 62) + strconv.Itoa(10+i%90) + strconv.Itoa(i))[3:], float64(i))
	}
	require.Equal(t, "listpack", z.Encoding())
	first, _ := z.At(0)
	z.Set(first, 0.5)
	require.Equal(t, "listpack", z.Encoding(), "an update is no 129th member")
	z.Set([]byte("one more"), 1)
	require.Equal(t, "skiplist", z.Encoding())
	require.NoError(t, z.Check())
	require.Equal(t, 100, z.RemoveRange(0, 100))
	require.Equal(t, "skiplist", z.Encoding())
	require.Equal(t, "skiplist", z.Clone().Encoding())

	z = newSortedSet(ranking{{strings.Repeat("x", 64), 1}})
	require.Equal(t, "listpack", z.Encoding())
	z.Set([]byte(strings.Repeat("x", 65)), 1)
	require.Equal(t, "skiplist", z.Encoding())
}

func TestNilSortedSetReadsAsEmpty(t *testing.T) {
	var z *datastructs.SortedSet
	require.Zero(t, z.Len())
	require.True(t, z.Empty())
	require.False(t, z.Remove([]byte("a")))
	require.Zero(t, z.RemoveRange(0, 5))
	require.Empty(t, collect(z, 0, 5, true))
	_, ok := z.Score([]byte("a"))
	require.False(t, ok)
	_, ok = z.Rank([]byte("a"))
	require.False(t, ok)
	start, stop := z.ScoreRange(datastructs.ScoreBound{Score: math.Inf(-1)}, datastructs.ScoreBound{Score: math.Inf(1)})
	require.Equal(t, start, stop)
	start, stop = z.LexRange(datastructs.LexBound{Infinite: -1}, datastructs.LexBound{Infinite: 1})
	require.Equal(t, start, stop)
	require.Zero(t, z.Scan(0, 10, func([]byte, float64) { t.Fatal("visited") }))
	require.True(t, z.Clone().Empty())
	require.NoError(t, z.Check())
}

func TestSortedSetLexRange(t *testing.T) {
	in := func(s string) datastructs.LexBound { return datastructs.LexBound{Member: []byte(s)} }
	ex := func(s string) datastructs.LexBound { return datastructs.LexBound{Member: []byte(s), Exclusive: true} }
	low, high := datastructs.LexBound{Infinite: -1, Exclusive: true}, datastructs.LexBound{Infinite: 1, Exclusive: true}
	inBothForms(t, ranking{{"a", 0}, {"b", 0}, {"c", 0}, {"1234", 0}}, func(t *testing.T, z *datastructs.SortedSet) {
		for _, c := range []struct {
			min, max datastructs.LexBound
			want     string
		}{
			{low, high, "1234 a b c"}, {low, low, ""}, {high, high, ""}, {high, low, ""},
			{in("a"), in("b"), "a b"}, {ex("a"), in("b"), "b"}, {in("a"), ex("b"), "a"}, {ex("a"), ex("b"), ""},
			{ex("a"), ex("a"), ""}, {in("a"), in("a"), "a"}, {in("c"), in("a"), ""}, {in("aa"), high, "b c"},
			{low, in("1235"), "1234"}, {in("d"), high, ""}, {low, in("0"), ""}, {in(""), high, "1234 a b c"},
		} {
			start, stop := z.LexRange(c.min, c.max)
			var got []string
			for _, e := range collect(z, start, stop, false) {
				got = append(got, e.member)
			}
			require.Equal(t, c.want, strings.Join(got, " "), "%+v", c)
			require.LessOrEqual(t, start, stop)
		}
	})
}

// What ZRANGEBYLEX of redis-server 7.0.15 said to ZADD m 1 d 2 a 3 c 4 b.
func TestSortedSetLexRangeOfMixedScores(t *testing.T) {
	z := newSortedSet(ranking{{"d", 1}, {"a", 2}, {"c", 3}, {"b", 4}})
	for bounds, want := range map[[2]string]int{{"b", "c"}: 0, {"a", "z"}: 4, {"c", "d"}: 0, {"d", "d"}: 0, {"a", "a"}: 0} {
		start, stop := z.LexRange(datastructs.LexBound{Member: []byte(bounds[0])}, datastructs.LexBound{Member: []byte(bounds[1])})
		require.Equal(t, want, stop-start, "%v", bounds)
	}
}

func TestSortedSetClonesShareNothing(t *testing.T) {
	for _, n := range []int{5, 3000} {
		z := &datastructs.SortedSet{}
		for i := range n {
			z.Set(fmt.Appendf(nil, "m%d", i), float64(i))
		}
		before := collect(z, 0, n, false)
		c := z.Clone().(*datastructs.SortedSet)
		z.RemoveRange(1, n/2)
		z.Set([]byte("m0"), 1e9)
		require.Equal(t, before, collect(c, 0, n, false))
		require.NoError(t, c.Check())
		after := collect(z, 0, n, false)
		c.RemoveRange(0, n)
		require.Equal(t, after, collect(z, 0, n, false))
		require.NoError(t, z.Check())
	}
}

func TestSortedSetScanMeetsEveryMember(t *testing.T) {
	for _, n := range []int{0, 100, 5000} {
		z, left := &datastructs.SortedSet{}, map[string]float64{}
		for i := range n {
			z.Set(strconv.AppendInt(nil, int64(i), 10), float64(-i))
			left[strconv.Itoa(i)] = float64(-i)
		}
		calls := 0
		for cursor := uint64(0); cursor != 0 || calls == 0; calls++ {
			cursor = z.Scan(cursor, 10, func(member []byte, score float64) {
				require.Equal(t, left[string(member)], score)
				delete(left, string(member))
			})
		}
		require.Empty(t, left)
		require.Equal(t, n > 128, calls > 1)
	}
}

func TestSortedSetGrowsAndShrinksAtEitherEnd(t *testing.T) {
	const n = 20_000
	for _, up := range []bool{true, false} {
		for _, front := range []bool{true, false} {
			z := &datastructs.SortedSet{}
			for i := range n {
				score := float64(i)
				if !up {
					score = -score
				}
				z.Set(strconv.AppendInt(nil, int64(i), 10), score)
			}
			require.NoError(t, z.Check())
			for left := n; left > 0; left-- {
				rank := 0
				if !front {
					rank = left - 1
				}
				member, _ := z.At(rank)
				require.True(t, z.Remove(member))
				if left%1999 == 0 {
					require.NoError(t, z.Check())
				}
			}
			require.True(t, z.Empty())
			require.True(t, z.Set([]byte("again"), 1))
			require.NoError(t, z.Check())
		}
	}
}

func FuzzSortedSetAgainstSortedSlice(f *testing.F) {
	f.Add(uint64(1), uint16(40), uint16(300))     // stays small, mostly
	f.Add(uint64(2), uint16(200), uint16(1000))   // crosses over
	f.Add(uint64(3), uint16(6000), uint16(9000))  // several chunks
	f.Add(uint64(4), uint16(20000), uint16(9000)) // hardly an update
	f.Fuzz(func(t *testing.T, seed uint64, members, steps uint16) {
		r := rand.New(rand.NewPCG(seed, 2))
		z, want := &datastructs.SortedSet{}, ranking{}
		name := func() string { return []string{"m", "", "member:"}[r.IntN(3)] + strconv.Itoa(r.IntN(int(members)+1)) }
		score := func() float64 {
			switch r.IntN(8) {
			case 0:
				return []float64{0, math.Inf(1), math.Inf(-1), 0.1, -2.5, 1 << 47, 1<<47 - 1, -1 << 47, math.MaxFloat64}[r.IntN(9)]
			case 1:
				return r.NormFloat64()
			}
			return float64(r.IntN(int(members)+1) - 20)
		}
		cutting := r.IntN(3) > 0
		for range steps % 10_000 {
			switch op := r.IntN(100); {
			case op < 60:
				m, s := name(), score()
				require.Equal(t, want.set(m, s), z.Set([]byte(m), s))
			case op < 75:
				m := name()
				i := want.rank(m)
				require.Equal(t, i >= 0, z.Remove([]byte(m)))
				if i >= 0 {
					want = slices.Delete(want, i, i+1)
				}
			case op < 85:
				m := name()
				i := want.rank(m)
				rank, ok := z.Rank([]byte(m))
				s, known := z.Score([]byte(m))
				require.Equal(t, i >= 0, ok)
				require.Equal(t, i >= 0, known)
				if ok {
					require.Equal(t, i, rank)
					require.Equal(t, want[i].score, s)
					m2, s2 := z.At(rank)
					require.Equal(t, m, string(m2))
					require.Equal(t, s, s2)
				}
			case op < 92:
				lo, hi := datastructs.ScoreBound{score(), r.IntN(2) == 0}, datastructs.ScoreBound{score(), r.IntN(2) == 0}
				start, stop := z.ScoreRange(lo, hi)
				inside := func(e ranked) bool {
					return (e.score > lo.Score || e.score == lo.Score && !lo.Exclusive) && (e.score < hi.Score || e.score == hi.Score && !hi.Exclusive)
				}
				n := 0
				for _, e := range want {
					if inside(e) {
						n++
					}
				}
				require.Equal(t, n, stop-start)
				require.True(t, n == 0 || inside(want[start]) && inside(want[stop-1]))
			case op < 97:
				start := r.IntN(len(want) + 1)
				stop := min(len(want), start+r.IntN(1200))
				require.Equal(t, slices.Clone(want[start:stop]), append(ranking{}, collect(z, start, stop, false)...))
				back := slices.Clone(want[start:stop])
				slices.Reverse(back)
				require.Equal(t, back, append(ranking{}, collect(z, len(want)-stop, len(want)-start, true)...))
			case cutting:
				start := r.IntN(len(want) + 1)
				stop := min(len(want), start+1<<r.IntN(11))
				require.Equal(t, stop-start, z.RemoveRange(start, stop))
				want = slices.Delete(want, start, stop)
			default:
				z = z.Clone().(*datastructs.SortedSet)
			}
			require.Equal(t, len(want), z.Len())
			if r.IntN(100) == 0 {
				require.NoError(t, z.Check())
			}
		}
		require.NoError(t, z.Check())
		require.Equal(t, want, append(ranking{}, collect(z, 0, z.Len(), false)...))
	})
}

func FuzzSortedSetLexRange(f *testing.F) {
	f.Add(uint64(1), uint8(20), false)
	f.Add(uint64(2), uint8(250), true)
	f.Fuzz(func(t *testing.T, seed uint64, size uint8, big bool) {
		r := rand.New(rand.NewPCG(seed, 3))
		word := func() []byte { return []byte("aab1234b\x00\xff")[r.IntN(8):][:r.IntN(3)] }
		z := &datastructs.SortedSet{}
		if big {
			z = large(nil)
		}
		for range size {
			z.Set(append(word(), word()...), 7)
		}
		for range 50 {
			lo, hi := datastructs.LexBound{word(), r.IntN(2) == 0, int8(r.IntN(3) - 1)}, datastructs.LexBound{word(), r.IntN(2) == 0, int8(r.IntN(3) - 1)}
			start, stop := z.LexRange(lo, hi)
			rank := 0
			for m := range z.Range(0, z.Len(), false) {
				a, b := bytes.Compare(m, lo.Member), bytes.Compare(m, hi.Member)
				above := lo.Infinite < 0 || lo.Infinite == 0 && (a > 0 || a == 0 && !lo.Exclusive)
				below := hi.Infinite > 0 || hi.Infinite == 0 && (b < 0 || b == 0 && !hi.Exclusive)
				require.Equal(t, above && below, rank >= start && rank < stop, "%q in %+v %+v", m, lo, hi)
				rank++
			}
		}
	})
}
