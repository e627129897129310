package datastructs

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// Checks are worth what they find: each damage below is one that a bug might do.
func TestChecksFindDamage(t *testing.T) {
	for name, damage := range map[string]func() Value{
		"a field too few is counted":       func() Value { h := someHash(3); h.n--; return h },
		"a length beyond the blob":         func() Value { h := someHash(3); h.packed[0] = 0xf0; return h },
		"a field is there twice":           func() Value { h := someHash(3); copy(h.packed[6:], h.packed[:3]); return h },
		"fields beside a table":            func() Value { h := someHash(200); h.packed = []byte("\x00\x00"); return h },
		"a listpack of too many":           func() Value { h := someHash(600); h.hashtable = false; return h },
		"a slot is lost":                   func() Value { h := someHash(200); clear(h.large.dir[0].slots[:200]); return h },
		"an entry is another":              func() Value { h := someHash(200); h.large.entry(7).key = "other"; return h },
		"a page is short":                  func() Value { h := someHash(2000); h.large.pages[0] = h.large.pages[0][:9]; return h },
		"a segment stands where it cannot": func() Value { h := someHash(20000); h.large.dir[1] = h.large.dir[0]; return h },
		"a deadline by field only":         func() Value { h := mortalHash(200); delete(h.expiry.at, "f7"); return h },
		"a deadline that is another":       func() Value { h := mortalHash(200); h.expiry.at["f7"]++; return h },
		"deadlines out of order":           func() Value { h := mortalHash(3); h.expiry.times[0] = math.MaxInt64; return h },
		"more deadlines than fields":       func() Value { h := mortalHash(3); h.expiry.times = append(h.expiry.times, 99, 99); return h },
		"numbers out of order":             func() Value { s := someSet("%d", 20); s.putInt(3, 100); return s },
		"a number twice":                   func() Value { s := someSet("%d", 20); s.putInt(3, 4); return s },
		"half a number":                    func() Value { s := someSet("%d", 20); s.blob = s.blob[:39]; return s },
		"a member too many is counted":     func() Value { s := someSet("m%d", 20); s.n++; return s },
		"a member that is not found":       func() Value { s := someSet("m%d", 200); s.large.entry(9).key = "m10"; return s },
		"scores out of order":              func() Value { z := someSortedSet(9); putInt(z.list[2:8], 100); return z },
		"a list that is cut off":           func() Value { z := someSortedSet(9); z.list = z.list[:len(z.list)-2]; return z },
		"an entry out of order":            func() Value { z := someSortedSet(2000); z.index.order.chunk(1).entries[5].score = 1; return z },
		"a score that is another":          func() Value { z := someSortedSet(200); z.index.scores.entry(5).val++; return z },
		"a count that is another":          func() Value { z := someSortedSet(2000); z.index.order.counts.add(0, 1); return z },
		"a chunk that is numbered wrong":   func() Value { z := someSortedSet(2000); z.index.order.chunk(1).ordinal = 0; return z },
		"an integer with a text":           func() Value { s := NewInt(7); s.text = s.text[:1]; return s },
		"a text that is an integer":        func() Value { s := NewText([]byte("x")); s.n = 7; return s },
	} {
		t.Run(name, func(t *testing.T) {
			v := damage()
			require.Error(t, v.Check())
			var k Keyspace
			r, _ := k.keys.put([]byte("k"))
			r.value = v
			require.Error(t, k.Check())

			k.Repair([]byte("k"))
			require.NoError(t, k.Check())
			require.Zero(t, k.Len())
		})
	}
}

func TestChecksFindDamagedKeyspaces(t *testing.T) {
	for name, damage := range map[string]func(k *Keyspace){
		"a key without a value":       func(k *Keyspace) { k.keys.entry(3).val.value = nil },
		"an empty value":              func(k *Keyspace) { k.keys.entry(3).val.value = &Set{} },
		"a deadline that is lost":     func(k *Keyspace) { k.keys.entry(3).val.deadline = 0 },
		"a deadline of two keys":      func(k *Keyspace) { k.keys.entry(4).val.deadline = k.keys.entry(3).val.deadline },
		"a deadline that is free":     func(k *Keyspace) { k.deadlines.free = k.keys.entry(3).val.deadline },
		"a deadline out of order":     func(k *Keyspace) { k.deadlines.times[1]++ },
		"a hash that is not in order": func(k *Keyspace) { k.fields.order.Clear() },
		"a hash at another deadline":  func(k *Keyspace) { k.keys.entry(99).val.value.(*Hash).expiry.listedAt++ },
	} {
		t.Run(name, func(t *testing.T) {
			var k Keyspace
			for i := range 99 {
				k.Put(fmt.Append(nil, i), NewInt(7), 0)
				if i%2 == 1 {
					k.SetDeadline(fmt.Append(nil, i), int64(i))
				}
			}
			k.Put([]byte("h"), mortalHash(3), 0)
			require.NoError(t, k.Check())
			damage(&k)
			require.Error(t, k.Check())
		})
	}
}

func someHash(n int) *Hash {
	h := &Hash{}
	for i := range n {
		h.Set(fmt.Append(nil, "f", i), fmt.Append(nil, "v", i))
	}
	return h
}

func mortalHash(n int) *Hash {
	h := someHash(n)
	for i := range n {
		h.SetDeadline(fmt.Append(nil, "f", i), int64(i))
	}
	return h
}

func someSet(format string, n int) *Set {
	s := &Set{}
	for i := range n {
		s.Add(fmt.Appendf(nil, format, i))
	}
	return s
}

func someSortedSet(n int) *SortedSet {
	z := &SortedSet{}
	for i := range n {
		z.Set(fmt.Append(nil, "m", i), float64(i))
	}
	return z
}
