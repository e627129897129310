package datastructs

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/harness"
)

// fillings make values of n entries.
var fillings = map[string]func(n int) Value{
	"integer":    func(n int) Value { return NewInt(int64(n)) },
	"text":       func(n int) Value { return NewString([]byte(strings.Repeat("x", n))) },
	"grown text": func(n int) Value { s := NewText(nil); s.Append(make([]byte, n)); s.Append(make([]byte, n/3)); return s },
	"hash": func(n int) Value {
		h := new(Hash)
		for i := range n {
			h.Set(scattered(i), fmt.Appendf(nil, "a value of some length %d", i))
		}
		return h
	},
	"hash of long values": func(n int) Value {
		h := new(Hash)
		for i := range n {
			h.Set(scattered(i), make([]byte, 300+i%700))
		}
		return h
	},
	"hash with deadlines": func(n int) Value {
		h := new(Hash)
		for i := range n {
			h.Set(scattered(i), []byte("a value of some length"))
			h.SetDeadline(scattered(i), int64(i)*17%int64(n))
		}
		return h
	},
	"set of integers": func(n int) Value {
		s := new(Set)
		for i := range n {
			s.Add(fmt.Append(nil, i*1000))
		}
		return s
	},
	"set": func(n int) Value {
		s := new(Set)
		for i := range n {
			s.Add(scattered(i))
		}
		return s
	},
	"sorted set": func(n int) Value {
		z := new(SortedSet)
		for i := range n {
			z.Set(scattered(i), float64(i))
		}
		return z
	},
	"sorted set of mixed scores": func(n int) Value {
		z := new(SortedSet)
		for i := range n {
			z.Set(scattered(i), float64(i*7919%n))
		}
		return z
	},
	"thinned out sorted set": func(n int) Value {
		z := new(SortedSet)
		for i := range 4 * n {
			z.Set(scattered(i), float64(i))
		}
		for i := range 4 * n {
			if i%4 > 0 {
				z.Remove(scattered(i))
			}
		}
		return z
	},
}

func scattered(i int) []byte { return fmt.Appendf(nil, "member:%08d", i*7919%1_000_000) }

// What Bytes says is within a fifth of what the heap grows by.
func TestBytesAreWhatTheHeapGrowsBy(t *testing.T) {
	for name, fill := range fillings {
		for _, n := range []int{3, 100, 3000, harness.Count(10_000, 40_000)} {
			t.Run(fmt.Sprintf("%s/%d", name, n), func(t *testing.T) {
				list, counted := make([]Value, 0, 1<<16), 0
				before := heap()
				for len(list) < cap(list) && (len(list) < 2 || counted < 1<<20) { // beside which all else is nothing
					v := fill(n)
					list = append(list, v)
					counted += allocSize(v)
				}
				grown := heap() - before
				require.InEpsilon(t, grown, counted, 0.2)
				runtime.KeepAlive(list)
			})
		}
	}
}

// heap is what is alive on it, by the collector's own count.
func heap() int {
	runtime.GC()
	runtime.GC()
	live := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(live)
	return int(live[0].Value.Uint64())
}

// Whatever mix of values a keyspace holds, with deadlines and without, and whatever
// has been there before, its account is within a fifth of what the heap has grown by.
func TestAccountIsWhatTheHeapGrowsBy(t *testing.T) {
	for seed := range uint64(harness.Count(4, 8)) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			before := heap()
			var a Account
			spaces := []*Keyspace{NewKeyspace(&a, nil), NewKeyspace(&a, nil)}
			kinds := pickKinds(r)
			for range 4000 << r.IntN(3) {
				churn(r, spaces[r.IntN(2)], kinds)
			}
			a.Update()
			grown := heap() - before
			require.InEpsilon(t, grown, a.Bytes(), 0.2)
			for _, k := range spaces {
				require.NoError(t, k.Check())
				k.Clear()
			}
			require.Zero(t, a.Bytes(), "nothing is left")
		})
	}
}

// pickKinds picks some fillings.
func pickKinds(r *rand.Rand) (kinds []string) {
	for _, name := range []string{"integer", "text", "grown text", "hash", "hash of long values", "hash with deadlines",
		"set of integers", "set", "sorted set", "sorted set of mixed scores"} {
		if r.IntN(2) == 0 {
			kinds = append(kinds, name)
		}
	}
	return append(kinds, "text")
}

// churn makes a key, or deletes or changes one.
func churn(r *rand.Rand, k *Keyspace, kinds []string) {
	key := fmt.Appendf(nil, "some:key:%d", r.IntN(6000))
	switch v := k.Peek(key, 0); r.IntN(6) {
	case 0:
		k.Delete(key)
	case 1:
		k.SetDeadline(key, r.Int64N(1e12))
	case 2:
		if z, ok := v.(*SortedSet); ok {
			k.BeginChange(key, v)
			for i := range 50 {
				z.Set(scattered(r.IntN(1000)), float64(i))
			}
			k.Put(key, v, 0)
		}
		if h, ok := v.(*Hash); ok {
			k.BeginChange(key, v)
			for range 20 {
				h.Delete(scattered(r.IntN(1000)))
				h.Set(scattered(r.IntN(1000)), make([]byte, r.IntN(100)))
			}
			k.Put(key, v, 0)
		}
		k.account.Update()
	default:
		n := 1 + r.IntN(20)
		if r.IntN(30) == 0 {
			n = 1 + r.IntN(2000)
		}
		k.Put(key, fillings[kinds[r.IntN(len(kinds))]](n), 0)
	}
}

func TestMemoryOfAnInteger(t *testing.T) {
	require.Equal(t, 32, allocSize(NewInt(12)))
	require.Equal(t, 32+8, allocSize(NewText([]byte("012"))))
}

func TestMemoryOfKeys(t *testing.T) {
	k := new(Keyspace)
	_, ok := k.Memory([]byte("k"), 0)
	require.False(t, ok)
	k.Put([]byte("k"), NewInt(1), 0)
	plain, ok := k.Memory([]byte("k"), 0)
	require.True(t, ok)
	require.Greater(t, plain, 32)
	k.SetDeadline([]byte("k"), 1000)
	volatile, _ := k.Memory([]byte("k"), 0)
	require.Greater(t, volatile, plain)
	_, ok = k.Memory([]byte("k"), 2000)
	require.False(t, ok, "it has expired")
	keys, deadlines := k.Overhead()
	require.Positive(t, keys)
	require.Positive(t, deadlines)
}
