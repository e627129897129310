package datastructs_test

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/parley-chat/parley/datastructs"
	"github.com/stretchr/testify/require"
)

func hashOf(pairs ...string) *datastructs.Hash {
	h := &datastructs.Hash{}
	for i := 0; i < len(pairs); i += 2 {
		h.Set([]byte(pairs[i]), []byte(pairs[i+1]))
	}
	return h
}

func pairsOf(h *datastructs.Hash) (pairs []string) {
	for f, v := range h.All() {
		pairs = append(pairs, string(f), string(v))
	}
	return pairs
}

func name(i int) []byte { return fmt.Appendf(nil, "f%d", i) }

func TestNilHashReadsAsEmpty(t *testing.T) {
	var h *datastructs.Hash
	require.True(t, h.Empty())
	require.Equal(t, "listpack", h.Encoding())
	require.Equal(t, datastructs.KindHash, h.Kind())
	_, ok := h.Get([]byte("f"))
	require.False(t, ok)
	require.False(t, h.Delete([]byte("f")))
	require.Nil(t, pairsOf(h))
	require.Zero(t, h.Scan(7, 10, nil))
	require.True(t, h.Clone().Empty())
}

func TestHashKeepsTheOrderOfFirstSet(t *testing.T) {
	// As recorded from Redis: HSET ha a 1 b 2 c 3; HSET ha a 5; HDEL ha b; HSET ha b 9; HGETALL ha.
	h := hashOf("a", "1", "b", "2", "c", "3", "a", "5")
	require.True(t, h.Delete([]byte("b")))
	require.True(t, h.Set([]byte("b"), []byte("9")))
	require.Equal(t, []string{"a", "5", "c", "3", "b", "9"}, pairsOf(h))
}

func TestListpackHashKeepsItsOrderEvenAsATable(t *testing.T) {
	h := &datastructs.Hash{}
	var model []string
	for i := range 512 {
		h.Set(name(i), []byte("v"))
		model = append(model, string(name(i)))
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for range 400 {
		i := rng.IntN(len(model))
		require.True(t, h.Delete([]byte(model[i])))
		model = slices.Delete(model, i, i+1)
	}
	require.Equal(t, "listpack", h.Encoding())
	for i, want := range model {
		f, _ := h.At(i)
		require.Equal(t, want, string(f))
	}
}

func TestHashEncodingToldToClientsIsRedis(t *testing.T) {
	for _, test := range []struct {
		name          string
		field, value  int
		before, after string
	}{
		{"value of 64", 1, 64, "listpack", "listpack"},
		{"value of 65", 1, 65, "listpack", "hashtable"},
		{"field of 64", 64, 1, "listpack", "listpack"},
		{"field of 65", 65, 1, "listpack", "hashtable"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := hashOf("a", "1")
			require.Equal(t, test.before, h.Encoding())
			f := bytes.Repeat([]byte("f"), test.field)
			h.Set(f, bytes.Repeat([]byte("v"), test.value))
			require.Equal(t, test.after, h.Encoding())
			h.Delete(f)
			require.Equal(t, test.after, h.Encoding(), "what is a hashtable stays one")
			require.Equal(t, test.after, h.Clone().Encoding())
		})
	}
	h := &datastructs.Hash{}
	for i := range 512 {
		h.Set(name(i), nil)
	}
	h.Set(name(3), []byte("again"))
	require.Equal(t, "listpack", h.Encoding())
	h.Set(name(512), nil)
	require.Equal(t, "hashtable", h.Encoding())
	for i := range 510 {
		h.Delete(name(i))
	}
	require.Equal(t, "hashtable", h.Encoding())
}

