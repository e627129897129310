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

func TestFieldsWithDeadlinesComeFirstAsInRedis(t *testing.T) {
	h := hashOf("a", "1", "b", "2", "c", "3", "d", "4", "e", "5")
	order := func() (fields string) {
		for f := range h.All() {
			fields += string(f)
		}
		return fields
	}
	h.SetDeadline([]byte("d"), 200)
	require.Equal(t, "dabce", order())
	h.SetDeadline([]byte("b"), 100)
	require.Equal(t, "bdace", order())
	h.SetDeadline([]byte("e"), 200) // among equals the last comes first
	require.Equal(t, "bedac", order())
	h.SetDeadline([]byte("b"), 300)
	require.Equal(t, "edbac", order())
	require.False(t, h.Update([]byte("e"), []byte("a longer value, in its place")))
	require.Equal(t, "edbac", order())
	require.True(t, h.ClearDeadline([]byte("d")))
	require.Equal(t, "ebacd", order())
	require.False(t, h.Set([]byte("e"), []byte("without a deadline")))
	require.Equal(t, "bacde", order())
	h.Delete([]byte("b"))
	require.Equal(t, "acde", order())
	require.Zero(t, h.NumDeadlines())
	require.Equal(t, "listpackex", h.Encoding(), "what is one stays one")
	require.NoError(t, h.Check())
}

func TestNilHashHasNoDeadlines(t *testing.T) {
	var h *datastructs.Hash
	_, ok := h.Deadline([]byte("f"))
	require.False(t, ok)
	_, ok = h.NextDeadline()
	require.False(t, ok)
	require.False(t, h.ClearDeadline([]byte("f")))
	require.Zero(t, h.NumDeadlines())
	require.NoError(t, h.Check())
}

func TestAskingForDeadlinesMakesNone(t *testing.T) {
	h := hashOf("f", "v")
	h.SetDeadline([]byte("none"), 5)
	require.False(t, h.ClearDeadline([]byte("none")))
	require.False(t, h.ClearDeadline([]byte("f")))
	require.Equal(t, "listpack", h.Encoding())
}

// A modelField is a field with its value and deadline; never: it has none.
type modelField struct {
	value string
	at    int64
}

const never = math.MaxInt64

// FuzzHashDeadlines makes changes of two hashes in a keyspace, while time
// passes, and holds what is to be seen of them against two maps. What has
// expired stays in the hash for a while, at random, as it does when a server has
// no time.
func FuzzHashDeadlines(f *testing.F) {
	for seed := range uint64(40) {
		f.Add(seed, uint16(1+seed*seed%700))
	}
	f.Fuzz(func(t *testing.T, seed uint64, fields uint16) {
		r := rand.New(rand.NewPCG(seed, 9))
		w := &hashWorld{t: t, rand: r, fields: int(fields)%2000 + 1, long: r.IntN(3) == 0}
		w.deadlines = 1 + r.IntN(100)
		w.models = [2]map[string]modelField{{}, {}}
		for range r.IntN(2) * r.IntN(w.fields+1) {
			w.change(w.key(0), w.models[0], string(name(r.IntN(w.fields))))
		}
		for range 600 {
			w.now += int64(r.IntN(30) * r.IntN(2))
			w.forget()
			w.step()
		}
		w.check(true)
	})
}

type hashWorld struct {
	t         *testing.T
	rand      *rand.Rand
	k         datastructs.Keyspace
	now       int64
	fields    int // how many names there are
	deadlines int // how far they are away
	long      bool
	models    [2]map[string]modelField
}

func (w *hashWorld) key(i int) []byte { return fmt.Appendf(nil, "h%d", i) }

// forget lets the fields of the models expire.
func (w *hashWorld) forget() {
	for _, m := range w.models {
		maps.DeleteFunc(m, func(_ string, f modelField) bool { return f.at < w.now })
	}
}

