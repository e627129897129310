package datastructs

import (
	"math/rand/v2"
	"sync/atomic"
)

// A key has a mark of how it is used, of 32 bits, which reads set too: when it was
// used last, or how often it is. The second is what Redis has with its LFU policies: a
// counter that grows ever more rarely and shrinks with time, beside the minute in
// which it was last touched. As in Redis one mark serves both, and is not looked
// through when the other begins to be meant.

// Counting says whether keyspaces count uses instead of noting the last, and how.
// The zero value is not to.
type Counting struct {
	On     bool
	Factor int64 // the larger, the more uses it takes to be counted; 0: each is
	Decay  int64 // minutes in which a counter shrinks by one; 0: never
}

const (
	freshCount = 5 // Redis's LFU_INIT_VAL: a new key has some time to show what it is worth
	maxCount   = 255
	countBits  = 8
	minuteMask = 1<<24 - 1
)

func minute(now int64) uint32 { return uint32(now/60_000) & minuteMask }

func (c *Counting) fresh(now int64) uint32 { return minute(now)<<countBits | freshCount }

// count is what the counter in a mark has shrunk to.
func (c *Counting) count(mark uint32, now int64) uint32 {
	n := mark & maxCount
	if c.Decay == 0 {
		return n
	}
	passed := (minute(now) - mark>>countBits) & minuteMask
	return n - uint32(min(int64(n), int64(passed)/c.Decay))
}

// used is a mark after a use.
func (c *Counting) used(mark uint32, now int64, chance *rand.Rand) uint32 {
	n := c.count(mark, now)
	if n < maxCount {
		least := 1 / (float64(max(n, freshCount)-freshCount)*float64(c.Factor) + 1)
		if least == 1 || chance.Float64() < least {
			n++
		}
	}
	return minute(now)<<countBits | n
}

// counts reports whether uses are counted here.
func (k *Keyspace) counts() bool { return k.counting != nil && k.counting.On }

// markUse marks a use of a key.
func (k *Keyspace) markUse(r *record, now int64, chance *rand.Rand) {
	if !k.counts() {
		r.touch(now)
		return
	}
	old := atomic.LoadUint32(&r.used)
	if mark := k.counting.used(old, now, chance); mark != old {
		atomic.StoreUint32(&r.used, mark)
	}
}

// markNew marks a key that has just come to be.
func (k *Keyspace) markNew(r *record, now int64) {
	if k.counts() {
		r.used = k.counting.fresh(now)
	} else {
		r.touch(now)
	}
}

// Frequency returns the counter of a key's uses; not ok if it is absent or expired.
// It means something where they are counted.
func (k *Keyspace) Frequency(key []byte, now int64) (int64, bool) {
	r := k.live(key, now)
	if r == nil || k.counting == nil {
		return 0, false
	}
	return int64(k.counting.count(atomic.LoadUint32(&r.used), now)), true
}

// SetFrequency gives a key a counter of uses, from 0 to 255. An absent key stays absent.
func (k *Keyspace) SetFrequency(key []byte, n, now int64) {
	if r := k.live(key, now); r != nil {
		atomic.StoreUint32(&r.used, minute(now)<<countBits|uint32(n))
	}
}

// Mark returns how a key is marked, for who is to mark another, or the same in
// another keyspace, with SetMark. 0 if it is absent.
func (k *Keyspace) Mark(key []byte) uint32 {
	r, ok := k.keys.get(key)
	if !ok {
		return 0
	}
	return atomic.LoadUint32(&r.used)
}

// SetMark marks a key as another was. An absent key stays absent.
func (k *Keyspace) SetMark(key []byte, mark uint32) {
	if r, ok := k.keys.get(key); ok {
		atomic.StoreUint32(&r.used, mark)
	}
}

// evictionScore is the seconds since the last use, or for LFU 255 minus the counter of uses.
func (k *Keyspace) evictionScore(r *record, now int64) int64 {
	if k.counts() {
		return maxCount - int64(k.counting.count(r.used, now))
	}
	return int64(seconds(now)) - int64(r.used)
}

// EvictionScore returns a key's score for eviction, higher for less used keys; not ok if it
// is absent, or has no deadline though only such keys are asked for.
func (k *Keyspace) EvictionScore(key string, volatile bool, now int64) (score int64, ok bool) {
	r, ok := k.keys.get(bytesOf(key))
	if !ok || volatile && r.deadline == 0 {
		return 0, false
	}
	return k.evictionScore(r, now), true
}

// VolatileAt returns the i-th key with a deadline, 0 <= i < Volatile, in the order
// of their deadlines.
func (k *Keyspace) VolatileAt(i int) string {
	d, _ := k.deadlines.order.GetAt(i)
	return d.key
}

// NextDeadline returns the first deadline of a key; not ok if none has one.
func (k *Keyspace) NextDeadline() (key string, at int64, ok bool) { return k.deadlines.next() }