func TestListpackHashIsScannedInOneStep(t *testing.T) {
	h := &datastructs.Hash{}
	for i := range 513 {
		h.Set(name(i), nil)
		if i == 0 || i == 127 || i == 128 || i == 511 {
			seen := 0
			require.Zero(t, h.Scan(0, 1, func(_, _ []byte) { seen++ }))
			require.Equal(t, i+1, seen)
		}
	}
	seen := 0
	require.NotZero(t, h.Scan(0, 10, func(_, _ []byte) { seen++ }))
	require.Equal(t, 10, seen)
}

func TestEmptyFieldAndValueExist(t *testing.T) {
	for _, n := range []int{0, 1000} {
		h := &datastructs.Hash{}
		for i := range n {
			h.Set(name(i), nil)
		}
		require.True(t, h.Set(nil, nil))
		v, ok := h.Get([]byte{})
		require.True(t, ok)
		require.NotNil(t, v)
		require.Empty(t, v)
		require.True(t, h.Delete(nil))
		require.False(t, h.Delete(nil))
	}
}

func TestHashCloneIsIndependent(t *testing.T) {
	for _, n := range []int{5, 1000} {
		h := &datastructs.Hash{}
		for i := range n {
			h.Set(name(i), []byte("old"))
		}
		c := h.Clone().(*datastructs.Hash)
		require.Equal(t, pairsOf(h), pairsOf(c))
		for i := range n {
			h.Set(name(i), []byte("new"))
		}
		c.Delete(name(0))
		require.Equal(t, n, h.Len())
		for _, v := range c.All() {
			require.Equal(t, "old", string(v))
		}
	}
}

func TestHashCopiesWhatItIsGiven(t *testing.T) {
	for _, n := range []int{0, 1000} {
		h := &datastructs.Hash{}
		for i := range n {
			h.Set(name(i), nil)
		}
		f, v := []byte("field"), []byte("value")
		h.Set(f, v)
		f[0], v[0] = 'X', 'X'
		got, ok := h.Get([]byte("field"))
		require.True(t, ok)
		require.Equal(t, "value", string(got))
		require.Equal(t, len(got), cap(got), "an append must not run over the storage")
	}
}

func TestHashReadsDoNotAllocate(t *testing.T) {
	for _, n := range []int{20, 2000} {
		h := &datastructs.Hash{}
		for i := range n {
			h.Set(name(i), name(i))
		}
		f, missing := name(n/2), name(-1)
		require.Zero(t, testing.AllocsPerRun(100, func() {
			h.Get(f)
			h.Get(missing)
			h.At(n / 2)
			for range h.All() { //nolint:revive // the walk itself is what is measured
			}
		}))
	}
}

// A modelHash is a Hash written as simply as possible.
type modelHash struct{ fields, values []string }

func (m *modelHash) set(f, v string) bool {
	if i := slices.Index(m.fields, f); i >= 0 {
		m.values[i] = v
		return false
	}
	m.fields, m.values = append(m.fields, f), append(m.values, v)
	return true
}

func (m *modelHash) delete(f string) bool {
	i := slices.Index(m.fields, f)
	if i < 0 {
		return false
	}
	m.fields, m.values = slices.Delete(m.fields, i, i+1), slices.Delete(m.values, i, i+1)
	return true
}

// randomChanges makes up to 1500 changes for FuzzHash and FuzzSet, of a mix that differs
// from seed to seed: how many of them delete, how many keys there are, how long values may
// get.
func randomChanges(seed uint64) []byte {
	rng := rand.New(rand.NewPCG(seed, 5))
	removals, keys, length := rng.IntN(60), 1+rng.IntN(256), 1+rng.IntN(256)
	if seed%2 == 0 {
		length = 1 + rng.IntN(64)
	}
	ops := make([]byte, 0, 4500)
	for range rng.IntN(1500) {
		op := byte(rng.IntN(64)) &^ 3
		if rng.IntN(100) < removals {
			op++
		}
		ops = append(ops, op, byte(rng.IntN(keys)), byte(rng.IntN(length)))
	}
	return ops
}