func (w *hashWorld) step() {
	i := w.rand.IntN(2)
	key, m := w.key(i), w.models[i]
	field := string(name(w.rand.IntN(w.fields)))
	switch w.rand.IntN(20) {
	case 0:
		w.expire(key, 1+w.rand.IntN(5))
	case 1:
		w.check(false)
	case 2:
		require.Equal(w.t, len(m) > 0, w.k.Get(key, w.now, nil) != nil)
		if w.k.Expired(key, w.now) || w.k.Get(key, w.now, nil) == nil {
			w.k.Delete(key)
		}
	case 3:
		w.copyTo(1 - i)
	default:
		w.change(key, m, field)
	}
}

// open gives a hash to change: what has expired goes first.
func (w *hashWorld) open(key []byte) *datastructs.Hash {
	for at, ok := w.k.FieldDeadline(key); ok && at < w.now; at, ok = w.k.FieldDeadline(key) {
		w.expire(key, 1+w.rand.IntN(1000))
	}
	if h, ok := w.k.Get(key, w.now, nil).(*datastructs.Hash); ok {
		return h
	}
	return &datastructs.Hash{}
}

func (w *hashWorld) change(key []byte, m map[string]modelField, field string) {
	h := w.open(key)
	old, found := m[field]
	value := strings.Repeat("v", w.rand.IntN(20))
	if w.long && w.rand.IntN(50) == 0 {
		value = strings.Repeat("w", w.rand.IntN(300))
	}
	at := w.now + int64(w.rand.IntN(w.deadlines))
	switch w.rand.IntN(8) {
	case 0, 1:
		require.Equal(w.t, !found, h.Set([]byte(field), []byte(value)))
		m[field] = modelField{value, never}
	case 2:
		require.Equal(w.t, !found, h.Update([]byte(field), []byte(value)))
		if !found {
			old.at = never
		}
		m[field] = modelField{value, old.at}
	case 3:
		require.Equal(w.t, found, h.Delete([]byte(field)))
		delete(m, field)
	case 4:
		require.Equal(w.t, found && old.at < never, h.ClearDeadline([]byte(field)))
		if found {
			m[field] = modelField{old.value, never}
		}
	default:
		h.SetDeadline([]byte(field), at)
		if found {
			m[field] = modelField{old.value, at}
		}
	}
	if h.Empty() {
		w.k.Delete(key)
	} else {
		w.k.Put(key, h, w.now)
	}
}

// expire removes what is due, if anything is, as a server does.
func (w *hashWorld) expire(key []byte, limit int) {
	at, ok := w.k.FieldDeadline(key)
	if !ok || at >= w.now {
		return
	}
	due, ok := w.k.Next()
	require.True(w.t, ok && due.Fields && due.At <= at)
	h, _ := w.k.Get(key, w.now, nil).(*datastructs.Hash)
	told := 0
	n, emptied := w.k.ExpireFields(key, limit, func(field []byte) {
		_, there := h.Get(field)
		require.False(w.t, there, "it was hidden already")
		told++
	})
	require.Positive(w.t, n)
	require.Equal(w.t, emptied, told == 0)
}

func (w *hashWorld) copyTo(i int) {
	if h := w.k.Get(w.key(1-i), w.now, nil); h != nil {
		w.k.Delete(w.key(i))
		w.k.Put(w.key(i), h.Clone(), w.now)
		w.models[i] = maps.Clone(w.models[1-i])
	}
}

// check compares all that there is to be seen.
func (w *hashWorld) check(all bool) {
	require.NoError(w.t, w.k.Check())
	for i, m := range w.models {
		v := w.k.Get(w.key(i), w.now, nil)
		if len(m) == 0 {
			require.Nil(w.t, v)
			continue
		}
		require.NotNil(w.t, v)
		w.checkHash(m, v.(*datastructs.Hash))
		if all {
			w.checkHash(m, v.Clone().(*datastructs.Hash))
			require.NoError(w.t, v.Clone().(*datastructs.Hash).Check())
		}
	}
}

