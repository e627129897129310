package datastructs

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What Memory says is within a fifth of what the heap grows by.
func TestMemoryIsWhatTheHeapGrowsBy(t *testing.T) {
	key := func(i int) []byte { return fmt.Appendf(nil, "member:%08d", i*7919%1_000_000) }
	for name, fill := range map[string]func(n int) Value{
		"text": func(int) Value { return NewString([]byte(strings.Repeat("x", 1000))) },
		"small hash": func(int) Value {
			h := new(Hash)
			for i := range 5 {
				h.Set(key(i), []byte("value"))
			}
			return h
		},
		"hash": func(n int) Value {
			h := new(Hash)
			for i := range n {
				h.Set(key(i), fmt.Appendf(nil, "a value of some length %d", i))
			}
			return h
		},
		"intset": func(n int) Value {
			s := new(Set)
			for i := range 400 {
				s.Add(fmt.Append(nil, i*1000))
			}
			return s
		},
		"set": func(n int) Value {
			s := new(Set)
			for i := range n {
				s.Add(key(i))
			}
			return s
		},
		"sorted set": func(n int) Value {
			z := new(SortedSet)
			for i := range n {
				z.Set(key(i), float64(i))
			}
			return z
		},
	} {
		t.Run(name, func(t *testing.T) {
			const values = 64
			list := make([]Value, values)
			before := heap()
			for i := range list {
				list[i] = fill(2000)
			}
			grown := float64(heap()-before) / values
			require.InDelta(t, grown, float64(Memory(list[0], 0)), grown/5)
			require.InDelta(t, grown, float64(Memory(list[0], 5)), grown/4)
			runtime.KeepAlive(list)
		})
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestMemoryOfAnInteger(t *testing.T) {
	require.Equal(t, 32, Memory(NewInt(12), 5))
	require.Equal(t, 32+8, Memory(NewText([]byte("12")), 5))
}

func TestMemoryOfKeys(t *testing.T) {
	k := new(Keyspace)
	_, ok := k.Memory([]byte("k"), 0, 5)
	require.False(t, ok)
	k.Put([]byte("k"), NewInt(1), 0)
	plain, ok := k.Memory([]byte("k"), 0, 5)
	require.True(t, ok)
	require.Greater(t, plain, 32)
	k.SetDeadline([]byte("k"), 1000)
	volatile, _ := k.Memory([]byte("k"), 0, 5)
	require.Greater(t, volatile, plain)
	_, ok = k.Memory([]byte("k"), 2000, 5)
	require.False(t, ok, "it has expired")
	keys, deadlines := k.Overhead()
	require.Positive(t, keys)
	require.Positive(t, deadlines)
}
