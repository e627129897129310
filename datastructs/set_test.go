package datastructs_test

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/parley-chat/parley/datastructs"
	"github.com/stretchr/testify/require"
)

func setOf(members ...string) *datastructs.Set {
	s := &datastructs.Set{}
	for _, m := range members {
		s.Add([]byte(m))
	}
	return s
}

func membersOf(s *datastructs.Set) (members []string) {
	for m := range s.All() {
		members = append(members, string(m))
	}
	return members
}

func TestNilSetReadsAsEmpty(t *testing.T) {
	var s *datastructs.Set
	require.True(t, s.Empty())
	require.Equal(t, "intset", s.Encoding())
	require.Equal(t, datastructs.KindSet, s.Kind())
	require.False(t, s.Has([]byte("1")))
	require.False(t, s.Remove([]byte("1")))
	require.Nil(t, membersOf(s))
	require.Zero(t, s.Scan(7, 10, nil))
	require.True(t, s.Clone().Empty())
}

func TestIntegersComeInAscendingOrder(t *testing.T) {
	s := setOf("5", "-3", "40000", "0", "-9223372036854775808", "9223372036854775807", "-40000", "3000000000")
	require.Equal(t, []string{"-9223372036854775808", "-40000", "-3", "0", "5", "40000", "3000000000", "9223372036854775807"}, membersOf(s))
	require.Equal(t, "intset", s.Encoding())
	s.Add([]byte("x"))
	require.Equal(t, "hashtable", s.Encoding())
	require.Equal(t, 9, s.Len())
	require.True(t, s.Has([]byte("-9223372036854775808")))
}

func TestWhatCountsAsAnIntegerIsRedis(t *testing.T) {
	// Recorded from redis-server 7.0.15: SADD q <member>, OBJECT ENCODING q.
	for member, encoding := range map[string]string{
		"0": "intset", "-1": "intset", "9223372036854775807": "intset", "-9223372036854775808": "intset",
		"-0": "hashtable", "01": "hashtable", "00": "hashtable", "-01": "hashtable", "+1": "hashtable", " 1": "hashtable",
		"1 ": "hashtable", "": "hashtable", "-": "hashtable", "--1": "hashtable", "1.0": "hashtable", "1e1": "hashtable",
		"9223372036854775808": "hashtable", "-9223372036854775809": "hashtable", "18446744073709551617": "hashtable",
		"99999999999999999999": "hashtable", "1\x00": "hashtable",
	} {
		s := setOf(member)
		require.Equal(t, encoding, s.Encoding(), "%q", member)
		require.True(t, s.Has([]byte(member)))
		require.Equal(t, []string{member}, membersOf(s))
	}
	s := setOf("0", "1")
	for _, other := range []string{"-0", "00", "01", "+1", "1 ", ""} {
		require.False(t, s.Has([]byte(other)))
		require.False(t, s.Remove([]byte(other)))
	}
}

func TestSetEncodingIsStickyAsInRedis(t *testing.T) {
	s := &datastructs.Set{}
	for i := range 512 {
		s.Add(strconv.AppendInt(nil, int64(i), 10))
	}
	require.False(t, s.Add([]byte("511")))
	require.Equal(t, "intset", s.Encoding())
	s.Add([]byte("512"))
	require.Equal(t, "hashtable", s.Encoding())
	for i := range 512 {
		require.True(t, s.Remove(strconv.AppendInt(nil, int64(i), 10)))
	}
	require.Equal(t, "hashtable", s.Encoding())
	require.Equal(t, "hashtable", s.Clone().Encoding())
	require.Equal(t, []string{"512"}, membersOf(s))

	s = setOf("1", "2", "a")
	s.Remove([]byte("a"))
	require.Equal(t, "hashtable", s.Encoding())
}

func TestSetConvertsFromEveryFormToEveryLargerOne(t *testing.T) {
	for _, ints := range []int{0, 1, 127, 128, 129, 512, 513} {
		for _, extra := range []string{"", "x", strings.Repeat("x", 5000), "7000000000"} {
			var s datastructs.Set
			want := map[string]bool{}
			for i := range ints {
				m := strconv.Itoa(i * 100)
				require.True(t, s.Add([]byte(m)))
				want[m] = true
			}
			require.True(t, s.Add([]byte(extra)))
			require.False(t, s.Add([]byte(extra)))
			want[extra] = true
			require.Equal(t, len(want), s.Len())
			got := map[string]bool{}
			for i := range s.Len() {
				got[string(s.AppendAt(nil, i))] = true
			}
			require.Equal(t, want, got)
		}
	}
}

func TestSetCloneIsIndependent(t *testing.T) {
	for _, n := range []int{5, 1000} {
		for _, prefix := range []string{"", "x"} {
			s := &datastructs.Set{}
			for i := range n {
				s.Add([]byte(prefix + strconv.Itoa(i)))
			}
			c := s.Clone().(*datastructs.Set)
			require.Equal(t, membersOf(s), membersOf(c))
			s.Remove([]byte(prefix + "0"))
			c.Add([]byte(prefix + "-1"))
			require.Equal(t, n-1, s.Len())
			require.Equal(t, n+1, c.Len())
			require.True(t, c.Has([]byte(prefix+"0")))
			require.False(t, s.Has([]byte(prefix+"-1")))
		}
	}
}