func (w *hashWorld) checkHash(m map[string]modelField, h *datastructs.Hash) {
	require.Equal(w.t, len(m), h.Len())
	require.False(w.t, h.Empty())
	i, withDeadline, first := 0, 0, int64(never)
	for f, v := range h.All() {
		want, ok := m[string(f)]
		require.True(w.t, ok, "%s", f)
		require.Equal(w.t, want.value, string(v))
		atField, atValue := h.At(i)
		require.True(w.t, bytes.Equal(atField, f) && bytes.Equal(atValue, v))
		i++
	}
	require.Equal(w.t, len(m), i)
	for f, want := range m {
		v, ok := h.Get([]byte(f))
		require.True(w.t, ok)
		require.Equal(w.t, want.value, string(v))
		at, ok := h.Deadline([]byte(f))
		require.Equal(w.t, want.at < never, ok)
		if ok {
			require.Equal(w.t, want.at, at)
			withDeadline++
			first = min(first, at)
		}
	}
	at, ok := h.NextDeadline()
	require.Equal(w.t, withDeadline > 0, ok)
	require.True(w.t, !ok || at == first)
	require.Equal(w.t, withDeadline, h.NumDeadlines())
	scanned := map[string]bool{}
	visit := func(f, _ []byte) { scanned[string(f)] = true }
	for cursor := h.Scan(0, 7, visit); cursor != 0; {
		cursor = h.Scan(cursor, 7, visit)
	}
	require.Equal(w.t, slices.Sorted(maps.Keys(m)), slices.Sorted(maps.Keys(scanned)))
}

func TestNobodyChangesAView(t *testing.T) {
	for _, n := range []int{10, 1000} {
		var k datastructs.Keyspace
		h := &datastructs.Hash{}
		for i := range n {
			h.Set(name(i), nil)
			h.SetDeadline(name(i), int64(i))
		}
		k.Put([]byte("h"), h, 0)
		v := k.Get([]byte("h"), 5, nil).(*datastructs.Hash)
		require.Equal(t, n-5, v.Len())
		require.Equal(t, n, h.Len())
		for _, change := range []func(){
			func() { v.Set(name(7), nil) },
			func() { v.Update(name(7), nil) },
			func() { v.Delete(name(7)) },
			func() { v.SetDeadline(name(7), 1) },
			func() { v.ClearDeadline(name(7)) },
			func() { k.Put([]byte("h"), v, 5) },
		} {
			require.Panics(t, change)
		}
		require.NoError(t, k.Check())
	}
}

// Keys and fields that are due come in one order, keys first.
func TestKeysAndFieldsAreDueInOneOrder(t *testing.T) {
	var k datastructs.Keyspace
	put := func(key string, at int64, fields ...int64) {
		h := hashOf("stays", "")
		for i, at := range fields {
			h.Set(name(i), nil)
			h.SetDeadline(name(i), at)
		}
		k.Put([]byte(key), h, 0)
		if at > 0 {
			k.SetDeadline([]byte(key), at)
		}
	}
	put("a", 30, 40)
	put("b", 0, 20, 30, 50, 50)
	put("c", 50, 10, 10)
	var order []string
	for due, ok := k.Next(); ok; due, ok = k.Next() {
		order = append(order, fmt.Sprintf("%s %d %t", due.Key, due.At, due.Fields))
		if due.Fields {
			k.ExpireFields([]byte(due.Key), math.MaxInt, func([]byte) {})
		} else {
			k.Delete([]byte(due.Key))
		}
		require.NoError(t, k.Check())
	}
	require.Equal(t, []string{"c 10 true", "b 20 true", "a 30 false", "b 30 true", "c 50 false", "b 50 true"}, order)
}

func TestHashOfWhichNothingLivesIsGoneInOneStep(t *testing.T) {
	for _, n := range []int{100, 100_000} {
		var k datastructs.Keyspace
		h := &datastructs.Hash{}
		for i := range n {
			h.Set(name(i), nil)
			h.SetDeadline(name(i), 10)
		}
		k.Put([]byte("h"), h, 0)
		require.NotNil(t, k.Get([]byte("h"), 10, nil))
		require.Nil(t, k.Get([]byte("h"), 11, nil))
		require.True(t, k.Expired([]byte("h"), 11))
		gone, emptied := k.ExpireFields([]byte("h"), 5, func([]byte) { t.Fatal("one by one") })
		require.True(t, emptied)
		require.Equal(t, n, gone)
		require.Zero(t, k.Len())
		require.NoError(t, k.Check())
	}
}
