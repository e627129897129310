package datastructs

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// checkTable verifies what must hold inside a table after every change.
func checkTable[V any](t testing.TB, x *table[V]) {
	t.Helper()
	require.NoError(t, x.check())
}

func key(i int) []byte { return fmt.Appendf(nil, "key:%d", i) }

func TestNilAndZeroTableReadAsEmpty(t *testing.T) {
	for _, x := range []*table[int]{nil, {}} {
		require.Zero(t, x.len())
		_, ok := x.get([]byte("a"))
		require.False(t, ok)
		require.Zero(t, x.scan(0, 10, func(string, *int) { t.Fatal("visited") }))
		require.Zero(t, x.scan(math.MaxUint64, math.MaxInt, func(string, *int) { t.Fatal("visited") }))
		c := x.clone(nil)
		require.Zero(t, c.len())
	}
	require.False(t, new(table[int]).delete([]byte("a")))
}

func TestTableAgreesWithMap(t *testing.T) {
	for _, universe := range []int{20, 700, 30000} {
		t.Run(fmt.Sprint(universe), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, uint64(universe)))
			var x table[int]
			model := map[string]int{}
			for phase := range 8 {
				bias := []int{9, 5, 1, 3, 8, 0, 9, 0}[phase] // of 10 changes, how many insert
				for range 3 * universe {
					k := key(rng.IntN(universe))
					_, had := model[string(k)]
					if rng.IntN(10) < bias {
						v, added := x.put(k)
						require.Equal(t, !had, added)
						*v = rng.Int()
						model[string(k)] = *v
					} else {
						require.Equal(t, had, x.delete(k))
						delete(model, string(k))
					}
				}
				checkTable(t, &x)
				for i := range universe {
					v, ok := x.get(key(i))
					want, had := model[string(key(i))]
					require.Equal(t, had, ok)
					if ok {
						require.Equal(t, want, *v)
					}
				}
			}
		})
	}
}

func TestDeleteInOrderKeepsOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	for _, n := range []int{1, 20, 512, 6000} {
		var x table[int]
		var model []string
		for i := range n {
			x.put(key(i))
			model = append(model, string(key(i)))
		}
		require.False(t, x.deleteInOrder([]byte("missing")))
		for range min(n, 600) {
			i := rng.IntN(len(model))
			require.True(t, x.deleteInOrder([]byte(model[i])))
			model = slices.Delete(model, i, i+1)
		}
		checkTable(t, &x)
		for i, want := range model {
			got, _ := x.at(i)
			require.Equal(t, want, got)
		}
	}
}

func TestTableGivesMemoryBack(t *testing.T) {
	var x table[int]
	const n = 200000
	for i := range n {
		x.put(key(i))
	}
	checkTable(t, &x)
	require.Greater(t, x.segs, 30)
	for i := range n - 10 {
		require.True(t, x.delete(key(i)))
	}
	checkTable(t, &x)
	slots := 0
	for _, s := range x.dir {
		slots += len(s.slots)
	}
	require.LessOrEqual(t, slots, 64)
	require.LessOrEqual(t, cap(x.pages[0]), 64)
	require.LessOrEqual(t, cap(x.pages), 16)
	for i := n - 10; i < n; i++ {
		_, ok := x.get(key(i))
		require.True(t, ok)
	}
}

func TestTableSplitsEvenWhenHashesAgree(t *testing.T) {
	// No key set can be prepared that does this, so the index is driven directly: 5000 keys of one and the same hash.
	var x table[int]
	for i := range 5000 {
		e := x.push()
		e.key = string(key(i))
		x.segmentWithRoom(7).insert(slot(7, i))
	}
	for i := range 5000 {
		_, e := x.find(7, key(i))
		require.NotNil(t, e)
	}
}

func TestTableCloneIsIndependent(t *testing.T) {
	var x table[[]byte]
	for i := range 10000 {
		v, _ := x.put(key(i))
		*v = key(i)
	}
	c := x.clone(slices.Clone[[]byte])
	checkTable(t, &c)
	for i := range 10000 {
		k1, v1 := x.at(i)
		k2, v2 := c.at(i)
		require.Equal(t, k1, k2)
		require.Equal(t, *v1, *v2)
		(*v1)[0] = 'X'
		require.Equal(t, byte('k'), (*v2)[0])
	}
	for i := range 9990 {
		c.delete(key(i))
	}
	c.put([]byte("new"))
	checkTable(t, &c)
	checkTable(t, &x)
	require.Equal(t, 10000, x.len())
	require.Equal(t, 11, c.len())
}