func TestAppendAtAppends(t *testing.T) {
	for _, s := range []*datastructs.Set{setOf("1"), setOf("a"), setOf(strings.Repeat("a", 5000))} {
		want := "to:" + membersOf(s)[0]
		require.Equal(t, want, string(s.AppendAt([]byte("to:"), 0)))
	}
}

func TestSetLookupDoesNotAllocate(t *testing.T) {
	for _, s := range []*datastructs.Set{setOf("1", "2"), setOf("1", "a"), setOf("1", strings.Repeat("a", 5000))} {
		one, missing := []byte("1"), []byte("3")
		require.Zero(t, testing.AllocsPerRun(100, func() {
			s.Has(one)
			s.Has(missing)
		}))
	}
}

// FuzzSet reads each three bytes as one change: what to do, to which kind of member, which member.
func FuzzSet(f *testing.F) {
	f.Add([]byte("\x00\x00\x05\x00\x01\x40\x00\x02\x41\x01\x00\x05\x00\x03\xff\x00\x04\x01\x00\x05\x01"))
	for seed := range uint64(30) {
		f.Add(randomChanges(seed))
	}
	f.Fuzz(func(t *testing.T, ops []byte) {
		var s datastructs.Set
		model := map[string]bool{}
		sticky := false
		for ; len(ops) >= 3; ops = ops[3:] {
			n := int64(int8(ops[2]))
			member := strconv.FormatInt([]int64{n, n * 1000, n * 1e8, n * 1e16}[ops[1]%4], 10)
			switch ops[1] >> 3 {
			case 1:
				member = "0" + member
			case 2:
				member = strings.Repeat("m", int(ops[2])*2)
			case 3:
				member = fmt.Sprint(int(ops[2]) + int(ops[0])<<8)
			}
			had := model[member]
			if ops[0]%4 == 1 {
				if s.Remove([]byte(member)) != had {
					t.Fatalf("removing %q", member)
				}
				delete(model, member)
			} else {
				if s.Add([]byte(member)) == had {
					t.Fatalf("adding %q", member)
				}
				model[member] = true
				v, err := strconv.ParseInt(member, 10, 64)
				sticky = sticky || err != nil || strconv.FormatInt(v, 10) != member || len(model) > 512
			}
			if s.Len() != len(model) || sticky != (s.Encoding() == "hashtable") {
				t.Fatalf("%d members, %s", s.Len(), s.Encoding())
			}
		}
		sameSet(t, model, &s)
		sameSet(t, model, s.Clone().(*datastructs.Set))
	})
}

func sameSet(t *testing.T, model map[string]bool, s *datastructs.Set) {
	t.Helper()
	for m := range model {
		if !s.Has([]byte(m)) {
			t.Fatalf("%q is missing", m)
		}
	}
	all := membersOf(s)
	for i, m := range all {
		if at := string(s.AppendAt(nil, i)); at != m {
			t.Fatalf("member %d is %q in All and %q in AppendAt", i, m, at)
		}
	}
	if s.Encoding() == "intset" {
		require.True(t, slices.IsSortedFunc(all, func(a, b string) int {
			x, _ := strconv.ParseInt(a, 10, 64)
			y, _ := strconv.ParseInt(b, 10, 64)
			return cmp.Compare(x, y)
		}))
	}
	var scanned []string
	visit := func(m []byte) { scanned = append(scanned, string(m)) }
	for cursor := s.Scan(0, 7, visit); cursor != 0; {
		cursor = s.Scan(cursor, 7, visit)
	}
	want := slices.Sorted(maps.Keys(model))
	slices.Sort(all)
	slices.Sort(scanned)
	require.True(t, slices.Equal(want, all))
	require.True(t, slices.Equal(want, scanned))
}

func TestSetScanSurvivesAnyInterleaving(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 2))
		var s datastructs.Set
		universe := 1 + rng.IntN(1500)
		member := func() []byte { return strconv.AppendInt(nil, int64(rng.IntN(universe)), 10) }
		for range rng.IntN(universe + 1) {
			s.Add(member())
		}
		throughout := map[string]bool{}
		for m := range s.All() {
			throughout[string(m)] = true
		}
		seen, cursor := map[string]bool{}, uint64(0)
		bias := rng.IntN(101)
		for {
			cursor = s.Scan(cursor, 1+rng.IntN(50), func(m []byte) { seen[string(m)] = true })
			if cursor == 0 {
				break
			}
			for range rng.IntN(100) {
				m := member()
				if rng.IntN(100) < bias {
					s.Add(m)
				} else if s.Remove(m) {
					delete(throughout, string(m))
				}
			}
		}
		for m := range throughout {
			require.True(t, seen[m], "seed %d: %s", seed, m)
		}
		require.Zero(t, setOf("1").Scan(math.MaxUint64, math.MaxInt, func([]byte) {}))
	}
}
