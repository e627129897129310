package datastructs_test

import (
	"math"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/datastructs"
)

func text(s string) datastructs.Value { return datastructs.NewString([]byte(s)) }

func TestKeyLivesInTheMillisecondOfItsDeadline(t *testing.T) {
	var k datastructs.Keyspace
	key := []byte("k")
	k.Put(key, text("v"), 0)
	k.SetDeadline(key, 1000)
	require.NotNil(t, k.Get(key, 1000, nil))
	require.False(t, k.Expired(key, 1000))
	require.Nil(t, k.Get(key, 1001, nil))
	require.Nil(t, k.Peek(key, 1001))
	_, ok := k.Idle(key, 1001)
	require.False(t, ok)
	require.True(t, k.Expired(key, 1001))
	require.Equal(t, 1, k.Len())
	require.True(t, k.Delete(key))
	require.Zero(t, k.Volatile())
	require.False(t, k.Delete(key))
}

func TestPutKeepsADeadlineThatHasNotPassed(t *testing.T) {
	var k datastructs.Keyspace
	key := []byte("k")
	k.SetDeadline(key, 5)
	require.Zero(t, k.Volatile(), "an absent key gets no deadline")
	k.Put(key, text("1"), 0)
	k.SetDeadline(key, 1000)
	k.Put(key, text("2"), 1000)
	at, ok := k.Deadline(key)
	require.True(t, ok)
	require.EqualValues(t, 1000, at)
	k.Put(key, text("3"), 1001)
	_, ok = k.Deadline(key)
	require.False(t, ok)
	require.NotNil(t, k.Get(key, 1e15, nil))
	require.NoError(t, k.Check())
}

func TestDeadlinesComeInOrder(t *testing.T) {
	var k datastructs.Keyspace
	_, ok := k.Next()
	require.False(t, ok)
	for _, i := range rand.New(rand.NewPCG(1, 1)).Perm(500) {
		key := strconv.AppendInt(nil, int64(i), 10)
		k.Put(key, text("v"), 0)
		k.SetDeadline(key, 7)
		k.SetDeadline(key, int64(100*i))
	}
	require.True(t, k.ClearDeadline([]byte("3")))
	require.False(t, k.ClearDeadline([]byte("3")))
	require.False(t, k.ClearDeadline([]byte("none")))
	require.Equal(t, 499, k.Volatile())
	require.InDelta(t, 100*250, k.AverageTTL(0), 500)
	for i := range 500 {
		if i == 3 {
			continue
		}
		due, ok := k.Next()
		require.True(t, ok)
		require.Equal(t, datastructs.Due{Key: strconv.Itoa(i), At: int64(100 * i)}, due)
		require.True(t, k.Delete([]byte(due.Key)))
	}
	require.NoError(t, k.Check())
	require.Equal(t, 1, k.Len())
	require.Zero(t, k.AverageTTL(0))
	k.SetDeadline([]byte("3"), math.MaxInt64)
	require.EqualValues(t, int64(math.MaxInt64), k.AverageTTL(0))
	k.Clear()
	require.Zero(t, k.Len()+k.Volatile())
}

func TestIdleCountsWholeSecondsSinceTheLastUse(t *testing.T) {
	var k datastructs.Keyspace
	key := []byte("k")
	idle := func(now int64) int64 {
		s, ok := k.Idle(key, now)
		require.True(t, ok)
		return s
	}
	k.Put(key, text("v"), 10_900)
	require.EqualValues(t, 1, idle(11_000), "seconds of the clock, as in Redis")
	k.Peek(key, 20_000)
	require.EqualValues(t, 10, idle(20_000))
	k.Get(key, 20_000, nil)
	require.EqualValues(t, 0, idle(20_999))
	require.NotNil(t, k.Get(key, 30_000, nil))
	require.EqualValues(t, 5, idle(35_000))
	require.EqualValues(t, 0, idle(1_000), "a clock set back")
}

func TestReadsRunAtOnce(t *testing.T) {
	var k datastructs.Keyspace
	for i := range 100 {
		k.Put(strconv.AppendInt(nil, int64(i), 10), text("v"), 0)
	}
	var wg sync.WaitGroup
	for reader := range 4 {
		wg.Go(func() {
			for i := range 1000 {
				key := strconv.AppendInt(nil, int64(i%100), 10)
				k.Get(key, int64(i*reader*100), nil)
				k.Idle(key, int64(i))
				k.At(i % 100)
			}
		})
	}
	wg.Wait()
}

func FuzzKeyspaceAgainstMap(f *testing.F) {
	f.Add(uint64(1), uint16(10))
	f.Add(uint64(2), uint16(400))
	f.Add(uint64(3), uint16(3000))
	f.Fuzz(func(t *testing.T, seed uint64, size uint16) {
		type naive struct {
			value    string
			deadline int64 // -1: none
		}
		r := rand.New(rand.NewPCG(seed, 4))
		var k datastructs.Keyspace
		want := map[string]naive{}
		now := int64(0)
		for step := range 3000 {
			now += int64(r.IntN(20))
			name := strconv.Itoa(r.IntN(int(size) + 1))
			key := []byte(name)
			old, present := want[name]
			expired := present && old.deadline >= 0 && now > old.deadline
			require.Equal(t, expired, k.Expired(key, now))
			switch r.IntN(8) {
			case 0, 1, 2:
				v := strconv.Itoa(step)
				k.Put(key, text(v), now)
				if !present || expired {
					old.deadline = -1
				}
				want[name] = naive{v, old.deadline}
			case 3:
				require.Equal(t, present, k.Delete(key))
				delete(want, name)
			case 4, 5:
				at := now + int64(r.IntN(2000)) - 100
				k.SetDeadline(key, max(at, 0))
				if present {
					want[name] = naive{old.value, max(at, 0)}
				}
			case 6:
				require.Equal(t, present && old.deadline >= 0, k.ClearDeadline(key))
				if present {
					want[name] = naive{old.value, -1}
				}
			case 7:
				for due, ok := k.Next(); ok && now > due.At; due, ok = k.Next() {
					require.Equal(t, want[due.Key].deadline, due.At)
					k.Delete([]byte(due.Key))
					delete(want, due.Key)
				}
				for name, n := range want {
					require.False(t, n.deadline >= 0 && now > n.deadline, name)
				}
			}
			e, present := want[name]
			at, ok := k.Deadline(key)
			require.Equal(t, present && e.deadline >= 0, ok)
			if ok {
				require.Equal(t, e.deadline, at)
			}
			v := k.Get(key, now, nil)
			require.Equal(t, v, k.Peek(key, now))
			require.Equal(t, present && (e.deadline < 0 || now <= e.deadline), v != nil)
			if v != nil {
				require.Equal(t, e.value, string(v.(*datastructs.String).Bytes()))
			}
			require.Equal(t, len(want), k.Len())
			if r.IntN(100) == 0 {
				require.NoError(t, k.Check())
			}
		}
		require.NoError(t, k.Check())
		for key, v := range k.All() {
			require.Equal(t, want[key].value, string(v.(*datastructs.String).Bytes()))
		}
		scanned := map[string]bool{}
		for cursor, begun := uint64(0), false; cursor != 0 || !begun; begun = true {
			cursor = k.Scan(cursor, 7, func(key string, v datastructs.Value) { scanned[key] = v != nil })
		}
		require.Len(t, scanned, len(want))
		for i := range k.Len() {
			key, _ := k.At(i)
			require.True(t, scanned[key])
		}
	})
}