func TestScanSurvivesAnyInterleaving(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 0))
		var x table[int]
		universe := 1 + rng.IntN(2500)
		for range rng.IntN(universe + 1) {
			x.put(key(rng.IntN(universe)))
		}
		throughout := map[string]bool{} // present from the first step to the last
		for i := range x.len() {
			k, _ := x.at(i)
			throughout[k] = true
		}
		seen := map[string]bool{}
		bias, cursor := rng.IntN(101), uint64(0)
		for steps := 0; ; steps++ {
			require.Less(t, steps, 10000, "a scan must end")
			visited, count := 0, 1+rng.IntN(60)
			cursor = x.scan(cursor, count, func(k string, _ *int) { seen[k] = true; visited++ })
			require.LessOrEqual(t, visited, count)
			if cursor == 0 {
				break
			}
			for range rng.IntN(200) {
				k := key(rng.IntN(universe))
				if rng.IntN(100) < bias {
					x.put(k)
				} else if x.delete(k) {
					delete(throughout, string(k))
				}
			}
		}
		for k := range throughout {
			require.True(t, seen[k], "seed %d: %s was there all the time", seed, k)
		}
	}
}

func TestScanTakesHostileCursorsAndCounts(t *testing.T) {
	var x table[int]
	for i := range 1000 {
		x.put(key(i))
	}
	for _, cursor := range []uint64{0, 1, 999, 1000, 1001, math.MaxInt64, 1 << 63, math.MaxUint64} {
		for _, count := range []int{math.MinInt, -1, 0, 1, 999, 1000, math.MaxInt} {
			visited := 0
			next := x.scan(cursor, count, func(string, *int) { visited++ })
			want := int(min(cursor, 1000))
			if cursor == 0 {
				want = 1000
			}
			require.Equal(t, min(want, max(count, 1)), visited)
			require.Equal(t, uint64(want-visited), next)
		}
	}
}

func TestTableLookupDoesNotAllocate(t *testing.T) {
	var x table[int]
	for i := range 1000 {
		x.put(key(i))
	}
	k, missing := key(17), key(-1)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		x.get(k)
		x.get(missing)
		x.put(k)
	}))
}

func FuzzTable(f *testing.F) {
	f.Add([]byte("\x00\x01\x00\x02\x01\x01\x02\x00\x03\x05"))
	f.Fuzz(func(t *testing.T, ops []byte) {
		var x table[uint16]
		model := map[string]uint16{}
		for ; len(ops) >= 2; ops = ops[2:] {
			op, n := ops[0]%3, int(ops[1])
			for i := n; i < n+1+int(ops[0])/8; i++ { // runs, so that pages and segments fill
				k := binary.BigEndian.AppendUint16(nil, uint16(i*i))
				_, had := model[string(k)]
				if op < 2 {
					v, added := x.put(k)
					if added == had {
						t.Fatalf("putting %q", k)
					}
					*v, model[string(k)] = uint16(i), uint16(i)
				} else {
					if x.delete(k) != had {
						t.Fatalf("deleting %q", k)
					}
					delete(model, string(k))
				}
			}
		}
		checkTable(t, &x)
		got := map[string]uint16{}
		x.scan(0, math.MaxInt, func(k string, v *uint16) { got[k] = *v })
		require.True(t, maps.Equal(model, got))
	})
}

func BenchmarkTable(b *testing.B) {
	const n = 1 << 20
	keys := make([][]byte, n)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "member:%013d", i*7919)
	}
	var x table[struct{}]
	b.Run("put", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if i%n == 0 {
				x = table[struct{}]{}
			}
			x.put(keys[i%n])
		}
	})
	for _, k := range keys {
		x.put(k)
	}
	b.Run("get", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			x.get(keys[i*7919%n])
		}
	})
}
