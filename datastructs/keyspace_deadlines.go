package datastructs

import (
	"cmp"
	"fmt"
	"math"

	"github.com/tidwall/btree"
)

// deadlines are the keys of a Keyspace that expire, in the order in which they
// do. The zero value is ready.
//
// A record refers to its deadline by number, so that to see whether a key has
// expired, which every read does, costs no search. Numbers are used again:
// the free ones are chained through their times.
type deadlines struct {
	times []int64 // number n stands at n-1; a free one holds the next free number
	free  uint32  // the first free number, 0: none
	order *btree.BTreeG[deadline]
}

// A deadline is that of a key, or of a field.
type deadline struct {
	at  int64
	key string
}

func newOrder() *btree.BTreeG[deadline] {
	return btree.NewBTreeGOptions(func(a, b deadline) bool {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.key, b.key)) < 0
	}, btree.Options{NoLocks: true})
}

func (d *deadlines) len() int {
	if d.order == nil {
		return 0
	}
	return d.order.Len()
}

// at returns the deadline of a record that has one.
func (d *deadlines) at(r *record) int64 { return d.times[r.deadline-1] }

// set gives a deadline to a record that has none.
func (d *deadlines) set(r *record, key string, at int64) {
	if d.order == nil {
		d.order = newOrder()
	}
	if d.free == 0 {
		d.times = append(d.times, 0)
		d.free = uint32(len(d.times))
	}
	r.deadline = d.free
	d.free = uint32(d.times[r.deadline-1])
	d.times[r.deadline-1] = at
	d.order.Set(deadline{at, key})
}

// remove takes away the deadline of a record, if it has one, and returns the
// key as it was kept.
func (d *deadlines) remove(r *record, key []byte) (kept string, had bool) {
	if r.deadline == 0 {
		return "", false
	}
	old, _ := d.order.Delete(deadline{d.at(r), stringOf(key)})
	d.times[r.deadline-1] = int64(d.free)
	d.free = r.deadline
	r.deadline = 0
	if d.order.Len() == 0 {
		*d = deadlines{}
	}
	return old.key, true
}

func (d *deadlines) next() (key string, at int64, ok bool) {
	if d.order == nil {
		return "", 0, false
	}
	first, ok := d.order.Min()
	return first.key, first.at, ok
}

// average takes at most 64 samples, in the middle of as many equal parts.
func (d *deadlines) average(now int64) int64 {
	n := d.len()
	samples := min(n, 64)
	mean := 0.0
	for i := range samples {
		item, _ := d.order.GetAt((2*i + 1) * n / (2 * samples))
		mean += max(0, float64(item.at)-float64(now)) / float64(samples)
	}
	if mean >= math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(math.Round(mean))
}

func (d *deadlines) checkOne(r *record, key string) error {
	if int(r.deadline) > len(d.times) {
		return fmt.Errorf("keyspace: deadline %d of %q, of %d", r.deadline, key, len(d.times))
	}
	if _, ok := d.order.Get(deadline{d.at(r), key}); !ok {
		return fmt.Errorf("keyspace: deadline %d of %q is not in order", d.at(r), key)
	}
	return nil
}

func (d *deadlines) check(volatile int) error {
	if d.len() != volatile {
		return fmt.Errorf("keyspace: %d deadlines in order, %d in records", d.len(), volatile)
	}
	free := 0
	for n := d.free; n != 0; n = uint32(d.times[n-1]) {
		if free++; int(n) > len(d.times) || free > len(d.times) {
			return fmt.Errorf("keyspace: deadline %d is free, of %d", n, len(d.times))
		}
	}
	if volatile+free != len(d.times) {
		return fmt.Errorf("keyspace: %d deadlines, %d free, of %d", volatile, free, len(d.times))
	}
	return nil
}