// FuzzHash reads each three bytes as one change: what to do, to which field, with a value of
// which length.
func FuzzHash(f *testing.F) {
	f.Add([]byte("\x00\x01\x05\x00\x02\x40\x00\x01\x41\x01\x02\x00\x00\x03\xff"))
	f.Add([]byte(strings.Repeat("\x00\x01\xf0\x04\x02\x20\x00\x03\xf5\x01\x01\x00", 30)))
	for seed := range uint64(30) {
		f.Add(randomChanges(seed))
	}
	f.Fuzz(func(t *testing.T, ops []byte) {
		var h datastructs.Hash
		var m modelHash
		sticky := false
		for ; len(ops) >= 3; ops = ops[3:] {
			field := string(name(int(ops[1]) + int(ops[0]>>4)<<8))
			if ops[1] == 255 {
				field = strings.Repeat("F", 300)
			}
			if ops[0]%4 == 1 {
				if m.delete(field) != h.Delete([]byte(field)) {
					t.Fatalf("deleting %q", field)
				}
			} else {
				value := strings.Repeat(string(rune('a'+ops[0]%26)), int(ops[2]))
				if m.set(field, value) != h.Set([]byte(field), []byte(value)) {
					t.Fatalf("setting %q", field)
				}
				sticky = sticky || len(field) > 64 || len(value) > 64 || len(m.fields) > 512
			}
			if h.Len() != len(m.fields) || sticky != (h.Encoding() == "hashtable") {
				t.Fatalf("%d fields, %s", h.Len(), h.Encoding())
			}
		}
		sameHash(t, &m, &h, !sticky)
		sameHash(t, &m, h.Clone().(*datastructs.Hash), !sticky)
	})
}

func sameHash(t *testing.T, m *modelHash, h *datastructs.Hash, ordered bool) {
	t.Helper()
	for i, f := range m.fields {
		v, ok := h.Get([]byte(f))
		if !ok || string(v) != m.values[i] {
			t.Fatalf("%q is %q, %v", f, v, ok)
		}
	}
	i, seen := 0, map[string]bool{}
	for f, v := range h.All() {
		at, atValue := h.At(i)
		if string(f) != string(at) || string(v) != string(atValue) {
			t.Fatalf("field %d is %q in All and %q in At", i, f, at)
		}
		if ordered && string(f) != m.fields[i] {
			t.Fatalf("field %d is %q, not %q", i, f, m.fields[i])
		}
		seen[string(f)] = true
		i++
	}
	require.Len(t, seen, len(m.fields))
	scanned := map[string]bool{}
	visit := func(f, _ []byte) { scanned[string(f)] = true }
	for cursor := h.Scan(0, 7, visit); cursor != 0; {
		cursor = h.Scan(cursor, 7, visit)
	}
	require.True(t, maps.Equal(seen, scanned))
}

func TestHashScanSurvivesAnyInterleaving(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var h datastructs.Hash
		universe := 1 + rng.IntN(1500)
		for range rng.IntN(universe + 1) {
			h.Set(name(rng.IntN(universe)), []byte("v"))
		}
		throughout := map[string]bool{}
		for f := range h.All() {
			throughout[string(f)] = true
		}
		seen, cursor := map[string]bool{}, uint64(0)
		bias := rng.IntN(101)
		for {
			cursor = h.Scan(cursor, 1+rng.IntN(50), func(f, _ []byte) { seen[string(f)] = true })
			if cursor == 0 {
				break
			}
			for range rng.IntN(100) {
				f := name(rng.IntN(universe))
				if rng.IntN(100) < bias {
					h.Set(f, []byte("w"))
				} else if h.Delete(f) {
					delete(throughout, string(f))
				}
			}
		}
		for f := range throughout {
			require.True(t, seen[f], "seed %d: %s", seed, f)
		}
		require.Zero(t, (&datastructs.Hash{}).Scan(math.MaxUint64, math.MaxInt, nil))
	}
}
